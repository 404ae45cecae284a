//! A registration on its way into the state, and what an agent is told when it does not get there.

use std::time::Duration;

use quorate_core::command::NewInstance;
use quorate_core::documents::{Capacity, Document};
use quorate_core::ids::{ClusterName, InstanceId, SessionId};
use quorate_core::{Command, Rejection, Reply};
use quorate_proto::agent::refused::Code;
use quorate_proto::agent::{Refused, Register};
use tokio::time::{Instant, timeout_at};

use super::Desk;
use super::registration;
use super::submit::{Settled, item, submit};
use super::words::refused;
use crate::consensus::ProposeError;
use crate::entropy;

/// How long a registration may take. Agents wait five seconds for a welcome; an election fits in, and the answer has to come before they leave.
const ENROL_PATIENCE: Duration = Duration::from_secs(4);

/// An agent's session, as the state has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Enrolled {
    pub(super) instance: InstanceId,
    pub(super) session: SessionId,
    pub(super) cluster: ClusterName,
    pub(super) incarnation: u64,
}

/// Registers an agent. On return this node's state has the registration.
pub(super) async fn enrol(desk: &Desk, register: Register) -> Result<Enrolled, Refused> {
    let fresh = entropy::mint().instance();
    let new = registration::parse(register, fresh, desk.node, &desk.realm)
        .map_err(|invalid| refused(Code::Invalid, invalid.to_string()))?;
    let deadline = Instant::now() + ENROL_PATIENCE;
    let mut settled = register_once(desk, &new, deadline).await?;
    if is_missing_default(&settled) {
        create_default(desk, deadline).await?;
        settled = register_once(desk, &new, deadline).await?;
    }
    let (id, incarnation) = match settled.outcome {
        Ok(Reply::Instance { id, incarnation }) => (id, incarnation),
        Ok(other) => unreachable!("RegisterInstance replies with an instance, not {other:?}"),
        Err(rejection) => return Err(refusal(&rejection)),
    };
    catch_up(desk, settled.index, deadline).await?;
    Ok(Enrolled {
        instance: id,
        session: new.session,
        cluster: new.cluster,
        incarnation,
    })
}

async fn register_once(
    desk: &Desk,
    new: &NewInstance,
    deadline: Instant,
) -> Result<Settled, Refused> {
    let command = Command::RegisterInstance(Box::new(new.clone()));
    submit(&desk.consensus, item(command), deadline)
        .await
        .map_err(|error| unsettled(&error))
}

/// ECS's agents make the cluster `default` where it is missing; any other has to be made by somebody who means it.
fn is_missing_default(settled: &Settled) -> bool {
    match &settled.outcome {
        Err(Rejection::ClusterNotFound(name) | Rejection::ClusterInactive(name)) => {
            *name == ClusterName::default_cluster()
        }
        Ok(_) | Err(_) => false,
    }
}

async fn create_default(desk: &Desk, deadline: Instant) -> Result<(), Refused> {
    let command = Command::CreateCluster {
        name: ClusterName::default_cluster(),
        tags: Vec::new(),
        document: Document::default(),
        capacity: Capacity::default(),
    };
    let settled = submit(&desk.consensus, item(command), deadline)
        .await
        .map_err(|error| unsettled(&error))?;
    settled
        .outcome
        .map(|_| ())
        .map_err(|rejection| refusal(&rejection))
}

/// Waits until this node's own state has come as far as the registration.
async fn catch_up(desk: &Desk, index: u64, deadline: Instant) -> Result<(), Refused> {
    let mut applied = desk.consensus.applied();
    let reached = timeout_at(deadline, applied.wait_for(|applied| *applied >= index)).await;
    match reached {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(refused(Code::Retry, "this node is behind; try another one")),
    }
}

/// Without an outcome another node may do better.
pub(super) fn unsettled(error: &ProposeError) -> Refused {
    match error {
        ProposeError::TooLarge { .. } => refused(Code::Invalid, error.to_string()),
        ProposeError::NotLeader { .. }
        | ProposeError::Timeout
        | ProposeError::Stopped
        | ProposeError::Overloaded => refused(Code::Retry, error.to_string()),
    }
}

/// What a rejection means for the agent.
pub(super) fn refusal(rejection: &Rejection) -> Refused {
    let text = rejection.to_string();
    match rejection {
        Rejection::ClusterNotFound(name) | Rejection::ClusterInactive(name) => refused(
            Code::Invalid,
            format!("{text}; make it with: quorate cluster create {name}"),
        ),
        Rejection::InstanceElsewhere { .. } => refused(Code::Invalid, text),
        Rejection::InstanceNotFound(_) | Rejection::InstanceInactive(_) => {
            refused(Code::Inactive, text)
        }
        Rejection::StaleSession(_) => refused(Code::Superseded, text),
        Rejection::ClusterHasInstances(_)
        | Rejection::ClusterHasTasks(_)
        | Rejection::DefinitionNotFound(_)
        | Rejection::DefinitionInactive(_)
        | Rejection::TaggedNotFound(_)
        | Rejection::TooManyTags(_)
        | Rejection::TokenConflict { .. }
        | Rejection::NoLongerFits { .. }
        | Rejection::TaskNotFound(_)
        | Rejection::InstanceHasTasks(_)
        | Rejection::TooManyAttributes(_)
        | Rejection::NodeHasOtherStore { .. }
        | Rejection::ClusterHasServices(_)
        | Rejection::ServiceNotFound(_)
        | Rejection::ServiceNotActive(_)
        | Rejection::ServiceExists(_)
        | Rejection::ServiceDraining(_)
        | Rejection::ServiceScaled(_)
        | Rejection::ServiceMoved(_)
        | Rejection::DeploymentNotFound(_)
        | Rejection::NotPaused { .. }
        | Rejection::DeploymentEnded(_)
        | Rejection::ProviderExists(_)
        | Rejection::ProviderNotFound(_)
        | Rejection::GroupTaken(_)
        | Rejection::ProviderAttached { .. }
        | Rejection::ProviderNotAttached { .. }
        | Rejection::ProviderInUse(_)
        | Rejection::TooManyWaiting(_)
        | Rejection::QueueMoved(_)
        | Rejection::TaskSet(_) => {
            unreachable!("no command of an agent comes to {rejection:?}")
        }
    }
}
