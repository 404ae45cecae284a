//! A small stage: one cluster, one definition, one instance on host 0, states made by the real `apply`, and a watch that judges by one promise.
#![allow(clippy::unwrap_used)]

mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_core::command::{
    ClientToken, ContainerObserved, NewContainer, NewInstance, NewTask, Outcome, Reply,
    Reservation, TaskObserved,
};
use quorate_core::documents::{Capacity, DefinitionSpec, Document};
use quorate_core::ids::{
    ClusterName, ContainerId, InstanceId, NodeId, RequestId, SessionId, TaskId,
};
use quorate_core::state::{
    ContainerStatus, Instance, InstanceVersion, PortRange, Resources, StopCode, Task, TaskStatus,
};
use quorate_core::{Command, Entry, Item, Millis, State, apply};
use serde_json::Value;

use super::super::{NodeView, Seen, Settings, Watch};
use super::forge::{Table, forge, rewrite};
use crate::history::{ContainerNow, Event, History, What};

const SECOND_US: u64 = 1_000_000;

/// See the file.
pub(in super::super) struct Stage {
    state: State,
    at_us: u64,
    next: u128,
    calls: u64,
    watch: Watch,
}

impl Stage {
    /// A stage that all promises look at.
    pub(in super::super) fn new() -> Self {
        Self::judging("")
    }

    /// A stage that only the promise of that name looks at, and the world made: node 1 has shown it.
    pub(in super::super) fn judging(name: &str) -> Self {
        let settings = Settings {
            seed: 7,
            lost_after: Duration::from_secs(60),
        };
        let mut watch = Watch::new(History::default(), &settings);
        watch.keep_only(name);
        let mut stage = Self {
            state: State::default(),
            at_us: 0,
            next: 1,
            calls: 0,
            watch,
        };
        stage.create_cluster("default");
        stage.register("web", "d1");
        stage.register_instance(1, 1);
        stage.show(1);
        stage
    }

    /// The same when faults are over; an agent runs on host 0.
    pub(in super::super) fn at_peace(name: &str) -> Self {
        let mut stage = Self::judging(name);
        stage.event(What::AgentUp { host: 0 });
        stage.event(What::Healed);
        stage
    }

    /// Three nodes show what there is, and a while later the run is over.
    pub(in super::super) fn end_in_peace(mut self) -> Self {
        for node in 1..=3 {
            self.show(node);
            self.status(view(node, self.index()));
        }
        self.wait_s(30);
        self.end();
        self
    }

    pub(in super::super) fn state(&self) -> Arc<State> {
        Arc::new(self.state.clone())
    }

    pub(in super::super) fn index(&self) -> u64 {
        self.state.applied_index()
    }

    /// Time passes.
    pub(in super::super) fn wait_s(&mut self, seconds: u64) {
        self.at_us += seconds * SECOND_US;
    }

    /// Goes on from another state, one index later than whatever was reached.
    pub(in super::super) fn replace(&mut self, state: &State) {
        let at = self.index().max(state.applied_index()) + 1;
        self.state = forge::<Task>(state, at, Table::Tasks, |_| true);
    }

    /// Goes on from another state as it is.
    pub(in super::super) fn replace_at(&mut self, state: &State) {
        self.state = state.clone();
    }

    pub(in super::super) fn forge_tasks(&mut self, mut change: impl FnMut(&mut Task)) {
        self.state = forge(&self.state, self.index() + 1, Table::Tasks, |task| {
            change(task);
            true
        });
    }

    pub(in super::super) fn forge_instances(&mut self, mut change: impl FnMut(&mut Instance)) {
        self.state = forge(
            &self.state,
            self.index() + 1,
            Table::Instances,
            |instance| {
                change(instance);
                true
            },
        );
    }

    /// The state without one of its tables, at the same index.
    pub(in super::super) fn without(&self, table: Table) -> State {
        rewrite(&self.state, self.index(), table, |_| None)
    }

    pub(in super::super) fn apply(&mut self, command: Command) -> Outcome {
        self.next += 1;
        let item = Item {
            request: RequestId::from_u128(self.next),
            command,
        };
        let entry = Entry {
            at: Millis(1_000_000 + self.at_us / 1000),
            items: vec![item],
        };
        let index = self.index() + 1;
        apply(&mut self.state, index, &entry).outcomes.remove(0)
    }

    pub(in super::super) fn create_cluster(&mut self, name: &str) {
        let command = Command::CreateCluster {
            name: name.parse().unwrap(),
            tags: Vec::new(),
            document: Document::default(),
            capacity: Capacity::default(),
        };
        self.apply(command).unwrap();
    }

