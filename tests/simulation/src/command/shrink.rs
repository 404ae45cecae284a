//! Makes a failing plan smaller: fewer faults, shorter, fewer machines and clients, for as long as the same promise still breaks.

use anyhow::Result;

use super::{Arguments, child};
use crate::plan::Plan;
use crate::world::network::Weather;

/// Plans tried at most; each costs about a second.
const TRIES: usize = 400;

/// Shrinks a plan, prints the smallest that fails in the same way, and writes its trace. True if it does not fail at all.
pub(super) fn shrink(arguments: &Arguments, plan: Plan) -> Result<bool> {
    let Some(breach) = child::run(&plan, arguments.bug.as_deref(), None)?.broken else {
        println!("seed {} holds: there is nothing to shrink", plan.seed);
        return Ok(true);
    };
    let before = plan.faults.len();
    let mut shrinking = Shrinking {
        promise: breach.promise,
        smallest: plan,
        tries: 0,
        bug: arguments.bug.clone(),
    };
    while shrinking.round()? {}
    let Shrinking {
        smallest, tries, ..
    } = shrinking;
    let path = arguments.trace_path(&smallest)?;
    let verdict = child::run(&smallest, arguments.bug.as_deref(), Some(&path))?;
    println!("{}", serde_json::to_string(&smallest)?);
    let what = verdict
        .broken
        .map(|breach| format!("{}: {}", breach.promise, breach.what));
    eprintln!(
        "seed {}, {before} faults to {} in {tries} tries",
        smallest.seed,
        smallest.faults.len()
    );
    for fault in &smallest.faults {
        eprintln!("  at {:>6} ms {fault}", fault.at_ms);
    }
    eprintln!("  BROKEN {}", what.unwrap_or_default());
    eprintln!(
        "  trace {}; to run it: put the line on standard output into a file for --plan",
        path.display()
    );
    Ok(false)
}

struct Shrinking {
    promise: String,
    smallest: Plan,
    tries: usize,
    bug: Option<String>,
}

impl Shrinking {
    /// Tries everything once; true if something helped.
    fn round(&mut self) -> Result<bool> {
        let mut has_helped = self.drop_faults()?;
        for lessen in LESSEN {
            let mut plan = self.smallest.clone();
            lessen(&mut plan);
            has_helped |= self.accept(plan)?;
        }
        Ok(has_helped && self.tries < TRIES)
    }

    /// Halves, then quarters, then single faults.
    fn drop_faults(&mut self) -> Result<bool> {
        let mut has_helped = false;
        let mut size = self.smallest.faults.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < self.smallest.faults.len() {
                let mut plan = self.smallest.clone();
                let end = (at + size).min(plan.faults.len());
                plan.faults.drain(at..end);
                if self.accept(plan)? {
                    has_helped = true;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        Ok(has_helped)
    }

    /// Takes a smaller plan if it is one and still fails in the same way.
    fn accept(&mut self, plan: Plan) -> Result<bool> {
        let is_other = serde_json::to_string(&plan)? != serde_json::to_string(&self.smallest)?;
        if !is_other || self.tries >= TRIES {
            return Ok(false);
        }
        self.tries += 1;
        let verdict = child::run(&plan, self.bug.as_deref(), None)?;
        let fails = verdict
            .broken
            .is_some_and(|breach| breach.promise == self.promise);
        if fails {
            self.smallest = plan;
        }
        Ok(fails)
    }
}

/// Ways to make a plan smaller besides leaving faults out.
const LESSEN: [fn(&mut Plan); 8] = [
    |plan| *plan = plan.clone().without_services(),
    |plan| {
        let last = plan
            .faults
            .iter()
            .map(|fault| fault.at_ms + fault.for_ms)
            .max();
        plan.safety_ms = plan.safety_ms.min(last.unwrap_or(5_000) + 1_000);
    },
    |plan| plan.safety_ms = plan.safety_ms * 2 / 3,
    |plan| plan.clients = (plan.clients - 1).max(1),
    |plan| plan.hosts = (plan.hosts - 1).max(1),
    |plan| plan.weather = Weather::fair(),
    |plan| {
        for fault in &mut plan.faults {
            fault.for_ms = fault.for_ms.div_ceil(2);
        }
    },
    |plan| {
        if plan.nodes == 5 {
            plan.nodes = 3;
        }
    },
];
