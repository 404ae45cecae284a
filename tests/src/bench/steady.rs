//! `writes` and `reads`: a closed loop at several numbers of clients, beside etcd's, in turns.

use std::time::Duration;

use anyhow::{Context, Result};
use quorate_chaos::cluster::{Cluster, ClusterOptions, Member};
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

use super::Options;
use super::disk::fdatasync_p50;
use super::etcd::Etcd;
use super::etcd::api::kv_client::KvClient;
use super::load::{Sample, Shape, closed_loop};
use super::report::{Goal, conclude, median};
use super::target::{Operation, Target};

/// More connections than this only cost the generator.
const CONNECTIONS_MAX: usize = 16;

/// The patience of a call under full load.
const CALL_LIMIT: Duration = Duration::from_secs(30);

const SERVING_LIMIT: Duration = Duration::from_secs(60);

/// Both sides at one number of clients, once.
#[derive(Debug, Serialize)]
struct Pair {
    clients: usize,
    etcd: Row,
    quorate: Row,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    failures: u64,
    cluster_cpu_us: f64,
    generator_cpu_us: f64,
}

/// Two clusters on one machine, of which one at a time is loaded.
pub(super) struct Arena {
    pub(super) quorate: Cluster,
    pub(super) etcd: Etcd,
    pub(super) fdatasync: Duration,
    // After the clusters, which must have ended before their folder goes.
    _folder: TempDir,
}

impl Arena {
    /// Starts both.
    pub(super) async fn start(options: &Options) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the data")?;
        let fdatasync = fdatasync_p50(folder.path()).context("measure fdatasync")?;
        let mut cluster =
            ClusterOptions::new(options.binary.clone(), folder.path().join("quorate"));
        cluster.agents = 0;
        let mut quorate = Cluster::launch(&cluster).context("start quorate")?;
        let etcd = Etcd::start(&folder.path().join("etcd")).await?;
        quorate
            .serving(SERVING_LIMIT)
            .await
            .context("quorate does not serve")?;
        Ok(Self {
            quorate,
            etcd,
            fdatasync,
            _folder: folder,
        })
    }

    /// Connections to these members of Quorate, in turn.
    pub(super) fn quorate_target(
        &self,
        nodes: &[String],
        connections: usize,
        patience: Duration,
    ) -> Result<Target> {
        let client = |at: usize| self.quorate.client(&[&nodes[at % nodes.len()]], patience);
        Ok(Target::Quorate(
            (0..connections).map(client).collect::<Result<_, _>>()?,
        ))
    }

    /// Connections to these members of etcd, in turn.
    pub(super) fn etcd_target(&self, members: &[usize], connections: usize) -> Result<Target> {
        let client = |at: usize| {
            Ok(KvClient::new(
                self.etcd.channel(members[at % members.len()])?,
            ))
        };
        Ok(Target::Etcd(
            (0..connections).map(client).collect::<Result<_>>()?,
        ))
    }

    /// What both figures rest on.
    pub(super) async fn describe(&self) -> Result<String> {
        Ok(format!(
            "quorate {} and etcd {}, three processes each on loopback, data on disk; fdatasync of 2 KiB: p50 {:.2} ms",
            env!("CARGO_PKG_VERSION"),
            self.etcd.version().await?,
            self.fdatasync.as_secs_f64() * 1e3
        ))
    }
}

/// Replicated writes of 512 bytes through the public API, beside etcd's puts. Gives whether every goal is met.
///
/// # Errors
/// If a cluster does not serve.
pub async fn writes(options: &Options) -> Result<bool> {
    let pairs = run(options, Operation::Write, &[1, 64, 256]).await?;
    let rate = |clients| ratio(&pairs, clients, |row| row.per_second);
    let goals = [
        Goal {
            id: "G1",
            measure: "writes/s at 64 clients".into(),
            ratio: rate(64),
            must: 1.0,
            greater_is_better: true,
        },
        Goal {
            id: "G1",
            measure: "writes/s at 256 clients".into(),
            ratio: rate(256),
            must: 1.0,
            greater_is_better: true,
        },
        Goal {
            id: "G2",
            measure: "p50 at 1 client".into(),
            ratio: ratio(&pairs, 1, |row| row.p50_ms),
            must: 1.0,
            greater_is_better: false,
        },
        Goal {
            id: "G3",
            measure: "p99 at 64 clients".into(),
            ratio: ratio(&pairs, 64, |row| row.p99_ms),
            must: 1.0,
            greater_is_better: false,
        },
    ];
    Ok(finish(options, "writes", &pairs, &goals))
}

