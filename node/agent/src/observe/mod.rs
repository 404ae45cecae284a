//! What is here: the agent's picture of its containers, fed by what a runtime lists and by how started work ends, and what the
//! picture amounts to as ECS's statuses. Everything here only goes forward: an exit, a cause and a status are set once.

mod summary;

use std::collections::BTreeMap;

use quorate_proto::agent as wire;
use tokio::time::Instant;

use crate::assigned::{Assigned, AssignedTask};
use crate::runtime::{
    ContainerSpec, Exit, Health, HealthStatus, Key, Port, Seen, Sighting, StartError, Started, Tag,
    TaskId,
};

/// Every task that has, or is about to have, containers here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// Containers of any other instance are of an identity this agent gave up.
    pub(crate) instance_id: String,
    pub(crate) tasks: BTreeMap<TaskId, ObservedTask>,
}

/// One task as it is here.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObservedTask {
    pub(crate) containers: BTreeMap<String, ObservedContainer>,
    /// Why it must not run, the first of all causes.
    pub(crate) cause: Option<Cause>,
    /// All of its containers have been started.
    pub(crate) ran: bool,
    /// It is STOPPED.
    pub(crate) ended: bool,
    /// The control plane has committed that it is STOPPED, or counts on nothing of it any more.
    pub(crate) acknowledged: bool,
    pull_started_ms: i64,
    pull_stopped_ms: i64,
}

/// Why a task must not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The control plane wants it stopped; it knows its own reason.
    Requested,
    /// No assignment names it any more.
    GivenUp,
    EssentialExited,
    FailedToStart(String),
}

/// One container as it is here.
#[derive(Clone, Debug)]
pub(crate) struct ObservedContainer {
    pub(crate) tag: Tag,
    /// Absent while it is being made, and where there is nothing to remove.
    pub(crate) runtime_id: Option<String>,
    pub(crate) phase: Phase,
    /// The task was stopped while this one was being made, and the work was told so.
    pub(crate) cancelled: bool,
    pub(crate) signalled_at: Option<Instant>,
    pub(crate) killed_at: Option<Instant>,
    pub(crate) is_being_removed: bool,
    /// How well it was when it was last seen to run; absent where nothing is checked.
    pub(crate) health: Option<Health>,
    /// It runs, though it is over for us: the engine came to a start that an agent of before had asked for. Nobody is told; it is stopped.
    pub(crate) runs_on: bool,
    image_digest: String,
    /// A listing begun before this knows less than we do.
    changed_at: Instant,
}

/// How far a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its image is being pulled, or it is being made.
    Starting,
    Created,
    Running,
    Exited(Exit),
}

impl ObservedContainer {
    fn new(tag: Tag, phase: Phase, now: Instant) -> Self {
        Self {
            tag,
            runtime_id: None,
            phase,
            cancelled: false,
            signalled_at: None,
            killed_at: None,
            is_being_removed: false,
            health: None,
            runs_on: false,
            image_digest: String::new(),
            changed_at: now,
        }
    }

    /// The exit, if it has ended.
    pub(crate) fn exit(&self) -> Option<&Exit> {
        match &self.phase {
            Phase::Exited(exit) => Some(exit),
            Phase::Starting | Phase::Created | Phase::Running => None,
        }
    }

    fn health_status(&self) -> HealthStatus {
        self.health
            .as_ref()
            .map(|health| health.status)
            .unwrap_or_default()
    }

    fn has_been_started(&self) -> bool {
        match &self.phase {
            Phase::Running => true,
            Phase::Exited(exit) => !exit.never_started,
            Phase::Starting | Phase::Created => false,
        }
    }
}

impl ObservedTask {
    /// The newest assignment any of its containers came from.
    pub(crate) fn fencing(&self) -> u64 {
        self.containers
            .values()
            .map(|container| container.tag.fencing)
            .max()
            .unwrap_or(0)
    }

    /// When the last of what is left of it ended, by the runtime's own clock; absent if nothing is left that ever ran.
    pub(crate) fn finished_ms(&self) -> Option<i64> {
        let left = self
            .containers
            .values()
            .filter(|container| container.runtime_id.is_some());
        left.filter_map(ObservedContainer::exit)
            .filter(|exit| !exit.never_started)
            .map(|exit| exit.at_ms)
            .max()
    }

    /// Whether all is started that can be. What is not essential and could not be started holds nobody up.
    fn has_come_up(&self) -> bool {
        let is_up = |container: &ObservedContainer| {
            container.has_been_started() || !container.tag.essential && container.exit().is_some()
        };
        self.containers.values().all(is_up)
            && self
                .containers
                .values()
                .any(ObservedContainer::has_been_started)
    }

