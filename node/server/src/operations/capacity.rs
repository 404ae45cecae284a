//! Capacity providers: CreateCapacityProvider, DescribeCapacityProviders, UpdateCapacityProvider, DeleteCapacityProvider; and
//! PutClusterCapacityProviders, what a cluster runs tasks on.
//!
//! Instances are their owners' business: nothing here starts or ends one. So what would (managed scaling, managed draining, managed
//! termination protection, managed instances) is refused unless it is switched off.

use bytes::Bytes;
use quorate_core::command::NewProvider;
use quorate_core::documents::{Capacity, ProviderSpec, Tags, tags};
use quorate_core::ids::ProviderName;
use quorate_core::state::{CapacityProvider, ProviderStatus};
use quorate_core::{Command, Reply};
use serde::Deserialize;
use serde::Serialize;
use serde_json::{Map, Value};

use super::exception::Exception;
use super::input::{Input, check_at_most};
use super::page::{Order, Paging};
use super::render::capacity::ProviderJson;
use super::render::{self, Failure};
use super::strategy::{self, Item};
use super::{Intent, Outcome, Scene, clusters, refusals};

/// ECS: providers in one DescribeCapacityProviders.
const DESCRIBED_MAX: usize = 100;
/// ECS: providers on a page of it.
const PAGE: usize = 10;
/// ECS: providers of one cluster.
const ATTACHED_MAX: usize = 20;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Create {
    cluster: Option<String>,
    name: String,
    auto_scaling_group_provider: Option<Map<String, Value>>,
    managed_instances_provider: Option<Map<String, Value>>,
    tags: Tags,
}

/// CreateCapacityProvider. One without an Auto Scaling group has the instances that are marked with its name.
pub(super) fn create(_: &Scene<'_>, mut input: Input) -> Result<Intent, Exception> {
    let create: Create = input.clone().read()?;
    refuse_managed_instances(
        create.managed_instances_provider.as_ref(),
        create.cluster.as_ref(),
    )?;
    let name = create.name.parse().map_err(|_| {
        Exception::invalid_parameter(
            "Capacity provider names have up to 255 letters, numbers, hyphens and underscores.",
        )
    })?;
    check_prefix(&create.name)?;
    tags::check(&create.tags).map_err(|error| refusals::tags(&error))?;
    let provider = create.auto_scaling_group_provider.as_ref();
    provider.map(refuse_managed).transpose()?;
    let arn = provider.and_then(|one| one.get("autoScalingGroupArn"));
    let group = arn.and_then(Value::as_str).map(group_of).transpose()?;
    for member in ["name", "tags", "cluster"] {
        input.take(member);
    }
    Ok(Intent::Change(Command::CreateProvider(NewProvider {
        name,
        document: input.document(),
        spec: ProviderSpec { group },
        tags: create.tags,
    })))
}

fn refuse_managed_instances(
    provider: Option<&Map<String, Value>>,
    cluster: Option<&String>,
) -> Result<(), Exception> {
    if provider.is_some() {
        return Err(refusals::unsupported("managedInstancesProvider"));
    }
    if cluster.is_some() {
        return Err(Exception::invalid_parameter(
            "A cluster can only be specified with managedInstancesProvider.",
        ));
    }
    Ok(())
}

fn check_prefix(name: &str) -> Result<(), Exception> {
    let lower = name.to_ascii_lowercase();
    if ["aws", "ecs", "fargate"]
        .iter()
        .any(|prefix| lower.starts_with(prefix))
    {
        return Err(Exception::invalid_parameter(
            "The specified capacity provider name is invalid. The name cannot start with aws, ecs or fargate.",
        ));
    }
    Ok(())
}

/// What starts or ends instances, unless it is switched off.
fn refuse_managed(provider: &Map<String, Value>) -> Result<(), Exception> {
    let scaling = provider.get("managedScaling");
    let is_on = |value: Option<&Value>| value.is_some_and(|value| value == "ENABLED");
    let asked = [
        (
            "managedScaling",
            is_on(scaling.and_then(|one| one.get("status"))),
        ),
        ("managedDraining", is_on(provider.get("managedDraining"))),
        (
            "managedTerminationProtection",
            is_on(provider.get("managedTerminationProtection")),
        ),
    ];
    match asked.iter().find(|(_, is_on)| *is_on) {
        Some((what, _)) => Err(refusals::unsupported(&format!("{what} ENABLED"))),
        None => Ok(()),
    }
}

