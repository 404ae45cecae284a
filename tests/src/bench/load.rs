//! The generators: a closed loop for rates and latencies, an open loop for what a failover does to calls.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::target::{Operation, Target};

/// Latencies are kept in microseconds with three digits, up to a minute.
const LATENCY_MAX_US: u64 = 60_000_000;

/// What a closed loop saw.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) failures: u64,
    /// CPU time of the cluster's processes and of the generator for each operation.
    pub(super) cluster_cpu_us: f64,
    pub(super) generator_cpu_us: f64,
}

/// How long to load and whose CPU time to count.
pub(super) struct Shape<'a> {
    pub(super) clients: usize,
    pub(super) warm_up: Duration,
    pub(super) measure: Duration,
    pub(super) pids: &'a [u32],
}

/// Each client asks again as soon as it is answered.
pub(super) async fn closed_loop(
    target: &Target,
    operation: Operation,
    shape: &Shape<'_>,
) -> Sample {
    let begin = Instant::now() + shape.warm_up;
    let end = begin + shape.measure;
    let target = Arc::new(target.clone());
    let mut clients = JoinSet::new();
    for client in 0..shape.clients {
        clients.spawn(one_client(
            Arc::clone(&target),
            operation,
            client,
            begin,
            end,
        ));
    }
    tokio::time::sleep_until(begin).await;
    let (cluster, generator) = (cpu_us(shape.pids), cpu_us(&[std::process::id()]));
    tokio::time::sleep_until(end).await;
    let (cluster, generator) = (
        cpu_us(shape.pids) - cluster,
        cpu_us(&[std::process::id()]) - generator,
    );
    let mut latencies = histogram();
    let mut failures = 0;
    for (seen, failed) in clients.join_all().await {
        latencies.add(seen).expect("both have the same bounds");
        failures += failed;
    }
    let operations = latencies.len() as f64;
    Sample {
        per_second: operations / shape.measure.as_secs_f64(),
        p50_ms: latencies.value_at_quantile(0.5) as f64 / 1e3,
        p99_ms: latencies.value_at_quantile(0.99) as f64 / 1e3,
        failures,
        cluster_cpu_us: cluster / operations,
        generator_cpu_us: generator / operations,
    }
}

async fn one_client(
    target: Arc<Target>,
    operation: Operation,
    client: usize,
    begin: Instant,
    end: Instant,
) -> (Histogram<u64>, u64) {
    let mut latencies = histogram();
    let mut failures = 0;
    // Clients walk the objects from different places.
    let mut serial = client as u64 * 7919;
    loop {
        let start = Instant::now();
        if start >= end {
            return (latencies, failures);
        }
        let answer = target.ask(operation, client, serial).await;
        serial += 1;
        let now = Instant::now();
        if start < begin || now > end {
            continue;
        }
        match answer {
            Ok(()) => latencies.saturating_record(
                u64::try_from((now - start).as_micros()).unwrap_or(LATENCY_MAX_US),
            ),
            Err(_) => failures += 1,
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX_US, 3).expect("the bounds are sound")
}

/// One call of an open loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) issued: Instant,
    pub(super) ended: Instant,
    pub(super) acknowledged: bool,
}

/// A loop that issues a write every `every`, whatever became of the others, until it is told to stop.
pub(super) struct OpenLoop {
    stop: tokio::sync::watch::Sender<bool>,
    calls: tokio::task::JoinHandle<Vec<Call>>,
    acknowledged: tokio::sync::watch::Receiver<Option<Instant>>,
}

impl OpenLoop {
    /// Starts it. A call that is not answered within `patience` has failed.
    pub(super) fn start(target: Target, every: Duration, patience: Duration) -> Self {
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let (newest, acknowledged) = tokio::sync::watch::channel(None);
        let calls = tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut calls = JoinSet::new();
            let mut serial = 0;
            loop {
                tokio::select! {
                    _ = stopped.changed() => return calls.join_all().await,
                    _ = ticks.tick() => {}
                }
                let (target, newest) = (target.clone(), newest.clone());
                serial += 1;
                calls.spawn(one_call(target, serial, patience, newest));
            }
        });
        Self {
            stop,
            calls,
            acknowledged,
        }
    }

    /// Waits until a call that was issued after `moment` is acknowledged.
    pub(super) async fn acknowledged_after(&mut self, moment: Instant) {
        let is_later = |issued: &Option<Instant>| issued.is_some_and(|issued| issued > moment);
        self.acknowledged
            .wait_for(is_later)
            .await
            .expect("the loop lives until it is told to stop");
    }

    /// Stops it and gives every call, once all have ended.
    pub(super) async fn end(self) -> Vec<Call> {
        self.stop.send_replace(true);
        self.calls.await.expect("the loop does not panic")
    }
}

async fn one_call(
    target: Target,
    serial: u64,
    patience: Duration,
    newest: tokio::sync::watch::Sender<Option<Instant>>,
) -> Call {
    let issued = Instant::now();
    let client = usize::try_from(serial).unwrap_or_default();
    let answer = timeout(patience, target.ask(Operation::Write, client, serial)).await;
    let acknowledged = matches!(answer, Ok(Ok(())));
    if acknowledged {
        newest.send_if_modified(|seen| {
            let is_newer = seen.is_none_or(|seen| issued > seen);
            if is_newer {
                *seen = Some(issued);
            }
            is_newer
        });
    }
    Call {
        issued,
        ended: Instant::now(),
        acknowledged,
    }
}

/// CPU time that these processes have used so far.
fn cpu_us(pids: &[u32]) -> f64 {
    let ticks: u64 = pids.iter().filter_map(|pid| cpu_ticks(*pid)).sum();
    ticks as f64 * 1e6 / rustix::param::clock_ticks_per_second() as f64
}

fn cpu_ticks(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    // User and system time are the 14th and 15th field; the first after the parenthesis is the third.
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    Some(times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum())
}
