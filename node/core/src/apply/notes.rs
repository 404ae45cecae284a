//! How tasks, instances, waiting tasks and services are written: each write notes what of it is an event. Nothing else in `apply` puts
//! them, so that no change goes untold.

use super::Desk;
use crate::command::NewEvent;
use crate::events::{Action, Event, ServiceAction, What};
use crate::ids::ServiceKey;
use crate::state::{Instance, Rollout, Service, Task, Topic, WaitingTask};

impl Desk<'_> {
    fn note(&mut self, what: What) {
        self.events.push(Event { at: self.now, what });
    }

    /// A version that rose is an event.
    pub(super) fn put_task(&mut self, task: Task) {
        let (id, version) = (task.id, task.version);
        let before = self.state.task(&id).map(|task| task.version);
        self.state.put_task(task);
        let task = self
            .state
            .tasks
            .get(&id)
            .filter(|_| before != Some(version));
        let instance = task.and_then(|task| self.state.instances.get(&task.instance));
        if let (Some(task), Some(instance)) = (task.cloned(), instance.cloned()) {
            self.note(What::Task { task, instance });
        }
    }

    /// The same of a task that is on no instance.
    pub(super) fn put_waiting(&mut self, task: WaitingTask) {
        let (id, version) = (task.new.id, task.version());
        let before = self.state.waiting_task(&id).map(WaitingTask::version);
        self.state.put_waiting(task);
        let task = self.state.waiting.get(&id);
        if let Some(task) = task.filter(|_| before != Some(version)).cloned() {
            self.note(What::Waiting(task));
        }
    }

    /// A count of changes that rose is an event.
    pub(super) fn put_instance(&mut self, instance: Instance) {
        let (id, count) = (instance.id, instance.change_count);
        let before = self.state.instance(&id).map(|before| before.change_count);
        self.state.put_instance(instance);
        let instance = self.state.instances.get(&id);
        if let Some(instance) = instance.filter(|_| before != Some(count)).cloned() {
            self.note(What::Instance(instance));
        }
    }

    /// A deployment that is new or has come further is an event. Task sets are rolled out by their callers.
    pub(super) fn put_service(&mut self, service: Service) {
        let before = self.state.services.get(&service.key);
        let known = |id| before.and_then(|before| before.deployment(id));
        let news: Vec<What> = service
            .deployments
            .iter()
            .filter(|one| one.set.is_none())
            .filter(|one| known(one.id).is_none_or(|known| known.rollout != one.rollout))
            .map(|one| What::Deployment {
                service: service.key.clone(),
                id: one.id,
                rollout: one.rollout,
                reason: one.rollout_reason.clone(),
            })
            .collect();
        self.state.put_service(service);
        // The end of one makes room for the next: it is told first.
        let (begun, ended): (Vec<_>, Vec<_>) = news.into_iter().partition(has_begun);
        ended
            .into_iter()
            .chain(begun)
            .for_each(|what| self.note(what));
    }

    /// What a service says, where it has a name. The rest (tasks started and stopped) shows in its tasks.
    pub(super) fn note_said(&mut self, service: &ServiceKey, event: &NewEvent) {
        let action = match (event.topic, event.of) {
            (Some(Topic::SteadyState), None) => Action::SteadyState,
            (Some(Topic::SteadyState), Some(_)) => Action::TaskSetSteadyState,
            (Some(Topic::Placement), _) => Action::TaskPlacementFailure,
            (Some(Topic::StartImpaired), _) => Action::TaskStartImpaired,
            (Some(Topic::Rebalancing), _) => Action::RebalancingStarted,
            (Some(Topic::Blocked) | None, _) => return,
        };
        self.note(What::Service(ServiceAction {
            service: service.clone(),
            action,
            set: event.of,
            reason: event.message.clone(),
        }));
    }

    /// What the scheduler did with a service without saying so.
    pub(super) fn note_action(&mut self, service: &ServiceKey, action: Action) {
        self.note(What::Service(ServiceAction {
            service: service.clone(),
            action,
            set: None,
            reason: String::new(),
        }));
    }
}

fn has_begun(what: &What) -> bool {
    matches!(what, What::Deployment { rollout, .. } if *rollout == Rollout::InProgress)
}
