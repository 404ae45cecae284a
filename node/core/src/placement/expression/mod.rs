//! The cluster query language (ECS, "Cluster query language"): what `memberOf` constraints and the filter of ListContainerInstances
//! say of an instance. Parsed once, in `grammar`; asked here.
//!
//! Where ECS's guide is silent: `and` binds closer than `or`; a pattern has to match the whole value; an instance without the
//! attribute satisfies `!exists` and nothing else, so that `!=` does not match it. `task:group` looks at all tasks that are not
//! STOPPED: `==`, `in` and `=~` ask whether one of them is of such a group, their negations whether none is.

mod grammar;
mod value;

use std::fmt;
use std::sync::Arc;

use crate::state::{Instance, State, TaskStatus};

pub use grammar::ExpressionError;
use value::{Pattern, Value, Version};

/// ECS: characters of an expression.
pub const EXPRESSION_MAX_CHARS: usize = 2000;

/// An expression that parses. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Expression(Arc<Parsed>);

#[derive(PartialEq, Eq)]
struct Parsed {
    text: String,
    root: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Term(Subject, Test),
}

/// What a term asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    AgentConnected,
    AgentVersion,
    Ec2InstanceId,
    RegisteredAt,
    RunningTasksCount,
    TaskGroup,
    Attribute(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    NotExists,
    Compare(Comparison, Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Matches(Pattern),
    NotMatches(Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What an expression is asked of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Where the instance's tasks are.
    pub state: &'a State,
    /// The instance.
    pub instance: &'a Instance,
    /// The group of tasks that a plan has put there and that are not in the state.
    pub planned: Option<&'a str>,
}

impl Expression {
    /// Reads an expression; what is wrong is said with its place.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let root = grammar::parse(text)?;
        Ok(Self(Arc::new(Parsed {
            text: text.to_owned(),
            root,
        })))
    }

    /// Whether it holds of an instance.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.0.root.holds(facts)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, f)
    }
}

impl Node {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(facts)),
            Self::All(nodes) => nodes.iter().all(|node| node.holds(facts)),
            Self::Not(node) => !node.holds(facts),
            Self::Term(Subject::TaskGroup, test) => of_groups(facts, test),
            Self::Term(subject, test) => of_one(facts, subject, test),
        }
    }
}

/// A test of a subject that has one value, or none.
fn of_one(facts: &Facts<'_>, subject: &Subject, test: &Test) -> bool {
    let instance = facts.instance;
    match subject {
        Subject::AgentConnected => test.of_text(Some(bool_text(instance.connected))),
        Subject::Ec2InstanceId => test.of_text(Some(&instance.id.to_string())),
        Subject::Attribute(name) => test.of_text(instance.attribute(name)),
        Subject::AgentVersion => {
            let text = instance.version.agent_version.as_str();
            let version = Version::parse(text).map(Value::Version);
            test.of_value(version.as_ref(), text)
        }
        Subject::RegisteredAt => test.of_value(Some(&Value::Time(instance.registered_at)), ""),
        Subject::RunningTasksCount => {
            let tasks = facts.state.live_tasks_on(&instance.id);
            let running = tasks.filter(|task| task.last == TaskStatus::Running);
            test.of_value(Some(&Value::Number(running.count() as u64)), "")
        }
        Subject::TaskGroup => unreachable!("has many values: see of_groups"),
    }
}

/// A test of the groups of all tasks on the instance.
fn of_groups(facts: &Facts<'_>, test: &Test) -> bool {
    let on_it = facts.state.live_tasks_on(&facts.instance.id);
    let mut groups = on_it.map(|task| task.group.as_str()).chain(facts.planned);
    let is_negative = matches!(
        test,
        Test::NotExists
            | Test::Compare(Comparison::NotEqual, _)
            | Test::NotIn(_)
            | Test::NotMatches(_)
    );
    if is_negative {
        groups.all(|group| test.of_text(Some(group)))
    } else {
        groups.any(|group| test.of_text(Some(group)))
    }
}

const fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

impl Test {
    fn of_text(&self, text: Option<&str>) -> bool {
        let Some(text) = text else {
            return matches!(self, Self::NotExists);
        };
        match self {
            Self::Exists => true,
            Self::NotExists => false,
            Self::Compare(comparison, value) => comparison.holds(text, value.text()),
            Self::In(values) => values.iter().any(|value| value.text() == text),
            Self::NotIn(values) => values.iter().all(|value| value.text() != text),
            Self::Matches(pattern) => pattern.matches(text),
            Self::NotMatches(pattern) => !pattern.matches(text),
        }
    }

    /// `text` is what patterns look at.
    fn of_value(&self, value: Option<&Value>, text: &str) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::NotExists);
        };
        match self {
            Self::Exists => true,
            Self::NotExists => false,
            Self::Compare(comparison, other) => comparison.holds(value, other),
            Self::In(values) => values.contains(value),
            Self::NotIn(values) => !values.contains(value),
            Self::Matches(pattern) => pattern.matches(text),
            Self::NotMatches(pattern) => !pattern.matches(text),
        }
    }
}

impl Comparison {
    fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

#[cfg(test)]
mod tests;
