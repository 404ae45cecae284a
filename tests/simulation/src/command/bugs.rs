//! Tests the simulation itself: mistakes that are put into the product on purpose have to be found.

use anyhow::{Result, bail};
use quorate_bugs::Bug;

use super::report::each;
use super::{Arguments, child};
use crate::plan::Plan;
use crate::run::Verdict;

/// Seeds within which each has to be found.
const SEEDS_MAX: u64 = 1_000;
/// Bugs tried in one turn of the rotation.
const TURN: usize = 3;

/// Runs seeds against each bug until it is found, and prints how many that took; true if all were.
pub(super) fn find_all(arguments: &Arguments) -> Result<bool> {
    let mut are_found = true;
    println!(
        "{:<28} {:>6}  {:<20} how it was seen",
        "bug", "seeds", "promise"
    );
    for bug in chosen(arguments)? {
        match find(arguments, bug)? {
            Some(verdict) => {
                let seeds = verdict.seed - arguments.first_seed + 1;
                let breach = verdict.broken.unwrap_or_default();
                println!(
                    "{:<28} {seeds:>6}  {:<20} {}",
                    bug.name(),
                    breach.promise,
                    first_line(&breach.what)
                );
            }
            None => {
                are_found = false;
                println!(
                    "{:<28} {:>6}  not found: {}",
                    bug.name(),
                    "-",
                    bug.what().trim()
                );
            }
        }
    }
    Ok(are_found)
}

fn chosen(arguments: &Arguments) -> Result<Vec<Bug>> {
    if let Some(turn) = arguments.turn {
        let first = turn.wrapping_mul(TURN);
        return Ok((first..first + TURN)
            .map(|at| Bug::ALL[at % Bug::ALL.len()])
            .collect());
    }
    match &arguments.bug {
        Some(name) => Ok(vec![named(name)?]),
        None => Ok(Bug::ALL.to_vec()),
    }
}

/// The first seed that finds it. Seeds are run in small groups, so that all cores have work and few runs are for nothing.
fn find(arguments: &Arguments, bug: Bug) -> Result<Option<Verdict>> {
    let group = u64::try_from(arguments.jobs()).unwrap_or(1) * 2;
    let last = arguments.first_seed + SEEDS_MAX;
    let mut next = arguments.first_seed;
    while next < last {
        let seeds = next..(next + group).min(last);
        next = seeds.end;
        let plans: Vec<Plan> = seeds.map(|seed| world(arguments, bug, seed)).collect();
        let verdicts = each(arguments.jobs(), &plans, |plan| {
            child::run(plan, Some(bug.name()), None)
        })?;
        if let Some(verdict) = verdicts
            .into_iter()
            .find(|verdict| verdict.broken.is_some())
        {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

/// Mistakes of the service scheduler are looked for where there are services.
fn world(arguments: &Arguments, bug: Bug, seed: u64) -> Plan {
    let plan = arguments.draw(seed);
    match bug {
        Bug::LossesOverlooked
        | Bug::StepsNotCounted
        | Bug::HealthyFromStart
        | Bug::DrainedTakesTasks => plan.with_services(),
        _ => plan,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn named(name: &str) -> Result<Bug> {
    match Bug::ALL.iter().find(|bug| bug.name() == name) {
        Some(bug) => Ok(*bug),
        None => {
            let names: Vec<_> = Bug::ALL.iter().map(|bug| bug.name()).collect();
            bail!("there is no bug {name:?}; there are {}", names.join(", "))
        }
    }
}

/// Puts a bug into the product, for the rest of this process.
#[cfg(feature = "seeded-bugs")]
pub(super) fn seed(name: &str) -> Result<()> {
    quorate_bugs::seed(Some(named(name)?));
    Ok(())
}

/// Puts a bug into the product, for the rest of this process: which this build cannot.
#[cfg(not(feature = "seeded-bugs"))]
pub(super) fn seed(name: &str) -> Result<()> {
    let bug = named(name)?;
    bail!(
        "this build cannot have the bug {:?}: it lacks the feature seeded-bugs",
        bug.name()
    )
}