    pub(in super::super) fn delete_cluster(&mut self, name: &str) {
        self.apply(Command::DeleteCluster {
            name: name.parse().unwrap(),
        })
        .unwrap();
    }

    /// Registers a revision that carries the mark of an attempt; gives its number.
    pub(in super::super) fn register(&mut self, family: &str, mark: &str) -> u64 {
        let tag = quorate_core::documents::Tag {
            key: "attempt".into(),
            value: mark.into(),
        };
        let command = Command::RegisterDefinition {
            family: family.parse().unwrap(),
            document: Document::default(),
            spec: Arc::new(DefinitionSpec::default()),
            tags: vec![tag],
            registered_by: "arn:aws:iam::000000000000:user/test".into(),
        };
        let Ok(Reply::Definition(id)) = self.apply(command) else {
            unreachable!("registering is never refused")
        };
        id.revision
    }

    /// An agent of host `h{number - 1}` registers, or returns, with a session.
    pub(in super::super) fn register_instance(&mut self, number: u128, session: u128) {
        let id = InstanceId::from_u128(number);
        let new = NewInstance {
            id,
            returning: self.state.instance(&id).is_some(),
            cluster: ClusterName::default_cluster(),
            token: format!("of {id}"),
            session: SessionId::from_u128(session),
            node: NodeId(1),
            resources: Resources {
                cpu_units: 1000,
                memory_mib: 1000,
                gpus: 0,
                ports: BTreeSet::new(),
            },
            dynamic_ports: PortRange::default(),
            attributes: BTreeMap::new(),
            tags: Vec::new(),
            version: InstanceVersion::default(),
            hostname: format!("h{}", number - 1),
        };
        self.apply(Command::RegisterInstance(Box::new(new)))
            .unwrap();
    }

    pub(in super::super) fn run_task(&mut self, started_by: &str) -> TaskId {
        self.run_task_with(started_by, None)
    }

    pub(in super::super) fn run_task_with(
        &mut self,
        started_by: &str,
        token: Option<&str>,
    ) -> TaskId {
        let task = TaskId::from_u128((self.next + 1) << 64);
        self.start(task, started_by, token)
    }

    /// Starts a task of a given id.
    pub(in super::super) fn start(
        &mut self,
        task: TaskId,
        started_by: &str,
        token: Option<&str>,
    ) -> TaskId {
        let token = token.map(|token| ClientToken {
            cluster: ClusterName::default_cluster(),
            token: token.into(),
            fingerprint: [1; 32],
        });
        let outcome = self.apply(Command::StartTasks {
            token,
            tasks: vec![new_task(task, started_by)],
            asked: None,
        });
        let Ok(Reply::Tasks(tasks)) = outcome else {
            unreachable!("there is room on the stage: {outcome:?}")
        };
        tasks[0]
    }

    pub(in super::super) fn stop_task(&mut self, task: TaskId) {
        let command = Command::StopTask {
            task,
            code: StopCode::UserInitiated,
            reason: "enough".into(),
        };
        self.apply(command).unwrap();
    }

    pub(in super::super) fn forget(&mut self, task: TaskId) {
        self.apply(Command::Forget { tasks: vec![task] }).unwrap();
    }

    pub(in super::super) fn observe_running(&mut self, task: TaskId) {
        self.observe(task, TaskStatus::Running, ContainerStatus::Running, None);
    }

    pub(in super::super) fn observe_stopped(&mut self, task: TaskId, code: i32) {
        self.observe(
            task,
            TaskStatus::Stopped,
            ContainerStatus::Stopped,
            Some(code),
        );
    }

    fn observe(
        &mut self,
        task: TaskId,
        status: TaskStatus,
        container: ContainerStatus,
        exit_code: Option<i32>,
    ) {
        let instance = self.state.task(&task).unwrap().instance;
        let seen = ContainerObserved {
            name: "main".into(),
            status: container,
            runtime_id: "r1".into(),
            exit_code,
            reason: String::new(),
            image_digest: String::new(),
            bindings: Vec::new(),
            health: None,
            last_output: String::new(),
        };
        let observed = TaskObserved {
            task,
            status,
            containers: vec![seen],
            pull_started_at: None,
            pull_stopped_at: None,
            execution_stopped_at: None,
            stop_code: None,
            reason: String::new(),
        };
        let session = self.state.instance(&instance).unwrap().session;
        self.apply(Command::Observe {
            instance,
            session,
            tasks: vec![observed],
        })
        .unwrap();
    }

