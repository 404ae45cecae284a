//! A fleet of four instances and three services, what may happen to it, and a leader that does its duties after each happening.

mod judge;
pub(crate) mod real;
mod sets;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use quorate_core::command::{NewDeployment, NewInstance, NewService, ServiceUpdate, TaskObserved};
use quorate_core::documents::{
    Breaker, Capacity, Controller, DefinitionSpec, Document, PauseHook, RevisionSpec, Scheduling,
    ServiceSpec, Stage, Threshold,
};
use quorate_core::ids::{
    ClusterName, DefinitionId, DeploymentId, InstanceId, NodeId, RequestId, ServiceKey, SessionId,
};
use quorate_core::state::{
    DesiredStatus, InstanceVersion, PortRange, Resources, ServiceStatus, StopCode, Task, TaskStatus,
};
use quorate_core::{Command, Entry, Item, Millis, Mint, Outcome, Policy, State, apply, duties};

use crate::reader::Reader;
use sets::{Move, any_move};

const INSTANCES: u128 = 4;
/// The service that has task sets.
const EXTERNAL: u8 = 2;

/// What may happen.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A service is made, or updated if it is there: desired count, percentages, whether something is deployed, whether the breaker is on.
    Want {
        service: u8,
        desired: u64,
        percent: (u64, u64),
        deploys: bool,
        breaker: bool,
    },
    /// Something becomes of the task sets of the one that has them.
    Sets(Move),
    /// A service is deleted.
    Delete { service: u8 },
    /// The newest service deployment of a service is stopped.
    StopDeployment { service: u8, is_rollback: bool },
    /// Each task whose number has a bit in `which` goes on: starts to run, ends as told.
    GoOn { which: u64 },
    /// Each of those ends by itself.
    Break { which: u64 },
    /// An instance is drained, or takes tasks again.
    Drain { instance: u128, is_draining: bool },
    /// An instance is lost.
    Lose { instance: u128 },
    /// An instance registers (again).
    Register { instance: u128 },
    /// A task is protected for a minute.
    Protect { which: u64 },
    /// Time passes.
    Wait { ms: u64 },
    /// Duties are decided, then a task breaks, then they are proposed.
    Outrun { which: u64 },
    /// All instances are there, all tasks do as they should.
    AllWell,
}

pub(crate) fn happening() -> impl Strategy<Value = Happening> {
    let percent = prop_oneof![
        3 => Just((100, 200)), 2 => Just((50, 100)), 1 => Just((0, 100)), 1 => Just((50, 150)), 1 => Just((0, 200)),
        1 => Just((100, 100)), 1 => Just((75, 125))
    ];
    let instance = 1..=INSTANCES;
    let wait = prop_oneof![
        Just(500_u64),
        Just(5_000),
        Just(15_000),
        Just(41_000),
        Just(400_000)
    ];
    prop_oneof![
        6 => (0_u8..3, 0_u64..7, percent, any::<bool>(), any::<bool>()).prop_map(
            |(service, desired, percent, deploys, breaker)| Happening::Want { service, desired, percent, deploys, breaker }),
        4 => any_move().prop_map(Happening::Sets),
        1 => (0_u8..3).prop_map(|service| Happening::Delete { service }),
        1 => (0_u8..2, any::<bool>()).prop_map(|(service, is_rollback)| Happening::StopDeployment { service, is_rollback }),
        8 => any::<u64>().prop_map(|which| Happening::GoOn { which }),
        2 => Just(Happening::GoOn { which: u64::MAX }),
        2 => (any::<u64>(), any::<u64>()).prop_map(|(a, b)| Happening::Break { which: a & b }),
        1 => (instance.clone(), any::<bool>()).prop_map(|(instance, is_draining)| Happening::Drain { instance, is_draining }),
        1 => instance.clone().prop_map(|instance| Happening::Lose { instance }),
        1 => instance.prop_map(|instance| Happening::Register { instance }),
        1 => any::<u64>().prop_map(|which| Happening::Protect { which }),
        8 => wait.prop_map(|ms| Happening::Wait { ms }),
        2 => any::<u64>().prop_map(|which| Happening::Outrun { which }),
    ]
}

