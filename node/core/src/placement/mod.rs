//! Where tasks go, and if nowhere, why: the placement engine. Pure; every choice ends in a tie-break by id.
//!
//! Order as ECS documents it: instances that can take the task at all, then the best of them. Best is, by default, spread: the fewest
//! tasks of the same group, then the most memory and CPU left, then the lowest id.

mod feasible;
mod order;
mod problem;
mod score;

pub use feasible::Refusal;
pub use order::Order;
pub use problem::{Need, Placement, Plan, Problem, Refused};

use problem::Candidate;

/// Places up to `problem.count` tasks, one by one, each seeing those before it.
#[must_use]
pub fn place(problem: &Problem<'_>) -> Plan {
    let mut candidates = problem.candidates();
    let mut plan = Plan::default();
    while plan.placed.len() < problem.count {
        let fitting = candidates
            .iter_mut()
            .filter_map(|one| Some((feasible::fit(one, problem.need).ok()?, one)));
        let best = fitting.min_by_key(|(_, candidate)| score::of(candidate, problem.need));
        let Some((ports, chosen)) = best else { break };
        plan.placed.push(chosen.take(problem.need, ports));
    }
    if plan.placed.len() < problem.count {
        plan.refused = candidates
            .iter()
            .filter_map(|one| refusal(one, problem.need))
            .collect();
    }
    plan
}

/// Whether one task fits on one instance that the caller chose (StartTask), and with which ports.
pub fn place_on(
    problem: &Problem<'_>,
    instance: &crate::state::Instance,
) -> Result<Placement, Refusal> {
    let mut candidate = Candidate::new(problem.state, instance, problem.group);
    let ports = feasible::fit(&candidate, problem.need)?;
    Ok(candidate.take(problem.need, ports))
}

fn refusal(candidate: &Candidate<'_>, need: &Need) -> Option<Refused> {
    let why = feasible::fit(candidate, need).err()?;
    Some(Refused {
        instance: candidate.instance.id,
        why,
    })
}
