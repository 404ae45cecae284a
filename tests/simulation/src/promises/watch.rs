//! The one who looks: turns moments of the world and the history of calls into what promises see, in the order in which it happened.
//!
//! Between two looks, calls that were sent are taken first, then what nodes show, then answers. So a call never counts as sent too late, nor
//! as answered too early: what cannot be told apart within one look is decided in favour of the program.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_core::State;
use quorate_core::ids::NodeId;

use super::convergence::unrest;
use super::table::{Settings, TABLE};
use super::truth::Truth;
use super::{Answered, Broken, NodeView, Promise, Published, Scene, Seen, Step, Timeline, Touched};
use crate::history::{Call, ContainerNow, Event, History, Outcome, What};
use crate::moment::{ContainerView, HostView, Moment};
use crate::trace;

/// Looks at one run, on behalf of all promises.
pub struct Watch {
    history: History,
    /// How many events of the history have been taken.
    taken: usize,
    open: BTreeMap<u64, Open>,
    timeline: Timeline,
    truth: Truth,
    views: BTreeMap<NodeId, NodeView>,
    hosts: Vec<Arc<Vec<ContainerView>>>,
    promises: Vec<(&'static str, Box<dyn Promise>)>,
    broken: Vec<Broken>,
}

/// A call that has no answer yet, and what had been shown when it was sent.
struct Open {
    call: Call,
    floor: u64,
    shown: usize,
}

impl Watch {
    /// One who looks at the run that `history` tells of.
    #[must_use]
    pub fn new(history: History, settings: &Settings) -> Self {
        let promises = TABLE.iter().map(|row| (row.name, (row.make)(settings)));
        Self {
            history,
            taken: 0,
            open: BTreeMap::new(),
            timeline: Timeline::default(),
            truth: Truth::default(),
            views: BTreeMap::new(),
            hosts: Vec::new(),
            promises: promises.collect(),
            broken: Vec::new(),
        }
    }

    /// Takes in what the world tells of itself.
    pub fn hear(&mut self, at: Duration, event: &trace::Event) {
        use trace::Event::{
            AgentEnded, AgentStarted, FaultsOver, NodeCrashed, NodeStarted, NodeStopped,
        };
        let what = match event {
            NodeStarted { node, .. } => What::NodeUp { node: *node },
            NodeCrashed { node, .. } | NodeStopped { node, .. } => What::NodeDown { node: *node },
            AgentStarted { host, .. } => What::AgentUp { host: *host },
            AgentEnded { host, .. } => What::AgentDown { host: *host },
            FaultsOver => What::Healed,
            _ => return,
        };
        self.history.add(at, what);
    }