/// The name at the end of an ARN of an Auto Scaling group, which may be the name alone.
fn group_of(arn: &str) -> Result<String, Exception> {
    let name = if arn.starts_with("arn:") {
        arn.split_once(":autoScalingGroupName/")
            .map(|(_, name)| name)
    } else {
        Some(arn)
    };
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    name.ok_or_else(|| {
        Exception::invalid_parameter(
            "The specified Auto Scaling group ARN is not valid. Specify a valid Auto Scaling group ARN and try again.",
        )
    })
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Update {
    cluster: Option<String>,
    name: String,
    auto_scaling_group_provider: Option<Map<String, Value>>,
    managed_instances_provider: Option<Map<String, Value>>,
}

/// UpdateCapacityProvider: what is said changes, the rest stays.
pub(super) fn update(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let update: Update = input.read()?;
    refuse_managed_instances(
        update.managed_instances_provider.as_ref(),
        update.cluster.as_ref(),
    )?;
    let provider = made(scene, &update.name)?;
    let given = update.auto_scaling_group_provider.unwrap_or_default();
    refuse_managed(&given)?;
    let mut document = provider.document.object();
    match document.get_mut("autoScalingGroupProvider") {
        Some(Value::Object(before)) => before.extend(given),
        _ if given.is_empty() => {}
        _ => {
            return Err(Exception::invalid_parameter(
                "The specified capacity provider has no Auto Scaling group.",
            ));
        }
    }
    Ok(Intent::Change(Command::UpdateProvider {
        name: provider.name.clone(),
        document: quorate_core::documents::Document::new(&document),
    }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delete {
    cluster: Option<String>,
    capacity_provider: String,
}

/// DeleteCapacityProvider, by name or ARN.
pub(super) fn delete(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let delete: Delete = input.read()?;
    refuse_managed_instances(None, delete.cluster.as_ref())?;
    let name = made(scene, &delete.capacity_provider)?.name.clone();
    Ok(Intent::Change(Command::DeleteProvider { name }))
}

/// One that somebody made, and that is not deleted.
fn made<'a>(scene: &Scene<'a>, text: &str) -> Result<&'a CapacityProvider, Exception> {
    let name = strategy::provider(scene, text)?;
    scene.state.provider(&name).ok_or_else(|| {
        Exception::invalid_parameter(format!(
            "The capacity provider {name} is reserved and can be neither updated nor deleted."
        ))
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    capacity_provider: ProviderJson,
}

/// The answer of CreateCapacityProvider, UpdateCapacityProvider and DeleteCapacityProvider.
pub(super) fn changed(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Provider(name) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let provider = scene.state.provider(name);
    let provider = provider.expect("capacity providers are never removed from the state");
    Ok(render::body(&Answer {
        capacity_provider: ProviderJson::of(scene.realm, provider, true),
    }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Describe {
    capacity_providers: Vec<String>,
    cluster: Option<String>,
    include: Vec<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    capacity_providers: Vec<ProviderJson>,
    failures: Vec<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// DescribeCapacityProviders: those named, deleted ones included; else all by name, of one cluster if the caller says which.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let describe: Describe = input.read()?;
    check_at_most(
        "Capacity providers",
        &describe.capacity_providers,
        DESCRIBED_MAX,
    )?;
    describe.paging.check_at_most(PAGE)?;
    let cluster = describe.cluster.as_deref();
    let cluster = cluster
        .map(|text| clusters::existing(scene, Some(text)))
        .transpose()?;
    let with_tags = describe.include.iter().any(|field| field == "TAGS");
    let show = |name: &ProviderName| match scene.state.provider(name) {
        Some(made) => ProviderJson::of(scene.realm, made, with_tags),
        None => ProviderJson::reserved(scene.realm, name),
    };
    let is_wanted = |name: &ProviderName| {
        cluster.is_none_or(|cluster| cluster.capacity.providers.contains(name))
    };
    let mut described = Described {
        capacity_providers: Vec::new(),
        failures: Vec::new(),
        next_token: None,
    };
    if describe.capacity_providers.is_empty() {
        let all = all(scene);
        let wanted = all.iter().filter(|name| is_wanted(name));
        let page = describe
            .paging
            .page_of(PAGE, Order::Ascending, wanted, |name| (*name).clone())?;
        described.capacity_providers = page.items.into_iter().map(show).collect();
        described.next_token = page.next_token;
    }
    for text in &describe.capacity_providers {
        let name = scene.realm.parse_provider(text).ok();
        let is_there =
            |name: &ProviderName| name.is_reserved() || scene.state.provider(name).is_some();
        match name
            .as_ref()
            .filter(|name| is_there(name) && is_wanted(name))
        {
            Some(name) => described.capacity_providers.push(show(name)),
            None => described.failures.push(Failure::missing(
                name.map_or_else(|| text.clone(), |name| scene.realm.provider(&name)),
            )),
        }
    }
    Ok(render::body(&described))
}

/// All that a cluster may have, by name.
fn all(scene: &Scene<'_>) -> Vec<ProviderName> {
    let active = scene
        .state
        .providers()
        .filter(|one| one.status == ProviderStatus::Active);
    let reserved = [ProviderName::FARGATE, ProviderName::FARGATE_SPOT];
    let reserved = reserved.iter().filter_map(|name| name.parse().ok());
    let mut all: Vec<ProviderName> = reserved.chain(active.map(|one| one.name.clone())).collect();
    all.sort();
    all
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wanted {
    capacity_providers: Vec<String>,
    default_capacity_provider_strategy: Vec<Item>,
}

impl Wanted {
    /// What a cluster is to run tasks on, checked.
    pub(super) fn checked(&self, scene: &Scene<'_>) -> Result<Capacity, Exception> {
        let mut providers = Vec::new();
        for text in &self.capacity_providers {
            let name = strategy::provider(scene, text)?;
            if !providers.contains(&name) {
                providers.push(name);
            }
        }
        if providers.len() > ATTACHED_MAX {
            return Err(Exception::invalid_parameter(
                "The maximum number of capacity providers per cluster has been exceeded.",
            ));
        }
        let strategy = strategy::read(scene, &self.default_capacity_provider_strategy)?;
        if strategy
            .iter()
            .any(|item| !providers.contains(&item.provider))
        {
            return Err(refusals::provider_not_attached());
        }
        Ok(Capacity {
            providers,
            strategy,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Put {
    cluster: String,
    #[serde(flatten)]
    wanted: Wanted,
}

/// PutClusterCapacityProviders: instead of all that there was.
pub(super) fn put(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let put: Put = input.read()?;
    let name = clusters::named(scene, Some(&put.cluster))?;
    let cluster = clusters::active(scene, &name)?;
    Ok(Intent::Change(Command::PutClusterCapacity {
        cluster: cluster.name.clone(),
        capacity: put.wanted.checked(scene)?,
    }))
}
