//! Placement as callers ask for it: constraints, strategies, and expressions of the cluster query language.

use quorate_core::documents::{DefinitionSpec, ServiceConstraint, ServiceStrategy};
use quorate_core::placement::{
    CONSTRAINTS_MAX, Constraint, Expression, RuleError, Rules, STRATEGIES_MAX, Strategy,
};
use serde::Deserialize;

use super::exception::Exception;
use super::input::check_at_most;

/// `placementConstraints` and `placementStrategy` of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wishes {
    placement_constraints: Vec<WantedConstraint>,
    placement_strategy: Vec<WantedStrategy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WantedConstraint {
    r#type: String,
    expression: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WantedStrategy {
    r#type: String,
    field: String,
}

impl Wishes {
    /// What of it can be said without a definition: is it placement at all?
    pub(super) fn check(&self) -> Result<(), Exception> {
        self.rules(&DefinitionSpec::default()).map(drop)
    }

    /// What a service keeps of it, checked: the scheduler makes rules of it for each definition that it deploys.
    pub(super) fn of_service(
        &self,
    ) -> Result<(Vec<ServiceConstraint>, Vec<ServiceStrategy>), Exception> {
        self.check()?;
        let constraints = self.placement_constraints.iter();
        let constraints = constraints.map(|one| ServiceConstraint {
            kind: one.r#type.clone(),
            expression: one.expression.clone(),
        });
        let strategies = self.placement_strategy.iter();
        let strategies = strategies.map(|one| ServiceStrategy {
            kind: one.r#type.clone(),
            field: one.field.clone(),
        });
        Ok((constraints.collect(), strategies.collect()))
    }

    /// The rules for tasks of a definition. ECS counts the definition's constraints apart from the call's.
    pub(super) fn rules(&self, definition: &DefinitionSpec) -> Result<Rules, Exception> {
        let (constraints, strategies) = (&self.placement_constraints, &self.placement_strategy);
        check_at_most("Placement constraints", constraints, CONSTRAINTS_MAX)?;
        check_at_most("Placement strategy", strategies, STRATEGIES_MAX)?;
        let constraints = constraints
            .iter()
            .map(|one| Constraint::parse(&one.r#type, &one.expression));
        let strategies = strategies
            .iter()
            .map(|one| Strategy::parse(&one.r#type, &one.field));
        let constraints: Result<_, _> = constraints.collect();
        let strategies: Result<_, _> = strategies.collect();
        Rules::new(
            definition,
            constraints.map_err(refusal)?,
            strategies.map_err(refusal)?,
        )
        .map_err(refusal)
    }
}

/// A filter in the cluster query language; none if it is empty.
pub(super) fn filter(text: Option<&str>) -> Result<Option<Expression>, Exception> {
    let text = text.filter(|text| !text.trim().is_empty());
    let parsed = text.map(Expression::parse).transpose();
    parsed.map_err(|error| refusal(error.into()))
}

fn refusal(error: RuleError) -> Exception {
    Exception::invalid_parameter(error.to_string())
}