    /// Looks at the world: after every state that a node shows, and now and then.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn look(&mut self, moment: &Moment) -> Result<(), Broken> {
        let at_us =
            u64::try_from(moment.at.as_micros()).expect("a run is shorter than 584,000 years");
        self.look_at_hosts(moment.at, &moment.hosts);
        let events = self.history.after(self.taken);
        self.taken += events.len();
        let (answers, others): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| matches!(event.what, What::Return { .. }));
        for event in others {
            self.take_event(&event);
        }
        for (node, view) in &moment.nodes {
            self.take_state(at_us, *node, view.life, &view.state);
        }
        for view in moment.nodes.values() {
            self.take_view(at_us, NodeView::of(view.life, &view.status));
        }
        for event in answers {
            self.take_answer(event);
        }
        self.broken
            .first()
            .map_or(Ok(()), |first| Err(first.clone()))
    }

    /// Judges what can only be judged when all is over.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn settle(&mut self, moment: &Moment) -> Result<(), Broken> {
        self.look(moment)?;
        let at_us =
            u64::try_from(moment.at.as_micros()).expect("a run is shorter than 584,000 years");
        self.show(at_us, &Seen::Ended);
        self.broken
            .first()
            .map_or(Ok(()), |first| Err(first.clone()))
    }

    /// Whether everything has come to rest.
    ///
    /// # Errors
    /// With what has not.
    pub fn is_settled(&self, moment: &Moment) -> Result<(), String> {
        let behind = moment
            .nodes
            .iter()
            .find(|(_, view)| view.state.applied_index() < self.timeline.reached());
        if let Some((node, _)) = behind {
            return Err(format!("n{node} has not applied all"));
        }
        unrest(&self.timeline, &self.truth, &self.views).map_or(Ok(()), Err)
    }

    /// Everything that was broken, in the order in which it was seen.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Judges by one promise only.
    #[cfg(test)]
    pub(super) fn keep_only(&mut self, name: &str) {
        self.promises.retain(|(one, _)| *one == name);
    }

    pub(super) fn show(&mut self, at_us: u64, seen: &Seen<'_>) {
        for (name, promise) in &mut self.promises {
            let mut scene = Scene {
                at_us,
                timeline: &self.timeline,
                truth: &self.truth,
                views: &self.views,
                promise: name,
                broken: &mut self.broken,
            };
            promise.see(seen, &mut scene);
        }
    }

    pub(super) fn take_event(&mut self, event: &Event) {
        if let Some(call) = Call::begun(event) {
            let open = Open {
                floor: self.timeline.reached(),
                shown: self.timeline.count_of(call.node),
                call,
            };
            self.open.insert(open.call.id, open);
        }
        if let What::NodeDown { node } = &event.what {
            self.views.remove(node);
        }
        self.truth.take(event);
        self.show(event.at_us, &Seen::Event(event));
    }

    pub(super) fn take_answer(&mut self, event: Event) {
        let at_us = event.at_us;
        let What::Return { call, status, body } = event.what else {
            unreachable!("look() parts answers from the rest")
        };
        let Some(mut open) = self.open.remove(&call) else {
            return;
        };
        open.call.ended_us = at_us;
        open.call.outcome = Outcome::Answered { status, body };
        let answered = Answered {
            shown: self
                .timeline
                .shown_since(open.call.node, open.shown)
                .to_vec(),
            floor: open.floor,
            ceiling: self.timeline.reached(),
            call: open.call,
        };
        self.show(at_us, &Seen::Answer(&answered));
    }

    pub(super) fn take_state(&mut self, at_us: u64, node: NodeId, life: u32, state: &Arc<State>) {
        let before = self.timeline.last_of(node, life).cloned();
        if before
            .as_ref()
            .is_some_and(|before| before.applied_index() == state.applied_index())
        {
            return;
        }
        let published = Published {
            node,
            state: Arc::clone(state),
            before,
        };
        self.show(at_us, &Seen::Published(&published));
        let newest = self.timeline.newest().cloned().unwrap_or_default();
        self.timeline.add(node, life, state);
        if newest.applied_index() >= state.applied_index() {
            return;
        }
        // The node's own past shares more with its present than another node's does.
        let own = published
            .before
            .filter(|before| before.applied_index() == newest.applied_index());
        let before = own.unwrap_or(newest);
        let touched = Touched::between(&before, state);
        self.timeline
            .add_touched(state.applied_index(), touched.clone());
        let step = Step {
            before,
            after: Arc::clone(state),
            touched,
        };
        self.show(at_us, &Seen::Step(&step));
    }

    pub(super) fn take_view(&mut self, at_us: u64, view: NodeView) {
        if self.views.get(&view.node) != Some(&view) {
            self.show(at_us, &Seen::Status(&view));
            self.views.insert(view.node, view);
        }
    }

    /// What changed in container runtimes since the last look becomes part of the history.
    fn look_at_hosts(&mut self, at: Duration, hosts: &[HostView]) {
        for new in &hosts[self.hosts.len().min(hosts.len())..] {
            if let Some(of) = new.clone_of {
                let host = new.number;
                self.history.add(at, What::Cloned { host, of });
            }
        }
        self.hosts.resize_with(hosts.len(), Arc::default);
        for (host, known) in hosts.iter().zip(&mut self.hosts) {
            if Arc::ptr_eq(&host.containers, known) {
                continue;
            }
            *known = Arc::clone(&host.containers);
            for what in self.truth.news(host.number, known) {
                self.history.add(at, what);
            }
        }
    }
}

/// The event that something happened to a container.
pub(super) fn container(host: u32, view: &ContainerView, now: ContainerNow) -> What {
    What::Container {
        host,
        id: view.id.clone(),
        instance: view.instance.clone(),
        task: view.task.clone(),
        name: view.name.clone(),
        fencing: view.fencing,
        now,
    }
}
