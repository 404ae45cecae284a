//! The replicated state as a sequence: every state that any node ever showed, by the index of its last entry, and who showed what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_core::State;
use quorate_core::ids::{ClusterName, DefinitionId, InstanceId, NodeId, ServiceKey, TaskId};

/// All states seen so far. States are persistent, so that keeping them all costs what changed between them.
#[derive(Default)]
pub struct Timeline {
    states: BTreeMap<u64, Arc<State>>,
    /// What changed up to an index, since the newest state seen before it.
    touched: BTreeMap<u64, Touched>,
    nodes: BTreeMap<NodeId, Track>,
}

/// What one node showed.
struct Track {
    life: u32,
    current: Arc<State>,
    shown: Vec<u64>,
}

impl Timeline {
    /// The state at an index, if any node showed it.
    #[must_use]
    pub fn state(&self, index: u64) -> Option<&Arc<State>> {
        self.states.get(&index)
    }

    /// The newest state.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<State>> {
        self.states.last_key_value().map(|(_, state)| state)
    }

    /// The index of the newest state; 0 before the first.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.states.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// The states in `range` of their indexes, newest first.
    pub fn between(&self, low: u64, high: u64) -> impl Iterator<Item = &Arc<State>> {
        self.states.range(low..=high).rev().map(|(_, state)| state)
    }

    /// What entries changed after index `low`, up to `high`; perhaps a little more.
    #[must_use]
    pub fn touched(&self, low: u64, high: u64) -> Touched {
        let mut all = Touched::default();
        for (_, touched) in self.touched.range(low + 1..=high) {
            all.add(touched);
        }
        all
    }

    /// What a node shows now.
    #[must_use]
    pub fn current(&self, node: NodeId) -> Option<&Arc<State>> {
        self.nodes.get(&node).map(|track| &track.current)
    }

    /// What this life of a node showed last.
    pub(super) fn last_of(&self, node: NodeId, life: u32) -> Option<&Arc<State>> {
        let track = self.nodes.get(&node).filter(|track| track.life == life);
        track.map(|track| &track.current)
    }

    /// How many states a node has shown.
    pub(super) fn count_of(&self, node: NodeId) -> usize {
        self.nodes.get(&node).map_or(0, |track| track.shown.len())
    }

    /// The states that a node showed since it had shown `count`, and the last of those.
    pub(super) fn shown_since(&self, node: NodeId, count: usize) -> &[u64] {
        let track = self.nodes.get(&node);
        track.map_or(&[], |track| &track.shown[count.saturating_sub(1)..])
    }

    /// A node shows a state.
    pub(super) fn add(&mut self, node: NodeId, life: u32, state: &Arc<State>) {
        let index = state.applied_index();
        self.states
            .entry(index)
            .or_insert_with(|| Arc::clone(state));
        let track = self.nodes.entry(node).or_insert_with(|| Track {
            life,
            current: Arc::clone(state),
            shown: Vec::new(),
        });
        (track.life, track.current) = (life, Arc::clone(state));
        track.shown.push(index);
    }

    /// What changed in the step that ends at `index`.
    pub(super) fn add_touched(&mut self, index: u64, touched: Touched) {
        self.touched.insert(index, touched);
    }
}

/// The objects that differ between two states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// By name.
    pub clusters: BTreeSet<ClusterName>,
    /// By family and revision.
    pub definitions: BTreeSet<DefinitionId>,
    /// By id.
    pub instances: BTreeSet<InstanceId>,
    /// By id.
    pub tasks: BTreeSet<TaskId>,
    /// By cluster and name.
    pub services: BTreeSet<ServiceKey>,
}

impl Touched {
    /// What differs, found by walking through both: what the state machine says of its own changes is not trusted. Objects that two states
    /// share are skipped at the price of a comparison of addresses.
    #[must_use]
    pub fn between(before: &State, after: &State) -> Self {
        Self {
            clusters: differ(before.clusters(), after.clusters(), |one| &one.name),
            definitions: differ(before.definitions(), after.definitions(), |one| &one.id),
            instances: differ(before.instances(), after.instances(), |one| &one.id),
            tasks: differ(before.tasks(), after.tasks(), |one| &one.id),
            services: differ(before.services(), after.services(), |one| &one.key),
        }
    }

