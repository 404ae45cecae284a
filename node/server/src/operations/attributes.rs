//! Attributes of container instances: what people put there, and what agents report. Targets are container instances of one cluster.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use quorate_core::command::InstanceAttribute;
use quorate_core::ids::InstanceId;
use quorate_core::state::{Cluster, Instance, InstanceStatus};
use quorate_core::{Command, Reply};
use serde::{Deserialize, Serialize};

use super::exception::{Exception, Kind};
use super::input::{Input, check_list};
use super::page::{Order, Paging};
use super::render::{self, text};
use super::{Intent, Outcome, Scene, clusters, instances};

/// ECS: attributes in one call.
const ATTRIBUTES_MAX: usize = 10;
/// ECS: characters of a name, and of a value.
const TEXT_MAX: usize = 128;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    cluster: Option<String>,
    attributes: Vec<Wanted>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    name: String,
    value: Option<String>,
    target_id: String,
}

/// PutAttributes: new ones, or others in their place.
pub(super) fn put(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let attributes = read(scene, input)?;
    Ok(Intent::Change(Command::PutAttributes { attributes }))
}

/// DeleteAttributes: by name; what the agent reports stays.
pub(super) fn delete(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let attributes = read(scene, input)?;
    Ok(Intent::Change(Command::DeleteAttributes { attributes }))
}

fn read(scene: &Scene<'_>, input: Input) -> Result<Vec<InstanceAttribute>, Exception> {
    let change: Change = input.read()?;
    check_list("Attributes", &change.attributes, ATTRIBUTES_MAX)?;
    let cluster = clusters::existing(scene, change.cluster.as_deref())?;
    let checked = change.attributes.into_iter();
    checked.map(|one| one.checked(scene, cluster)).collect()
}

impl Wanted {
    fn checked(self, scene: &Scene<'_>, cluster: &Cluster) -> Result<InstanceAttribute, Exception> {
        check_text("name", &self.name, "-_./\\")?;
        if let Some(value) = &self.value {
            check_text("value", value, "-_.@:/\\ ")?;
        }
        let instance = instances::find(scene, cluster, &self.target_id)?;
        let instance = instance.filter(|one| one.status != InstanceStatus::Inactive);
        Ok(InstanceAttribute {
            instance: instance.ok_or_else(target_not_found)?.id,
            name: self.name,
            value: self.value.unwrap_or_default(),
        })
    }
}

/// ECS: 1 to 128 letters, numbers and some signs, with no space at either end.
fn check_text(what: &str, text: &str, signs: &str) -> Result<(), Exception> {
    let is_known = |c: char| c.is_alphanumeric() || signs.contains(c);
    let is_good = (1..=TEXT_MAX).contains(&text.chars().count())
        && text.chars().all(is_known)
        && text.trim() == text;
    if is_good {
        return Ok(());
    }
    Err(Exception::invalid_parameter(format!(
        "Invalid attribute {what} {text:?}: 1 to {TEXT_MAX} letters, numbers and {signs:?}, without a space at either end."
    )))
}

fn target_not_found() -> Exception {
    Exception::new(
        Kind::TargetNotFound,
        "The specified target could not be found. Container instances are specific to a cluster.",
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    attributes: Vec<AttributeJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttributeJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    target_id: String,
}

/// The answer of PutAttributes and DeleteAttributes.
pub(super) fn changed(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Attributes(attributes) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let shown = attributes.iter().filter_map(|one| {
        let instance = scene.state.instance(&one.instance)?;
        Some(AttributeJson {
            name: &one.name,
            value: text(&one.value),
            target_id: scene.realm.instance(&instance.cluster, instance.id),
        })
    });
    Ok(render::body(&Listed {
        attributes: shown.collect(),
        next_token: None,
    }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    cluster: Option<String>,
    attribute_name: Option<String>,
    attribute_value: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

/// Where a page ends: an instance and the name of one of its attributes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place(InstanceId, String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, name) = text.split_once(' ').ok_or(())?;
        Ok(Self(id.parse().map_err(drop)?, name.to_owned()))
    }
}

/// ListAttributes: of all instances that were not deregistered, by instance and name.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let filter: Filter = input.read()?;
    let (name, value) = (
        filter.attribute_name.as_deref(),
        filter.attribute_value.as_deref(),
    );
    if value.is_some() && name.is_none() {
        return Err(Exception::invalid_parameter(
            "attributeValue needs an attributeName.",
        ));
    }
    let cluster = clusters::existing(scene, filter.cluster.as_deref())?;
    let instances = scene.state.instances_in(&cluster.name);
    let instances = instances.filter(|one| one.status != InstanceStatus::Inactive);
    let all = instances.flat_map(|instance| {
        let all = instance.all_attributes().into_iter();
        all.map(move |(name, value)| (instance, name, value))
    });
    let wanted = all.filter(|(_, has_name, has_value)| {
        name.is_none_or(|name| name == *has_name) && value.is_none_or(|value| value == *has_value)
    });
    let place =
        |(instance, name, _): &(&Instance, &str, &str)| Place(instance.id, (*name).to_owned());
    let page = filter.paging.page(Order::Ascending, wanted, place)?;
    let shown = page
        .items
        .into_iter()
        .map(|(instance, name, value)| AttributeJson {
            name,
            value: text(value),
            target_id: scene.realm.instance(&instance.cluster, instance.id),
        });
    Ok(render::body(&Listed {
        attributes: shown.collect(),
        next_token: page.next_token,
    }))
}
