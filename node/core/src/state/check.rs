//! What must hold of every state, by name. Tests call it after every entry; a violation is a bug, never a refusal.

use std::collections::BTreeSet;
use std::fmt;

use super::write::{stopped_key, stopping_key};
use super::{
    Container, ContainerStatus, EVENTS_KEPT, Instance, Resources, Service, ServiceStatus, State,
    Task, TaskStatus,
};
use crate::documents::Controller;
use crate::ids::DeploymentId;

/// A promise of the state, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I11: an instance's reserved resources are exactly the sum of what its unstopped tasks hold.
    ReservedIsTheSumOfTasks,
    /// I11: tasks do not hold more than their instance has, unless it came back smaller.
    ReservedFits,
    /// I11: a host port is held by one task.
    PortHeldOnce,
    /// I5: a task is on an instance of its own cluster.
    TaskIsWhereItsClusterIs,
    /// Every task names a cluster, a definition and an instance that exist.
    TaskRefersToWhatExists,
    /// I8: times and status tell the same story; a STOPPED task has an end, a reason and no container that lives on.
    TaskTimesMatchStatus,
    /// I16: no revision is above its family's count, and the count of ACTIVE ones is right.
    RevisionsAreCounted,
    /// A service's task names a service that exists, and is of a deployment that has not left it while it lives.
    TaskIsOfItsService,
    /// A service has at most one deployment of an id, a revision for each, a service deployment too unless it is a task set, task sets only
    /// under an EXTERNAL controller, and no more events than are kept.
    ServiceIsWhole,
    /// What a cluster has attached exists; what its tasks and services run on is attached to it.
    CapacityIsThere,
    /// A task waits or lives on an instance, not both; what it waits for is there; there is a queue where tasks wait, and only there.
    WaitingIsWhole,
    /// Indexes hold exactly what the tables imply.
    IndexesMatchTables,
}

/// An invariant that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// Where and how.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

