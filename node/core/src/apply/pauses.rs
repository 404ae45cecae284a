//! Deployments that wait: pauses begin at the stage of their hook, and end by what somebody says, or by time.

use super::Desk;
use crate::command::{Rejection, Reply};
use crate::documents::Stage;
use crate::ids::DeploymentId;
use crate::state::{Pause, PauseStatus, RolloutStatus, Service};

impl Desk<'_> {
    /// The deployment waits at each of the service's hooks for this stage.
    pub(super) fn pause(&mut self, service: &Service, id: DeploymentId, stage: Stage) {
        let Some(mut record) = self.state.service_deployment(id).cloned() else {
            return;
        };
        for (number, hook) in (1..).zip(&service.spec.hooks) {
            if hook.stages.contains(&stage) {
                let number: usize = number;
                record.pauses.push(Pause {
                    id: format!("{}-{number}", stage.as_str()),
                    stage,
                    status: PauseStatus::Awaiting,
                    expires_at: self.now.plus_ms(hook.timeout_ms),
                    rolls_back: hook.rolls_back,
                });
            }
        }
        record.updated_at = self.now;
        self.state.put_service_deployment(record);
    }

    pub(super) fn time_out(&mut self, id: DeploymentId) {
        let Some(mut record) = self.state.service_deployment(id).cloned() else {
            return;
        };
        let now = self.now;
        let late = |one: &&mut Pause| one.status == PauseStatus::Awaiting && one.expires_at <= now;
        for pause in record.pauses.iter_mut().filter(late) {
            pause.status = PauseStatus::TimedOut;
            if pause.rolls_back {
                record.status = RolloutStatus::RollbackRequested;
            }
        }
        record.updated_at = now;
        self.state.put_service_deployment(record);
    }

    pub(super) fn continue_deployment(
        &mut self,
        id: DeploymentId,
        hook: &str,
        is_rollback: bool,
    ) -> Result<Reply, Rejection> {
        let record = self.state.service_deployment(id).cloned();
        let mut record = record.ok_or(Rejection::DeploymentNotFound(id))?;
        let is_open = record.status == RolloutStatus::InProgress;
        let mut waiting = record.pauses.iter_mut();
        let pause = waiting
            .find(|one| one.id == hook && one.status == PauseStatus::Awaiting)
            .filter(|_| is_open);
        let Some(pause) = pause else {
            let hook = hook.to_owned();
            let deployment = id;
            return Err(Rejection::NotPaused { deployment, hook });
        };
        pause.status = if is_rollback {
            PauseStatus::Failed
        } else {
            PauseStatus::Succeeded
        };
        if is_rollback {
            record.status = RolloutStatus::RollbackRequested;
        }
        record.updated_at = self.now;
        let service = self.active_service(&record.service)?;
        self.state.put_service_deployment(record);
        self.put_stepped(service);
        Ok(Reply::Deployment(id))
    }
}