/// The fleet.
pub(crate) struct Fleet {
    pub(crate) state: State,
    now: Millis,
    mint: Mint,
    deployments: u64,
    /// Of each instance.
    memory_mib: u64,
    /// Since when which instances say nothing.
    silent: BTreeMap<InstanceId, Millis>,
    /// Who hears of it all.
    reader: Reader,
}

fn key(service: u8) -> ServiceKey {
    ServiceKey {
        cluster: ClusterName::default_cluster(),
        name: ["web", "log", "ext"][usize::from(service)].parse().unwrap(),
    }
}

/// Some services let their deployments wait for half a minute, and are then rolled back or not.
fn hooks(percent: (u64, u64), desired: u64) -> Vec<PauseHook> {
    let hook = PauseHook {
        stages: Stage::ALL.to_vec(),
        timeout_ms: 30_000,
        rolls_back: desired.is_multiple_of(2),
    };
    if percent.0 == 75 {
        vec![hook]
    } else {
        Vec::new()
    }
}

fn definition(revision: u64) -> DefinitionId {
    DefinitionId {
        family: "web".parse().unwrap(),
        revision,
    }
}

impl Fleet {
    /// Where there is little memory not all of it finds room.
    pub(crate) fn new(memory_mib: u64) -> Self {
        let mut fleet = Self {
            state: State::default(),
            now: Millis(1000),
            mint: Mint::counting(0),
            deployments: 0,
            memory_mib,
            silent: BTreeMap::new(),
            reader: Reader::default(),
        };
        fleet.must(Command::CreateCluster {
            name: ClusterName::default_cluster(),
            tags: Vec::new(),
            document: Document::default(),
            capacity: Capacity::default(),
        });
        for memory_mib in [100, 150] {
            let spec = DefinitionSpec {
                cpu_units: 10,
                memory_mib,
                ..DefinitionSpec::default()
            };
            fleet.must(Command::RegisterDefinition {
                family: "web".parse().unwrap(),
                document: Document::default(),
                spec: Arc::new(spec),
                tags: Vec::new(),
                registered_by: String::new(),
            });
        }
        (1..=INSTANCES).for_each(|number| fleet.register(number));
        fleet
    }

    fn apply(&mut self, command: Command) -> Outcome {
        let request: RequestId = self.mint.request();
        let entry = Entry {
            at: self.now,
            items: vec![Item { request, command }],
        };
        let index = self.state.applied_index() + 1;
        let mut applied = apply(&mut self.state, index, &entry);
        assert_eq!(self.state.check(), []);
        self.reader.hear(&applied.events, &self.state);
        applied.outcomes.remove(0)
    }

    fn must(&mut self, command: Command) {
        let outcome = self.apply(command.clone());
        assert!(outcome.is_ok(), "{command:?}: {outcome:?}");
    }

    /// Lets it happen, and then the leader does its duties.
    pub(crate) fn go(&mut self, happening: &Happening) -> Result<(), TestCaseError> {
        match *happening {
            Happening::Want { .. } => self.want(happening),
            Happening::Sets(ref wanted) => self.go_on_with_sets(wanted),
            Happening::Delete { service } => {
                let _ = self.apply(Command::DeleteService {
                    service: key(service),
                    force: true,
                });
            }
            Happening::StopDeployment {
                service,
                is_rollback,
            } => self.stop_deployment(service, is_rollback),
            Happening::GoOn { which } => self.go_on(which),
            Happening::Break { which } => self.break_some(which),
            Happening::Drain {
                instance,
                is_draining,
            } => {
                let instances = vec![InstanceId::from_u128(instance)];
                self.must(Command::SetDraining {
                    instances,
                    is_draining,
                });
            }
            Happening::Lose { instance } => self.lose(instance),
            Happening::Register { instance } => self.register(instance),
            Happening::Protect { which } => {
                let tasks = self.some(which).iter().map(|task| task.id).collect();
                self.must(Command::ProtectTasks {
                    tasks,
                    for_ms: Some(60_000),
                });
            }
            Happening::Wait { ms } => self.now = self.now.plus_ms(ms),
            Happening::Outrun { which } => self.outrun(which)?,
            Happening::AllWell => {
                (1..=INSTANCES).for_each(|number| self.register(number));
                self.go_on(u64::MAX);
            }
        }
        self.lead()
    }

