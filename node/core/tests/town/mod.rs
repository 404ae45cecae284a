//! Machines in zones and racks, services whose tasks stand anywhere on them, and a leader that rebalances while every task does as it
//! is told.

mod judge;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use quorate_core::command::{
    NewContainer, NewDeployment, NewInstance, NewService, NewTask, Reservation, ServiceStart,
    ServiceStep, ServiceUpdate, TaskObserved, Turn,
};
use quorate_core::documents::{
    Capacity, DefinitionSpec, Document, RevisionSpec, ServiceSpec, ServiceStrategy,
};
use quorate_core::forecast::{What, forecast};
use quorate_core::ids::{
    ClusterName, DefinitionId, DeploymentId, InstanceId, NodeId, ServiceKey, SessionId, TaskId,
};
use quorate_core::state::{
    Crowd, DesiredStatus, InstanceVersion, PortRange, Resources, Task, TaskStatus,
};
use quorate_core::{Command, Entry, Heard, Item, Millis, Mint, Policy, State, apply, duties};

/// More machines than zones and racks, so that all are shared.
pub(crate) const MACHINES_MAX: usize = 8;
/// What each task needs of a machine's memory.
const TASK_MIB: u64 = 100;

/// Zone, rack, and how many tasks it has room for.
pub(crate) type Machine = (u8, u8, u64);

pub(crate) fn machine() -> impl Strategy<Value = Machine> {
    (0_u8..3, 0_u8..3, 1_u64..8)
}

/// A service, and where its tasks stand at first: each a number of a machine, or of the next that has room.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) stand: Vec<usize>,
    pub(crate) strategies: Vec<(&'static str, &'static str)>,
    pub(crate) maximum_percent: u64,
    pub(crate) rebalances: bool,
}

pub(crate) fn wanted() -> impl Strategy<Value = Wanted> {
    const ZONE: (&str, &str) = ("spread", "attribute:ecs.availability-zone");
    const RACK: (&str, &str) = ("spread", "attribute:rack");
    const HOST: (&str, &str) = ("spread", "host");
    const PACK: (&str, &str) = ("binpack", "memory");
    let strategies = prop_oneof![
        4 => Just(vec![]), 1 => Just(vec![ZONE]), 1 => Just(vec![HOST]), 1 => Just(vec![ZONE, HOST]), 1 => Just(vec![RACK, ZONE]),
        1 => Just(vec![HOST, ZONE]), 1 => Just(vec![ZONE, PACK]), 1 => Just(vec![RACK, HOST, PACK])
    ];
    let stand = prop_oneof![
        proptest::collection::vec(0..MACHINES_MAX, 1..12),
        proptest::collection::vec(0_usize..2, 1..12)
    ];
    (stand, strategies).prop_map(|(stand, strategies)| Wanted {
        stand,
        strategies,
        maximum_percent: 200,
        rebalances: true,
    })
}

/// A task that was moved.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) at: Millis,
    pub(crate) from: InstanceId,
    pub(crate) to: InstanceId,
}

pub(crate) struct Town {
    pub(crate) state: State,
    pub(crate) now: Millis,
    policy: Policy,
    mint: Mint,
}

impl Town {
    pub(crate) fn new(machines: &[Machine], services: &[Wanted], policy: Policy) -> Self {
        let mut town = Self {
            state: State::default(),
            now: Millis(1000),
            policy,
            mint: Mint::counting(0),
        };
        town.must(Command::CreateCluster {
            name: ClusterName::default_cluster(),
            tags: Vec::new(),
            document: Document::default(),
            capacity: Capacity::default(),
        });
        town.must(Command::RegisterDefinition {
            family: "web".parse().unwrap(),
            document: Document::default(),
            spec: Arc::new(DefinitionSpec {
                memory_mib: TASK_MIB,
                ..DefinitionSpec::default()
            }),
            tags: Vec::new(),
            registered_by: String::new(),
        });
        for (number, machine) in (1..).zip(machines) {
            town.register(number, *machine);
        }
        for (number, wanted) in services.iter().enumerate() {
            town.create(number, wanted, machines.len());
        }
        town.obey();
        town.now = town.now.plus_ms(40_000);
        town
    }

