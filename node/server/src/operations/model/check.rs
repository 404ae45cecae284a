//! One walk over a value and its shape, used in both directions: what callers send and what we answer.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::exception::{Exception, Kind};
use super::shape::{Bounds, Shape, ShapeId, Shapes, Structure};

/// Whose value is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// A caller's: unknown members and `null` pass, as they do on AWS.
    Input,
    /// Ours: nothing passes that the model does not show.
    Output,
}

/// Where a value breaks its shape, and how.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the innermost outwards, as it is found while the walk returns.
    path: Vec<Step>,
    problem: Problem,
}

#[derive(Debug)]
enum Step {
    Member(String),
    Item(usize),
}

#[derive(Debug)]
enum Problem {
    Type {
        found: &'static str,
        wanted: &'static str,
    },
    Union,
    Missing,
    Unknown,
    Constraint {
        value: String,
        constraint: String,
    },
}

impl Shapes {
    /// Checks `value` against the shape, stopping at the first fault.
    pub(super) fn check(
        &self,
        id: ShapeId,
        value: &Value,
        direction: Direction,
    ) -> Result<(), Fault> {
        match self.get(id) {
            Shape::Document => Ok(()),
            Shape::Structure(structure) => self.check_structure(structure, value, direction),
            Shape::List { member, length } => {
                let items = value
                    .as_array()
                    .ok_or_else(|| Fault::wrong_type(value, "a List"))?;
                check_length(value, items.len(), *length)?;
                items.iter().enumerate().try_for_each(|(index, item)| {
                    self.check(*member, item, direction)
                        .map_err(|fault| fault.inside(Step::Item(index)))
                })
            }
            Shape::Map { value: member } => {
                let entries = value
                    .as_object()
                    .ok_or_else(|| Fault::wrong_type(value, "a Map"))?;
                entries.iter().try_for_each(|(key, item)| {
                    self.check(*member, item, direction)
                        .map_err(|fault| fault.inside(Step::Member(key.clone())))
                })
            }
            scalar => check_scalar(scalar, value),
        }
    }

    fn check_structure(
        &self,
        structure: &Structure,
        value: &Value,
        direction: Direction,
    ) -> Result<(), Fault> {
        let Structure {
            members,
            required,
            is_union,
        } = structure;
        let given = value
            .as_object()
            .ok_or_else(|| Fault::wrong_type(value, "a Structure"))?;
        for (name, item) in given {
            let inside = |fault: Fault| fault.inside(Step::Member(name.clone()));
            match members.get(name) {
                _ if item.is_null() && direction == Direction::Input => {}
                Some(shape) => self.check(*shape, item, direction).map_err(inside)?,
                None if direction == Direction::Input => {}
                None => return Err(inside(Fault::new(Problem::Unknown))),
            }
        }
        let is_blank = |value: &Value| value.is_null() || value.as_str() == Some("");
        if let Some(name) = required
            .iter()
            .find(|name| given.get(*name).is_none_or(is_blank))
        {
            return Err(Fault::new(Problem::Missing).inside(Step::Member(name.clone())));
        }
        let set = given
            .iter()
            .filter(|(name, item)| members.contains_key(*name) && !item.is_null());
        if *is_union && set.count() > 1 {
            Err(Fault::new(Problem::Union))
        } else {
            Ok(())
        }
    }
}

