//! The ECS service model as data: which operations exist and what their inputs and outputs look like.
//!
//! `node/server/model/ecs.json` is the public model without its prose (see `reduce.py` beside it). It is parsed once.
//! Listeners check every input against it before the call goes anywhere; tests check every output. What a valid input
//! *means* is not here but in the operation itself.

mod check;
mod json;
mod prune;
mod shape;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use self::check::Direction;
use self::shape::{ShapeId, Shapes};
use super::exception::{Exception, Kind};

/// The model, embedded so that a node needs no file to know its own API.
const SOURCE: &str = include_str!("../../../model/ecs.json");

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::parse(SOURCE).expect("the embedded model is tested to parse"));

struct Model {
    target_prefix: String,
    operations: BTreeMap<String, Operation>,
    shapes: Shapes,
}

struct Operation {
    input: ShapeId,
    output: ShapeId,
    errors: Vec<String>,
}

/// The names of all operations, sorted.
pub fn operations() -> impl Iterator<Item = &'static str> {
    MODEL.operations.keys().map(String::as_str)
}

/// The operation's name as the model owns it, if the model has it: fit for a metric's label.
pub fn operation(name: &str) -> Option<&'static str> {
    MODEL
        .operations
        .get_key_value(name)
        .map(|(name, _)| name.as_str())
}

/// What stands before the dot in `X-Amz-Target`.
pub fn target_prefix() -> &'static str {
    &MODEL.target_prefix
}

/// Parses a body as JSON: at most 64 levels deep, no key twice in one object.
pub fn parse(body: &[u8]) -> Result<Value, Exception> {
    json::parse(body)
}

/// Parses a body and checks it as the operation's input.
pub fn parse_input(operation: &str, body: &[u8]) -> Result<Value, Exception> {
    let input = parse(body)?;
    validate_input(operation, &input)?;
    Ok(input)
}

/// Checks a value as the operation's input. Members that the model does not know pass, as they do on AWS; `null` is the
/// same as absent.
///
/// Wrong types are `SerializationException`; missing members, unknown enum values and broken limits are
/// `InvalidParameterException` and name the member.
pub fn validate_input(operation: &str, input: &Value) -> Result<(), Exception> {
    let Some(operation) = MODEL.operations.get(operation) else {
        return Err(Exception::unknown_operation(operation));
    };
    MODEL
        .shapes
        .check(operation.input, input, Direction::Input)
        .map_err(|fault| fault.exception())
}

/// Drops from a checked input what has no meaning: members that the model does not know, and members that are `null`. What is
/// left may be kept and shown again.
pub fn prune_input(operation: &str, input: &mut Value) {
    if let Some(operation) = MODEL.operations.get(operation) {
        MODEL.shapes.prune(operation.input, input);
    }
}

/// Checks a value as the operation's output, strictly: an unknown member, a `null` and a broken limit are all errors.
pub fn check_output(operation: &str, output: &Value) -> Result<(), String> {
    let model = MODEL
        .operations
        .get(operation)
        .ok_or_else(|| format!("no operation {operation}"))?;
    MODEL
        .shapes
        .check(model.output, output, Direction::Output)
        .map_err(|fault| format!("{operation}: {}", fault.exception().message()))
}

/// Whether the model lists this exception among the operation's errors.
pub fn declares(operation: &str, exception: Kind) -> bool {
    MODEL.operations.get(operation).is_some_and(|operation| {
        operation
            .errors
            .iter()
            .any(|error| error == exception.name())
    })
}

#[cfg(test)]
mod tests;