    fn add(&mut self, other: &Self) {
        self.clusters.extend(other.clusters.iter().cloned());
        self.definitions.extend(other.definitions.iter().cloned());
        self.instances.extend(&other.instances);
        self.tasks.extend(&other.tasks);
        self.services.extend(other.services.iter().cloned());
    }

    /// The first of them that is not the same in both states, in words.
    #[must_use]
    pub fn first_difference(&self, one: &State, other: &State) -> Option<String> {
        let cluster = self
            .clusters
            .iter()
            .find(|id| one.cluster(id) != other.cluster(id));
        let definition = self
            .definitions
            .iter()
            .find(|id| one.definition(id) != other.definition(id));
        let instance = self
            .instances
            .iter()
            .find(|id| one.instance(id) != other.instance(id));
        let task = self.tasks.iter().find(|id| one.task(id) != other.task(id));
        let service = self
            .services
            .iter()
            .find(|key| one.service(key) != other.service(key));
        let said =
            |what: &str, one: String, other: String| format!("{what}: {one} here, {other} there");
        cluster
            .map(|id| {
                said(
                    "cluster",
                    format!("{:?}", one.cluster(id)),
                    format!("{:?}", other.cluster(id)),
                )
            })
            .or_else(|| {
                definition.map(|id| {
                    let text = |state: &State| {
                        format!("{:?}", state.definition(id).map(|d| (&d.id, d.status)))
                    };
                    said("task definition", text(one), text(other))
                })
            })
            .or_else(|| {
                instance.map(|id| {
                    said(
                        "instance",
                        format!("{:?}", one.instance(id)),
                        format!("{:?}", other.instance(id)),
                    )
                })
            })
            .or_else(|| {
                task.map(|id| {
                    said(
                        "task",
                        format!("{:?}", one.task(id)),
                        format!("{:?}", other.task(id)),
                    )
                })
            })
            .or_else(|| {
                service.map(|key| {
                    said(
                        "service",
                        format!("{:?}", one.service(key)),
                        format!("{:?}", other.service(key)),
                    )
                })
            })
    }
}

/// The keys of what is not the same in two lists in the order of their keys.
fn differ<'a, T: PartialEq + 'a, K: Ord + Clone + 'a>(
    before: impl Iterator<Item = &'a T>,
    after: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> &'a K,
) -> BTreeSet<K> {
    let (mut before, mut after) = (before.peekable(), after.peekable());
    let mut found = BTreeSet::new();
    loop {
        let (old, new) = match (before.peek().copied(), after.peek().copied()) {
            (None, None) => return found,
            (Some(old), Some(new)) if key(old) == key(new) => (Some(old), Some(new)),
            (Some(old), Some(new)) if key(old) < key(new) => (Some(old), None),
            (Some(old), None) => (Some(old), None),
            (_, new) => (None, new),
        };
        let same =
            matches!((old, new), (Some(old), Some(new)) if std::ptr::eq(old, new) || old == new);
        if let Some(changed) = old.or(new).filter(|_| !same) {
            found.insert(key(changed).clone());
        }
        if old.is_some() {
            before.next();
        }
        if new.is_some() {
            after.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;
    use super::*;

    #[test]
    fn a_walk_finds_what_was_made_changed_and_removed() {
        let mut stage = Stage::new();
        let before = stage.state();
        let task = stage.run_task("w1");
        let between = stage.state();
        let touched = Touched::between(&before, &between);
        assert_eq!(touched.tasks, BTreeSet::from([task]));
        assert_eq!(touched.instances.len(), 1);
        assert!(touched.clusters.is_empty() && touched.definitions.is_empty());
        let back = Touched::between(&between, &before);
        assert_eq!(back, touched);
        assert_eq!(Touched::between(&before, &before), Touched::default());
    }

    #[test]
    fn a_node_is_remembered_with_all_it_showed() {
        let mut stage = Stage::new();
        let (node, mut timeline) = (NodeId(1), Timeline::default());
        assert!(timeline.shown_since(node, 0).is_empty());
        timeline.add(node, 1, &stage.state());
        let count = timeline.count_of(node);
        stage.run_task("w1");
        timeline.add(node, 1, &stage.state());
        let indexes = [stage.index() - 1, stage.index()];
        assert_eq!(timeline.shown_since(node, count), indexes);
        assert_eq!(timeline.shown_since(node, 0), indexes);
        assert_eq!(timeline.reached(), stage.index());
        assert!(timeline.last_of(node, 2).is_none());
    }
}
