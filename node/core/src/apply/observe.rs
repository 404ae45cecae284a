//! What agents saw, worked into tasks. Statuses go forward only, ends are set once, and a report of an older session counts nothing.
//! Health alone goes back and forth, while a container runs.

use quorate_bugs::{Bug, is_seeded};

use super::Desk;
use crate::command::{Change, ContainerObserved, Rejection, Reply, TaskObserved};
use crate::ids::{InstanceId, SessionId};
use crate::state::health::is_healthy;
use crate::state::{Container, ContainerStatus, DesiredStatus, Health, StopCode, Task, TaskStatus};

impl Desk<'_> {
    pub(super) fn observe(
        &mut self,
        instance: InstanceId,
        session: SessionId,
        tasks: &[TaskObserved],
    ) -> Result<Reply, Rejection> {
        self.instance_in_session(instance, session)?;
        for seen in tasks {
            self.observe_task(instance, seen);
        }
        Ok(Reply::Done)
    }

    /// Tasks that are not on this instance, or have ended, are none of the agent's: it hears so from its full set.
    fn observe_task(&mut self, instance: InstanceId, seen: &TaskObserved) {
        let current = self
            .state
            .task(&seen.task)
            .filter(|task| task.instance == instance)
            .filter(|task| task.holds_resources() || is_seeded(Bug::StatusGoesBack));
        let Some(before) = current.cloned() else {
            return;
        };
        let mut task = before.clone();
        for container in &mut task.containers {
            if let Some(observed) = seen
                .containers
                .iter()
                .find(|observed| observed.name == container.name)
            {
                observe_container(container, observed);
            }
        }
        task.pull_started_at = task.pull_started_at.or(seen.pull_started_at);
        task.pull_stopped_at = task.pull_stopped_at.or(seen.pull_stopped_at);
        task.execution_stopped_at = task.execution_stopped_at.or(seen.execution_stopped_at);
        if task.last.may_become(seen.status) || is_seeded(Bug::StatusGoesBack) {
            self.advance(&mut task, seen);
        }
        if task.health() != Health::Healthy {
            task.healthy_at = None;
        } else if before.health() != Health::Healthy {
            task.healthy_at = Some(self.now);
        }
        // A change of health is an event of its own, unless it came with one.
        if task.version == before.version && healths(&before).ne(healths(&task)) {
            task.version += 1;
        }
        if is_healthy(&before, self.now) && !is_healthy(&task, self.now) && task.holds_resources() {
            self.note_loss(&task);
        }
        if before != task {
            self.touch(Change::Task {
                task: task.id,
                instance,
            });
            self.put_task(task);
        }
    }

    fn advance(&mut self, task: &mut Task, seen: &TaskObserved) {
        match seen.status {
            TaskStatus::Stopped => {
                let never_ran = task.started_at.is_none();
                let guess = if never_ran {
                    StopCode::TaskFailedToStart
                } else {
                    StopCode::EssentialContainerExited
                };
                if task.stop_code.is_none() {
                    task.stop_code = seen.stop_code.or(Some(guess));
                    task.stopped_reason.clone_from(&seen.reason);
                }
                for container in &mut task.containers {
                    container.status = ContainerStatus::Stopped;
                }
                task.desired = DesiredStatus::Stopped;
                self.mark_stopped(task);
            }
            TaskStatus::Running => {
                task.started_at = Some(self.now);
                task.last = TaskStatus::Running;
                task.version += 1;
            }
            // Agents speak of PENDING, RUNNING and STOPPED only; the rest belongs to the control plane.
            TaskStatus::Provisioning
            | TaskStatus::Pending
            | TaskStatus::Activating
            | TaskStatus::Deactivating
            | TaskStatus::Stopping
            | TaskStatus::Deprovisioning => {}
        }
    }
}

fn healths(task: &Task) -> impl Iterator<Item = Option<Health>> {
    task.containers.iter().map(|container| container.health)
}

fn observe_container(container: &mut Container, seen: &ContainerObserved) {
    if container.status == ContainerStatus::Stopped {
        return;
    }
    container.status = container.status.max(seen.status);
    if !seen.runtime_id.is_empty() {
        container.runtime_id.clone_from(&seen.runtime_id);
    }
    if !seen.image_digest.is_empty() {
        container.image_digest.clone_from(&seen.image_digest);
    }
    if !seen.bindings.is_empty() {
        container.bindings.clone_from(&seen.bindings);
    }
    if container.status == ContainerStatus::Running && container.health.is_some() {
        container.health = seen.health.or(container.health);
    }
    if seen.status == ContainerStatus::Stopped {
        container.exit_code = seen.exit_code;
        container.reason.clone_from(&seen.reason);
        container.last_output.clone_from(&seen.last_output);
    }
}
