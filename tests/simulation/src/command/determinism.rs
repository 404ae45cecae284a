//! Whether a seed decides everything: the same plan in two processes has to leave the same trace.

use anyhow::Result;

use super::report::each;
use super::{Arguments, child};
use crate::plan::Plan;

/// Runs every plan twice; true if each pair agrees.
pub(super) fn check(arguments: &Arguments, plans: &[Plan]) -> Result<bool> {
    let pairs = each(arguments.jobs(), plans, |plan| {
        let hash =
            || Ok::<_, anyhow::Error>(child::run(plan, arguments.bug.as_deref(), None)?.hash);
        Ok((plan.seed, hash()?, hash()?))
    })?;
    let mut differing = 0;
    for (seed, first, second) in pairs.iter().filter(|(_, first, second)| first != second) {
        differing += 1;
        eprintln!("seed {seed} is not deterministic: {first} and {second}");
    }
    println!(
        "{} seeds run twice, {differing} with different traces",
        pairs.len()
    );
    Ok(differing == 0)
}
