//! Operations as callers see them, on a state that `apply` built: every input and every answer is held to the model.
#![allow(clippy::unwrap_used)]

mod attributes;
mod capacity;
mod clusters;
mod coverage;
mod definitions;
mod explain;
mod forecast;
mod instances;
mod launch;
mod placement;
mod protection;
mod rollouts;
mod services;
mod settings;
mod speed;
mod table;
mod tags;
mod task_sets;
mod tasks;

use std::collections::BTreeMap;

use quorate_core::command::{ContainerObserved, NewInstance, TaskObserved};
use quorate_core::ids::{ClusterName, InstanceId, NodeId, RequestId, SessionId, TaskId};
use quorate_core::state::{
    ContainerStatus, DesiredStatus, Health, InstanceVersion, PortRange, Resources, TaskStatus,
};
use quorate_core::{Entry, Heard, Item, Mint, Rejection, apply, duties};
use serde_json::{Value, json};

use super::exception::Kind as Refused;
use super::*;
use crate::planner::decide;

/// A control plane without nodes: the state, and operations on it.
struct Desk {
    state: State,
    realm: Realm,
    caller: Caller,
    mint: Mint,
    /// Of the call that is under way.
    request: RequestId,
    /// Time that passed in which nothing happened.
    idle_ms: u64,
    decisions: Decisions,
    policy: Policy,
}

impl Desk {
    /// With the default cluster.
    fn new() -> Self {
        let mut desk = Self {
            state: State::default(),
            realm: Realm {
                region: "us-east-1".into(),
                account: "000000000000".into(),
            },
            caller: Caller {
                arn: "arn:aws:iam::000000000000:user/dev".into(),
                account: "000000000000".into(),
                user_id: "AIDADEV".into(),
            },
            mint: Mint::new([7; 32]),
            request: RequestId::from_u128(0),
            idle_ms: 0,
            decisions: Decisions::default(),
            policy: Policy::default(),
        };
        desk.ok("CreateCluster", json!({}));
        desk
    }

    /// With an instance too, and a definition of one container that maps one port.
    fn with_room() -> Self {
        let mut desk = Self::new();
        desk.instance(1, "default");
        desk.register(&web());
        desk
    }

    fn apply(&mut self, command: Command) -> Result<Reply, Rejection> {
        let (index, request) = (self.state.applied_index() + 1, self.mint.request());
        // A second passes with each entry.
        let entry = Entry {
            at: Millis(index * 1000 + self.idle_ms),
            items: vec![Item { request, command }],
        };
        if Decisions::is_one(&entry) {
            let encoded = entry.encode();
            self.decisions.keep(index, self.state.clone(), &encoded);
        }
        let outcome = apply(&mut self.state, index, &entry).outcomes.remove(0);
        assert_eq!(self.state.check(), []);
        outcome
    }

    fn call(&mut self, operation: &str, input: Value) -> Result<Value, Exception> {
        let body = input.to_string();
        model::parse_input(operation, body.as_bytes())?;
        let row = find("ecs", operation)?;
        let input = Input::parse(operation, body.as_bytes())?;
        self.request = self.mint.request();
        let answer = match row.meaning {
            Read(read) => read(&self.scene(), input),
            Write(ask, show) => {
                let intent = ask(&self.scene(), input)?;
                let outcome = self.carry_out(intent)?;
                show(&self.scene(), &outcome)
            }
            Reckon(_) | Identity | Nodes => unreachable!("not of ECS"),
        }?;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        model::check_output(operation, &answer).unwrap();
        Ok(answer)
    }

