//! DeleteTaskDefinitions: revisions that are INACTIVE go as soon as no task that is still shown and no service uses them.

use bytes::Bytes;
use quorate_core::arn::DefinitionReference;
use quorate_core::ids::DefinitionId;
use quorate_core::state::DefinitionStatus;
use quorate_core::{Command, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exception::Exception;
use super::input::{Input, check_list};
use super::render::definition::definition;
use super::render::{self, Failure};
use super::{Intent, Outcome, Scene};

/// ECS: revisions in one call.
const DELETED_MAX: usize = 10;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    task_definitions: Vec<String>,
}

/// DeleteTaskDefinitions, by `family:revision` or ARN.
pub(super) fn delete(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let asked: Asked = input.read()?;
    check_list("Task definitions", &asked.task_definitions, DELETED_MAX)?;
    let (mut ids, mut failures) = (Vec::new(), Vec::new());
    for text in asked.task_definitions {
        match deletable(scene, &text) {
            Ok(id) if ids.contains(&id) => {}
            Ok(id) => ids.push(id),
            Err((reason, detail)) => failures.push(Failure {
                arn: text,
                reason,
                detail: Some(detail.to_owned()),
            }),
        }
    }
    if ids.is_empty() {
        let reply = Reply::Definitions(ids);
        return Ok(Intent::Already(Outcome { reply, failures }));
    }
    let command = Command::DeleteDefinitions { ids };
    Ok(Intent::ChangeSome { command, failures })
}

/// Which revision, or why not, in the words of `failures[]`.
fn deletable(scene: &Scene<'_>, text: &str) -> Result<DefinitionId, (String, &'static str)> {
    let invalid = |detail| ("InvalidParameterException".to_owned(), detail);
    let reference = scene.realm.parse_definition(text);
    let reference = reference.map_err(|_| invalid("The specified task definition identifier is invalid. Specify a valid name or ARN and try again."))?;
    let DefinitionReference::Exact(id) = reference else {
        return Err(invalid(
            "A revision must be given: specify family:revision or an ARN and try again.",
        ));
    };
    match scene.state.definition(&id).map(|one| one.status) {
        None => Err(invalid("The specified task definition does not exist.")),
        Some(DefinitionStatus::Active) => Err(invalid(
            "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
        )),
        Some(DefinitionStatus::Inactive | DefinitionStatus::DeleteInProgress) => Ok(id),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    task_definitions: Vec<Value>,
    failures: &'a [Failure],
}

/// The answer of DeleteTaskDefinitions.
pub(super) fn deleted(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Definitions(ids) = &outcome.reply else {
        return Err(outcome.strange());
    };
    // One that had no user may be gone by now.
    let there = ids.iter().filter_map(|id| scene.state.definition(id));
    Ok(render::body(&Answer {
        task_definitions: there.map(|one| definition(scene.realm, one)).collect(),
        failures: &outcome.failures,
    }))
}
