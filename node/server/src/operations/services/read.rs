//! DescribeServices, ListServices, ListServicesByNamespace.

use bytes::Bytes;
use quorate_core::state::{Service, ServiceStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::exception::{Exception, Kind};
use super::super::input::{Input, check_list};
use super::super::page::{Order, Paging};
use super::super::render::service::{launch_type, service};
use super::super::render::{self, Failure};
use super::super::{Scene, clusters};
use super::find;

/// ECS: services in one DescribeServices.
const DESCRIBED_MAX: usize = 10;
/// ECS: services on a page of ListServices, unless the caller says otherwise.
const PAGE: usize = 10;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Describe {
    cluster: Option<String>,
    services: Vec<String>,
    include: Vec<String>,
}

#[derive(Serialize)]
struct Described {
    services: Vec<Value>,
    failures: Vec<Failure>,
}

/// DescribeServices; INACTIVE ones included.
pub(in super::super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let describe: Describe = input.read()?;
    check_list("Services", &describe.services, DESCRIBED_MAX)?;
    let cluster = clusters::existing(scene, describe.cluster.as_deref())?;
    let with_tags = describe.include.iter().any(|field| field == "TAGS");
    let mut described = Described {
        services: Vec::new(),
        failures: Vec::new(),
    };
    for text in &describe.services {
        match find(scene, cluster, text)? {
            Some(one) => {
                let shown = service(scene.state, scene.realm, one, with_tags);
                described.services.push(shown);
            }
            None => described.failures.push(Failure::missing_in(
                scene.realm,
                &cluster.name,
                "service",
                text,
            )),
        }
    }
    Ok(render::body(&described))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    cluster: Option<String>,
    launch_type: Option<String>,
    scheduling_strategy: Option<String>,
    resource_management_type: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    service_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListServices: ACTIVE ones, by name.
pub(in super::super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let filter: Filter = input.read()?;
    let cluster = clusters::existing(scene, filter.cluster.as_deref())?;
    let is = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|w| w == has);
    let wanted = |service: &&Service| {
        service.status == ServiceStatus::Active
            && is(&filter.launch_type, &launch_type(scene.state, service))
            && is(
                &filter.scheduling_strategy,
                service.spec.scheduling.as_str(),
            )
            // Our instances are their owners' business.
            && is(&filter.resource_management_type, "CUSTOMER")
    };
    let services = scene.state.services_in(&cluster.name).filter(wanted);
    let page = filter
        .paging
        .page_of(PAGE, Order::Ascending, services, |one| one.key.name.clone())?;
    Ok(render::body(&Listed {
        service_arns: page
            .items
            .iter()
            .map(|one| scene.realm.service(&one.key))
            .collect(),
        next_token: page.next_token,
    }))
}

#[derive(Deserialize)]
struct ByNamespace {
    namespace: String,
}

/// ListServicesByNamespace. There are no namespaces yet.
pub(in super::super) fn list_by_namespace(_: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let wanted: ByNamespace = input.read()?;
    let text = format!("The namespace {} was not found.", wanted.namespace);
    Err(Exception::new(Kind::NamespaceNotFound, text))
}
