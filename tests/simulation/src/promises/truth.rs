//! What really is, beside what nodes say: agents that run, containers that live and have lived.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::ids::TaskId;

use super::watch::container;
use crate::history::{ContainerNow, Event, What};
use crate::moment::ContainerView;

/// Agents and containers, as told by those who cannot be mistaken.
#[derive(Default)]
pub(super) struct Truth {
    /// How many agents run on each host that has one.
    agents: BTreeMap<u32, u32>,
    containers: BTreeMap<String, Container>,
    by_task: BTreeSet<(TaskId, String)>,
    clones: BTreeMap<u32, u32>,
    healed_us: Option<u64>,
}

/// A container that is, or was.
pub(super) struct Container {
    pub(super) host: u32,
    pub(super) instance: String,
    pub(super) task: TaskId,
    pub(super) name: String,
    pub(super) fencing: u64,
    /// The exit code with which it ended, if it did; inside, nothing if it has none.
    pub(super) ended: Option<Option<i32>>,
    pub(super) is_removed: bool,
}

impl Truth {
    /// Hosts on which an agent runs.
    pub(super) fn hosts(&self) -> impl Iterator<Item = u32> {
        self.agents.keys().copied()
    }

    /// How many agents run on a host.
    pub(super) fn agents_on(&self, host: u32) -> u32 {
        self.agents.get(&host).copied().unwrap_or_default()
    }

    /// The machine that a machine is a copy of; itself, if it is none.
    pub(super) fn original(&self, host: u32) -> u32 {
        self.clones.get(&host).copied().unwrap_or(host)
    }

    /// Every container that ever was.
    pub(super) fn containers(&self) -> impl Iterator<Item = (&str, &Container)> {
        self.containers.iter().map(|(id, one)| (id.as_str(), one))
    }

    /// The containers of a task, whatever became of them.
    pub(super) fn containers_of(&self, task: TaskId) -> impl Iterator<Item = (&str, &Container)> {
        let ids = self
            .by_task
            .range((task, String::new())..)
            .map_while(move |(of, id)| (*of == task).then_some(id));
        ids.filter_map(|id| self.containers.get(id).map(|one| (id.as_str(), one)))
    }

    /// Since when nothing has been broken any more.
    pub(super) fn healed_us(&self) -> Option<u64> {
        self.healed_us
    }

    /// Takes in what happened.
    pub(super) fn take(&mut self, event: &Event) {
        match &event.what {
            What::AgentUp { host } => *self.agents.entry(*host).or_default() += 1,
            What::AgentDown { host } => {
                let left = self.agents_on(*host).saturating_sub(1);
                self.agents.insert(*host, left);
                self.agents.retain(|_, count| *count > 0);
            }
            What::Cloned { host, of } => {
                self.clones.insert(*host, *of);
            }
            What::Healed => self.healed_us = Some(event.at_us),
            What::Container { .. } => self.take_container(event),
            What::Invoke { .. }
            | What::Return { .. }
            | What::Unknown { .. }
            | What::NodeUp { .. }
            | What::NodeDown { .. } => {}
        }
    }

    fn take_container(&mut self, event: &Event) {
        let What::Container {
            host,
            id,
            instance,
            task,
            name,
            fencing,
            now,
        } = &event.what
        else {
            return;
        };
        let Ok(task) = task.parse::<TaskId>() else {
            return;
        };
        let known = self
            .containers
            .entry(id.clone())
            .or_insert_with(|| Container {
                host: *host,
                instance: instance.clone(),
                task,
                name: name.clone(),
                fencing: *fencing,
                ended: None,
                is_removed: false,
            });
        self.by_task.insert((task, id.clone()));
        match now {
            ContainerNow::Started => {}
            ContainerNow::Ended { code } => known.ended = Some(*code),
            ContainerNow::Removed => known.is_removed = true,
        }
    }

    /// What is new in a host's runtime, as events.
    pub(super) fn news(&self, host: u32, views: &[ContainerView]) -> Vec<What> {
        let mut news = Vec::new();
        for view in views {
            let known = self.containers.get(&view.id);
            if known.is_none() {
                news.push(container(host, view, ContainerNow::Started));
            }
            let has_ended = known.is_some_and(|one| one.ended.is_some());
            if let Some((_, code)) = view.ended.filter(|_| !has_ended) {
                news.push(container(
                    host,
                    view,
                    ContainerNow::Ended { code: Some(code) },
                ));
            }
        }
        let left: BTreeSet<&str> = views.iter().map(|view| view.id.as_str()).collect();
        let gone = self
            .containers
            .iter()
            .filter(|(id, one)| one.host == host && !one.is_removed && !left.contains(id.as_str()));
        news.extend(gone.map(|(id, one)| What::Container {
            host,
            id: id.clone(),
            instance: one.instance.clone(),
            task: one.task.to_string(),
            name: one.name.clone(),
            fencing: one.fencing,
            now: ContainerNow::Removed,
        }));
        news
    }
}
