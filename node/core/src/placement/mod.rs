//! Where tasks go, and if nowhere, why: the placement engine. Pure; every choice ends in a tie-break by id.
//!
//! Order as ECS documents it: instances that can take the task at all, then the best of them: strategies in their order, each
//! narrowing what the one before left, then the fewest tasks of the same group, the most memory and CPU left, the lowest id.

mod expression;
mod feasible;
mod groups;
mod order;
mod pool;
mod problem;
mod rules;
mod scan;
mod score;
mod share;
mod walk;
mod why;

pub use expression::{EXPRESSION_MAX_CHARS, Expression, ExpressionError, Facts};
pub use feasible::Refusal;
pub use order::Order;
pub use pool::{GROUP, PROVIDER, Pool};
pub use problem::{Need, Placement, Plan, Problem, Refused};
pub use rules::{
    CONSTRAINTS_MAX, Constraint, Measure, Over, RuleError, Rules, STRATEGIES_MAX, Strategy, ZONE,
};
pub use score::{Score, lot};
pub use share::{Shared, Tender, share};
pub use why::{Advantage, Row, Why, Winner, why, why_after};

use groups::Mates;
use problem::Candidate;

/// Places up to `problem.count` tasks, one by one, each seeing those before it.
#[must_use]
pub fn place(problem: &Problem<'_>) -> Plan {
    let placed = find(problem);
    let refused = if placed.len() < problem.count {
        refusals(problem, &placed)
    } else {
        Vec::new()
    };
    Plan { placed, refused }
}

/// The same for those who do not ask why there is no room for more, which costs a look at every instance.
pub(crate) fn find(problem: &Problem<'_>) -> Vec<Placement> {
    walk::place(problem).unwrap_or_else(|| scan::place(problem))
}

/// Whether one task fits on one instance that the caller chose (StartTask), and with which ports. Strategies have no say in it.
pub fn place_on(
    problem: &Problem<'_>,
    instance: &crate::state::Instance,
) -> Result<Placement, Refusal> {
    let mut candidate = Candidate::new(instance, Mates::of(problem).on(instance.id));
    let ports = feasible::fit(problem, &candidate)?;
    Ok(candidate.take(problem.need, ports))
}

/// Why each instance takes no more once `placed` are there.
fn refusals(problem: &Problem<'_>, placed: &[Placement]) -> Vec<Refused> {
    let mut planned = std::collections::BTreeMap::new();
    for one in placed {
        planned
            .entry(one.instance)
            .or_insert_with(Vec::new)
            .push(one);
    }
    let mates = Mates::of(problem);
    let refusal = |instance: &crate::state::Instance| {
        let mut candidate = Candidate::new(instance, mates.on(instance.id));
        for one in planned.get(&instance.id).into_iter().flatten() {
            candidate.take(problem.need, one.ports.clone());
        }
        let why = feasible::fit(problem, &candidate).err()?;
        Some(Refused {
            instance: instance.id,
            why,
        })
    };
    problem.live().filter_map(refusal).collect()
}
