//! Tasks: started where the leader placed them, told to stop, ended without their agent, forgotten.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use quorate_bugs::{Bug, is_seeded};

use super::Desk;
use crate::command::{Change, ClientToken, NewContainer, NewTask, NewWaiting, Rejection, Reply};
use crate::ids::{InstanceId, TaskId};
use crate::state::{
    Container, ContainerStatus, DefinitionStatus, DesiredStatus, Health, Instance, Membership,
    StopCode, Task, TaskStatus, TokenRecord,
};

/// The mistake of [`Bug::HashOrder`].
#[expect(clippy::disallowed_types, reason = "a bug seeded on purpose")]
fn in_hash_order(ids: &mut Vec<TaskId>) {
    let hashed: std::collections::HashSet<TaskId> = ids.drain(..).collect();
    ids.extend(hashed);
}

/// Who starts a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// RunTask, StartTask.
    Caller,
    /// A service.
    Service,
    /// It waited for room, and has found some.
    Queue,
}

/// stoppedReason of tasks whose agent never confirmed that they ended.
pub(super) const UNCONFIRMED_REASON: &str = "Task told to stop; its agent did not confirm in time.";

impl Desk<'_> {
    pub(super) fn start_tasks(
        &mut self,
        token: Option<&ClientToken>,
        tasks: &[NewTask],
        waiting: &[NewWaiting],
    ) -> Result<Reply, Rejection> {
        if let Some(reply) = token.and_then(|token| self.known_token(token)) {
            return reply;
        }
        let instances = self.check_all(&tasks.iter().collect::<Vec<_>>(), Origin::Caller)?;
        self.check_waiting(tasks, waiting)?;
        let mut ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        ids.extend(waiting.iter().map(|task| task.id));
        if is_seeded(Bug::HashOrder) {
            in_hash_order(&mut ids);
        }
        self.reserve_all(instances);
        for new in tasks {
            self.start(new, None);
        }
        for new in waiting {
            self.join_queue(new);
        }
        if let Some(ClientToken {
            cluster,
            token,
            fingerprint,
        }) = token
        {
            let record = TokenRecord {
                fingerprint: *fingerprint,
                tasks: ids.clone(),
                at: self.now,
            };
            self.state.put_token(cluster.clone(), token.clone(), record);
        }
        Ok(Reply::Tasks(ids))
    }

    fn known_token(&self, token: &ClientToken) -> Option<Result<Reply, Rejection>> {
        let record = self.state.token(&token.cluster, &token.token)?;
        let tasks = record.tasks.clone();
        let is_same = record.fingerprint == token.fingerprint;
        Some(if is_same {
            Ok(Reply::Tasks(tasks))
        } else {
            Err(Rejection::TokenConflict { tasks })
        })
    }

    /// Checks all before any is started, and gives the instances as they will be. Tasks of one command may share an instance.
    /// A service goes on with an INACTIVE definition, nobody else starts anything of one.
    pub(super) fn check_all(
        &self,
        tasks: &[&NewTask],
        origin: Origin,
    ) -> Result<BTreeMap<InstanceId, Instance>, Rejection> {
        let mut view: BTreeMap<InstanceId, Instance> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for new in tasks {
            self.active_cluster(&new.cluster)?;
            let definition = self.state.definition(&new.definition);
            let definition =
                definition.ok_or_else(|| Rejection::DefinitionNotFound(new.definition.clone()))?;
            if origin == Origin::Caller && definition.status != DefinitionStatus::Active {
                return Err(Rejection::DefinitionInactive(new.definition.clone()));
            }
            self.check_attached(&new.cluster, new.provider.as_ref())?;
            let gone = || Rejection::NoLongerFits {
                task: new.id,
                instance: new.instance,
            };
            if let btree_map::Entry::Vacant(e) = view.entry(new.instance) {
                e.insert(
                    self.state
                        .instance(&new.instance)
                        .cloned()
                        .ok_or_else(gone)?,
                );
            }
            let instance = view.get_mut(&new.instance).expect("inserted above");
            let fits = instance.takes_tasks()
                && instance.cluster == new.cluster
                && has_room(instance, new);
            if !fits || !self.is_free_for(new, origin) || !ids.insert(new.id) {
                return Err(gone());
            }
            reserve(instance, new);
        }
        Ok(view)
    }

    /// Whether the id may be the task's: nobody's, or that of a task that waits for just this.
    fn is_free_for(&self, new: &NewTask, origin: Origin) -> bool {
        let waiting = self.state.waiting_task(&new.id);
        let is_unknown = self.state.task(&new.id).is_none();
        is_unknown
            && match origin {
                Origin::Caller | Origin::Service => waiting.is_none(),
                Origin::Queue => waiting.is_some_and(|task| {
                    task.stopped.is_none()
                        && task.new.cluster == new.cluster
                        && task.new.wish.definition == new.definition
                        && Some(&task.new.wish.provider) == new.provider.as_ref()
                }),
            }
    }

    /// Reserves what one task takes.
    pub(super) fn reserve_one(&mut self, new: &NewTask) {
        if let Some(mut instance) = self.state.instance(&new.instance).cloned() {
            reserve(&mut instance, new);
            self.put_instance(instance);
        }
    }

    /// Puts the instances that [`Desk::check_all`] gave: each once, however many tasks it takes.
    pub(super) fn reserve_all(&mut self, instances: BTreeMap<InstanceId, Instance>) {
        if is_seeded(Bug::NoReservation) {
            return;
        }
        for instance in instances.into_values() {
            self.touch(Change::Instance(instance.id));
            self.put_instance(instance);
        }
    }

    /// Starts a task that was checked, and whose place is reserved.
    pub(super) fn start(&mut self, new: &NewTask, service: Option<Membership>) {
        let task = self.new_task(new, service);
        self.put_started(task);
    }

    pub(super) fn put_started(&mut self, task: Task) {
        self.touch(Change::Task {
            task: task.id,
            instance: task.instance,
        });
        self.put_task(task);
    }

    pub(super) fn new_task(&self, new: &NewTask, service: Option<Membership>) -> Task {
        let instance = self.state.instance(&new.instance);
        let incarnation = instance.expect("checked in check_all").incarnation;
        Task {
            id: new.id,
            cluster: new.cluster.clone(),
            definition: new.definition.clone(),
            instance: new.instance,
            incarnation,
            assigned_index: self.index,
            desired: DesiredStatus::Running,
            last: TaskStatus::Pending,
            version: 1,
            containers: new.containers.iter().map(new_container).collect(),
            reserved: new.reserved.clone(),
            group: new.group.clone(),
            started_by: new.started_by.clone(),
            overrides: new.overrides.clone(),
            tags: new.tags.clone(),
            launch_type: new.launch_type.clone(),
            provider: new.provider.clone(),
            enable_execute_command: new.enable_execute_command,
            stop_timeout_ms: new.stop_timeout_ms,
            created_at: self.now,
            started_at: None,
            pull_started_at: None,
            pull_stopped_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: String::new(),
            service,
            healthy_at: None,
            protected_until: None,
        }
    }

    /// Idempotent, in any status (ECS, StopTask): the first reason stays.
    pub(super) fn stop_task(
        &mut self,
        id: TaskId,
        code: StopCode,
        reason: &str,
    ) -> Result<Reply, Rejection> {
        let Some(task) = self.state.task(&id) else {
            return self.stop_waiting(id, code, reason);
        };
        if task.desired == DesiredStatus::Running {
            let mut task = task.clone();
            self.note_loss(&task);
            task.desired = DesiredStatus::Stopped;
            task.stopping_at = task.stopping_at.or(Some(self.now));
            if task.stop_code.is_none() {
                task.stop_code = Some(code);
                reason.clone_into(&mut task.stopped_reason);
            }
            task.version += 1;
            self.touch(Change::Task {
                task: id,
                instance: task.instance,
            });
            self.put_task(task);
        }
        Ok(Reply::Tasks(vec![id]))
    }

    pub(super) fn expire_stops(&mut self, tasks: &[TaskId]) -> Result<Reply, Rejection> {
        for id in tasks {
            let told = self.state.task(id).is_some_and(|task| {
                task.desired == DesiredStatus::Stopped && task.holds_resources()
            });
            if told {
                self.end_task(*id, StopCode::UserInitiated, UNCONFIRMED_REASON);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn forget(&mut self, tasks: &[TaskId]) -> Result<Reply, Rejection> {
        for id in tasks {
            let stopped = self
                .state
                .task(id)
                .filter(|task| task.last == TaskStatus::Stopped);
            if let Some(instance) = stopped.map(|task| task.instance) {
                self.touch(Change::Task {
                    task: *id,
                    instance,
                });
                self.state.remove_task(*id);
            }
            self.forget_waiting(*id);
        }
        Ok(Reply::Done)
    }

    /// Ends a task that its agent can no longer end: containers that never reported an end have none, only the reason.
    pub(super) fn end_task(&mut self, id: TaskId, code: StopCode, reason: &str) {
        let mut task = self
            .state
            .task(&id)
            .cloned()
            .expect("the caller looked it up");
        for container in task
            .containers
            .iter_mut()
            .filter(|c| c.status != ContainerStatus::Stopped)
        {
            container.status = ContainerStatus::Stopped;
            reason.clone_into(&mut container.reason);
        }
        if task.stop_code.is_none() {
            task.stop_code = Some(code);
            reason.clone_into(&mut task.stopped_reason);
        }
        task.desired = DesiredStatus::Stopped;
        self.mark_stopped(&mut task);
        self.touch(Change::Task {
            task: id,
            instance: task.instance,
        });
        self.put_task(task);
    }

    /// The one way into STOPPED: sets the times and gives back what the task held.
    pub(super) fn mark_stopped(&mut self, task: &mut Task) {
        assert!(
            task.last.may_become(TaskStatus::Stopped),
            "{} is STOPPED already",
            task.id
        );
        self.note_end(task);
        task.last = TaskStatus::Stopped;
        task.version += 1;
        task.stopping_at = task.stopping_at.or(Some(self.now));
        task.execution_stopped_at = task.execution_stopped_at.or(Some(self.now));
        task.stopped_at = Some(self.now);
        let mut instance = self
            .state
            .instance(&task.instance)
            .cloned()
            .expect("a task's instance is never removed");
        release(&mut instance, task);
        self.touch(Change::Instance(instance.id));
        self.put_instance(instance);
        self.stir_queue(&task.cluster);
    }
}

fn new_container(new: &NewContainer) -> Container {
    Container {
        id: new.id,
        name: new.name.clone(),
        image: new.image.clone(),
        essential: new.essential,
        status: ContainerStatus::Pending,
        cpu_units: new.cpu_units,
        memory_mib: new.memory_mib,
        memory_reservation_mib: new.memory_reservation_mib,
        runtime_id: String::new(),
        exit_code: None,
        reason: String::new(),
        image_digest: String::new(),
        bindings: new.bindings.clone(),
        health: new.has_health_check.then_some(Health::Unknown),
        last_output: String::new(),
    }
}

fn has_room(instance: &Instance, new: &NewTask) -> bool {
    let mut mine = BTreeSet::new();
    let mut is_free = |port| {
        let taken =
            instance.registered.ports.contains(port) || instance.reserved.ports.contains(port);
        !taken && mine.insert(port)
    };
    instance.cpu_units_free() >= new.reserved.cpu_units
        && instance.memory_mib_free() >= new.reserved.memory_mib
        && instance.gpus_free() >= new.reserved.gpus
        && new.reserved.ports.iter().all(&mut is_free)
}

fn reserve(instance: &mut Instance, new: &NewTask) {
    instance.reserved.cpu_units += new.reserved.cpu_units;
    instance.reserved.memory_mib += new.reserved.memory_mib;
    instance.reserved.gpus += new.reserved.gpus;
    instance.reserved.ports.extend(&new.reserved.ports);
    let dynamic =
        |port: &u16| (instance.dynamic_ports.first..=instance.dynamic_ports.last).contains(port);
    let last_dynamic = new
        .reserved
        .ports
        .iter()
        .map(|host| host.port)
        .rfind(dynamic);
    instance.dynamic_cursor = last_dynamic.unwrap_or(instance.dynamic_cursor);
    instance.change_count += 1;
}

fn release(instance: &mut Instance, task: &Task) {
    let held = &task.reserved;
    assert!(
        instance.reserved.cpu_units >= held.cpu_units
            && instance.reserved.memory_mib >= held.memory_mib
            && instance.reserved.gpus >= held.gpus
    );
    instance.reserved.cpu_units -= held.cpu_units;
    instance.reserved.memory_mib -= held.memory_mib;
    instance.reserved.gpus -= held.gpus;
    for port in &held.ports {
        let was_held = instance.reserved.ports.remove(port);
        assert!(
            was_held,
            "{} held {port:?}, {} did not know",
            task.id, instance.id
        );
    }
    instance.is_overcommitted = instance.exceeds();
    instance.change_count += 1;
}
