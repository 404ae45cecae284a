//! Tasks that wait for room with their capacity provider: they join, are placed, are stopped before that, and are forgotten.

use std::collections::BTreeMap;

use super::Desk;
use super::tasks::Origin;
use crate::command::{Change, NewTask, NewWaiting, QueueStep, Rejection, Reply};
use crate::ids::{ClusterName, TaskId};
use crate::state::{DefinitionStatus, Queue, StopCode, WaitingStop, WaitingTask};

/// ECS: tasks of one cluster in PROVISIONING.
const WAITING_MAX: usize = 500;

impl Desk<'_> {
    /// Whether all of `waiting` may wait, beside `tasks` that are started with them.
    pub(super) fn check_waiting(
        &self,
        tasks: &[NewTask],
        waiting: &[NewWaiting],
    ) -> Result<(), Rejection> {
        let mut counts: BTreeMap<&ClusterName, usize> = BTreeMap::new();
        for (place, new) in waiting.iter().enumerate() {
            self.active_cluster(&new.cluster)?;
            let id = &new.wish.definition;
            let definition = self.state.definition(id);
            let definition = definition.ok_or_else(|| Rejection::DefinitionNotFound(id.clone()))?;
            if definition.status != DefinitionStatus::Active {
                return Err(Rejection::DefinitionInactive(id.clone()));
            }
            self.check_attached(&new.cluster, Some(&new.wish.provider))?;
            let is_twin = waiting[..place].iter().any(|other| other.id == new.id)
                || tasks.iter().any(|task| task.id == new.id);
            if is_twin || self.state.cluster_of_task(&new.id).is_some() {
                return Err(Rejection::QueueMoved(new.cluster.clone()));
            }
            let already = || self.state.waiting_in(&new.cluster).count();
            let count = counts.entry(&new.cluster).or_insert_with(already);
            *count += 1;
            if *count > WAITING_MAX {
                return Err(Rejection::TooManyWaiting(new.cluster.clone()));
            }
        }
        Ok(())
    }

    /// Puts a task that was checked at the end of its cluster's queue.
    pub(super) fn join_queue(&mut self, new: &NewWaiting) {
        let queue = self.state.queue(&new.cluster).cloned();
        // A new queue counts from the index: no step that was decided for an earlier one fits it.
        let mut queue = queue.unwrap_or_else(|| Queue {
            cluster: new.cluster.clone(),
            steps: self.index,
            changes: 0,
            last_number: 0,
            look_at: self.now,
        });
        queue.last_number += 1;
        queue.changes += 1;
        queue.look_at = self.now;
        self.touch(Change::Waiting(new.id));
        self.put_waiting(WaitingTask {
            new: new.clone(),
            number: queue.last_number,
            created_at: self.now,
            stopped: None,
        });
        self.state.put_queue(queue);
    }

    pub(super) fn place_tasks(&mut self, step: &QueueStep) -> Result<Reply, Rejection> {
        let moved = || Rejection::QueueMoved(step.cluster.clone());
        let queue = self.state.queue(&step.cluster).cloned();
        let queue = queue.filter(|queue| queue.steps == step.seen_steps);
        let mut queue = queue.ok_or_else(moved)?;
        if step.tasks.iter().any(|new| new.cluster != step.cluster) {
            return Err(moved());
        }
        let tasks: Vec<&NewTask> = step.tasks.iter().collect();
        let instances = self.check_all(&tasks, Origin::Queue)?;
        self.reserve_all(instances);
        for new in tasks {
            self.leave_queue(new);
        }
        queue.steps += 1;
        queue.look_at = if queue.changes == step.seen_changes {
            step.look_at
        } else {
            self.now
        };
        self.state.put_queue(queue);
        self.close_queue(&step.cluster);
        Ok(Reply::Done)
    }

    /// The task that waited is on an instance now. It is as old as it was.
    fn leave_queue(&mut self, new: &NewTask) {
        let waited = self.state.waiting_task(&new.id).cloned();
        let waited = waited.expect("checked in check_all");
        self.touch(Change::Waiting(new.id));
        self.state.remove_waiting(new.id);
        let mut task = self.new_task(new, None);
        task.created_at = waited.created_at;
        task.version = waited.version() + 1;
        self.put_started(task);
    }

    /// Idempotent: the first reason stays. Nothing runs yet that would have to end.
    pub(super) fn stop_waiting(
        &mut self,
        id: TaskId,
        code: StopCode,
        reason: &str,
    ) -> Result<Reply, Rejection> {
        let task = self.state.waiting_task(&id).cloned();
        let mut task = task.ok_or(Rejection::TaskNotFound(id))?;
        if task.stopped.is_none() {
            task.stopped = Some(WaitingStop {
                at: self.now,
                code,
                reason: reason.to_owned(),
            });
            let cluster = task.new.cluster.clone();
            self.touch(Change::Waiting(id));
            self.put_waiting(task);
            self.close_queue(&cluster);
        }
        Ok(Reply::Tasks(vec![id]))
    }

    pub(super) fn forget_waiting(&mut self, id: TaskId) {
        let task = self.state.waiting_task(&id);
        if task.is_some_and(|task| task.stopped.is_some()) {
            self.touch(Change::Waiting(id));
            self.state.remove_waiting(id);
        }
    }

    /// Room may have become free in the cluster: whoever waits there is to be looked at.
    pub(super) fn stir_queue(&mut self, cluster: &ClusterName) {
        if let Some(mut queue) = self.state.queue(cluster).cloned() {
            queue.changes += 1;
            queue.look_at = self.now;
            self.state.put_queue(queue);
        }
    }

    fn close_queue(&mut self, cluster: &ClusterName) {
        if self.state.waiting_in(cluster).next().is_none() {
            self.state.remove_queue(cluster);
        }
    }
}
