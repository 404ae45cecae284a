//! Capacity provider strategies and launch types as callers ask for them: what tasks are launched on, checked against the cluster.

use quorate_core::documents::{StrategyItem, check_strategy};
use quorate_core::ids::ProviderName;
use quorate_core::placement::{Pool, Rules};
use quorate_core::state::{Cluster, TaskDefinition};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::exception::Exception;
use super::{Scene, refusals, render};

/// What our instances are, in ECS's words.
pub(super) const LAUNCH_TYPE_DEFAULT: &str = "EXTERNAL";

/// The members that say what tasks are launched on.
const LAUNCH_TYPE: &str = "launchType";
const STRATEGY: &str = "capacityProviderStrategy";

/// An entry of `capacityProviderStrategy`. The listener has checked the ranges of its numbers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Item {
    capacity_provider: String,
    base: Option<u64>,
    weight: Option<u64>,
}

/// What tasks are launched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    /// EC2, EXTERNAL or FARGATE.
    pub(super) launch_type: String,
    /// Among whom they are shared out; empty where they go by launch type.
    pub(super) strategy: Vec<StrategyItem>,
}

impl Launch {
    /// Where tasks go by launch type FARGATE, they go to its instances; a strategy says so provider by provider.
    pub(super) fn rules(&self, rules: Rules) -> Rules {
        if self.launch_type == ProviderName::FARGATE && self.strategy.is_empty() {
            rules.within(Pool::fargate())
        } else {
            rules
        }
    }
}

/// A strategy in itself, whatever the cluster has. ECS takes a weight that is not given for 0; of a strategy with one entry, which then
/// could place nothing, it is 1.
pub(super) fn read(scene: &Scene<'_>, items: &[Item]) -> Result<Vec<StrategyItem>, Exception> {
    let weight = u64::from(items.len() == 1);
    let read = |item: &Item| {
        Ok(StrategyItem {
            provider: provider(scene, &item.capacity_provider)?,
            base: item.base.unwrap_or(0),
            weight: item.weight.unwrap_or(weight),
        })
    };
    let strategy: Vec<StrategyItem> = items.iter().map(read).collect::<Result<_, Exception>>()?;
    check_strategy(&strategy).map_err(|error| refusals::strategy(&error))?;
    Ok(strategy)
}

/// A capacity provider by name or ARN, if there is one.
pub(super) fn provider(scene: &Scene<'_>, text: &str) -> Result<ProviderName, Exception> {
    let name = scene.realm.parse_provider(text).ok();
    name.filter(|name| scene.state.has_provider(name))
        .ok_or_else(refusals::provider_not_found)
}

/// What a call launches its tasks on: a launch type or a strategy, else the cluster's default strategy, else any instance.
pub(super) fn launch(
    scene: &Scene<'_>,
    cluster: &Cluster,
    launch_type: Option<&str>,
    items: &[Item],
) -> Result<Launch, Exception> {
    check_either(launch_type, items)?;
    let by_type = |launch_type: &str| Launch {
        launch_type: launch_type.to_owned(),
        strategy: Vec::new(),
    };
    if let Some(launch_type) = launch_type {
        check_fargate(cluster, launch_type)?;
        return Ok(by_type(launch_type));
    }
    let mut strategy = read(scene, items)?;
    if strategy.is_empty() {
        strategy.clone_from(&cluster.capacity.strategy);
    }
    let attached = &cluster.capacity.providers;
    if strategy
        .iter()
        .any(|item| !attached.contains(&item.provider))
    {
        return Err(refusals::provider_not_attached());
    }
    Ok(match strategy.first() {
        None => by_type(LAUNCH_TYPE_DEFAULT),
        Some(first) => Launch {
            launch_type: first.provider.launch_type().to_owned(),
            strategy,
        },
    })
}

/// What the members of a service's revision ask for. What came of it takes their place.
pub(super) fn of_revision(
    scene: &Scene<'_>,
    cluster: &Cluster,
    members: &mut Map<String, Value>,
) -> Result<Launch, Exception> {
    let launch_type = members.remove(LAUNCH_TYPE);
    let items = items(members.remove(STRATEGY))?;
    let launch_type = launch_type.as_ref().and_then(Value::as_str);
    let launch = launch(scene, cluster, launch_type, &items)?;
    if launch.strategy.is_empty() {
        members.insert(LAUNCH_TYPE.into(), launch.launch_type.clone().into());
    } else {
        members.insert(STRATEGY.into(), render::strategy(&launch.strategy));
    }
    Ok(launch)
}

/// What an update says of it, as it would be kept: a new strategy, or nothing.
pub(super) fn of_update(
    scene: &Scene<'_>,
    given: &mut Map<String, Value>,
) -> Result<bool, Exception> {
    let strategy = read(scene, &items(given.remove(STRATEGY))?)?;
    if !strategy.is_empty() {
        given.insert(STRATEGY.into(), render::strategy(&strategy));
    }
    Ok(!strategy.is_empty())
}

fn items(value: Option<Value>) -> Result<Vec<Item>, Exception> {
    let items = value.map(serde_json::from_value).transpose();
    let items: Option<Vec<Item>> =
        items.map_err(|error| Exception::invalid_parameter(format!("Invalid input: {error}.")))?;
    Ok(items.unwrap_or_default())
}

/// ECS: one task an instance is no matter of shares, and FARGATE has no instances of its own.
pub(super) fn refuse_daemon(launch: &Launch) -> Result<(), Exception> {
    let what = if !launch.strategy.is_empty() {
        "a capacity provider strategy"
    } else if launch.launch_type == ProviderName::FARGATE {
        "launch type FARGATE"
    } else {
        return Ok(());
    };
    Err(Exception::invalid_parameter(format!(
        "The daemon scheduling strategy does not support {what}."
    )))
}

/// ECS: one of the two.
pub(super) fn check_either(launch_type: Option<&str>, items: &[Item]) -> Result<(), Exception> {
    if launch_type.is_some() && !items.is_empty() {
        return Err(Exception::invalid_parameter(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ));
    }
    Ok(())
}

/// FARGATE runs on what the cluster has for it.
fn check_fargate(cluster: &Cluster, launch_type: &str) -> Result<(), Exception> {
    let has_it = cluster
        .capacity
        .providers
        .contains(&ProviderName::fargate());
    if launch_type != ProviderName::FARGATE || has_it {
        return Ok(());
    }
    Err(Exception::invalid_parameter(format!(
        "Cluster {name} has no capacity for launch type FARGATE. Give it some with put-cluster-capacity-providers --cluster {name} \
         --capacity-providers FARGATE --default-capacity-provider-strategy [], and try again.",
        name = cluster.name,
    )))
}

/// ECS: a definition that says what it is compatible with runs on nothing else. Where a caller leaves the launch type to us, it is ours.
pub(super) fn check_compatible(
    definition: &TaskDefinition,
    launch: &Launch,
    is_asked: bool,
) -> Result<(), Exception> {
    let document = definition.document.object();
    let required = document.get("requiresCompatibilities");
    let required = required
        .and_then(Value::as_array)
        .filter(|all| !all.is_empty());
    let is_asked = is_asked || !launch.strategy.is_empty();
    let names = |all: &Vec<Value>| all.iter().any(|one| *one == launch.launch_type.as_str());
    if !is_asked || required.is_none_or(names) {
        return Ok(());
    }
    Err(Exception::invalid_parameter(format!(
        "Task definition does not support launch_type {}.",
        launch.launch_type
    )))
}