    fn essential_exit(&self) -> Option<&Exit> {
        self.containers
            .values()
            .filter(|container| container.tag.essential)
            .find_map(ObservedContainer::exit)
    }

    fn has_only_exits(&self) -> bool {
        self.containers
            .values()
            .all(|container| container.exit().is_some())
    }
}

impl Observed {
    /// True for a task of an identity this agent gave up.
    pub(crate) fn is_former(&self, task: &ObservedTask) -> bool {
        task.containers
            .values()
            .any(|container| container.tag.instance_id != self.instance_id)
    }

    /// True for a task that is over here and for the control plane: what is left of it is there only to be read.
    pub(crate) fn is_settled(&self, id: &TaskId, task: &ObservedTask, assigned: &Assigned) -> bool {
        let is_known_to_have_ended =
            task.acknowledged && assigned.is_complete() && assigned.task(id).is_none();
        task.ended && (is_known_to_have_ended || self.is_former(task))
    }

    /// Takes what the runtime listed in a call begun at `began`: unknown containers are adopted, missing ones are lost.
    /// Says whose health is another than before.
    pub(crate) fn absorb(
        &mut self,
        listing: Vec<Sighting>,
        began: Instant,
        wall_ms: i64,
    ) -> Vec<Key> {
        let mut unseen: Vec<Key> = self.keys();
        let mut changed = Vec::new();
        for sighting in listing {
            let key = sighting.tag.key.clone();
            unseen.retain(|unseen| *unseen != key);
            if self.absorb_one(sighting, began) {
                changed.push(key);
            }
        }
        for key in unseen {
            let Some(container) = self.container_mut(&key) else {
                continue;
            };
            if container.phase == Phase::Starting || container.changed_at >= began {
                continue;
            }
            container.runtime_id = None;
            container.runs_on = false;
            if container.exit().is_none() {
                container.phase = Phase::Exited(lost(wall_ms));
            }
        }
        changed
    }

    /// True if its health is another than before.
    fn absorb_one(&mut self, sighting: Sighting, began: Instant) -> bool {
        let task = self.tasks.entry(sighting.tag.key.task.clone()).or_default();
        let container = task
            .containers
            .entry(sighting.tag.key.container.clone())
            .or_insert_with(|| {
                let before = began
                    .checked_sub(std::time::Duration::from_nanos(1))
                    .unwrap_or(began);
                ObservedContainer::new(sighting.tag, Phase::Created, before)
            });
        if container.phase == Phase::Starting || container.changed_at >= began {
            return false;
        }
        container.runtime_id = Some(sighting.runtime_id);
        container.is_being_removed = false;
        container.runs_on = container.exit().is_some() && sighting.state == Seen::Running;
        match (&container.phase, sighting.state) {
            (Phase::Created, Seen::Running) => container.phase = Phase::Running,
            (Phase::Created | Phase::Running, Seen::Exited(exit)) => {
                container.phase = Phase::Exited(exit);
            }
            (Phase::Exited(_) | Phase::Starting, _) | (_, Seen::Created | Seen::Running) => {}
        }
        // Of what has ended, the last that was seen says how well it was.
        if container.phase != Phase::Running {
            return false;
        }
        let before = container.health_status();
        container.health = sighting.health;
        before != container.health_status()
    }

    /// A container is being started.
    pub(crate) fn starting(&mut self, spec: &ContainerSpec, now: Instant) {
        let task = self.tasks.entry(spec.tag.key.task.clone()).or_default();
        let fresh = ObservedContainer::new(spec.tag.clone(), Phase::Starting, now);
        task.containers
            .insert(spec.tag.key.container.clone(), fresh);
    }

    /// The start of a container ended.
    pub(crate) fn start_ended(
        &mut self,
        key: &Key,
        result: Result<Started, StartError>,
        now: Instant,
        wall_ms: i64,
    ) {
        let Some(task) = self.tasks.get_mut(&key.task) else {
            return;
        };
        let Some(container) = task.containers.get_mut(&key.container) else {
            return;
        };
        container.changed_at = now;
        match result {
            Ok(started) => {
                container.phase = Phase::Running;
                container.runtime_id = Some(started.runtime_id);
                container.image_digest = started.image_digest;
                if let Some((from, to)) = started.pull_ms {
                    let earliest = if task.pull_started_ms == 0 {
                        from
                    } else {
                        task.pull_started_ms.min(from)
                    };
                    (task.pull_started_ms, task.pull_stopped_ms) =
                        (earliest, task.pull_stopped_ms.max(to));
                }
            }
            Err(error) => {
                let exit = Exit {
                    code: None,
                    reason: error.to_string(),
                    never_started: true,
                    at_ms: wall_ms,
                    last_output: String::new(),
                };
                container.phase = Phase::Exited(exit);
            }
        }
    }