    /// An operation of our own, which the model does not know.
    fn own(&mut self, operation: &str, input: Value) -> Result<Value, Exception> {
        self.request = self.mint.request();
        let input = Input::parse(operation, input.to_string().as_bytes())?;
        let read = match find("quorate", operation)?.meaning {
            Read(read) | Reckon(read) => read,
            Write(..) | Identity | Nodes => unreachable!("{operation} is another kind"),
        };
        let answer = read(&self.scene(), input)?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    fn ok(&mut self, operation: &str, input: Value) -> Value {
        self.call(operation, input).unwrap()
    }

    /// The refusal, which the model must know for this operation unless it is our own "not yet".
    fn refused(&mut self, operation: &str, input: Value) -> (Refused, String) {
        let exception = self.call(operation, input).unwrap_err();
        let (kind, text) = (exception.kind(), exception.message().to_owned());
        let is_known = model::declares(operation, kind);
        assert!(
            is_known || kind == Refused::UnsupportedFeature,
            "{operation} does not declare {exception}"
        );
        (kind, text)
    }

    /// Lets time pass, and the leader do its duties.
    fn wait(&mut self, ms: u64) {
        self.idle_ms += ms;
        for _ in 0..20 {
            let now = self.state.now().plus_ms(ms);
            let (heard, policy) = (Heard::default(), Policy::default());
            let owed = duties(&self.state, &heard, &policy, now, &mut self.mint);
            if owed.is_empty() {
                return;
            }
            for command in owed {
                self.apply(command).unwrap();
            }
        }
        panic!("duties come to no end");
    }

    /// All tasks are as they should be.
    fn all_well(&mut self) {
        let tasks: Vec<_> = self.state.tasks().cloned().collect();
        for task in tasks.iter().filter(|task| task.holds_resources()) {
            let is_told = task.desired == DesiredStatus::Stopped;
            match (is_told, task.last) {
                (true, _) => self.observe(task.id, TaskStatus::Stopped, Some(0)),
                (false, TaskStatus::Running) => {}
                (false, _) => self.observe(task.id, TaskStatus::Running, None),
            }
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            state: &self.state,
            realm: &self.realm,
            caller: &self.caller,
            request: self.request,
            decisions: &self.decisions,
            now: self.state.now(),
            policy: &self.policy,
        }
    }

    fn carry_out(&mut self, intent: Intent) -> Result<Outcome, Exception> {
        let (command, mut failures) = match intent {
            Intent::Already(outcome) => return Ok(outcome),
            Intent::Change(command) => (Some(command), Vec::new()),
            Intent::ChangeSome { command, failures } => (Some(command), failures),
            Intent::Run { ask, missing } => {
                let decision = decide(&self.state, &ask, &mut self.mint);
                let refused = decision.refused.iter();
                let refused = refused.map(|one| refusals::failure(one, &ask.cluster, &self.realm));
                (
                    decision.command,
                    missing.into_iter().chain(refused).collect(),
                )
            }
        };
        let Some(command) = command else {
            return Ok(Outcome {
                reply: Reply::Tasks(Vec::new()),
                failures,
            });
        };
        let reply = self
            .apply(command)
            .map_err(|why| refusals::rejection(&why, &self.state, &self.realm))?;
        Ok(Outcome {
            reply,
            failures: std::mem::take(&mut failures),
        })
    }

    /// A connected instance with one core, 1 GiB and port 22 taken.
    fn instance(&mut self, number: u128, cluster: &str) -> InstanceId {
        let id = InstanceId::from_u128(number);
        let mut resources = Resources {
            cpu_units: 1024,
            memory_mib: 1024,
            ..Resources::default()
        };
        resources.ports.insert(quorate_core::state::HostPort {
            protocol: quorate_core::documents::Protocol::Tcp,
            port: 22,
        });
        let attributes = [
            ("ecs.availability-zone", "rack-1"),
            ("ecs.cpu-architecture", "x86_64"),
            ("ecs.capability.container-health-check", ""),
            ("bare", ""),
        ];
        self.apply(Command::RegisterInstance(Box::new(NewInstance {
            id,
            returning: false,
            cluster: cluster.parse().unwrap(),
            token: number.to_string(),
            session: session(number),
            node: NodeId(1),
            resources,
            dynamic_ports: PortRange::default(),
            attributes: BTreeMap::from(attributes.map(|(name, value)| (name.into(), value.into()))),
            tags: Vec::new(),
            version: InstanceVersion {
                agent_version: "0.1.0".into(),
                ..InstanceVersion::default()
            },
            hostname: "host".into(),
        })))
        .unwrap();
        id
    }

    fn register(&mut self, definition: &Value) -> Value {
        self.ok("RegisterTaskDefinition", definition.clone())["taskDefinition"].clone()
    }

    /// What the agent of its instance says of the only container of a task.
    fn observe(&mut self, task: TaskId, status: TaskStatus, exit_code: Option<i32>) {
        self.report(task, status, exit_code, None);
    }

    /// The same of one that runs, and how well it is.
    fn observe_health(&mut self, task: TaskId, health: Health) {
        self.report(task, TaskStatus::Running, None, Some(health));
    }

    fn report(
        &mut self,
        task: TaskId,
        status: TaskStatus,
        exit_code: Option<i32>,
        health: Option<Health>,
    ) {
        let container = match status {
            TaskStatus::Running => ContainerStatus::Running,
            TaskStatus::Stopped => ContainerStatus::Stopped,
            _ => ContainerStatus::Pending,
        };
        let containers = vec![ContainerObserved {
            name: "app".into(),
            status: container,
            runtime_id: "feed".into(),
            exit_code,
            reason: String::new(),
            image_digest: "sha256:1".into(),
            bindings: Vec::new(),
            health,
            last_output: exit_code.map_or_else(String::new, |code| format!("code {code}")),
        }];
        let seen = TaskObserved {
            task,
            status,
            containers,
            pull_started_at: Some(Millis(1)),
            pull_stopped_at: Some(Millis(2)),
            execution_stopped_at: None,
            stop_code: None,
            reason: String::new(),
        };
        let instance = self.state.task(&task).unwrap().instance;
        let session = self.state.instance(&instance).unwrap().session;
        self.apply(Command::Observe {
            instance,
            session,
            tasks: vec![seen],
        })
        .unwrap();
    }

    /// The id of a task in an answer.
    fn id(task: &Value) -> TaskId {
        task["taskArn"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }
}

fn session(number: u128) -> SessionId {
    SessionId::from_u128(number)
}

/// A definition of one container.
fn web() -> Value {
    json!({
        "family": "web",
        "containerDefinitions": [{
            "name": "app", "image": "nginx:1", "cpu": 100, "memory": 128, "portMappings": [{"containerPort": 80}],
        }],
    })
}
