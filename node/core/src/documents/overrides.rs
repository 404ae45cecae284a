//! What RunTask and StartTask change of a definition for one launch. ECS: at most 8192 characters of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// ECS's limit for the text of overrides.
pub const OVERRIDES_MAX_CHARS: usize = 8192;

/// Overrides of one task, as the API gives them (`TaskOverride`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overrides {
    /// One for each container changed.
    pub container_overrides: Vec<ContainerOverride>,
    /// Task-level CPU units, as text.
    pub cpu: Option<String>,
    /// Task-level memory in MiB, as text.
    pub memory: Option<String>,
}

/// What changes of one container (`ContainerOverride`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerOverride {
    /// Which container.
    pub name: Option<String>,
    /// Instead of the definition's command.
    pub command: Option<Vec<String>>,
    /// Added to, or in place of, the definition's variables.
    pub environment: Vec<Pair>,
    /// CPU units.
    pub cpu: Option<u64>,
    /// Hard memory limit, MiB.
    pub memory: Option<u64>,
    /// Soft memory limit, MiB.
    pub memory_reservation: Option<u64>,
}

/// A variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Overrides {
    /// Reads overrides whose types the caller has checked against the model. Members that Quorate does not act on are ignored here
    /// and kept in the task's document.
    pub fn parse(document: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        serde_json::from_value(Value::Object(document.clone()))
    }

    /// The first override that names no container of `known`.
    pub fn stranger<'a>(&'a self, known: &BTreeMap<&str, ()>) -> Option<&'a str> {
        let names = self
            .container_overrides
            .iter()
            .map(|o| o.name.as_deref().unwrap_or(""));
        names.into_iter().find(|name| !known.contains_key(name))
    }
}
