//! Clusters: CreateCluster, DescribeClusters, ListClusters, DeleteCluster; and how other operations name theirs.

use bytes::Bytes;
use quorate_core::Command;
use quorate_core::Reply;
use quorate_core::documents::{Document, Tags, tags};
use quorate_core::ids::ClusterName;
use quorate_core::state::{Cluster, ClusterStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::capacity::Wanted;
use super::exception::{Exception, Kind};
use super::input::{Input, check_list};
use super::page::{Order, Paging};
use super::render::cluster::{ClusterJson, Include};
use super::render::{self, Failure};
use super::{Intent, Outcome, Scene, refusals, settings};

/// ECS: clusters in one DescribeClusters.
const DESCRIBED_MAX: usize = 100;
/// What is kept of a cluster beside its name and tags. ECS has no number for it; this is far above what its shapes can hold.
const DOCUMENT_MAX_BYTES: usize = 64 * 1024;
/// Everything CreateCluster can give; all of it is shown in its answer.
const ALL: Include = Include {
    attachments: false,
    configurations: true,
    settings: true,
    statistics: false,
    tags: true,
};

/// The cluster's name; no name means `default`.
pub(super) fn named(scene: &Scene<'_>, text: Option<&str>) -> Result<ClusterName, Exception> {
    let name = scene.realm.parse_cluster(text.unwrap_or_default());
    name.map_err(|error| refusals::reference(&error))
}

/// The cluster, which may be INACTIVE: what is left of it can still be read.
pub(super) fn existing<'a>(
    scene: &Scene<'a>,
    text: Option<&str>,
) -> Result<&'a Cluster, Exception> {
    let name = named(scene, text)?;
    scene
        .state
        .cluster(&name)
        .ok_or_else(Exception::cluster_not_found)
}

/// The cluster, if things may be put into it.
pub(super) fn active<'a>(scene: &Scene<'a>, name: &ClusterName) -> Result<&'a Cluster, Exception> {
    let cluster = scene
        .state
        .cluster(name)
        .ok_or_else(Exception::cluster_not_found)?;
    match cluster.status {
        ClusterStatus::Active => Ok(cluster),
        ClusterStatus::Inactive => Err(Exception::cluster_inactive()),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Create {
    cluster_name: String,
    tags: Tags,
    #[serde(flatten)]
    capacity: Wanted,
    service_connect_defaults: Option<Namespace>,
}

/// `serviceConnectDefaults`: a namespace, of which there are none yet; an empty name takes one away.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Namespace {
    namespace: String,
}

impl Namespace {
    pub(super) fn check(&self) -> Result<(), Exception> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let text = format!("The namespace {} was not found.", self.namespace);
        Err(Exception::new(Kind::NamespaceNotFound, text))
    }
}

/// Refuses a document that no cluster's shapes could fill.
pub(super) fn check_size(document: &Document) -> Result<(), Exception> {
    if document.text().len() > DOCUMENT_MAX_BYTES {
        return Err(Exception::invalid_parameter(
            "The cluster's configuration can not exceed 64 KiB.",
        ));
    }
    Ok(())
}

/// CreateCluster.
pub(super) fn create(scene: &Scene<'_>, mut input: Input) -> Result<Intent, Exception> {
    let create: Create = input.clone().read()?;
    let name = match create.cluster_name.as_str() {
        "" => ClusterName::default_cluster(),
        name => name.parse().map_err(|_| {
            Exception::invalid_parameter(
                "Cluster names have up to 255 letters, numbers, hyphens and underscores.",
            )
        })?,
    };
    tags::check(&create.tags).map_err(|error| refusals::tags(&error))?;
    let capacity = create.capacity.checked(scene)?;
    let namespace = create.service_connect_defaults.as_ref();
    namespace.map_or(Ok(()), Namespace::check)?;
    // What has a place of its own, or was refused above.
    for member in [
        "clusterName",
        "tags",
        "capacityProviders",
        "defaultCapacityProviderStrategy",
        "serviceConnectDefaults",
    ] {
        input.take(member);
    }
    if let Some(value) = settings::container_insights(scene)?
        && !input.object().contains_key("settings")
    {
        input.put(
            "settings",
            json!([{"name": settings::CONTAINER_INSIGHTS, "value": value}]),
        );
    }
    let document = input.document();
    check_size(&document)?;
    Ok(Intent::Change(Command::CreateCluster {
        name,
        tags: create.tags,
        document,
        capacity,
    }))
}

#[derive(Serialize)]
struct Answer<'a> {
    cluster: ClusterJson<'a>,
}

/// The answer of CreateCluster, UpdateCluster, UpdateClusterSettings and PutClusterCapacityProviders.
pub(super) fn created(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    answer(scene, outcome, ALL)
}

/// The answer of DeleteCluster.
pub(super) fn deleted(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    answer(scene, outcome, Include::default())
}

fn answer(scene: &Scene<'_>, outcome: &Outcome, include: Include) -> Result<Bytes, Exception> {
    let Reply::Cluster(name) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let cluster = scene
        .state
        .cluster(name)
        .expect("clusters are never removed from the state");
    let cluster = ClusterJson::of(scene.state, scene.realm, cluster, include);
    Ok(render::body(&Answer { cluster }))
}

#[derive(Deserialize)]
struct Delete {
    cluster: String,
}

/// DeleteCluster.
pub(super) fn delete(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let delete: Delete = input.read()?;
    let name = named(scene, Some(&delete.cluster))?;
    Ok(Intent::Change(Command::DeleteCluster { name }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Describe {
    clusters: Vec<String>,
    include: Vec<String>,
}

#[derive(Serialize)]
struct Described<'a> {
    clusters: Vec<ClusterJson<'a>>,
    failures: Vec<Failure>,
}

/// DescribeClusters. With no names: the default cluster.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let mut describe: Describe = input.read()?;
    if describe.clusters.is_empty() {
        describe.clusters.push(String::new());
    }
    check_list("Clusters", &describe.clusters, DESCRIBED_MAX)?;
    let wanted = |field: &str| describe.include.iter().any(|one| one == field);
    let include = Include {
        attachments: wanted("ATTACHMENTS"),
        configurations: wanted("CONFIGURATIONS"),
        settings: wanted("SETTINGS"),
        statistics: wanted("STATISTICS"),
        tags: wanted("TAGS"),
    };
    let mut described = Described {
        clusters: Vec::new(),
        failures: Vec::new(),
    };
    for text in &describe.clusters {
        match scene.realm.parse_cluster(text) {
            Err(_) => described.failures.push(Failure::missing(text.clone())),
            Ok(name) => match scene.state.cluster(&name) {
                None => described
                    .failures
                    .push(Failure::missing(scene.realm.cluster(&name))),
                Some(cluster) => {
                    described.clusters.push(ClusterJson::of(
                        scene.state,
                        scene.realm,
                        cluster,
                        include,
                    ));
                }
            },
        }
    }
    Ok(render::body(&described))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    cluster_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListClusters: those that are ACTIVE.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let paging: Paging = input.read()?;
    let active = scene
        .state
        .clusters()
        .filter(|cluster| cluster.status == ClusterStatus::Active);
    let page = paging.page(Order::Ascending, active, |cluster| cluster.name.clone())?;
    Ok(render::body(&Listed {
        cluster_arns: page
            .items
            .iter()
            .map(|cluster| scene.realm.cluster(&cluster.name))
            .collect(),
        next_token: page.next_token,
    }))
}