impl State {
    /// All invariants that do not hold; empty in every state that `apply` can reach.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Found(Vec::new());
        for instance in self.instances() {
            self.check_resources(instance, &mut found);
        }
        for task in self.tasks() {
            self.check_references(task, &mut found);
            self.check_member(task, &mut found);
            check_times(task, &mut found);
        }
        for service in self.services() {
            self.check_service(service, &mut found);
        }
        for (invariant, what) in self.capacity_faults() {
            found.add(invariant, what);
        }
        self.check_families(&mut found);
        self.check_indexes(&mut found);
        found.0
    }

    fn check_resources(&self, instance: &Instance, found: &mut Found) {
        let mut sum = Resources::default();
        for task in self.live_tasks_on(&instance.id) {
            sum.cpu_units += task.reserved.cpu_units;
            sum.memory_mib += task.reserved.memory_mib;
            sum.gpus += task.reserved.gpus;
            for port in &task.reserved.ports {
                if !sum.ports.insert(*port) {
                    found.add(Invariant::PortHeldOnce, format!("{} {port:?}", instance.id));
                }
            }
        }
        if sum != instance.reserved {
            let text = format!(
                "{}: tasks hold {sum:?}, reserved is {:?}",
                instance.id, instance.reserved
            );
            found.add(Invariant::ReservedIsTheSumOfTasks, text);
        }
        if instance.exceeds() && !instance.is_overcommitted {
            found.add(Invariant::ReservedFits, format!("{}", instance.id));
        }
    }

    fn check_references(&self, task: &Task, found: &mut Found) {
        let instance = self.instance(&task.instance);
        let exists =
            self.cluster(&task.cluster).is_some() && self.definition(&task.definition).is_some();
        if !exists || instance.is_none() {
            found.add(Invariant::TaskRefersToWhatExists, format!("{}", task.id));
        }
        if instance.is_some_and(|instance| instance.cluster != task.cluster) {
            found.add(Invariant::TaskIsWhereItsClusterIs, format!("{}", task.id));
        }
    }

    fn check_member(&self, task: &Task, found: &mut Found) {
        let (Some(key), Some(member)) = (task.service_key(), &task.service) else {
            return;
        };
        let service = self.service(&key);
        let is_listed = service.is_some_and(|s| s.deployment(member.deployment).is_some());
        if service.is_none() || task.holds_resources() && !is_listed {
            let text = format!("{} of {key}, {}", task.id, member.deployment);
            found.add(Invariant::TaskIsOfItsService, text);
        }
    }

    fn check_service(&self, service: &Service, found: &mut Found) {
        let ids: BTreeSet<_> = service.deployments.iter().map(|one| one.id).collect();
        let has_revision = |id: &DeploymentId| self.revision(*id).is_some();
        let is_told = |id: &DeploymentId| self.service_deployment(*id).is_some();
        let is_external = service.spec.controller == Controller::External;
        let of_sets = ids.iter().filter(|_| is_external);
        let of_rollouts = ids.iter().filter(|_| !is_external);
        let mut sets = service.deployments.iter().map(|one| one.set.is_some());
        let is_whole = ids.len() == service.deployments.len()
            && sets.all(|is_set| is_set == is_external)
            && of_sets.chain(&service.primary_set).all(has_revision)
            && of_rollouts
                .chain(&service.completed)
                .all(|id| has_revision(id) && is_told(id))
            && self.events_of(&service.key).count() as u64 <= EVENTS_KEPT
            && self.cluster(&service.key.cluster).is_some();
        let has_ended = service.status == ServiceStatus::Inactive;
        let lives_on = has_ended && self.live_tasks_of(&service.key).next().is_some();
        if !is_whole || lives_on {
            found.add(Invariant::ServiceIsWhole, format!("{}", service.key));
        }
    }

    fn check_families(&self, found: &mut Found) {
        for (family, record) in self.families() {
            let revisions = || self.definitions_of(family);
            let active = revisions()
                .filter(|d| d.status == super::DefinitionStatus::Active)
                .count() as u64;
            let highest = revisions()
                .next_back()
                .map_or(0, |definition| definition.id.revision);
            if active != record.active_count || highest > record.last_revision {
                found.add(
                    Invariant::RevisionsAreCounted,
                    format!("{family}: {record:?}, {active} active, highest {highest}"),
                );
            }
        }
    }

    fn check_indexes(&self, found: &mut Found) {
        let mut rebuilt = Self::default();
        for instance in self.instances() {
            rebuilt.put_instance(instance.clone());
        }
        for definition in self.definitions() {
            rebuilt.put_definition(definition.clone());
        }
        for task in self.tasks() {
            rebuilt.put_task(task.clone());
        }
        for service in self.services() {
            rebuilt.put_service(service.clone());
        }
        for deployment in self.service_deployments() {
            rebuilt.put_service_deployment(deployment.clone());
        }
        for task in self.waiting_tasks() {
            rebuilt.put_waiting(task.clone());
        }
        for ((cluster, token), record) in &self.tokens {
            rebuilt.put_token(cluster.clone(), token.clone(), record.clone());
        }
        for (request, remembered) in &self.requests {
            rebuilt.put_request(*request, remembered.clone());
        }
        if rebuilt.index != self.index {
            found.add(
                Invariant::IndexesMatchTables,
                "rebuilt indexes differ".into(),
            );
        }
        let late = self
            .tasks()
            .filter(|t| stopping_key(t).is_some() && stopped_key(t).is_some());
        for task in late {
            found.add(
                Invariant::IndexesMatchTables,
                format!("{} is stopping and stopped", task.id),
            );
        }
    }
}

fn check_times(task: &Task, found: &mut Found) {
    let stopped = task.last == TaskStatus::Stopped;
    let has_end = task.stopped_at.is_some() && task.stop_code.is_some();
    let has_begun = task.last < TaskStatus::Running || stopped || task.started_at.is_some();
    let lives_on = |container: &Container| container.status != ContainerStatus::Stopped;
    let outlived = stopped && task.containers.iter().any(lives_on);
    if stopped != has_end && (stopped || task.stopped_at.is_some()) || !has_begun || outlived {
        found.add(
            Invariant::TaskTimesMatchStatus,
            format!("{} is {:?}", task.id, task.last),
        );
    }
}

struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, invariant: Invariant, what: String) {
        self.0.push(Violation { invariant, what });
    }
}
