//! The replicated state machine: the only writer of [`State`]. Synchronous, total, the same on every replica.
//!
//! A command either fits and is carried out whole, or is rejected and changes nothing.

mod attributes;
mod balance;
mod capacity;
mod clusters;
mod definitions;
mod instances;
mod nodes;
mod notes;
mod observe;
mod pauses;
mod services;
mod settings;
mod steps;
mod tags;
mod task_sets;
mod tasks;
mod waiting;

use std::collections::BTreeSet;

use quorate_bugs::{Bug, is_seeded};

use crate::command::{Applied, Change, Command, Entry, Item, NewTask, Outcome, Rejection, Reply};
use crate::events::Event;
use crate::state::{Remembered, State};
use crate::time::Millis;

/// How long a request id is remembered: longer than any caller goes on trying.
pub(crate) const REQUEST_KEPT_MS: u64 = 10 * 60 * 1000;
/// What one entry adds at most to the time that the state has lived through. A leader's clock may jump ahead by hours: its callers are still
/// the same, and go on trying.
const LIVED_PER_ENTRY_MS: u64 = 60_000;
/// How long a client token is remembered: a day, as long as people retry by hand.
pub(crate) const TOKEN_KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// Forgetting costs something; each entry pays for a few more than it can add.
const FORGET_PER_ENTRY: usize = 1024;

/// Applies the entry at `index`: what each command came to, and what was touched.
pub fn apply(state: &mut State, index: u64, entry: &Entry) -> Applied {
    assert!(
        index > state.applied_index,
        "entry {index} after {}: the log is applied in order, once",
        state.applied_index
    );
    state.applied_index = index;
    let passed_ms = entry.at.since_ms(state.now);
    state.now = state.now.max(entry.at);
    state.lived = state.lived.plus_ms(passed_ms.min(LIVED_PER_ENTRY_MS));
    let mut desk = Desk {
        now: state.now,
        index,
        state,
        changes: BTreeSet::new(),
        events: Vec::new(),
    };
    let outcomes = entry.items.iter().map(|item| desk.take(item)).collect();
    let (changes, events) = (desk.changes.into_iter().collect(), desk.events);
    state.drop_requests(state.lived.minus_ms(REQUEST_KEPT_MS), FORGET_PER_ENTRY);
    state.drop_tokens(state.now.minus_ms(TOKEN_KEPT_MS), FORGET_PER_ENTRY);
    Applied {
        outcomes,
        changes,
        events,
    }
}

/// Starts tasks in a view for whoever plans on from there: they were placed on it, and fit.
pub(crate) fn foresee(view: &mut State, tasks: &[NewTask]) {
    let mut desk = Desk {
        now: view.now,
        index: view.applied_index,
        state: view,
        changes: BTreeSet::new(),
        events: Vec::new(),
    };
    for new in tasks {
        desk.reserve_one(new);
        desk.start(new, None);
    }
}

/// Where one entry is worked on.
struct Desk<'a> {
    state: &'a mut State,
    now: Millis,
    index: u64,
    changes: BTreeSet<Change>,
    events: Vec<Event>,
}

