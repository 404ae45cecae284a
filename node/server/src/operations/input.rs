//! A call's body on its way to meaning: a JSON object without what the model does not know, then the operation's own type.

use quorate_core::documents::Document;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::exception::{Exception, Kind};
use super::model;

/// The input of one operation. The listener has checked its shape.
#[derive(Debug, Clone)]
pub(crate) struct Input(Map<String, Value>);

impl Input {
    /// Reads a body; an empty one is an empty object.
    pub(crate) fn parse(operation: &str, body: &[u8]) -> Result<Self, Exception> {
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        let unreadable = |error| Exception::new(Kind::Serialization, format!("{error}"));
        let mut input: Value = serde_json::from_slice(body).map_err(unreadable)?;
        model::prune_input(operation, &mut input);
        match input {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(Exception::new(
                Kind::Serialization,
                "The body is not a JSON object.",
            )),
        }
    }

    /// The input as the operation's own type.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Exception> {
        serde_json::from_value(Value::Object(self.0))
            .map_err(|error| Exception::invalid_parameter(format!("Invalid input: {error}.")))
    }

    /// Takes one member out.
    pub(super) fn take(&mut self, member: &str) -> Option<Value> {
        self.0.remove(member)
    }

    /// Puts one member in, or in the place of what is there.
    pub(super) fn put(&mut self, member: &str, value: impl Into<Value>) {
        self.0.insert(member.to_owned(), value.into());
    }

    /// All members as they are.
    pub(super) fn object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The same, to be kept.
    pub(super) fn document(&self) -> Document {
        Document::new(&self.0)
    }

    /// SHA-256 over the members in the order of their names.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.document().text()).into()
    }
}

/// Refuses a list with no entries or with more than `max`.
pub(super) fn check_list<T>(what: &str, list: &[T], max: usize) -> Result<(), Exception> {
    match list.len() {
        0 => Err(Exception::invalid_parameter(format!(
            "{what} cannot be empty."
        ))),
        _ => check_at_most(what, list, max),
    }
}

/// Refuses a list with more than `max` entries.
pub(super) fn check_at_most<T>(what: &str, list: &[T], max: usize) -> Result<(), Exception> {
    if list.len() > max {
        return Err(Exception::invalid_parameter(format!(
            "{what} can not have more than {max} entries."
        )));
    }
    Ok(())
}

/// Refuses a text of more than `max` characters.
pub(super) fn check_length(what: &str, text: &str, max: usize) -> Result<(), Exception> {
    if text.chars().count() > max {
        return Err(Exception::invalid_parameter(format!(
            "{what} can have at most {max} characters."
        )));
    }
    Ok(())
}