    pub(crate) fn key(&self, service: usize) -> ServiceKey {
        ServiceKey {
            cluster: ClusterName::default_cluster(),
            name: format!("s{service}").parse().unwrap(),
        }
    }

    pub(crate) fn tasks_of(&self, service: usize) -> Vec<&Task> {
        self.state.live_tasks_of(&self.key(service)).collect()
    }

    fn must(&mut self, command: Command) {
        let request = self.mint.request();
        let entry = Entry {
            at: self.now,
            items: vec![Item {
                request,
                command: command.clone(),
            }],
        };
        let index = self.state.applied_index() + 1;
        let outcome = apply(&mut self.state, index, &entry).outcomes.remove(0);
        assert!(outcome.is_ok(), "{command:?}: {outcome:?}");
        assert_eq!(self.state.check(), []);
    }

    fn register(&mut self, number: u128, (zone, rack, room): Machine) {
        let id = InstanceId::from_u128(number);
        let attributes = [
            ("ecs.availability-zone".to_owned(), format!("z{zone}")),
            ("rack".to_owned(), format!("r{rack}")),
        ];
        self.must(Command::RegisterInstance(Box::new(NewInstance {
            id,
            returning: false,
            cluster: ClusterName::default_cluster(),
            token: format!("of {id}"),
            session: SessionId::from_u128(1),
            node: NodeId(1),
            resources: Resources {
                memory_mib: room * TASK_MIB,
                ..Resources::default()
            },
            dynamic_ports: PortRange::default(),
            attributes: attributes.into(),
            tags: Vec::new(),
            version: InstanceVersion::default(),
            hostname: String::new(),
        })));
    }

    /// Makes a service of as many tasks as find room, and starts them where they are to stand.
    fn create(&mut self, number: usize, wanted: &Wanted, machines: usize) {
        let deployment = DeploymentId(number as u64 + 1);
        let start = self.starts(number, deployment, &wanted.stand, machines);
        let strategies = wanted
            .strategies
            .iter()
            .map(|(kind, field)| ServiceStrategy {
                kind: (*kind).to_owned(),
                field: (*field).to_owned(),
            });
        let key = self.key(number);
        self.must(Command::CreateService(Box::new(NewService {
            key: key.clone(),
            document: Document::default(),
            spec: ServiceSpec {
                desired_count: start.len() as u64,
                minimum_percent: 100,
                maximum_percent: wanted.maximum_percent,
                strategies: strategies.collect(),
                rebalances: wanted.rebalances,
                ..ServiceSpec::default()
            },
            deploy: Some(NewDeployment {
                id: deployment,
                document: Document::default(),
                spec: RevisionSpec {
                    definition: definition(),
                    launch_type: "EXTERNAL".into(),
                    strategy: Vec::new(),
                },
            }),
            tags: Vec::new(),
            created_by: String::new(),
            fingerprint: [0; 32],
        })));
        let seen_steps = self.state.service(&key).unwrap().steps;
        self.must(Command::StepService(Box::new(ServiceStep {
            key,
            seen_steps,
            seen_changes: 0,
            seen_losses: 0,
            lost: Vec::new(),
            seen_mark: 0,
            mark: 0,
            start,
            stop: Vec::new(),
            turns: Vec::new(),
            events: Vec::new(),
            settled: Vec::new(),
            settled_of: Vec::new(),
            look_at: Some(self.now),
            wants_room: false,
            crowd: Crowd::None,
        })));
    }

    fn starts(
        &mut self,
        service: usize,
        deployment: DeploymentId,
        stand: &[usize],
        machines: usize,
    ) -> Vec<ServiceStart> {
        let instances = self.state.instances();
        let mut room: Vec<u64> = instances
            .map(|one| one.memory_mib_free() / TASK_MIB)
            .collect();
        let mut starts = Vec::new();
        for place in stand {
            let mut near = (0..machines).map(|further| (place + further) % machines);
            let Some(machine) = near.find(|machine| room[*machine] > 0) else {
                break;
            };
            room[machine] -= 1;
            let task = self.task(
                service,
                deployment,
                InstanceId::from_u128(machine as u128 + 1),
            );
            starts.push(ServiceStart { deployment, task });
        }
        starts
    }

