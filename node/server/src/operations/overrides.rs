//! What RunTask and StartTask change of a definition for one launch (`TaskOverride`), checked against the definition.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::documents::overrides::OVERRIDES_MAX_CHARS;
use quorate_core::documents::{ContainerSpec, DefinitionSpec, Document, Overrides};
use serde_json::{Map, Value};

use super::exception::Exception;
use super::{beyond, refusals};

/// Members of the task's overrides that no agent can honour yet.
const TASK_UNSUPPORTED: &[&str] = &["inferenceAcceleratorOverrides", "ephemeralStorage"];
/// The same of one container's overrides.
const CONTAINER_UNSUPPORTED: &[&str] = &["environmentFiles", "resourceRequirements"];

/// Overrides that fit their definition.
pub(super) struct TaskOverrides {
    /// Verbatim.
    pub(super) document: Document,
    /// What is acted on.
    pub(super) parsed: Overrides,
}

impl TaskOverrides {
    pub(super) fn parse(
        given: &Map<String, Value>,
        definition: &DefinitionSpec,
    ) -> Result<Self, Exception> {
        let document = Document::new(given);
        if document.text().chars().count() > OVERRIDES_MAX_CHARS {
            return Err(Exception::invalid_parameter(format!(
                "Overrides can have at most {OVERRIDES_MAX_CHARS} characters."
            )));
        }
        let parsed = Overrides::parse(given).map_err(|error| {
            Exception::invalid_parameter(format!("Invalid overrides: {error}."))
        })?;
        check_names(&parsed, definition)?;
        check_sizes(&parsed)?;
        refuse_unsupported(given)?;
        Ok(Self { document, parsed })
    }
}

fn check_names(overrides: &Overrides, definition: &DefinitionSpec) -> Result<(), Exception> {
    let known: BTreeMap<&str, ()> = definition
        .containers
        .iter()
        .map(|container: &ContainerSpec| (container.name.as_str(), ()))
        .collect();
    if let Some(stranger) = overrides.stranger(&known) {
        return Err(Exception::invalid_parameter(format!(
            "Override for container named {stranger} is not a container in the TaskDefinition."
        )));
    }
    let mut seen = BTreeSet::new();
    let names = overrides
        .container_overrides
        .iter()
        .map(|one| one.name.as_deref().unwrap_or_default());
    for name in names {
        if !seen.insert(name) {
            return Err(Exception::invalid_parameter(format!(
                "Container {name} is overridden more than once."
            )));
        }
    }
    Ok(())
}

/// Task-level sizes are texts with plain numbers here: units are for definitions.
fn check_sizes(overrides: &Overrides) -> Result<(), Exception> {
    for (what, size) in [("cpu", &overrides.cpu), ("memory", &overrides.memory)] {
        if let Some(text) = size
            .as_deref()
            .filter(|text| text.trim().parse::<u32>().is_err())
        {
            return Err(Exception::invalid_parameter(format!(
                "Invalid '{what}' setting for task: {text}."
            )));
        }
    }
    Ok(())
}

fn refuse_unsupported(given: &Map<String, Value>) -> Result<(), Exception> {
    let containers = given.get("containerOverrides").and_then(Value::as_array);
    let containers = containers
        .into_iter()
        .flatten()
        .filter_map(Value::as_object);
    let of_task = beyond::said(given, TASK_UNSUPPORTED);
    let mut of_containers = containers.filter_map(|one| beyond::said(one, CONTAINER_UNSUPPORTED));
    match of_task.or_else(|| of_containers.next()) {
        Some(member) => Err(refusals::unsupported(&format!("{member} in overrides"))),
        None => Ok(()),
    }
}
