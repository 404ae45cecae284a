//! What is deployed of services: ListServiceDeployments, DescribeServiceDeployments, DescribeServiceRevisions, StopServiceDeployment,
//! ContinueServiceDeployment.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use quorate_core::ids::DeploymentId;
use quorate_core::state::ServiceDeployment;
use quorate_core::{Command, Millis, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exception::{Exception, Kind};
use super::input::{Input, check_list};
use super::page::{Order, Paging};
use super::render::rollout;
use super::render::{self, Failure};
use super::{Intent, Outcome, Scene, clusters, services};

/// ECS: ARNs in one DescribeServiceDeployments or DescribeServiceRevisions.
const DESCRIBED_MAX: usize = 20;
/// ECS: service deployments on a page, unless the caller says otherwise.
const PAGE: usize = 20;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    cluster: Option<String>,
    service: String,
    status: Vec<String>,
    created_at: Span,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Span {
    after: Option<f64>,
    before: Option<f64>,
}

/// Where a service deployment stands in a list.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place(Millis, DeploymentId);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.0, self.1.0)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('/').ok_or(())?;
        let at = at.parse().map_err(|_| ())?;
        Ok(Self(Millis(at), DeploymentId(id.parse().map_err(|_| ())?)))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    service_deployments: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListServiceDeployments, newest first.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let filter: Filter = input.read()?;
    let cluster = clusters::existing(scene, filter.cluster.as_deref())?;
    let service = services::named(scene, cluster, &filter.service)?;
    let wanted = |one: &&ServiceDeployment| {
        let at = one.created_at.as_epoch_seconds();
        let status = one.status.as_str();
        (filter.status.is_empty() || filter.status.iter().any(|wanted| wanted == status))
            && filter.created_at.after.is_none_or(|after| at >= after)
            && filter.created_at.before.is_none_or(|before| at <= before)
    };
    let all = scene.state.deployments_of(&service.key).filter(wanted);
    let page = filter.paging.page_of(PAGE, Order::Descending, all, |one| {
        Place(one.created_at, one.id)
    })?;
    Ok(render::body(&Listed {
        service_deployments: page
            .items
            .iter()
            .map(|one| rollout::brief(scene.realm, one))
            .collect(),
        next_token: page.next_token,
    }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Describe {
    service_deployment_arns: Vec<String>,
    service_revision_arns: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    service_deployments: Vec<Value>,
    failures: Vec<Failure>,
}

/// DescribeServiceDeployments.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let arns = input.read::<Describe>()?.service_deployment_arns;
    check_list("Service deployment ARNs", &arns, DESCRIBED_MAX)?;
    let mut described = Described {
        service_deployments: Vec::new(),
        failures: Vec::new(),
    };
    for arn in arns {
        match find(scene, &arn) {
            Some(one) => {
                described
                    .service_deployments
                    .push(rollout::whole(scene.state, scene.realm, one));
            }
            None => described.failures.push(Failure::missing(arn)),
        }
    }
    Ok(render::body(&described))
}

fn find<'a>(scene: &Scene<'a>, arn: &str) -> Option<&'a ServiceDeployment> {
    let id = scene.realm.parse_service_deployment(arn).ok()?;
    let found = scene.state.service_deployment(id)?;
    (scene.realm.service_deployment(&found.service, id) == arn).then_some(found)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Revisions {
    service_revisions: Vec<Value>,
    failures: Vec<Failure>,
}

/// DescribeServiceRevisions.
pub(super) fn revisions(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let arns = input.read::<Describe>()?.service_revision_arns;
    check_list("Service revision ARNs", &arns, DESCRIBED_MAX)?;
    let mut described = Revisions {
        service_revisions: Vec::new(),
        failures: Vec::new(),
    };
    for arn in arns {
        let id = scene.realm.parse_service_revision(&arn).ok();
        let found = id.and_then(|id| scene.state.revision(id));
        let found = found.filter(|one| scene.realm.service_revision(&one.service, one.id) == arn);
        match found {
            Some(one) => {
                described
                    .service_revisions
                    .push(rollout::revision(scene.state, scene.realm, one));
            }
            None => described.failures.push(Failure::missing(arn)),
        }
    }
    Ok(render::body(&described))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stop {
    service_deployment_arn: String,
    stop_type: Option<String>,
}

/// StopServiceDeployment: rolled back unless it is to end where it stands.
pub(super) fn stop(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let stop: Stop = input.read()?;
    let found = find(scene, &stop.service_deployment_arn).ok_or_else(not_found)?;
    Ok(Intent::Change(Command::StopDeployment {
        deployment: found.id,
        is_rollback: stop.stop_type.as_deref() != Some("ABORT"),
    }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GoOn {
    service_deployment_arn: String,
    hook_id: String,
    action: Option<String>,
}

/// ContinueServiceDeployment: how a deployment that waits at a PAUSE hook goes on.
pub(super) fn go_on(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let go_on: GoOn = input.read()?;
    let found = find(scene, &go_on.service_deployment_arn).ok_or_else(not_found)?;
    Ok(Intent::Change(Command::ContinueDeployment {
        deployment: found.id,
        hook: go_on.hook_id,
        is_rollback: go_on.action.as_deref() == Some("ROLLBACK"),
    }))
}

fn not_found() -> Exception {
    Exception::new(
        Kind::ServiceDeploymentNotFound,
        "Service deployment not found.",
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    service_deployment_arn: String,
}

/// The answer of StopServiceDeployment and ContinueServiceDeployment.
pub(super) fn stopped(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Deployment(id) = outcome.reply else {
        return Err(outcome.strange());
    };
    let record = scene.state.service_deployment(id).ok_or_else(not_found)?;
    Ok(render::body(&Stopped {
        service_deployment_arn: scene.realm.service_deployment(&record.service, id),
    }))
}
