//! Does the faults of a plan: each has a task of its own that waits for its time, does it, and takes it back when its time is over or
//! all faults are.

use std::time::Duration;

use quorate_core::ids::NodeId;
use tokio::time::{Instant, sleep_until};

use super::cluster::Cluster;
use super::hosts::Host;
use super::nodes::{End, Node};
use crate::plan::{Fault, Target, What};
use crate::trace::Event;
use crate::world::Place;

/// An agent that flaps lives this long, at most.
const FLAP: Duration = Duration::from_millis(1_500);

/// Waits, does the fault, waits, takes it back.
pub(super) async fn inflict(cluster: Cluster, fault: Fault) {
    let begins = Instant::now() + Duration::from_millis(fault.at_ms);
    let over = cluster.faults_over().clone();
    if over
        .run_until_cancelled(sleep_until(begins))
        .await
        .is_none()
    {
        return;
    }
    cluster.trace().tell(Event::Fault(fault.to_string()));
    let span = Duration::from_millis(fault.for_ms);
    let nemesis = Nemesis { cluster, span };
    let undo = nemesis.begin(&fault.what);
    match (&fault.what, undo) {
        (What::FlapAgent(number), _) => {
            let _ = over.run_until_cancelled(nemesis.flap(*number)).await;
        }
        (_, Some(undo)) => {
            let _ = over.run_until_cancelled(tokio::time::sleep(span)).await;
            undo();
            nemesis
                .cluster
                .trace()
                .tell(Event::Fault(format!("{} over", fault.what.kind())));
        }
        (_, None) => {}
    }
}

/// Takes a fault back.
type Undo = Box<dyn FnOnce() + Send>;

struct Nemesis {
    cluster: Cluster,
    span: Duration,
}

impl Nemesis {
    /// Begins a fault; says how to take it back if it does not end by itself.
    fn begin(&self, what: &What) -> Option<Undo> {
        match what {
            What::Cut(from, to) => self.cut(vec![(self.at(*from), self.at(*to))]),
            What::Isolate(target) => self.cut(self.ways(&[self.at(*target)], true, true)),
            What::Mute(target) => self.cut(self.ways(&[self.at(*target)], true, false)),
            What::Deafen(target) => self.cut(self.ways(&[self.at(*target)], false, true)),
            What::Split(side) => self.cut(self.ways(side, true, true)),
            What::Slow(from, to, ms) => self.slow(self.at(*from), self.at(*to), *ms),
            What::Storm(weather) => {
                let (network, usual) = (
                    self.cluster.network().clone(),
                    self.cluster.plan().weather.clone(),
                );
                network.set_weather(weather.clone());
                Some(Box::new(move || network.set_weather(usual)))
            }
            What::Kill(target) => self.crash(*target, false),
            What::Power(target) => self.crash(*target, true),
            What::Blackout => {
                self.cluster
                    .nodes()
                    .values()
                    .for_each(|node| node.crash(self.end(true)));
                None
            }
            What::PowerAfter(target, operations) => self.on_node(*target, |node| {
                node.prepare(self.end(true));
                node.disk().cut_power_after(*operations);
                None
            }),
            What::Restart(target) => self.on_node(*target, |node| {
                node.restart(self.span);
                None
            }),
            What::DiskFails(target, operations) => self.on_node(*target, |node| {
                node.disk().fail_after(*operations);
                None
            }),
            What::DiskFull(target) => self.on_node(*target, |node| {
                node.disk().set_full(true);
                Some(Box::new(move || node.disk().set_full(false)))
            }),
            What::DiskSlow(target, ms) => self.on_node(*target, |node| {
                node.disk().set_slower(Duration::from_millis(*ms));
                Some(Box::new(move || node.disk().set_slower(Duration::ZERO)))
            }),
            What::ClockJump(target, ms) => self.clock(*target, *ms),
            What::KillAgent(number) => self.on_host(*number, |host| {
                host.kill(self.span);
                None
            }),
            What::FlapAgent(_) => None,
            What::CloneAgent(number) => self.clone_agent(*number),
            What::HostPower(number) => self.on_host(*number, |host| {
                host.kill(self.span);
                host.machine().lose_power();
                None
            }),
            What::RuntimeSlow(number, ms) => self.on_host(*number, |host| {
                host.machine().set_slower(Duration::from_millis(*ms));
                Some(Box::new(move || host.machine().set_slower(Duration::ZERO)))
            }),
            What::RuntimeRefuses(number) => self.on_host(*number, |host| {
                host.machine().set_refusing(true);
                Some(Box::new(move || host.machine().set_refusing(false)))
            }),
        }
    }

