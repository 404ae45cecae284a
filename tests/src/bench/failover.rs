//! `failover`: what clients see when the leader is killed, beside etcd's. A write is issued every 5 ms to the survivors,
//! whatever became of the others; the window is the time from the kill to the first acknowledgement of a write that was
//! issued after it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::Options;
use super::load::{Call, OpenLoop};
use super::report::{Goal, conclude, median};
use super::steady::Arena;
use super::target::Target;

const WRITE_EVERY: Duration = Duration::from_millis(5);

/// A call that takes longer has failed, for both sides.
const PATIENCE: Duration = Duration::from_secs(5);

/// The load before the kill, and after the first acknowledgement.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_millis(500);

const SERVING_LIMIT: Duration = Duration::from_secs(60);

/// One leader killed.
#[derive(Debug, Serialize)]
struct Round {
    who: &'static str,
    window_ms: f64,
    /// Calls that were issued within the window, and how many of them failed.
    issued: usize,
    failed: usize,
}

/// Kills leaders of both in turns. Gives whether every goal is met.
///
/// # Errors
/// If a cluster does not come back.
pub async fn failover(options: &Options) -> Result<bool> {
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 10 });
    let mut arena = Arena::start(options).await?;
    if !options.json {
        println!("{}", arena.describe().await?);
        println!(
            "\n{:<9}{:>12}{:>10}{:>10}",
            "", "WINDOW MS", "CALLS", "FAILED"
        );
    }
    let mut all = Vec::new();
    for _ in 0..rounds {
        for round in [
            kill_etcd(&mut arena).await?,
            kill_quorate(&mut arena).await?,
        ] {
            if !options.json {
                println!(
                    "{:<9}{:>12.0}{:>10}{:>10}",
                    round.who, round.window_ms, round.issued, round.failed
                );
            }
            all.push(round);
        }
    }
    Ok(finish(options, &all))
}

async fn kill_etcd(arena: &mut Arena) -> Result<Round> {
    let leader = arena.etcd.leader().await?;
    let survivors: Vec<usize> = arena
        .etcd
        .living()
        .into_iter()
        .filter(|member| *member != leader)
        .collect();
    let load = OpenLoop::start(
        arena.etcd_target(&survivors, survivors.len())?,
        WRITE_EVERY,
        PATIENCE,
    );
    sleep(BEFORE).await;
    let killed = Instant::now();
    arena.etcd.kill(leader)?;
    let round = observe("etcd", load, killed).await;
    arena.etcd.start_member(leader)?;
    arena.etcd.serving().await;
    Ok(round)
}

async fn kill_quorate(arena: &mut Arena) -> Result<Round> {
    let leader = arena
        .quorate
        .leader()
        .await
        .context("no node of quorate leads")?;
    let survivors: Vec<String> = arena
        .quorate
        .names()
        .into_iter()
        .filter(|name| *name != leader)
        .collect();
    let target: Target = arena.quorate_target(&survivors, survivors.len(), PATIENCE)?;
    let load = OpenLoop::start(target, WRITE_EVERY, PATIENCE);
    sleep(BEFORE).await;
    let killed = Instant::now();
    arena.quorate.kill(&leader)?;
    let round = observe("quorate", load, killed).await;
    arena.quorate.start(&leader)?;
    arena
        .quorate
        .serving(SERVING_LIMIT)
        .await
        .context("quorate does not serve again")?;
    Ok(round)
}

/// Waits until the load is served again, lets it go on for a moment, and reads off what it saw.
async fn observe(who: &'static str, mut load: OpenLoop, killed: Instant) -> Round {
    load.acknowledged_after(killed).await;
    sleep(AFTER).await;
    let calls = load.end().await;
    let after = |call: &&Call| call.issued > killed;
    let first = calls
        .iter()
        .filter(after)
        .filter(|call| call.acknowledged)
        .map(|call| call.ended)
        .min();
    let end = first.expect("one was acknowledged, or the wait would not have ended");
    // Calls that were under way at the kill belong to the failover as well.
    let within: Vec<&Call> = calls
        .iter()
        .filter(|call| call.ended > killed && call.issued < end)
        .collect();
    let failed = within.iter().filter(|call| !call.acknowledged).count();
    Round {
        who,
        window_ms: (end - killed).as_secs_f64() * 1e3,
        issued: within.len(),
        failed,
    }
}

fn finish(options: &Options, rounds: &[Round]) -> bool {
    let of = |who: &'static str| rounds.iter().filter(move |round| round.who == who);
    let window = |who| median(of(who).map(|round| round.window_ms));
    let longest = |who| of(who).map(|round| round.window_ms).fold(0.0, f64::max);
    let failed_share = |who| {
        let (failed, issued) = of(who).fold((0, 0), |(failed, issued), round| {
            (failed + round.failed, issued + round.issued)
        });
        failed as f64 / issued as f64
    };
    let (ours, theirs) = (failed_share("quorate"), failed_share("etcd"));
    // Where neither fails a call, neither is worse.
    let share_ratio = if ours == 0.0 { 0.0 } else { ours / theirs };
    let goals = [
        Goal {
            id: "G6",
            measure: "median window".into(),
            ratio: window("quorate") / window("etcd"),
            must: 1.0,
            greater_is_better: false,
        },
        Goal {
            id: "G7",
            measure: "share of calls that fail".into(),
            ratio: share_ratio,
            must: 0.5,
            greater_is_better: false,
        },
    ];
    if options.json {
        println!(
            "{}",
            json!({"benchmark": "failover", "rounds": rounds, "goals": goals})
        );
        return goals.iter().all(Goal::is_met);
    }
    println!();
    for who in ["etcd", "quorate"] {
        let share = failed_share(who) * 100.0;
        println!(
            "{who:<9}window median {:.0} ms, longest {:.0} ms; {share:.1} % of its calls failed",
            window(who),
            longest(who)
        );
    }
    conclude("etcd", &goals)
}
