//! Runs many plans at once and says how they went.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Arguments, child};
use crate::plan::Plan;
use crate::run::Verdict;

/// A sign of life during long runs.
const PROGRESS: usize = 500;

/// Runs every plan once; true if no promise broke.
pub(super) fn run_all(arguments: &Arguments, plans: &[Plan]) -> Result<bool> {
    let began = Instant::now();
    let done = AtomicUsize::new(0);
    let verdicts = each(arguments.jobs(), plans, |plan| {
        let trace = arguments
            .wants_traces()
            .then(|| arguments.trace_path(plan))
            .transpose()?;
        let verdict = child::run(plan, arguments.bug.as_deref(), trace.as_deref())?;
        arguments.tell(plan, &verdict)?;
        let count = done.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(PROGRESS) {
            eprintln!(
                "{count} of {} seeds, {:.0} s",
                plans.len(),
                began.elapsed().as_secs_f64()
            );
        }
        Ok(verdict)
    })?;
    let broken = verdicts
        .iter()
        .filter(|verdict| verdict.broken.is_some())
        .count();
    sum_up(&verdicts, broken, began.elapsed());
    Ok(broken == 0)
}

impl Arguments {
    /// Where the trace of a plan goes.
    pub(super) fn trace_path(&self, plan: &Plan) -> Result<PathBuf> {
        fs::create_dir_all(&self.traces)
            .with_context(|| format!("create {}", self.traces.display()))?;
        Ok(self.traces.join(format!("seed-{}.trace", plan.seed)))
    }

    /// Says how a seed went, if that is worth a line; a failed one is run again for its whole trace.
    fn tell(&self, plan: &Plan, verdict: &Verdict) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(verdict)?);
        }
        let Some(breach) = &verdict.broken else {
            if self.wants_traces() && !self.json {
                println!(
                    "seed {} holds; hash {}; trace {}",
                    plan.seed,
                    verdict.hash,
                    self.trace_path(plan)?.display()
                );
            }
            return Ok(());
        };
        let path = self.trace_path(plan)?;
        if !self.wants_traces() {
            child::run(plan, self.bug.as_deref(), Some(&path))?;
        }
        let mut like = if self.usual { " --usual" } else { "" }.to_owned();
        if let Some(services) = self.services {
            like.push_str(&format!(" --services {services}"));
        }
        if let Some(bug) = &self.bug {
            like.push_str(&format!(" --bug {bug}"));
        }
        eprintln!(
            "seed {} BROKEN {}: {}",
            plan.seed, breach.promise, breach.what
        );
        eprintln!(
            "  again: tests/sim{like} --seed {0}   smaller: tests/sim{like} --shrink {0}   trace: {1}",
            plan.seed,
            path.display()
        );
        Ok(())
    }
}

fn sum_up(verdicts: &[Verdict], broken: usize, took: Duration) {
    let sum = |part: fn(&Verdict) -> u64| verdicts.iter().map(part).sum::<u64>();
    let (simulated, cpu) = (
        sum(|verdict| verdict.simulated_ms),
        sum(|verdict| verdict.cpu_ms),
    );
    let seeds = verdicts.len();
    println!(
        "{seeds} seeds, {broken} broken; {:.1} simulated hours in {:.1} s, {:.0} times real time on one core; {} calls, {} entries",
        simulated as f64 / 3_600_000.0,
        took.as_secs_f64(),
        simulated as f64 / cpu.max(1) as f64,
        sum(|verdict| verdict.calls),
        sum(|verdict| verdict.applied),
    );
}

/// Does something for each plan, several at once; the results are in the order of the plans.
pub(super) fn each<T: Send>(
    jobs: usize,
    plans: &[Plan],
    work: impl Fn(&Plan) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(plans.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plan) = plans.get(at) else { return };
                    let result = work(plan);
                    let is_lost = result.is_err();
                    done.lock()
                        .expect("nobody panics with it")
                        .push((at, result));
                    if is_lost {
                        return;
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics with it");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
