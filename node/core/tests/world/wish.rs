//! Random rules: expressions as trees that can be written down and judged, without the engine's parser or evaluation.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::State;
use quorate_core::placement::{Constraint, Measure, Over, Rules, Strategy as Choice, ZONE};
use quorate_core::state::{Instance, TaskStatus};

/// An expression of the query language.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Attribute(&'static str, Test),
    Group(Test),
    Running(&'static str, u64),
    Connected(bool),
    NewerThan(&'static str),
    Not(Box<Said>),
    And(Box<Said>, Box<Said>),
    Or(Box<Said>, Box<Said>),
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Exists,
    Missing,
    Is(&'static str),
    IsNot(&'static str),
    In(Vec<&'static str>),
    NotIn(Vec<&'static str>),
    BeginsWith(&'static str),
}

impl Said {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Attribute(name, test) => format!("attribute:{name} {}", test.text()),
            Self::Group(test) => format!("task:group {}", test.text()),
            Self::Running(operator, count) => format!("runningTasksCount {operator} {count}"),
            Self::Connected(is) => format!("agentConnected == {is}"),
            Self::NewerThan(version) => format!("agentVersion greater_than {version}"),
            Self::Not(said) => format!("not ({})", said.text()),
            Self::And(a, b) => format!("({}) and ({})", a.text(), b.text()),
            Self::Or(a, b) => format!("({})||({})", a.text(), b.text()),
        }
    }

    /// `mate` is the group of tasks that a plan has put there.
    pub(crate) fn holds(&self, state: &State, instance: &Instance, mate: Option<&str>) -> bool {
        let lives = |status: TaskStatus| status != TaskStatus::Stopped;
        let mine = || state.tasks().filter(|task| task.instance == instance.id);
        match self {
            Self::Attribute(name, test) => {
                let custom = instance.custom_attributes.get(*name);
                test.of(custom
                    .or(instance.attributes.get(*name))
                    .map(String::as_str))
            }
            Self::Group(test) => {
                let groups = mine().filter(|task| lives(task.last));
                let groups: Vec<&str> =
                    groups.map(|task| task.group.as_str()).chain(mate).collect();
                match test {
                    Test::Missing => groups.is_empty(),
                    Test::IsNot(_) | Test::NotIn(_) => groups.iter().all(|one| test.of(Some(one))),
                    _ => groups.iter().any(|one| test.of(Some(one))),
                }
            }
            Self::Running(operator, count) => {
                let running = mine()
                    .filter(|task| task.last == TaskStatus::Running)
                    .count() as u64;
                match *operator {
                    "==" => running == *count,
                    "<" => running < *count,
                    _ => running >= *count,
                }
            }
            Self::Connected(is) => instance.connected == *is,
            // The world's agents say no version, 1.9.0 or 1.14.5; the expressions ask about 1.9 or 1.14.
            Self::NewerThan(version) => match instance.version.agent_version.as_str() {
                "1.14.5" => true,
                "1.9.0" => *version == "1.8",
                _ => false,
            },
            Self::Not(said) => !said.holds(state, instance, mate),
            Self::And(a, b) => a.holds(state, instance, mate) && b.holds(state, instance, mate),
            Self::Or(a, b) => a.holds(state, instance, mate) || b.holds(state, instance, mate),
        }
    }
}

impl Test {
    fn text(&self) -> String {
        match self {
            Self::Exists => "exists".into(),
            Self::Missing => "!exists".into(),
            Self::Is(value) => format!("== '{value}'"),
            Self::IsNot(value) => format!("!= \"{value}\""),
            Self::In(values) => format!("in ['{}']", values.join("', '")),
            Self::NotIn(values) => format!("not_in ['{}']", values.join("','")),
            Self::BeginsWith(start) => format!("=~ '{start}.*'"),
        }
    }

    fn of(&self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::Missing);
        };
        match self {
            Self::Exists => true,
            Self::Missing => false,
            Self::Is(other) => value == *other,
            Self::IsNot(other) => value != *other,
            Self::In(others) => others.contains(&value),
            Self::NotIn(others) => !others.contains(&value),
            Self::BeginsWith(start) => value.starts_with(start),
        }
    }
}

fn test(values: &'static [&'static str]) -> impl Strategy<Value = Test> {
    prop_oneof![
        Just(Test::Exists),
        Just(Test::Missing),
        select(values).prop_map(Test::Is),
        select(values).prop_map(Test::IsNot),
        vec(select(values), 1..3).prop_map(Test::In),
        vec(select(values), 1..3).prop_map(Test::NotIn),
        select(values).prop_map(|value| Test::BeginsWith(&value[..value.len() / 2])),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let attribute = (select(vec!["gpu", "arm", ZONE]), test(&["", "one", "two"]));
    let leaf = prop_oneof![
        4 => attribute.prop_map(|(name, test)| Said::Attribute(name, test)),
        2 => test(&["family:web", "family:api", "family:db"]).prop_map(Said::Group),
        1 => (select(vec!["==", "<", ">="]), 0_u64..3).prop_map(|(op, count)| Said::Running(op, count)),
        1 => any::<bool>().prop_map(Said::Connected),
        1 => select(vec!["1.8", "1.14"]).prop_map(Said::NewerThan),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let two = || {
            (
                inner.clone().prop_map(Box::new),
                inner.clone().prop_map(Box::new),
            )
        };
        prop_oneof![
            inner.clone().prop_map(|said| Said::Not(Box::new(said))),
            two().prop_map(|(a, b)| Said::And(a, b)),
            two().prop_map(|(a, b)| Said::Or(a, b)),
        ]
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    let attribute = select(vec!["gpu", "arm", ZONE]);
    prop_oneof![
        2 => Just(Choice::Spread(Over::Instance)),
        3 => attribute.prop_map(|name| Choice::Spread(Over::Attribute(name.into()))),
        1 => Just(Choice::Binpack(Measure::Cpu)),
        2 => Just(Choice::Binpack(Measure::Memory)),
        1 => Just(Choice::Random),
    ]
}

/// Rules, and the expression among them as the judge reads it.
pub(crate) fn rules() -> impl Strategy<Value = (Rules, Option<Said>)> {
    let strategies = prop_oneof![
        2 => Just(Vec::new()),
        2 => Just(Choice::of_services()),
        1 => Just(vec![Choice::Spread(Over::Instance)]),
        1 => Just(vec![Choice::Binpack(Measure::Memory)]),
        4 => vec(choice(), 1..4),
    ];
    let parts = (any::<bool>(), option::of(said()), strategies);
    parts.prop_map(|(is_distinct, said, strategies)| {
        let said = said.filter(|said| said.text().chars().count() <= 2000);
        let mut constraints = Vec::new();
        if is_distinct {
            constraints.push(Constraint::parse("distinctInstance", "").unwrap());
        }
        if let Some(said) = &said {
            constraints.push(Constraint::parse("memberOf", &said.text()).unwrap());
        }
        (
            Rules {
                constraints,
                strategies,
            },
            said,
        )
    })
}