    fn task(&mut self, service: usize, deployment: DeploymentId, instance: InstanceId) -> NewTask {
        NewTask {
            id: self.mint.task(),
            cluster: ClusterName::default_cluster(),
            definition: definition(),
            instance,
            reserved: Reservation {
                cpu_units: 0,
                memory_mib: TASK_MIB,
                gpus: 0,
                ports: Vec::new(),
            },
            containers: Vec::<NewContainer>::new(),
            group: format!("service:s{service}"),
            started_by: deployment.to_string(),
            overrides: Document::default(),
            tags: Vec::new(),
            launch_type: "EXTERNAL".into(),
            provider: None,
            stop_timeout_ms: 30_000,
            enable_execute_command: false,
        }
    }

    /// What is foretold of the first service if its author asks it to rebalance: what starts and stops where, in order.
    pub(crate) fn foretold(&mut self) -> Vec<(What, InstanceId)> {
        let key = self.key(0);
        let service = self.state.service(&key).unwrap();
        let update = Command::UpdateService(Box::new(ServiceUpdate {
            key: key.clone(),
            seen_updates: service.updates,
            document: service.document.clone(),
            spec: service.spec.clone(),
            deploy: None,
        }));
        let (state, policy) = (&self.state, &self.policy);
        let mut mint = Mint::new([0; 32]);
        let come = forecast(state, &key.cluster, &[update], policy, self.now, &mut mint).unwrap();
        assert!(come.is_at_rest);
        let moves = come.moves.iter();
        moves.map(|one| (one.what, one.instance)).collect()
    }

    /// Leads, and lets tasks do as they are told, until every service is at rest; the moves that were made, in order.
    pub(crate) fn settle(&mut self) -> Result<Vec<Moved>, TestCaseError> {
        let mut moves = Vec::new();
        for round in 0.. {
            prop_assert!(round < 1000, "rebalancing comes to no end");
            self.lead(&mut moves)?;
            let has_obeyed = self.obey();
            let is_moving = self.state.services().any(|one| one.is_rebalancing());
            let waits = self.state.services().filter_map(|one| one.look_at).min();
            match waits.filter(|_| !has_obeyed) {
                None if has_obeyed => self.now = self.now.plus_ms(40_000),
                Some(at) if is_moving || at <= self.now => self.now = self.now.max(at),
                Some(_) | None => break,
            }
        }
        Ok(moves)
    }

    fn lead(&mut self, moves: &mut Vec<Moved>) -> Result<(), TestCaseError> {
        for round in 0.. {
            prop_assert!(round < 20, "duties come to no end");
            let heard = Heard::default();
            let owed = duties(&self.state, &heard, &self.policy, self.now, &mut self.mint);
            if owed.is_empty() {
                break;
            }
            for command in owed {
                let before = self.state.clone();
                self.must(command.clone());
                if let Command::StepService(step) = &command {
                    judge::check(&before, &self.state, step)?;
                    moves.extend(self.begun(step));
                }
            }
        }
        Ok(())
    }

    fn begun(&self, step: &ServiceStep) -> Option<Moved> {
        let moving = step.turns.iter().find_map(|turn| match turn {
            Turn::Move(moving) => Some(moving),
            _ => None,
        })?;
        let on = |task: &TaskId| self.state.task(task).unwrap().instance;
        Some(Moved {
            at: self.now,
            from: on(&moving.from),
            to: on(&moving.to),
        })
    }

    /// Whether there was anything to be done.
    fn obey(&mut self) -> bool {
        let mut seen: BTreeMap<InstanceId, Vec<TaskObserved>> = BTreeMap::new();
        for task in self.state.tasks().filter(|task| task.holds_resources()) {
            let status = match task.desired {
                DesiredStatus::Running if task.last == TaskStatus::Running => continue,
                DesiredStatus::Running => TaskStatus::Running,
                DesiredStatus::Stopped => TaskStatus::Stopped,
            };
            let of_instance = seen.entry(task.instance).or_default();
            of_instance.push(TaskObserved::of(task.id, status));
        }
        let is_any = !seen.is_empty();
        for (instance, tasks) in seen {
            self.must(Command::Observe {
                instance,
                session: SessionId::from_u128(1),
                tasks,
            });
        }
        is_any
    }
}

fn definition() -> DefinitionId {
    DefinitionId {
        family: "web".parse().unwrap(),
        revision: 1,
    }
}