/// Linearizable reads through the public API, beside etcd's. Gives whether every goal is met.
///
/// # Errors
/// If a cluster does not serve.
pub async fn reads(options: &Options) -> Result<bool> {
    let pairs = run(options, Operation::Read, &[1, 64]).await?;
    let rate = |clients| ratio(&pairs, clients, |row| row.per_second);
    let goals = [
        Goal {
            id: "G4",
            measure: "linearizable reads/s at 1 client".into(),
            ratio: rate(1),
            must: 1.0,
            greater_is_better: true,
        },
        Goal {
            id: "G4",
            measure: "linearizable reads/s at 64 clients".into(),
            ratio: rate(64),
            must: 1.0,
            greater_is_better: true,
        },
    ];
    Ok(finish(options, "reads", &pairs, &goals))
}

async fn run(options: &Options, operation: Operation, counts: &[usize]) -> Result<Vec<Pair>> {
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 3 });
    let (warm_up, measure) = if options.quick { (1, 2) } else { (2, 6) };
    let arena = Arena::start(options).await?;
    if operation == Operation::Read {
        fill(&arena).await?;
    }
    if !options.json {
        println!("{}", arena.describe().await?);
        println!(
            "\n{:<9}{:<9}{:>10}{:>10}{:>10}{:>9}{:>22}",
            "CLIENTS", "", "PER S", "P50 MS", "P99 MS", "FAILED", "CPU US: NODES + LOAD"
        );
    }
    let nodes: Vec<String> = arena.quorate.names();
    let quorate_pids: Vec<u32> = arena.quorate.members().iter().filter_map(pid).collect();
    let etcd_pids = arena.etcd.pids();
    let mut pairs = Vec::new();
    for &clients in counts {
        let connections = clients.min(CONNECTIONS_MAX);
        let quorate = arena.quorate_target(&nodes, connections, CALL_LIMIT)?;
        let etcd = arena.etcd_target(&arena.etcd.living(), connections)?;
        for _ in 0..rounds {
            let shape = |pids| Shape {
                clients,
                warm_up: Duration::from_secs(warm_up),
                measure: Duration::from_secs(measure),
                pids,
            };
            let etcd = row(
                options,
                clients,
                &etcd,
                closed_loop(&etcd, operation, &shape(&etcd_pids)).await,
            );
            let quorate = row(
                options,
                clients,
                &quorate,
                closed_loop(&quorate, operation, &shape(&quorate_pids)).await,
            );
            pairs.push(Pair {
                clients,
                etcd,
                quorate,
            });
        }
    }
    Ok(pairs)
}

/// Writes every object once, so that every read finds something.
async fn fill(arena: &Arena) -> Result<()> {
    let nodes = arena.quorate.names();
    for target in [
        arena.quorate_target(&nodes, 3, CALL_LIMIT)?,
        arena.etcd_target(&arena.etcd.living(), 3)?,
    ] {
        for serial in 0..1000 {
            target.ask(Operation::Write, 0, serial).await?;
        }
    }
    Ok(())
}

fn pid(member: &Member) -> Option<u32> {
    u32::try_from(member.process?.pid).ok()
}

fn row(options: &Options, clients: usize, target: &Target, sample: Sample) -> Row {
    let Sample {
        per_second,
        p50_ms,
        p99_ms,
        failures,
        cluster_cpu_us,
        generator_cpu_us,
    } = sample;
    if !options.json {
        let cpu = format!("{cluster_cpu_us:.0} + {generator_cpu_us:.0}");
        println!(
            "{clients:<9}{:<9}{per_second:>10.0}{p50_ms:>10.2}{p99_ms:>10.2}{failures:>9}{cpu:>22}",
            target.name()
        );
    }
    Row {
        per_second,
        p50_ms,
        p99_ms,
        failures,
        cluster_cpu_us,
        generator_cpu_us,
    }
}

/// The median of the pairs' ratios of one figure, ours over the peer's.
fn ratio(pairs: &[Pair], clients: usize, figure: impl Fn(&Row) -> f64) -> f64 {
    median(
        pairs
            .iter()
            .filter(|pair| pair.clients == clients)
            .map(|pair| figure(&pair.quorate) / figure(&pair.etcd)),
    )
}

fn finish(options: &Options, name: &str, pairs: &[Pair], goals: &[Goal]) -> bool {
    let failures: u64 = pairs.iter().map(|pair| pair.quorate.failures).sum();
    if options.json {
        println!(
            "{}",
            json!({"benchmark": name, "pairs": pairs, "goals": goals, "failures": failures})
        );
        return failures == 0 && goals.iter().all(Goal::is_met);
    }
    let met = conclude("etcd", goals);
    if failures > 0 {
        println!("{failures} calls to quorate failed: a rate with failures meets nothing");
    }
    met && failures == 0
}