    fn at(&self, target: Target) -> Place {
        self.cluster.place(target)
    }

    fn end(&self, loses_power: bool) -> End {
        End {
            loses_power,
            down: self.span,
        }
    }

    fn on_node(&self, target: Target, then: impl FnOnce(Node) -> Option<Undo>) -> Option<Undo> {
        match self.at(target) {
            Place::Node(id) => self
                .cluster
                .nodes()
                .get(&NodeId(id))
                .cloned()
                .and_then(then),
            Place::Host(_) | Place::Client(_) => None,
        }
    }

    fn on_host(&self, number: u32, then: impl FnOnce(Host) -> Option<Undo>) -> Option<Undo> {
        self.cluster.host(number).and_then(then)
    }

    fn crash(&self, target: Target, loses_power: bool) -> Option<Undo> {
        self.on_node(target, |node| {
            node.crash(self.end(loses_power));
            None
        })
    }

    /// The ways between these places and all others: out of them, into them, or both.
    fn ways(&self, places: &[Place], out: bool, into: bool) -> Vec<(Place, Place)> {
        let all = self.cluster.places();
        let others: Vec<Place> = all
            .into_iter()
            .filter(|place| !places.contains(place))
            .collect();
        let pairs = places
            .iter()
            .flat_map(|place| others.iter().map(move |other| (*place, *other)));
        let mut ways = Vec::new();
        for (place, other) in pairs {
            if out {
                ways.push((place, other));
            }
            if into {
                ways.push((other, place));
            }
        }
        ways
    }

    fn cut(&self, ways: Vec<(Place, Place)>) -> Option<Undo> {
        let network = self.cluster.network().clone();
        ways.iter().for_each(|(from, to)| network.cut(*from, *to));
        Some(Box::new(move || {
            ways.iter().for_each(|(from, to)| network.mend(*from, *to));
        }))
    }

    fn slow(&self, from: Place, to: Place, ms: u64) -> Option<Undo> {
        let network = self.cluster.network().clone();
        network.slow(from, to, Duration::from_millis(ms));
        Some(Box::new(move || network.slow(from, to, Duration::ZERO)))
    }

    fn clock(&self, target: Target, ms: i64) -> Option<Undo> {
        let clock = match self.at(target) {
            Place::Node(id) => self.cluster.nodes().get(&NodeId(id))?.clock().clone(),
            Place::Host(number) => self.cluster.host(number)?.machine().clock().clone(),
            Place::Client(_) => return None,
        };
        clock.jump(ms);
        Some(Box::new(move || clock.jump(-ms)))
    }

    fn clone_agent(&self, number: u32) -> Option<Undo> {
        let original = self.cluster.host(number)?;
        let next = u32::try_from(self.cluster.hosts().len()).ok()?;
        let cluster = &self.cluster;
        let clone = Host::new(
            cluster.plan(),
            next,
            Some(&original),
            cluster.network(),
            cluster.trace(),
        );
        cluster.add_host(clone.clone());
        Some(Box::new(move || clone.remove()))
    }

    async fn flap(&self, number: u32) {
        let Some(host) = self.cluster.host(number) else {
            return;
        };
        let until = Instant::now() + self.span;
        let mut life = FLAP;
        while Instant::now() < until {
            host.kill(Duration::from_millis(100));
            // Shorter and longer lives by turns.
            life = if life > FLAP / 8 { life / 2 } else { FLAP };
            tokio::time::sleep(life).await;
        }
    }
}
