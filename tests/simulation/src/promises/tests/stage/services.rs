//! Services on the stage: steps that no scheduler would decide, carried out by the real `apply`.

use quorate_core::command::{
    NewDeployment, NewService, ServiceStart, ServiceStep, ServiceStop, Turn,
};
use quorate_core::documents::{Document, RevisionSpec, Scheduling, ServiceConstraint, ServiceSpec};
use quorate_core::ids::{ClusterName, DeploymentId, ServiceKey, TaskId};
use quorate_core::state::{Crowd, Service};
use quorate_core::{Command, Reply};

use super::super::forge::{Table, forge};
use super::{Stage, new_task};

impl Stage {
    /// A service of `web:1` that wants so many tasks, at least and at most so many percent of them.
    pub(in super::super::super) fn create_service(
        &mut self,
        name: &str,
        (desired_count, minimum_percent, maximum_percent): (u64, u64, u64),
    ) {
        self.next += 1;
        let deploy = NewDeployment {
            id: DeploymentId(self.next as u64),
            document: Document::default(),
            spec: RevisionSpec {
                definition: "web:1".parse().unwrap(),
                launch_type: "EXTERNAL".into(),
                strategy: Vec::new(),
            },
        };
        let new = NewService {
            key: key(name),
            document: Document::default(),
            spec: ServiceSpec {
                desired_count,
                minimum_percent,
                maximum_percent,
                ..ServiceSpec::default()
            },
            deploy: Some(deploy),
            tags: Vec::new(),
            created_by: "arn:aws:iam::000000000000:user/test".into(),
            fingerprint: [u8::try_from(desired_count).unwrap(); 32],
        };
        self.apply(Command::CreateService(Box::new(new))).unwrap();
    }

    /// The service's scheduler starts so many tasks, and stops these. Gives those that it started.
    pub(in super::super::super) fn step(
        &mut self,
        name: &str,
        count: u128,
        stopped: &[TaskId],
    ) -> Vec<TaskId> {
        let deployment = self.service(name).primary().unwrap().id;
        let first = (self.next + 1) << 64;
        let tasks: Vec<TaskId> = (0..count)
            .map(|number| TaskId::from_u128(first + (number << 32)))
            .collect();
        let start = tasks.iter().map(|id| {
            let mut task = new_task(*id, &deployment.to_string());
            task.group = format!("service:{name}");
            ServiceStart { deployment, task }
        });
        let stop = stopped.iter().map(|task| ServiceStop {
            task: *task,
            reason: "enough".into(),
            is_failure: false,
        });
        let step = ServiceStep {
            start: start.collect(),
            stop: stop.collect(),
            ..self.bare_step(name)
        };
        let reply = self.apply(Command::StepService(Box::new(step)));
        assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
        tasks
    }

    /// Its last task has ended.
    pub(in super::super::super) fn end_service(&mut self, name: &str) {
        self.turn(name, Turn::End);
    }

    /// All its tasks are of the newest deployment, and healthy.
    pub(in super::super::super) fn complete(&mut self, name: &str) {
        let deployment = self.service(name).primary().unwrap().id;
        self.turn(name, Turn::Complete(deployment));
    }

    fn turn(&mut self, name: &str, turn: Turn) {
        let step = ServiceStep {
            turns: vec![turn],
            ..self.bare_step(name)
        };
        self.apply(Command::StepService(Box::new(step))).unwrap();
    }

    pub(in super::super::super) fn delete_service(&mut self, name: &str) {
        let command = Command::DeleteService {
            service: key(name),
            force: true,
        };
        self.apply(command).unwrap();
    }

    /// Its author wants another number of tasks.
    pub(in super::super::super) fn scale(&mut self, name: &str, desired_count: u64) {
        self.forge_services(|one| {
            if one.key == key(name) {
                one.spec.desired_count = desired_count;
                one.updates += 1;
                one.steps += 1;
            }
        });
    }

    pub(in super::super::super) fn constrain(&mut self, name: &str, kind: &str, expression: &str) {
        let constraint = ServiceConstraint {
            kind: kind.into(),
            expression: expression.into(),
        };
        self.forge_services(|one| {
            if one.key == key(name) {
                one.spec.constraints = vec![constraint.clone()];
            }
        });
    }

    pub(in super::super::super) fn make_daemon(&mut self, name: &str) {
        self.forge_services(|one| {
            if one.key == key(name) {
                one.spec.scheduling = Scheduling::Daemon;
            }
        });
    }

    pub(in super::super::super) fn forge_services(&mut self, mut change: impl FnMut(&mut Service)) {
        self.state = forge(&self.state, self.index() + 1, Table::Services, |service| {
            change(service);
            true
        });
    }

    fn service(&self, name: &str) -> &Service {
        self.state.service(&key(name)).unwrap()
    }

    /// A step that does nothing.
    fn bare_step(&self, name: &str) -> ServiceStep {
        let service = self.service(name);
        ServiceStep {
            key: key(name),
            seen_steps: service.steps,
            seen_mark: service.step_mark,
            mark: 0,
            seen_changes: service.changes,
            seen_losses: service.losses,
            lost: Vec::new(),
            start: Vec::new(),
            stop: Vec::new(),
            turns: Vec::new(),
            events: Vec::new(),
            settled: Vec::new(),
            settled_of: Vec::new(),
            look_at: None,
            wants_room: false,
            crowd: Crowd::None,
        }
    }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey {
        cluster: ClusterName::default_cluster(),
        name: name.parse().unwrap(),
    }
}