impl Desk<'_> {
    fn take(&mut self, item: &Item) -> Outcome {
        if let Some(reply) = self.state.remembered(item.request)
            && !is_seeded(Bug::RequestsForgotten)
        {
            return Ok(reply.clone());
        }
        let reply = self.carry_out(&item.command)?;
        if is_worth_remembering(&item.command) {
            self.state.put_request(
                item.request,
                Remembered {
                    at: self.state.lived,
                    reply: reply.clone(),
                },
            );
        }
        Ok(reply)
    }

    fn carry_out(&mut self, command: &Command) -> Result<Reply, Rejection> {
        match command {
            Command::CreateCluster {
                name,
                tags,
                document,
                capacity,
            } => self.create_cluster(name, tags, document, capacity),
            Command::UpdateCluster { name, document } => self.update_cluster(name, document),
            Command::DeleteCluster { name } => self.delete_cluster(name),
            Command::RegisterDefinition {
                family,
                document,
                spec,
                tags,
                registered_by,
            } => self.register_definition(family, document, spec, tags, registered_by),
            Command::DeregisterDefinition { id } => self.deregister_definition(id),
            Command::DeleteDefinitions { ids } => Ok(self.delete_definitions(ids)),
            Command::PurgeDefinitions => Ok(self.purge_definitions()),
            Command::Tag { resource, tags } => self.tag(resource, tags),
            Command::Untag { resource, keys } => self.untag(resource, keys),
            Command::PutSetting {
                principal,
                name,
                value,
            } => Ok(self.put_setting(principal.as_deref(), name, value.as_deref())),
            Command::StartTasks { token, tasks, .. } => {
                self.start_tasks(token.as_ref(), tasks, &[])
            }
            Command::StopTask { task, code, reason } => self.stop_task(*task, *code, reason),
            Command::RegisterInstance(new) => self.register_instance(new),
            Command::Disconnect { instance, session } => self.disconnect(*instance, *session),
            Command::DeregisterInstance { instance, force } => {
                self.deregister_instance(*instance, *force)
            }
            Command::PutAttributes { attributes } => self.put_attributes(attributes),
            Command::DeleteAttributes { attributes } => self.delete_attributes(attributes),
            Command::SetDraining {
                instances,
                is_draining,
            } => Ok(self.set_draining(instances, *is_draining)),
            Command::LoseInstance { instance, session } => self.lose_instance(*instance, *session),
            Command::Observe {
                instance,
                session,
                tasks,
            } => self.observe(*instance, *session, tasks),
            Command::ExpireStops { tasks } => self.expire_stops(tasks),
            Command::Forget { tasks } => self.forget(tasks),
            Command::RecordNode {
                node,
                store,
                peer_address,
                api_address,
                version,
            } => self.record_node(*node, *store, peer_address, api_address, version),
            Command::CreateService(new) => self.create_service(new),
            Command::UpdateService(update) => self.update_service(update),
            Command::DeleteService { service, force } => self.delete_service(service, *force),
            Command::CreateTaskSet(new) => self.create_task_set(new),
            Command::UpdateTaskSet(update) => self.update_task_set(update),
            Command::DeleteTaskSet(deletion) => self.delete_task_set(deletion),
            Command::MakePrimary(set) => self.make_primary(set),
            Command::StopDeployment {
                deployment,
                is_rollback,
            } => self.stop_deployment(*deployment, *is_rollback),
            Command::ContinueDeployment {
                deployment,
                hook,
                is_rollback,
            } => self.continue_deployment(*deployment, hook, *is_rollback),
            Command::StepService(step) => self.step_service(step),
            Command::ProtectTasks { tasks, for_ms } => Ok(self.protect_tasks(tasks, *for_ms)),
            Command::CreateProvider(new) => self.create_provider(new),
            Command::UpdateProvider { name, document } => self.update_provider(name, document),
            Command::DeleteProvider { name } => self.delete_provider(name),
            Command::PutClusterCapacity { cluster, capacity } => {
                self.put_cluster_capacity(cluster, capacity)
            }
            Command::QueueTasks {
                token,
                tasks,
                waiting,
                ..
            } => self.start_tasks(token.as_ref(), tasks, waiting),
            Command::PlaceTasks(step) => self.place_tasks(step),
        }
    }

    fn touch(&mut self, change: Change) {
        if let Change::Task { task, .. } = &change {
            self.stir(task);
        }
        self.changes.insert(change);
    }
}

/// Whether doing the command twice would do more than doing it once. Reports and duties are the most frequent commands, and
/// repeating them is harmless: remembering them would only fill the table.
fn is_worth_remembering(command: &Command) -> bool {
    match command {
        Command::CreateCluster { .. }
        | Command::UpdateCluster { .. }
        | Command::DeleteDefinitions { .. }
        | Command::Tag { .. }
        | Command::Untag { .. }
        | Command::PutSetting { .. }
        | Command::DeleteCluster { .. }
        | Command::RegisterDefinition { .. }
        | Command::DeregisterDefinition { .. }
        | Command::StartTasks { .. }
        | Command::StopTask { .. }
        | Command::RegisterInstance(_)
        | Command::DeregisterInstance { .. }
        | Command::PutAttributes { .. }
        | Command::DeleteAttributes { .. }
        | Command::SetDraining { .. }
        | Command::CreateService(_)
        | Command::UpdateService(_)
        | Command::DeleteService { .. }
        | Command::CreateTaskSet(_)
        | Command::UpdateTaskSet(_)
        | Command::DeleteTaskSet(_)
        | Command::MakePrimary(_)
        | Command::StopDeployment { .. }
        | Command::ContinueDeployment { .. }
        | Command::ProtectTasks { .. }
        | Command::CreateProvider(_)
        | Command::UpdateProvider { .. }
        | Command::DeleteProvider { .. }
        | Command::PutClusterCapacity { .. }
        | Command::QueueTasks { .. } => true,
        Command::Disconnect { .. }
        | Command::PurgeDefinitions
        | Command::LoseInstance { .. }
        | Command::Observe { .. }
        | Command::ExpireStops { .. }
        | Command::Forget { .. }
        | Command::RecordNode { .. }
        | Command::StepService(_)
        | Command::PlaceTasks(_) => false,
    }
}