    /// The container with `key`, if there is one.
    pub(crate) fn container_mut(&mut self, key: &Key) -> Option<&mut ObservedContainer> {
        self.tasks
            .get_mut(&key.task)?
            .containers
            .get_mut(&key.container)
    }

    /// A container and what it left are gone.
    pub(crate) fn removed(&mut self, key: &Key) {
        if let Some(container) = self.container_mut(key) {
            container.runtime_id = None;
            container.is_being_removed = false;
        }
    }

    /// Draws the conclusions that last: what was lost, why a task must stop, that it ran, that it ended.
    pub(crate) fn settle(&mut self, assigned: &Assigned, now: Instant, wall_ms: i64) {
        for (id, task) in assigned.tasks() {
            let seen = self.tasks.entry(id.clone()).or_default();
            if task.began || seen.ran {
                add_lost(task, seen, now, wall_ms);
            }
        }
        let instance_id = &self.instance_id;
        for (id, seen) in &mut self.tasks {
            let is_former = seen
                .containers
                .values()
                .any(|container| container.tag.instance_id != *instance_id);
            let is_given_up = is_former || assigned.is_given_up(id, seen.fencing());
            let task = assigned.task(id);
            let is_whole = task.is_none_or(|task| {
                task.containers
                    .keys()
                    .all(|name| seen.containers.contains_key(name))
            });
            seen.ran |= is_whole && seen.has_come_up();
            if seen.cause.is_none() {
                seen.cause = cause(task, seen, is_given_up, is_whole);
            }
            if seen.cause.is_some() {
                bury_created(seen, wall_ms);
                seen.ended |= seen.has_only_exits();
            }
            // It ended by itself, perhaps in an earlier life of the agent, and the control plane counts on nothing of it.
            let ended_by_itself = seen.ended && seen.cause != Some(Cause::GivenUp);
            seen.acknowledged |= is_given_up && ended_by_itself;
        }
    }

    /// What every task of this instance amounts to, in the words of the wire; of settled ones there is nothing more to say.
    pub(crate) fn summary(&self, assigned: &Assigned) -> BTreeMap<TaskId, wire::TaskObserved> {
        let told = self
            .tasks
            .iter()
            .filter(|(id, task)| !self.is_former(task) && !self.is_settled(id, task, assigned));
        told.map(|(id, task)| (id.clone(), summary::summarise(id, assigned.task(id), task)))
            .collect()
    }

    /// Host ports that containers of this agent hold, though others may find them taken. Ended ones hold none.
    pub(crate) fn ports(&self) -> impl Iterator<Item = &Port> {
        self.tasks
            .values()
            .flat_map(|task| task.containers.values())
            .filter(|container| container.exit().is_none() || container.runs_on)
            .flat_map(|container| &container.tag.ports)
    }

    fn keys(&self) -> Vec<Key> {
        self.tasks
            .values()
            .flat_map(|task| task.containers.values())
            .map(|container| container.tag.key.clone())
            .collect()
    }
}

fn lost(wall_ms: i64) -> Exit {
    let reason = "ContainerNotFoundError: the container is no longer on the instance".to_owned();
    Exit {
        code: None,
        reason,
        never_started: false,
        at_ms: wall_ms,
        last_output: String::new(),
    }
}

fn add_lost(task: &AssignedTask, seen: &mut ObservedTask, now: Instant, wall_ms: i64) {
    for (name, spec) in &task.containers {
        seen.containers.entry(name.clone()).or_insert_with(|| {
            ObservedContainer::new(spec.tag.clone(), Phase::Exited(lost(wall_ms)), now)
        });
    }
}

/// Made and never started, and now it never will be.
fn bury_created(seen: &mut ObservedTask, wall_ms: i64) {
    for container in seen
        .containers
        .values_mut()
        .filter(|container| container.phase == Phase::Created)
    {
        let exit = Exit {
            code: None,
            reason: StartError::Cancelled.to_string(),
            never_started: true,
            at_ms: wall_ms,
            last_output: String::new(),
        };
        container.phase = Phase::Exited(exit);
    }
}

fn cause(
    task: Option<&AssignedTask>,
    seen: &ObservedTask,
    is_given_up: bool,
    is_whole: bool,
) -> Option<Cause> {
    if task.is_some_and(|task| task.stop) {
        return Some(Cause::Requested);
    }
    if is_given_up {
        return Some(Cause::GivenUp);
    }
    match seen.essential_exit() {
        Some(exit) if exit.never_started => Some(Cause::FailedToStart(exit.reason.clone())),
        Some(_) => Some(Cause::EssentialExited),
        // Without an essential container a task ends with its last one.
        None => (is_whole && !seen.containers.is_empty() && seen.has_only_exits())
            .then_some(Cause::EssentialExited),
    }
}
