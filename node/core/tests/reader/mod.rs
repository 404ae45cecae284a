//! A reader of events, who knows nothing else: what it was told has to be all that is, each change once and in order.

use std::collections::BTreeMap;

use quorate_core::State;
use quorate_core::events::{Event, What};
use quorate_core::ids::{DeploymentId, InstanceId, TaskId};
use quorate_core::state::{Rollout, TaskStatus};

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    tasks: BTreeMap<TaskId, (u64, TaskStatus)>,
    instances: BTreeMap<InstanceId, u64>,
    deployments: BTreeMap<DeploymentId, Rollout>,
}

impl Reader {
    /// Hears what an entry of one command told, and compares with the state behind it.
    pub(crate) fn hear(&mut self, events: &[Event], after: &State) {
        for event in events {
            assert_eq!(event.at, after.now());
            self.take(&event.what);
        }
        // What was forgotten may come again under the same id in a small world.
        let is_known = |id: &TaskId| after.task(id).is_some() || after.waiting_task(id).is_some();
        self.tasks.retain(|id, _| is_known(id));
        self.knows_all(after);
    }

    fn take(&mut self, what: &What) {
        match what {
            What::Task { task, instance } => {
                assert_eq!(task.instance, instance.id);
                self.task(task.id, task.version, task.last);
            }
            What::Waiting(task) => self.task(task.new.id, task.version(), task.last()),
            What::Instance(instance) => {
                let before = self.instances.insert(instance.id, instance.change_count);
                let is_newer = before.is_none_or(|before| before < instance.change_count);
                assert!(is_newer, "{} after {before:?}", instance.change_count);
            }
            What::Service(action) => assert!(!action.action.as_str().is_empty()),
            What::Deployment { id, rollout, .. } => {
                let before = self.deployments.insert(*id, *rollout);
                assert_ne!(before, Some(*rollout), "{id} told twice");
            }
        }
    }

    fn task(&mut self, id: TaskId, version: u64, last: TaskStatus) {
        match self.tasks.insert(id, (version, last)) {
            None => assert_eq!(version, 1, "{id} begins with its first version"),
            Some((before, status)) => {
                assert_eq!(
                    version,
                    before + 1,
                    "{id}: no version is left out or told twice"
                );
                assert!(last >= status, "{id} goes back");
            }
        }
    }

    fn knows_all(&self, after: &State) {
        for task in after.tasks() {
            let known = self.tasks.get(&task.id).copied();
            assert_eq!(known, Some((task.version, task.last)), "{}", task.id);
        }
        for task in after.waiting_tasks() {
            let known = self.tasks.get(&task.new.id).copied();
            assert_eq!(known, Some((task.version(), task.last())));
        }
        for instance in after.instances() {
            let known = self.instances.get(&instance.id).copied();
            assert_eq!(known, Some(instance.change_count));
        }
        let services = after.services().flat_map(|service| &service.deployments);
        for one in services.filter(|one| one.set.is_none()) {
            assert_eq!(self.deployments.get(&one.id).copied(), Some(one.rollout));
        }
    }
}