fn check_scalar(shape: &Shape, value: &Value) -> Result<(), Fault> {
    match shape {
        Shape::String {
            allowed,
            length,
            pattern,
        } => {
            let text = value
                .as_str()
                .ok_or_else(|| Fault::wrong_type(value, "a String"))?;
            if !allowed.is_empty() && !allowed.iter().any(|one| one == text) {
                let set = format!("satisfy enum value set: [{}]", allowed.join(", "));
                return Err(Fault::constraint(value, set));
            }
            check_length(value, text.chars().count(), *length)?;
            match pattern {
                Some(pattern) if !pattern.matches(text) => {
                    Err(Fault::constraint(value, "contain allowed characters only"))
                }
                _ => Ok(()),
            }
        }
        Shape::Integer { range } => {
            let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
            let number = number.ok_or_else(|| Fault::wrong_type(value, "an Integer"))?;
            check_range(value, f64::from(number), *range)
        }
        Shape::Long { range } => {
            let number = value
                .as_i64()
                .ok_or_else(|| Fault::wrong_type(value, "a Long"))?;
            check_range(value, number as f64, *range)
        }
        Shape::Double { range } => {
            let number = value
                .as_f64()
                .ok_or_else(|| Fault::wrong_type(value, "a Double"))?;
            check_range(value, number, *range)
        }
        Shape::Boolean if !value.is_boolean() => Err(Fault::wrong_type(value, "a Boolean")),
        Shape::Timestamp if !value.is_number() => Err(Fault::wrong_type(value, "a Timestamp")),
        Shape::Boolean | Shape::Timestamp => Ok(()),
        Shape::Document | Shape::Structure(_) | Shape::List { .. } | Shape::Map { .. } => {
            unreachable!("Shapes::check walks into these itself")
        }
    }
}

fn check_length(value: &Value, length: usize, bounds: Bounds) -> Result<(), Fault> {
    check_bounds(value, length as f64, bounds, "length")
}

fn check_range(value: &Value, number: f64, bounds: Bounds) -> Result<(), Fault> {
    check_bounds(value, number, bounds, "value")
}

fn check_bounds(value: &Value, number: f64, bounds: Bounds, what: &str) -> Result<(), Fault> {
    if let Some(min) = bounds.min.filter(|min| number < *min) {
        return Err(Fault::constraint(
            value,
            format!("have {what} greater than or equal to {min}"),
        ));
    }
    if let Some(max) = bounds.max.filter(|max| number > *max) {
        return Err(Fault::constraint(
            value,
            format!("have {what} less than or equal to {max}"),
        ));
    }
    Ok(())
}

impl Fault {
    fn new(problem: Problem) -> Self {
        Self {
            path: Vec::new(),
            problem,
        }
    }

    fn wrong_type(value: &Value, wanted: &'static str) -> Self {
        Self::new(Problem::Type {
            found: token(value),
            wanted,
        })
    }

    fn constraint(value: &Value, constraint: impl Into<String>) -> Self {
        Self::new(Problem::Constraint {
            value: shown(value),
            constraint: constraint.into(),
        })
    }

    fn inside(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    /// The refusal that a caller sees, in the words that AWS's services use.
    pub(super) fn exception(&self) -> Exception {
        let path = self.path();
        match &self.problem {
            Problem::Type { found, wanted } => {
                let place = if path.is_empty() {
                    String::new()
                } else {
                    format!(" at {path}")
                };
                Exception::new(
                    Kind::Serialization,
                    format!("{found} can not be converted to {wanted}{place}"),
                )
            }
            Problem::Union => Exception::new(
                Kind::Serialization,
                format!("More than one member of the union is set at {path}"),
            ),
            Problem::Missing => {
                Exception::invalid_parameter(format!("{} can not be blank.", capitalised(&path)))
            }
            Problem::Unknown => {
                Exception::invalid_parameter(format!("{path} is not a member of the model."))
            }
            Problem::Constraint { value, constraint } => Exception::invalid_parameter(format!(
                "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}"
            )),
        }
    }

    fn path(&self) -> String {
        self.path
            .iter()
            .rev()
            .fold(String::new(), |mut path, step| {
                match step {
                    Step::Member(name) if path.is_empty() => path.push_str(name),
                    Step::Member(name) => {
                        path.push('.');
                        path.push_str(name);
                    }
                    Step::Item(index) => {
                        write!(path, "[{index}]").expect("writing to a String cannot fail");
                    }
                }
                path
            })
    }
}

fn capitalised(path: &str) -> String {
    let mut characters = path.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// A value's kind in the words of AWS's JSON parser.
fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

/// Characters of a refused value that a message repeats; enough to recognise it, too little to fill a log.
const SHOWN: usize = 64;

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(SHOWN).collect(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
