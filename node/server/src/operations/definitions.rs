//! Task definitions: Register, Describe, List, ListFamilies, Deregister; and how RunTask and StartTask find theirs.

use std::sync::Arc;

use bytes::Bytes;
use quorate_core::arn::DefinitionReference;
use quorate_core::documents::definition::DOCUMENT_MAX_BYTES;
use quorate_core::documents::{DefinitionError, DefinitionSpec, Tag, Tags, tags};
use quorate_core::ids::{DefinitionId, Family};
use quorate_core::state::{DefinitionStatus, FamilyRecord, TaskDefinition};
use quorate_core::{Command, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exception::Exception;
use super::input::Input;
use super::page::{Order, Paging};
use super::render::{self, definition::definition};
use super::{Intent, Outcome, Scene, refusals};

/// The definition that a new task may use.
pub(super) fn usable<'a>(scene: &Scene<'a>, text: &str) -> Result<&'a TaskDefinition, Exception> {
    let not_found = || Exception::client("TaskDefinition not found.");
    match reference(scene, text)? {
        DefinitionReference::Exact(id) => {
            let found = scene.state.definition(&id).ok_or_else(not_found)?;
            match found.status {
                DefinitionStatus::Active => Ok(found),
                DefinitionStatus::Inactive | DefinitionStatus::DeleteInProgress => {
                    Err(refusals::definition_inactive())
                }
            }
        }
        DefinitionReference::Newest(family) => {
            let all_inactive = scene.state.definitions_of(&family).next().is_some();
            scene.state.newest_definition(&family).ok_or_else(|| {
                if all_inactive {
                    refusals::definition_inactive()
                } else {
                    not_found()
                }
            })
        }
    }
}

/// One revision, ACTIVE or not.
pub(super) fn exact<'a>(
    scene: &Scene<'a>,
    id: &DefinitionId,
) -> Result<&'a TaskDefinition, Exception> {
    let found = scene.state.definition(id);
    found.ok_or_else(Exception::task_definition_not_found)
}

fn reference(scene: &Scene<'_>, text: &str) -> Result<DefinitionReference, Exception> {
    let reference = scene.realm.parse_definition(text);
    reference.map_err(|error| refusals::reference(&error))
}

/// RegisterTaskDefinition.
pub(super) fn register(scene: &Scene<'_>, mut input: Input) -> Result<Intent, Exception> {
    let given = input
        .take("tags")
        .unwrap_or_else(|| Value::Array(Vec::new()));
    let given: Tags = serde_json::from_value(given)
        .map_err(|error| Exception::invalid_parameter(format!("Invalid tags: {error}.")))?;
    tags::check(&given).map_err(|error| refusals::tags(&error))?;
    let family = input
        .object()
        .get("family")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let family: Family = family.parse().map_err(|_| {
        Exception::client(
            "Invalid family: up to 255 letters, numbers, hyphens and underscores are allowed.",
        )
    })?;
    let document = input.document();
    if document.text().len() > DOCUMENT_MAX_BYTES {
        return Err(refusals::definition(&DefinitionError::TooLarge));
    }
    let spec =
        DefinitionSpec::parse(input.object()).map_err(|error| refusals::definition(&error))?;
    Ok(Intent::Change(Command::RegisterDefinition {
        family,
        document,
        spec: Arc::new(spec),
        tags: given,
        registered_by: scene.caller.arn.clone(),
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    task_definition: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [Tag]>,
}

fn answer(scene: &Scene<'_>, found: &TaskDefinition, tags: Option<&[Tag]>) -> Bytes {
    render::body(&Answer {
        task_definition: definition(scene.realm, found),
        tags,
    })
}

/// The answer of RegisterTaskDefinition.
pub(super) fn registered(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let found = changed(scene, outcome)?;
    Ok(answer(scene, found, Some(&found.tags)))
}

/// The answer of DeregisterTaskDefinition.
pub(super) fn deregistered(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    Ok(answer(scene, changed(scene, outcome)?, None))
}

fn changed<'a>(scene: &Scene<'a>, outcome: &Outcome) -> Result<&'a TaskDefinition, Exception> {
    let Reply::Definition(id) = &outcome.reply else {
        return Err(outcome.strange());
    };
    // It may have been deleted since.
    exact(scene, id)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    task_definition: String,
    include: Vec<String>,
}

/// DescribeTaskDefinition: a family means its newest ACTIVE revision.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let named: Named = input.read()?;
    let found = match reference(scene, &named.task_definition)? {
        DefinitionReference::Exact(id) => scene.state.definition(&id),
        DefinitionReference::Newest(family) => scene.state.newest_definition(&family),
    };
    let found = found.ok_or_else(Exception::task_definition_not_found)?;
    let with_tags = named.include.iter().any(|field| field == "TAGS");
    Ok(answer(
        scene,
        found,
        Some(render::tags(&found.tags, with_tags)),
    ))
}

/// DeregisterTaskDefinition: of one revision, never of a family.
pub(super) fn deregister(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let named: Named = input.read()?;
    match reference(scene, &named.task_definition)? {
        DefinitionReference::Exact(id) => Ok(Intent::Change(Command::DeregisterDefinition { id })),
        DefinitionReference::Newest(family) => Err(Exception::client(format!(
            "A revision must be given: {family}:REVISION."
        ))),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    family_prefix: Option<String>,
    status: Option<String>,
    sort: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    task_definition_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListTaskDefinitions: ACTIVE ones unless asked otherwise. ECS's `familyPrefix` is the whole family here.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let filter: Filter = input.read()?;
    let status = filter.status.as_deref().unwrap_or("ACTIVE");
    let family = filter
        .family_prefix
        .as_deref()
        .filter(|family| !family.is_empty());
    let wanted = |definition: &&TaskDefinition| {
        definition.status.as_str() == status
            && family.is_none_or(|family| definition.id.family.as_str() == family)
    };
    let key = |definition: &&TaskDefinition| definition.id.clone();
    let all = scene.state.definitions().filter(wanted);
    let page = if filter.sort.as_deref() == Some("DESC") {
        filter.paging.page(Order::Descending, all.rev(), key)?
    } else {
        filter.paging.page(Order::Ascending, all, key)?
    };
    let arn = |definition: &&TaskDefinition| -> String { arn(scene, &definition.id) };
    Ok(render::body(&Listed {
        task_definition_arns: page.items.iter().map(arn).collect(),
        next_token: page.next_token,
    }))
}

fn arn(scene: &Scene<'_>, id: &DefinitionId) -> String {
    scene.realm.definition(id)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Families<'a> {
    families: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListTaskDefinitionFamilies: all, those with an ACTIVE revision, or those without.
pub(super) fn families(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let filter: Filter = input.read()?;
    let prefix = filter.family_prefix.unwrap_or_default();
    // One of which all revisions were deleted is a number that goes on, and no family any more.
    let exists = |family: &Family| scene.state.definitions_of(family).next().is_some();
    let has_status = |family: &Family, record: &FamilyRecord| match filter.status.as_deref() {
        Some("ACTIVE") => record.active_count > 0,
        Some("INACTIVE") => record.active_count == 0 && exists(family),
        _ => record.active_count > 0 || exists(family),
    };
    let wanted = scene.state.families().filter(|(family, record)| {
        family.as_str().starts_with(&prefix) && has_status(family, record)
    });
    let page = filter
        .paging
        .page(Order::Ascending, wanted, |(family, _)| (*family).clone())?;
    Ok(render::body(&Families {
        families: page
            .items
            .iter()
            .map(|(family, _)| family.as_str())
            .collect(),
        next_token: page.next_token,
    }))
}