    /// All instances take tasks.
    pub(crate) fn recover(&mut self) {
        for number in 1..=INSTANCES {
            self.register(number);
        }
        self.must(Command::SetDraining {
            instances: (1..=INSTANCES).map(InstanceId::from_u128).collect(),
            is_draining: false,
        });
    }

    fn lead(&mut self) -> Result<(), TestCaseError> {
        for round in 0.. {
            prop_assert!(round < 60, "duties come to no end");
            let owed = self.owed();
            if owed.is_empty() {
                return Ok(());
            }
            for command in owed {
                let before = self.state.clone();
                let outcome = self.apply(command.clone());
                prop_assert!(outcome.is_ok(), "{:?}: {:?}", command, outcome);
                judge::check(&before, &self.state, &command)?;
                self.is_explained(&before, &command)?;
            }
        }
        Ok(())
    }

    fn owed(&mut self) -> Vec<Command> {
        let heard = self.heard();
        let policy = Policy::default();
        duties(&self.state, &heard, &policy, self.now, &mut self.mint)
    }

    /// What is proposed too late must be refused, or do no harm.
    fn outrun(&mut self, which: u64) -> Result<(), TestCaseError> {
        self.now = self.now.plus_ms(500);
        let owed = self.owed();
        self.break_some(which);
        for command in owed {
            let before = self.state.clone();
            if self.apply(command.clone()).is_ok() {
                judge::check(&before, &self.state, &command)?;
            }
        }
        Ok(())
    }

    fn want(&mut self, happening: &Happening) {
        if let Some(command) = self.wanted(happening) {
            let _ = self.apply(command);
        }
    }

    fn wanted(&mut self, happening: &Happening) -> Option<Command> {
        let Happening::Want {
            service,
            desired,
            percent,
            deploys,
            breaker,
        } = *happening
        else {
            return None;
        };
        let key = key(service);
        let is_daemon = service == 1;
        let is_external = service == EXTERNAL;
        let spec = ServiceSpec {
            scheduling: if is_daemon {
                Scheduling::Daemon
            } else {
                Scheduling::Replica
            },
            controller: if is_external {
                Controller::External
            } else {
                Controller::Ecs
            },
            desired_count: desired,
            minimum_percent: percent.0,
            maximum_percent: percent.1,
            breaker: Breaker {
                enabled: breaker,
                rollback: true,
                threshold: Threshold::Count(3),
                reset_on_healthy_task: true,
            },
            rebalances: !desired.is_multiple_of(3),
            hooks: hooks(percent, desired),
            ..ServiceSpec::default()
        };
        let active = self
            .state
            .service(&key)
            .filter(|one| one.status == ServiceStatus::Active);
        let updates = active.map(|one| one.updates);
        let deploys = !is_external && (deploys || updates.is_none());
        let deploy = deploys.then(|| self.deployment());
        let document = Document::default();
        Some(match updates {
            Some(seen_updates) => Command::UpdateService(Box::new(ServiceUpdate {
                key,
                seen_updates,
                document,
                spec,
                deploy,
            })),
            None => Command::CreateService(Box::new(NewService {
                key,
                document,
                spec,
                deploy,
                tags: Vec::new(),
                created_by: String::new(),
                fingerprint: [0; 32],
            })),
        })
    }

