//! `tests/bench placement`: placements a second and memory, over the pure core: no cluster, no disk, no network.
//!
//! A placement here is the decision and its being applied to the state, as SwarmKit's figure is its scheduler's decision and the
//! write to its in-memory store; a second is one of work, on one core. Readers hold the state as it was while the next entry is applied, as they do in a node.

mod check;
mod report;
mod runs;
mod world;

use std::process::ExitCode;

use clap::Parser;

use report::{Goal, Row};

/// A goal was missed, or a placement was wrong.
const MISSED: u8 = 1;
/// The benchmark could not run.
const DID_NOT_RUN: u8 = 3;
/// The clusters' sizes.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// Measures placement over the pure core, and checks every placement.
#[derive(Debug, Parser)]
#[command(name = "tests/bench placement")]
struct Arguments {
    /// One round of each: to see that it runs, not to quote
    #[arg(long)]
    quick: bool,
    /// Print JSON in place of the table
    #[arg(long)]
    json: bool,
    /// How many rounds of each; the median counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let rounds = if arguments.quick {
        1
    } else {
        arguments.rounds.max(1)
    };
    match measure(rounds) {
        Ok(rows) => {
            let goals: Vec<Goal> = rows.iter().filter_map(Goal::of).collect();
            report::print(&rows, &goals, arguments.json);
            if goals.iter().all(Goal::is_met) {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(MISSED)
            }
        }
        Err(runs::Failed::Wrong(what)) => {
            eprintln!("tests/bench: wrong placement: {what}");
            ExitCode::from(MISSED)
        }
        Err(runs::Failed::NoFigure(what)) => {
            eprintln!("tests/bench: {what}");
            ExitCode::from(DID_NOT_RUN)
        }
    }
}

fn measure(rounds: usize) -> Result<Vec<Row>, runs::Failed> {
    // First, while the process is small: later growth hides in memory that was freed before.
    let mut rows = vec![runs::memory()?];
    for instances in SIZES {
        let world = world::World::new(instances);
        for shape in runs::Shape::ALL {
            eprintln!("{} at {instances} instances", shape.name());
            let figures: Result<Vec<_>, _> =
                (0..rounds).map(|_| runs::run(&world, shape)).collect();
            rows.push(Row::rates(shape, instances, &figures?));
        }
    }
    Ok(rows)
}
