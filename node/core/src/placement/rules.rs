//! What a caller asks of placement: constraints, which bind, and strategies, which choose among what is left. In ECS's words.

use std::fmt;

use super::expression::{Expression, ExpressionError};
use super::pool::Pool;
use crate::documents::{DefinitionSpec, ServiceConstraint, ServiceStrategy};

/// ECS: constraints of one call, and of one definition.
pub const CONSTRAINTS_MAX: usize = 10;
/// ECS: strategies of one call.
pub const STRATEGIES_MAX: usize = 5;
/// ECS's attribute for where an instance stands.
pub const ZONE: &str = "ecs.availability-zone";

/// ECS's attribute for what an instance's processor is.
const ARCHITECTURE: &str = "ecs.cpu-architecture";

/// Where tasks may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// No two tasks of one group on an instance.
    DistinctInstance,
    /// Instances for which the expression holds.
    MemberOf(Expression),
    /// Instances of a capacity provider. No caller says so; it follows from what the tasks are launched on.
    Capacity(Pool),
}

/// Which of the instances that could take a task is best. Each strategy narrows what the one before it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The fewest tasks of the group.
    Spread(Over),
    /// The least left of what is measured.
    Binpack(Measure),
    /// By lot, drawn with the problem's seed.
    Random,
}

/// What tasks are spread over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Instances (`instanceId`, `host`).
    Instance,
    /// Values of an attribute; instances without it, and those where it is empty, stand together.
    Attribute(String),
}

/// What binpack fills up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// CPU units.
    Cpu,
    /// Memory.
    Memory,
}

/// The constraints and strategies of one problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// All of them have to hold.
    pub constraints: Vec<Constraint>,
    /// In order. After them, and where there is none, the published tie-break decides.
    pub strategies: Vec<Strategy>,
}

/// A constraint or a strategy that ECS would refuse (InvalidParameterException).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a type of constraint.
    #[error("Invalid placement constraint type: {0}.")]
    ConstraintType(String),
    /// `memberOf` without an expression.
    #[error("A memberOf placement constraint needs an expression.")]
    NoExpression,
    /// `distinctInstance` with an expression.
    #[error("A distinctInstance placement constraint takes no expression.")]
    NeedlessExpression,
    /// The expression does not parse.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// Not a type of strategy.
    #[error("Invalid placement strategy type: {0}.")]
    StrategyType(String),
    /// A field that this type of strategy does not take.
    #[error("Invalid field for placement strategy {strategy}: {field:?}.")]
    Field {
        /// The strategy's type.
        strategy: &'static str,
        /// What was given.
        field: String,
    },
}

impl Constraint {
    /// From the API's members; an empty expression is none.
    pub fn parse(kind: &str, expression: &str) -> Result<Self, RuleError> {
        match kind {
            "distinctInstance" if expression.is_empty() => Ok(Self::DistinctInstance),
            "distinctInstance" => Err(RuleError::NeedlessExpression),
            "memberOf" if expression.trim().is_empty() => Err(RuleError::NoExpression),
            "memberOf" => Ok(Self::MemberOf(Expression::parse(expression)?)),
            other => Err(RuleError::ConstraintType(other.to_owned())),
        }
    }
}

impl Rules {
    /// The same from the API's members, as services, waiting tasks and decisions keep them.
    pub fn read(
        definition: &DefinitionSpec,
        constraints: &[ServiceConstraint],
        strategies: &[ServiceStrategy],
    ) -> Result<Self, RuleError> {
        let constraints = constraints.iter();
        let constraints = constraints.map(|one| Constraint::parse(&one.kind, &one.expression));
        let strategies = strategies.iter();
        let strategies = strategies.map(|one| Strategy::parse(&one.kind, &one.field));
        let constraints = constraints.collect::<Result<_, _>>()?;
        Self::new(
            definition,
            constraints,
            strategies.collect::<Result<_, _>>()?,
        )
    }

    /// What a caller asks for, and what the definition asks for beside it.
    pub fn new(
        definition: &DefinitionSpec,
        constraints: Vec<Constraint>,
        strategies: Vec<Strategy>,
    ) -> Result<Self, RuleError> {
        let member_of = definition.member_of.iter();
        let own: Result<Vec<_>, _> = member_of
            .map(|expression| Constraint::parse("memberOf", expression))
            .collect();
        let platform = match definition.cpu_architecture.as_str() {
            "" => None,
            wanted => Some(Constraint::parse("memberOf", &of_architecture(wanted))?),
        };
        Ok(Self {
            constraints: [constraints, own?]
                .concat()
                .into_iter()
                .chain(platform)
                .collect(),
            strategies,
        })
    }
}

impl Rules {
    /// The same on the instances of a capacity provider.
    #[must_use]
    pub fn within(&self, pool: Pool) -> Self {
        let own = self.constraints.iter().cloned();
        Self {
            constraints: std::iter::once(Constraint::Capacity(pool))
                .chain(own)
                .collect(),
            strategies: self.strategies.clone(),
        }
    }
}

/// An instance that does not say what it is, is taken to be what is wanted.
fn of_architecture(wanted: &str) -> String {
    format!("attribute:{ARCHITECTURE} !exists or attribute:{ARCHITECTURE} == '{wanted}'")
}

impl Strategy {
    /// From the API's members; an empty field is none.
    pub fn parse(kind: &str, field: &str) -> Result<Self, RuleError> {
        let wrong = |strategy| {
            Err(RuleError::Field {
                strategy,
                field: field.to_owned(),
            })
        };
        match (kind, field) {
            ("spread", "instanceId" | "host") => Ok(Self::Spread(Over::Instance)),
            ("spread", _) => match field.strip_prefix("attribute:") {
                Some(name) if !name.is_empty() => {
                    Ok(Self::Spread(Over::Attribute(name.to_owned())))
                }
                _ => wrong("spread"),
            },
            ("binpack", "cpu" | "CPU") => Ok(Self::Binpack(Measure::Cpu)),
            ("binpack", "memory" | "MEMORY") => Ok(Self::Binpack(Measure::Memory)),
            ("binpack", _) => wrong("binpack"),
            ("random", "") => Ok(Self::Random),
            ("random", _) => wrong("random"),
            (other, _) => Err(RuleError::StrategyType(other.to_owned())),
        }
    }

    /// What ECS does for services that name no strategy: the poorest zone, then (by the tie-break) the fewest of the group.
    #[must_use]
    pub fn of_services() -> Vec<Self> {
        vec![Self::Spread(Over::Attribute(ZONE.to_owned()))]
    }
}

/// As people write it; not what the API takes.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DistinctInstance => f.write_str("distinctInstance"),
            Self::MemberOf(expression) => write!(f, "memberOf({expression})"),
            Self::Capacity(pool) => write!(f, "capacity provider {pool}"),
        }
    }
}

/// As people write it; not what the API takes.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spread(Over::Instance) => f.write_str("spread(instanceId)"),
            Self::Spread(Over::Attribute(name)) => write!(f, "spread(attribute:{name})"),
            Self::Binpack(Measure::Cpu) => f.write_str("binpack(cpu)"),
            Self::Binpack(Measure::Memory) => f.write_str("binpack(memory)"),
            Self::Random => f.write_str("random"),
        }
    }
}