    fn deployment(&mut self) -> NewDeployment {
        self.deployments += 1;
        NewDeployment {
            id: DeploymentId(self.deployments),
            document: Document::default(),
            spec: RevisionSpec {
                definition: definition(1 + self.deployments % 2),
                launch_type: "EXTERNAL".into(),
                strategy: Vec::new(),
            },
        }
    }

    fn go_on_with_sets(&mut self, wanted: &Move) {
        let Some(service) = self.state.service(&key(EXTERNAL)).cloned() else {
            return;
        };
        self.deployments += 1;
        let revision = definition(1 + self.deployments % 2);
        if let Some(command) = sets::command(&service, wanted, self.deployments, revision) {
            let _ = self.apply(command);
        }
    }

    fn stop_deployment(&mut self, service: u8, is_rollback: bool) {
        let newest = self.state.deployments_of(&key(service)).next();
        if let Some(deployment) = newest.map(|one| one.id) {
            let _ = self.apply(Command::StopDeployment {
                deployment,
                is_rollback,
            });
        }
    }

    /// Tasks that live and whose number has a bit in `which`.
    fn some(&self, which: u64) -> Vec<Task> {
        let chosen = |task: &&Task| which >> (task.id.as_u128() % 64) & 1 == 1;
        let live = self.state.tasks().filter(|task| task.holds_resources());
        live.filter(chosen).cloned().collect()
    }

    fn go_on(&mut self, which: u64) {
        let mut tasks = self.some(which);
        tasks.retain(|task| !self.silent.contains_key(&task.instance));
        for task in tasks {
            let is_told = task.desired == DesiredStatus::Stopped;
            if is_told || task.last < TaskStatus::Running {
                let status = if is_told {
                    TaskStatus::Stopped
                } else {
                    TaskStatus::Running
                };
                self.observe(&task, status, None);
            }
        }
    }

    fn break_some(&mut self, which: u64) {
        for task in self.some(which) {
            self.observe(
                &task,
                TaskStatus::Stopped,
                Some(StopCode::EssentialContainerExited),
            );
        }
    }

    fn observe(&mut self, task: &Task, status: TaskStatus, stop_code: Option<StopCode>) {
        let session = self.state.instance(&task.instance).unwrap().session;
        self.must(Command::Observe {
            instance: task.instance,
            session,
            tasks: vec![TaskObserved {
                task: task.id,
                status,
                containers: Vec::new(),
                pull_started_at: None,
                pull_stopped_at: None,
                execution_stopped_at: None,
                stop_code,
                reason: String::new(),
            }],
        });
    }

    fn lose(&mut self, instance: u128) {
        let instance = InstanceId::from_u128(instance);
        let session = self.state.instance(&instance).unwrap().session;
        self.must(Command::LoseInstance { instance, session });
    }

    fn register(&mut self, number: u128) {
        let id = InstanceId::from_u128(number);
        let returning = self.state.instance(&id).is_some();
        self.must(Command::RegisterInstance(Box::new(NewInstance {
            id,
            returning,
            cluster: ClusterName::default_cluster(),
            token: format!("of {id}"),
            session: SessionId::from_u128(1),
            node: NodeId(1),
            resources: Resources {
                cpu_units: 1000,
                memory_mib: self.memory_mib,
                ..Resources::default()
            },
            dynamic_ports: PortRange::default(),
            attributes: Default::default(),
            tags: Vec::new(),
            version: InstanceVersion::default(),
            hostname: String::new(),
        })));
    }

    /// All that is wanted runs and nothing else, unless percentages or a failed deployment stand in the way.
    pub(crate) fn is_at_rest(&self) -> Result<(), TestCaseError> {
        self.state
            .services()
            .try_for_each(|service| judge::is_at_rest(&self.state, service))
    }
}