    /// A node shows the state as it is.
    pub(in super::super) fn show(&mut self, node: u64) {
        self.show_state(node, 1, &self.state());
    }

    pub(in super::super) fn show_state(&mut self, node: u64, life: u32, state: &Arc<State>) {
        self.watch.take_state(self.at_us, NodeId(node), life, state);
    }

    pub(in super::super) fn event(&mut self, what: What) {
        let event = Event {
            at_us: self.at_us,
            what,
        };
        self.watch.take_event(&event);
    }

    pub(in super::super) fn container(&mut self, host: u32, id: &str, task: TaskId, starts: bool) {
        let (instance, fencing) = self
            .state
            .task(&task)
            .map(|task| (task.instance, task.assigned_index))
            .unwrap();
        if starts {
            self.container_for(host, id, task, &instance.to_string(), fencing);
        } else {
            self.container_event(
                host,
                id,
                task,
                &instance.to_string(),
                fencing,
                ContainerNow::Ended { code: Some(0) },
            );
        }
    }

    pub(in super::super) fn container_for(
        &mut self,
        host: u32,
        id: &str,
        task: TaskId,
        instance: &str,
        fencing: u64,
    ) {
        self.container_event(host, id, task, instance, fencing, ContainerNow::Started);
    }

    fn container_event(
        &mut self,
        host: u32,
        id: &str,
        task: TaskId,
        instance: &str,
        fencing: u64,
        now: ContainerNow,
    ) {
        self.event(What::Container {
            host,
            id: id.into(),
            instance: instance.into(),
            task: task.to_string(),
            name: "main".into(),
            fencing,
            now,
        });
    }

    /// Client 1 calls a node; gives the call's number.
    pub(in super::super) fn call(&mut self, node: u64, operation: &str, body: Value) -> u64 {
        self.calls += 1;
        self.at_us += 1;
        self.event(What::Invoke {
            call: self.calls,
            client: 1,
            node: NodeId(node),
            operation: operation.into(),
            intent: format!("w{}", self.calls),
            body,
        });
        self.at_us += 1;
        self.calls
    }

    pub(in super::super) fn answer(&mut self, call: u64, status: u16, body: Value) {
        self.at_us += 1;
        self.watch.take_answer(Event {
            at_us: self.at_us,
            what: What::Return { call, status, body },
        });
    }

    pub(in super::super) fn status(&mut self, view: NodeView) {
        self.watch.take_view(self.at_us, view);
    }

    pub(in super::super) fn end(&mut self) {
        self.watch.show(self.at_us, &Seen::Ended);
    }

    pub(in super::super) fn assert_kept(&self) {
        assert_eq!(self.watch.broken(), []);
    }

    pub(in super::super) fn assert_broken(&self, how: &str) {
        let broken = self.watch.broken();
        assert!(
            broken.iter().any(|one| one.what.contains(how)),
            "{how:?} is not in {broken:?}"
        );
    }
}

fn new_task(id: TaskId, started_by: &str) -> NewTask {
    let container = NewContainer {
        id: ContainerId::from_u128(id.as_u128() + 1),
        name: "main".into(),
        image: "run".into(),
        essential: true,
        cpu_units: 0,
        memory_mib: 0,
        memory_reservation_mib: 0,
        bindings: Vec::new(),
        has_health_check: false,
    };
    NewTask {
        id,
        cluster: ClusterName::default_cluster(),
        definition: "web:1".parse().unwrap(),
        instance: InstanceId::from_u128(1),
        reserved: Reservation {
            cpu_units: 100,
            memory_mib: 100,
            gpus: 0,
            ports: Vec::new(),
        },
        containers: vec![container],
        group: "family:web".into(),
        started_by: started_by.into(),
        overrides: Document::default(),
        tags: Vec::new(),
        launch_type: "EXTERNAL".into(),
        provider: None,
        stop_timeout_ms: 30_000,
        enable_execute_command: false,
    }
}

/// What a node would say that is in order, in term 1 under the lead of node 1.
pub(in super::super) fn view(node: u64, index: u64) -> NodeView {
    NodeView {
        node: NodeId(node),
        life: 1,
        term: 1,
        leader: Some(NodeId(1)),
        is_leader: node == 1,
        voters: 3,
        last_index: index,
        committed_index: index,
        applied_index: index,
        snapshot_index: 0,
        matched: if node == 1 {
            (1..=3).map(|node| (NodeId(node), index)).collect()
        } else {
            BTreeMap::new()
        },
    }
}
