//! `containers`: from the call to N real containers that run, beside Docker Swarm's service and `docker run` four at a time: one engine,
//! one image, in turns. A container counts from the moment that its control plane says it runs.

mod quorate;
mod run;
mod swarm;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::query_parameters::ListContainersOptionsBuilder;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::Options;
use super::report::{Goal, conclude, median};

use quorate::Quorate;
use swarm::Swarm;

/// What `tests/needs.sh` builds; it sleeps for an hour.
const IMAGE: &str = "quorate-test/busybox";
const COMMAND: [&str; 2] = ["sleep", "3600"];

/// How often a control plane is asked.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// No control plane takes as long for a hundred containers, nor an engine to remove them.
const LIMIT: Duration = Duration::from_secs(180);

/// Swarm's times as they are stored, of another machine: seconds until 20, 50 and 100 tasks were RUNNING.
const STORED: [(usize, f64); 3] = [(20, 2.8), (50, 7.2), (100, 12.1)];

/// One service of one control plane.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    who: &'static str,
    containers: usize,
    /// Until the first of them ran.
    first_s: f64,
    /// Until all of them ran.
    all_s: f64,
}

/// Starts services of both, and containers by hand, in turns. Gives whether every goal is met.
///
/// # Errors
/// If the engine, the swarm or the cluster does not serve.
pub async fn containers(options: &Options) -> Result<bool> {
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 5 });
    let sizes: &[usize] = if options.quick { &[20] } else { &[20, 50, 100] };
    let engine = Docker::connect_with_local_defaults().context("find the Docker engine")?;
    let engine = engine
        .negotiate_version()
        .await
        .context("ask the Docker engine")?;
    let version = engine.version().await.context("ask the Docker engine")?;
    let swarm = Swarm::start(&engine).await?;
    let measured = measure(options, &engine, &swarm, rounds, sizes, &version.version).await;
    swarm.end().await?;
    Ok(finish(options, sizes, &measured?))
}

async fn measure(
    options: &Options,
    engine: &Docker,
    swarm: &Swarm<'_>,
    rounds: usize,
    sizes: &[usize],
    version: &Option<String>,
) -> Result<Vec<Sample>> {
    let quorate = Quorate::start(options).await?;
    if !options.json {
        println!(
            "quorate {}: three nodes and an agent; Docker {}, its Swarm of one node; all on this machine",
            env!("CARGO_PKG_VERSION"),
            version.as_deref().unwrap_or("of unknown version"),
        );
        println!(
            "\n{:<12}{:>12}{:>12}{:>12}{:>12}",
            "", "CONTAINERS", "FIRST S", "ALL S", "PER S"
        );
    }
    let mut samples = Vec::new();
    let mut take = |sample: Sample| {
        if !options.json {
            print(&sample);
        }
        samples.push(sample);
    };
    for &size in sizes {
        for round in 0..rounds {
            let name = format!("bench-{size}-{round}");
            take(run::start(size).await?);
            run::end(engine).await?;
            take(swarm.service(&name, size).await?);
            take(quorate.service(&name, size).await?);
            none_left(engine, "quorate", quorate.label()).await?;
        }
    }
    Ok(samples)
}

/// Looks until as many run as are wanted.
async fn watch<F: Future<Output = Result<usize>>>(
    who: &'static str,
    containers: usize,
    began: Instant,
    mut running: impl FnMut() -> F,
) -> Result<Sample> {
    let mut first_s = None;
    loop {
        let count = running().await?;
        let elapsed_s = began.elapsed().as_secs_f64();
        if count > 0 {
            first_s.get_or_insert(elapsed_s);
        }
        if let Some(first_s) = first_s.filter(|_| count >= containers) {
            return Ok(Sample {
                who,
                containers,
                first_s,
                all_s: elapsed_s,
            });
        }
        anyhow::ensure!(
            began.elapsed() < LIMIT,
            "after {LIMIT:?} {count} of {containers} containers of {who} run"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until the engine has no container with this label, so that nobody pays for the end of another's.
async fn none_left(engine: &Docker, whose: &str, label: &str) -> Result<()> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let began = Instant::now();
    loop {
        let listed = engine.list_containers(Some(options.clone())).await;
        let left = listed.context("list containers")?.len();
        if left == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            began.elapsed() < LIMIT,
            "after {LIMIT:?} {left} containers of {whose} are still there"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn print(sample: &Sample) {
    let per_second = sample.containers as f64 / sample.all_s;
    println!(
        "{:<12}{:>12}{:>12.2}{:>12.2}{per_second:>12.2}",
        sample.who, sample.containers, sample.first_s, sample.all_s
    );
}

/// The median of the rounds' ratios of a figure, ours over another's.
fn ratio(
    samples: &[Sample],
    whose: &'static str,
    size: Option<usize>,
    figure: impl Fn(&Sample) -> f64,
) -> f64 {
    let of = |who: &'static str| {
        let chosen =
            move |one: &&Sample| one.who == who && size.is_none_or(|n| n == one.containers);
        samples.iter().filter(chosen).map(&figure)
    };
    median(
        of("quorate")
            .zip(of(whose))
            .map(|(ours, theirs)| ours / theirs),
    )
}

fn finish(options: &Options, sizes: &[usize], samples: &[Sample]) -> bool {
    let mut goals: Vec<Goal> = sizes
        .iter()
        .map(|&size| Goal {
            id: "G13",
            measure: format!("time to {size} containers"),
            ratio: ratio(samples, "swarm", Some(size), |one| one.all_s),
            must: 1.25,
            greater_is_better: false,
        })
        .collect();
    goals.push(Goal {
        id: "G14",
        measure: "time to the first".into(),
        ratio: ratio(samples, "swarm", None, |one| one.first_s),
        must: 1.0,
        greater_is_better: false,
    });
    let by_hand: Vec<(usize, f64)> = sizes
        .iter()
        .map(|&size| {
            let times = ratio(samples, "docker run", Some(size), |one| one.all_s);
            (size, 1.0 / times)
        })
        .collect();
    if options.json {
        println!(
            "{}",
            json!({"benchmark": "containers", "samples": samples, "goals": goals, "rate_beside_docker_run": by_hand})
        );
        return goals.iter().all(Goal::is_met);
    }
    let met = conclude("swarm", &goals);
    for (size, rate) in by_hand {
        println!(
            "    {size} containers: {rate:.2}x the rate of docker run four at a time (the aim of G13 is 0.9)"
        );
    }
    let stored: Vec<String> = STORED
        .iter()
        .map(|(size, s)| format!("{size} in {s} s"))
        .collect();
    println!(
        "    Swarm's stored figures, of another machine: {}",
        stored.join(", ")
    );
    met
}
