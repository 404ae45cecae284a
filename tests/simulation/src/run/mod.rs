//! One run of a plan: builds the world, lets it go wrong for a while, then lets it come to rest, and judges all the time.
//!
//! `cluster` is the world with what lives in it, `nodes` and `hosts` keep nodes and agents alive, `nemesis` does the faults, `looking`
//! shows every moment to the promises, `gate` is the clients' way in.

mod cluster;
mod gate;
mod hosts;
mod logs;
mod looking;
mod nemesis;
mod nodes;
mod panics;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::cluster::Cluster;
use self::gate::Gate;
use crate::api::{Api, Call, Outcome};
use crate::entropy;
use crate::plan::Plan;
use crate::trace::Trace;
use crate::workload;

pub use panics::listen_for_panics;

/// The cluster has to serve its first call within this.
const FOUNDING: Duration = Duration::from_secs(20);
/// How often it is asked whether all has come to rest.
const REST_CHECK: Duration = Duration::from_millis(100);
/// How long a world without faults is watched at least: what has come to rest has to stay so.
const CALM: Duration = Duration::from_secs(15);
/// Clients end within this after they were told to: their last call's patience.
const CLIENTS_END: Duration = Duration::from_secs(60);

/// How a run went.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The plan's seed.
    pub seed: u64,
    /// What was broken first, if anything.
    pub broken: Option<Breach>,
    /// Over everything that happened.
    pub hash: String,
    /// How long the run was, for those who lived in it.
    pub simulated_ms: u64,
    /// How long it took to compute, in processor time.
    pub cpu_ms: u64,
    /// Index of the last entry applied by any node.
    pub applied: u64,
    /// Calls that clients made.
    pub calls: u64,
}

/// A promise that was not kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Breach {
    /// Which.
    pub promise: String,
    /// How it was seen.
    pub what: String,
}

/// A verdict, and the trace that led to it.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// How it went.
    pub verdict: Verdict,
    /// What happened: the last lines, or all.
    pub lines: Vec<String>,
}

/// Runs a plan on a thread of its own, so that nothing of an earlier run is left: not even the keys of hash maps.
///
/// # Panics
/// If the simulation itself does.
#[must_use]
pub fn run(plan: Plan, keep_trace: bool) -> Outcomes {
    let running = std::thread::Builder::new()
        .name(format!("seed-{}", plan.seed))
        .stack_size(STACK_BYTES)
        .spawn(move || {
            entropy::begin(plan.seed);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime without input and output needs nothing of the system");
            runtime.block_on(play(plan, keep_trace))
        });
    running
        .expect("the system has a thread left")
        .join()
        .expect("what goes wrong in a run is caught in it")
}

/// Futures of programs that are not optimised are large.
const STACK_BYTES: usize = 64 << 20;

async fn play(plan: Plan, keep_trace: bool) -> Outcomes {
    let began = Instant::now();
    let trace = Trace::begin(keep_trace);
    let _logging = keep_trace.then(|| tracing::dispatcher::set_default(&logs::into_trace(&trace)));
    let cluster = Cluster::new(plan.clone(), trace.clone());
    let broken = match stages(&cluster, &plan).await {
        Ok(()) => cluster.looking().breach(),
        Err(breach) => Some(breach),
    };
    if let Some(breach) = &broken {
        trace.note(format_args!("BROKEN {}: {}", breach.promise, breach.what));
    }
    let verdict = Verdict {
        seed: plan.seed,
        broken,
        hash: trace.hash(),
        simulated_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        cpu_ms: cpu_ms(),
        applied: cluster.applied(),
        calls: cluster.calls(),
    };
    Outcomes {
        verdict,
        lines: trace.lines(),
    }
}

/// The whole run; ends early with the first promise that breaks.
async fn stages(cluster: &Cluster, plan: &Plan) -> Result<(), Breach> {
    let gate = Arc::new(Gate::new(cluster.clone()));
    cluster.start_nodes();
    founded(&gate).await?;
    cluster.start_hosts();
    let stop = CancellationToken::new();
    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        let seed = plan.seed.wrapping_mul(31).wrapping_add(u64::from(number));
        clients.spawn(workload::client(
            number,
            plan.mix.clone(),
            seed,
            Arc::clone(&gate) as Arc<dyn Api>,
            cluster.history().clone(),
            cluster.trace().clone(),
            stop.clone(),
        ));
    }
    cluster.start_faults();
    cluster.looking().unbroken_for(plan.safety()).await?;

    cluster.end_faults().await;
    let calm = Instant::now() + CALM;
    stop.cancel();
    let ending = async { while clients.join_next().await.is_some() {} };
    if timeout(CLIENTS_END, ending).await.is_err() {
        return Err(breach("clients", "a client does not end"));
    }
    rest(cluster, plan.liveness()).await?;
    cluster
        .looking()
        .unbroken_for(calm.saturating_duration_since(Instant::now()))
        .await?;
    rest(cluster, plan.liveness()).await?;
    workload::last_look(gate.as_ref(), cluster.history()).await;
    // A duty may have come due meanwhile, and one node be a moment behind another.
    rest(cluster, plan.liveness()).await?;
    cluster.looking().settle()
}

/// Waits until the cluster answers its first write, which makes the cluster that instances join.
async fn founded(gate: &Gate) -> Result<(), Breach> {
    let deadline = Instant::now() + FOUNDING;
    loop {
        for node in gate.nodes() {
            let call = Call {
                client: 0,
                node,
                service: "ecs",
                operation: "CreateCluster",
                body: json!({"clusterName": "default"}),
                patience: Duration::from_secs(2),
            };
            if let Outcome::Answered(answer) = gate.call(call).await
                && answer.status == 200
            {
                return Ok(());
            }
        }
        if Instant::now() > deadline {
            return Err(breach("founding", "no node answers the first call in time"));
        }
        sleep(REST_CHECK).await;
    }
}

/// Waits until everything has come to rest, as the promises see it.
async fn rest(cluster: &Cluster, patience: Duration) -> Result<(), Breach> {
    let deadline = Instant::now() + patience;
    loop {
        cluster.looking().unbroken_for(REST_CHECK).await?;
        match cluster.is_at_rest() {
            Ok(()) => return Ok(()),
            Err(missing) if Instant::now() > deadline => {
                return Err(breach("convergence", &missing));
            }
            Err(_) => {}
        }
    }
}

fn breach(promise: &str, what: &str) -> Breach {
    Breach {
        promise: promise.to_owned(),
        what: what.to_owned(),
    }
}

/// What this thread has cost so far.
fn cpu_ms() -> u64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or_default();
    seconds * 1_000 + u64::try_from(spent.tv_nsec).unwrap_or_default() / 1_000_000
}
