//! The command line: which seeds to run and how. Every seed runs in a process of its own, so that nothing is left of an earlier one: not
//! even a counter in a library. This process starts them, as many at once as there are cores, and reads their verdicts.

mod bugs;
mod child;
mod determinism;
mod report;
mod shrink;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::plan::Plan;

/// Runs the whole control plane in simulated worlds and says whether it kept its promises.
#[derive(Clone, Debug, Parser)]
#[command(name = "tests/sim", about, long_about = None)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, value_name = "N", default_value_t = 50)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "S", default_value_t = 1)]
    first_seed: u64,
    /// Run this seed only, and write its whole trace.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Print the plan of this seed, for --plan.
    #[arg(long, value_name = "S")]
    show: Option<u64>,
    /// Find the smallest plan of this seed that still fails, print it, and write its trace.
    #[arg(long, value_name = "S")]
    shrink: Option<u64>,
    /// Run the seeds that ever failed.
    #[arg(long)]
    regressions: bool,
    /// Run each seed twice, in two processes, and compare the hashes of their traces.
    #[arg(long)]
    check_determinism: bool,
    /// Look for the mistakes that are put into the product on purpose, with up to 1,000 seeds each.
    #[arg(long)]
    bugs: bool,
    /// With --bugs, look for this one only; without, run with it in place.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// With --bugs, look for three of them: others for each number, all in turn.
    #[arg(long, value_name = "NUMBER")]
    turn: Option<usize>,
    /// Worlds of 3 nodes, 3 agents and 4 clients only: the size by which speed is measured.
    #[arg(long)]
    usual: bool,
    /// Have services in every world, or in none; otherwise the seed says so.
    #[arg(long, value_name = "true|false")]
    services: Option<bool>,
    /// Run a plan from a file instead of drawing one from a seed.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// How many seeds to run at once; as many as there are cores if not given.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where traces of failed seeds go.
    #[arg(long, value_name = "DIR", default_value = "target/simulation")]
    traces: PathBuf,
    /// Print one line of JSON for each seed.
    #[arg(long)]
    json: bool,
    /// Run one plan, read from standard input, in this process, and print the verdict; with a trace if it is given a file for it.
    #[arg(long, hide = true)]
    child: bool,
    /// Where a child writes its trace.
    #[arg(long, hide = true, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Exit codes: all held, something did not, the tool was used wrongly or failed itself.
const FALLS_SHORT: u8 = 1;
const TROUBLE: u8 = 2;

/// Runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.child {
        child::live(&arguments).map(|()| true)
    } else {
        command(&arguments)
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FALLS_SHORT),
        Err(error) => {
            eprintln!("tests/sim: {error:#}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// What was asked for; true if all held.
fn command(arguments: &Arguments) -> Result<bool> {
    if let Some(seed) = arguments.show {
        println!("{}", serde_json::to_string_pretty(&arguments.draw(seed))?);
        return Ok(true);
    }
    if let Some(seed) = arguments.shrink {
        return shrink::shrink(arguments, arguments.draw(seed));
    }
    if arguments.bugs {
        return bugs::find_all(arguments);
    }
    let plans = arguments.plans()?;
    if arguments.check_determinism {
        return determinism::check(arguments, &plans);
    }
    report::run_all(arguments, &plans)
}

impl Arguments {
    fn draw(&self, seed: u64) -> Plan {
        let drawn = if self.usual {
            Plan::draw_usual(seed)
        } else {
            Plan::draw(seed)
        };
        match self.services {
            Some(true) => drawn.with_services(),
            Some(false) => drawn.without_services(),
            None => drawn,
        }
    }

    fn plans(&self) -> Result<Vec<Plan>> {
        if let Some(path) = &self.plan {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("read {}", path.display()))?;
            return Ok(vec![serde_json::from_str(&text).context("read the plan")?]);
        }
        if self.regressions {
            return regressions();
        }
        let seeds = match self.seed {
            Some(seed) => seed..seed + 1,
            None => self.first_seed..self.first_seed + self.seeds,
        };
        Ok(seeds.map(|seed| self.draw(seed)).collect())
    }

    /// Whether the whole trace of every run is to be written.
    fn wants_traces(&self) -> bool {
        self.seed.is_some() || self.plan.is_some()
    }

    fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(cores, NonZeroUsize::get)
    }
}

/// Plans that failed once, each a line of JSON; lines that begin with # say what was found.
const REGRESSIONS: &str = include_str!("../../regressions.txt");

fn regressions() -> Result<Vec<Plan>> {
    let lines = REGRESSIONS.lines().map(str::trim);
    let plans = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    plans
        .map(|line| regression(line).with_context(|| format!("read regression {line}")))
        .collect()
}

/// A seed as it is, one whose world has services or none whatever it says, or a plan.
fn regression(line: &str) -> Result<Plan> {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (first.parse(), rest) {
        (Ok(seed), "") => Ok(Plan::draw(seed)),
        (Ok(seed), "without services") => Ok(Plan::draw(seed).without_services()),
        (Ok(seed), "with services") => Ok(Plan::draw(seed).with_services()),
        _ => Ok(serde_json::from_str(line)?),
    }
}
