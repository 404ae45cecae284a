//! The command line of the benchmarks; `tests/bench` builds what they need and calls it.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use quorate_tests::bench::{Options, containers, failover, steady};
use quorate_tests::harness::quorate_binary;

/// A benchmark ran, but not every goal was met.
const GOALS_MISSED: u8 = 1;
/// A benchmark could not run.
const DID_NOT_RUN: u8 = 3;

/// Measures Quorate beside etcd or Docker Swarm, in one run, on one machine.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 every goal met; 1 a goal missed; 2 wrong usage; 3 it could not run"
)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Replicated writes of 512 bytes at 1, 64 and 256 clients, beside etcd's puts
    Writes(How),
    /// Linearizable reads at 1 and 64 clients, beside etcd's
    Reads(How),
    /// The time without service after kill -9 of the leader, beside etcd's
    Failover(How),
    /// Services of 20, 50 and 100 real containers, beside Docker Swarm's and `docker run`
    Containers(How),
}

#[derive(Args, Debug)]
struct How {
    /// Fewer and shorter rounds: to see that it runs, not to quote
    #[arg(long)]
    quick: bool,
    /// Print JSON in place of tables
    #[arg(long)]
    json: bool,
    /// How many pairs (writes, reads), kills of each (failover) or services of each size (containers)
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
}

impl How {
    fn options(&self) -> Options {
        Options {
            quick: self.quick,
            json: self.json,
            rounds: self.rounds,
            binary: quorate_binary(),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().benchmark {
        Benchmark::Writes(how) => steady::writes(&how.options()).await,
        Benchmark::Reads(how) => steady::reads(&how.options()).await,
        Benchmark::Failover(how) => failover::failover(&how.options()).await,
        Benchmark::Containers(how) => containers::containers(&how.options()).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(GOALS_MISSED),
        Err(error) => {
            eprintln!("quorate-bench: {error:#}");
            ExitCode::from(DID_NOT_RUN)
        }
    }
}
