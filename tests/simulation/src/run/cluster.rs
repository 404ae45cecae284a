//! The world of one run with what lives in it: nodes with their disks and clocks, machines with their agents, and the network between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::ids::NodeId;
use quorate_server::consensus::Member;
use tokio_util::sync::CancellationToken;

use super::hosts::Host;
use super::looking::Looking;
use super::nemesis;
use super::nodes::Node;
use crate::history::History;
use crate::moment::{HostView, Moment, Phase};
use crate::plan::{Plan, Target};
use crate::promises::Settings;
use crate::trace::{Event, Trace};
use crate::world::Place;
use crate::world::network::{Network, Weather};

/// All of it. Clones are the same.
#[derive(Clone)]
pub(super) struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    trace: Trace,
    network: Network,
    history: History,
    nodes: BTreeMap<NodeId, Node>,
    /// The machines of the plan, then those of clones, which come and go.
    hosts: Mutex<Vec<Host>>,
    looking: Looking,
    /// Faults end when this is cancelled.
    faults_over: CancellationToken,
    calls: AtomicU64,
}

impl Cluster {
    pub(super) fn new(plan: Plan, trace: Trace) -> Self {
        let network = Network::new(
            plan.seed ^ 0x6e65_7477_6f72_6b00,
            plan.weather.clone(),
            trace.clone(),
        );
        let history = History::default();
        let members: Vec<Member> = (1..=plan.nodes)
            .map(|id| Member {
                node: NodeId(id),
                peer_address: format!("n{id}:6571"),
                api_address: format!("n{id}:6570"),
            })
            .collect();
        let nodes = members.iter().map(|member| {
            (
                member.node,
                Node::new(&plan, member.node, members.clone(), &network, &trace),
            )
        });
        let settings = Settings {
            seed: plan.seed,
            lost_after: Duration::from_millis(plan.lost_after_ms),
        };
        let shared = Shared {
            nodes: nodes.collect(),
            hosts: Mutex::default(),
            looking: Looking::new(history.clone(), &settings, trace.clone()),
            faults_over: CancellationToken::new(),
            calls: AtomicU64::new(0),
            network,
            history,
            trace,
            plan,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn start_nodes(&self) {
        for node in self.shared.nodes.values() {
            tokio::spawn(node.clone().keep(self.clone()));
        }
        tokio::spawn(self.clone().look_often());
    }

    pub(super) fn start_hosts(&self) {
        for number in 0..self.shared.plan.hosts {
            let host = Host::new(
                &self.shared.plan,
                number,
                None,
                &self.shared.network,
                &self.shared.trace,
            );
            self.add_host(host);
        }
    }

    /// A machine is added, and its agent is kept alive from now on.
    pub(super) fn add_host(&self, host: Host) {
        self.shared.hosts.lock().push(host.clone());
        tokio::spawn(host.keep());
    }

    pub(super) fn start_faults(&self) {
        for fault in &self.shared.plan.faults {
            tokio::spawn(nemesis::inflict(self.clone(), fault.clone()));
        }
    }

    /// All faults end, everything that is down comes up, and the network is a good one from now on.
    pub(super) async fn end_faults(&self) {
        self.shared.faults_over.cancel();
        // Every fault has a task of its own that takes it back when it sees this.
        tokio::task::yield_now().await;
        self.shared.network.set_weather(Weather::fair());
        for node in self.shared.nodes.values() {
            node.recover();
        }
        for host in self.hosts() {
            host.recover();
        }
        self.shared.looking.set_phase(Phase::Liveness);
        self.shared.trace.tell(Event::FaultsOver);
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.shared.trace
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    pub(super) fn network(&self) -> &Network {
        &self.shared.network
    }

    pub(super) fn history(&self) -> &History {
        &self.shared.history
    }

    pub(super) fn looking(&self) -> &Looking {
        &self.shared.looking
    }

    pub(super) fn faults_over(&self) -> &CancellationToken {
        &self.shared.faults_over
    }

    pub(super) fn nodes(&self) -> &BTreeMap<NodeId, Node> {
        &self.shared.nodes
    }

    pub(super) fn hosts(&self) -> Vec<Host> {
        self.shared.hosts.lock().clone()
    }

    pub(super) fn host(&self, number: u32) -> Option<Host> {
        let hosts = self.shared.hosts.lock();
        hosts.iter().find(|host| host.number() == number).cloned()
    }

    /// Where a fault hits.
    pub(super) fn place(&self, target: Target) -> Place {
        match target {
            Target::Leader => Place::Node(self.leader().0),
            Target::Node(id) => Place::Node(id),
            Target::Host(number) => Place::Host(number),
            Target::Client(number) => Place::Client(number),
        }
    }

    /// Every place in the world.
    pub(super) fn places(&self) -> Vec<Place> {
        let nodes = self.shared.nodes.keys().map(|node| Place::Node(node.0));
        let hosts = self.hosts();
        let hosts = hosts.iter().map(|host| Place::Host(host.number()));
        let clients = (0..self.shared.plan.clients).map(Place::Client);
        nodes.chain(hosts).chain(clients).collect()
    }

    /// Whoever leads in the newest term, or the first node.
    fn leader(&self) -> NodeId {
        let leading = self.shared.nodes.iter().filter_map(|(id, node)| {
            let leadership = node.consensus()?.leadership().borrow().clone();
            leadership.is_me.then_some((leadership.term, *id))
        });
        leading.max().map_or(NodeId(1), |(_, id)| id)
    }

    /// The world now.
    pub(super) fn moment(&self) -> Moment {
        let nodes = self.shared.nodes.iter();
        Moment {
            at: self.shared.trace.now(),
            phase: self.shared.looking.phase(),
            nodes: nodes
                .filter_map(|(id, node)| Some((*id, node.view()?)))
                .collect(),
            hosts: self
                .shared
                .hosts
                .lock()
                .iter()
                .map(Host::view)
                .collect::<Vec<HostView>>(),
        }
    }

    /// Shows the promises the world as it is now.
    pub(super) fn look(&self) {
        self.shared.looking.look(&self.moment());
    }

    /// Whether everything has come to rest, and what is missing if not.
    pub(super) fn is_at_rest(&self) -> Result<(), String> {
        self.shared.looking.is_settled(&self.moment())
    }

    async fn look_often(self) {
        let mut ticks = tokio::time::interval(super::looking::EVERY);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    pub(super) fn count_call(&self) {
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    pub(super) fn applied(&self) -> u64 {
        let nodes = self.moment().nodes;
        nodes
            .values()
            .map(|node| node.state.applied_index())
            .max()
            .unwrap_or_default()
    }
}
