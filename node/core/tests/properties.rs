//! What holds of every log: random commands over a small world. A failure prints the least log that shows it, which becomes a
//! golden script.
#![allow(clippy::unwrap_used)]

#[path = "properties/capacity.rs"]
mod capacity;
#[path = "properties/events.rs"]
mod events;
#[path = "properties/placement.rs"]
mod placement;
mod reader;
mod world;

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use quorate_core::codec::{decode_outcome, encode_outcome};
use quorate_core::state::{ContainerStatus, DesiredStatus, Task, TaskStatus};
use quorate_core::{
    Change, Command, Entry, Heard, Item, Millis, Mint, Policy, State, duties, snapshot,
};

use world::{after, after_nothing, entry, next};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn later(state: &State) -> Millis {
    state.now().plus_ms(1)
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn invariants_hold_and_every_change_is_announced(log in world::log()) {
        let mut state = State::default();
        for entry in &log {
            let before = state.clone();
            let applied = next(&mut state, entry);
            prop_assert_eq!(state.check(), []);
            prop_assert_eq!(applied.outcomes.len(), entry.items.len());
            prop_assert_eq!(unannounced(&before, &state, &applied.changes), Vec::<Change>::new());
        }
    }

    /// Command by command: one entry may end a task and forget it.
    #[test]
    fn history_only_grows(log in world::log()) {
        let mut state = State::default();
        for entry in log.iter().flat_map(one_by_one) {
            let before = state.clone();
            next(&mut state, &entry);
            only_forward(&before, &state)?;
        }
    }

    #[test]
    fn equal_logs_give_equal_states_from_a_snapshot_as_from_the_beginning(log in world::log(), cut in any::<Index>()) {
        let cut = cut.index(log.len() + 1);
        let whole = after(&log);
        let mut bytes = Vec::new();
        snapshot::write(&after(&log[..cut]), &mut bytes).unwrap();
        let mut replayed = snapshot::read(&mut bytes.as_slice()).unwrap();
        for entry in &log[cut..] {
            next(&mut replayed, &Entry::decode(&entry.encode()).unwrap());
        }
        prop_assert!(replayed == whole);
        prop_assert_eq!(replayed.digest(), whole.digest());
    }

    #[test]
    fn trying_again_at_once_changes_nothing(log in world::log(), command in world::command()) {
        let mut state = after(&log);
        // A step is not remembered: it is refused the second time.
        let is_step = matches!(command, Command::StepService(_) | Command::PlaceTasks(_));
        let try_it = entry(later(&state), 0, command);
        let first = next(&mut state, &try_it);
        let mut again = state.clone();
        let second = next(&mut again, &try_it);
        if first.outcomes[0].is_ok() {
            prop_assert!(is_step || second.outcomes == first.outcomes, "{:?}", second.outcomes);
            prop_assert!(again == after_nothing(&state, try_it.at));
        }
    }

    #[test]
    fn trying_again_later_changes_nothing(log in world::log(), command in world::command(), between in vec(world::command(), 0..4)) {
        let mut state = after(&log);
        let at = later(&state);
        let try_it = entry(at, 0, command);
        let first = next(&mut state, &try_it);
        for (number, other) in between.into_iter().enumerate() {
            next(&mut state, &entry(at, number as u128 + 1, other));
        }
        if state.remembered(try_it.items[0].request).is_some() {
            let mut again = state.clone();
            prop_assert_eq!(next(&mut again, &try_it).outcomes, first.outcomes);
            prop_assert!(again == after_nothing(&state, at));
        }
    }

    #[test]
    fn a_refused_command_changes_nothing(log in world::log(), commands in vec(world::command(), 1..8)) {
        let mut state = after(&log);
        for (number, command) in commands.into_iter().enumerate() {
            let before = state.clone();
            let one = entry(later(&state), number as u128, command);
            let applied = next(&mut state, &one);
            if applied.outcomes[0].is_err() {
                prop_assert!(state == after_nothing(&before, one.at));
                prop_assert_eq!(applied.changes, []);
            }
        }
    }

    #[test]
    fn duties_come_to_an_end_and_may_be_done_twice(
        log in world::log(),
        office_ms in 0_u64..200_000,
        silent_ms in btree_map(world::instance(), 0_u64..200_000, 0..3),
        wait_ms in prop_oneof![Just(0_u64), Just(300_000), Just(4_000_000)],
    ) {
        let mut state = after(&log);
        let (heard, policy) = (Heard { office_ms, silent_ms }, Policy::default());
        let now = state.now().plus_ms(wait_ms);
        let mut mint = Mint::new([7; 32]);
        let mut rounds = 0;
        loop {
            let owed = duties(&state, &heard, &policy, now, &mut mint);
            if owed.is_empty() {
                break;
            }
            rounds += 1;
            prop_assert!(rounds <= 3, "still owed: {:?}", owed);
            for (number, command) in owed.into_iter().enumerate() {
                let duty = entry(now, number as u128 + 100 * rounds, command);
                prop_assert!(next(&mut state, &duty).outcomes[0].is_ok());
                let mut again = state.clone();
                next(&mut again, &duty);
                prop_assert!(again == after_nothing(&state, now));
                prop_assert_eq!(state.check(), []);
            }
        }
    }

    #[test]
    fn what_is_encoded_reads_back(log in world::log()) {
        let mut state = State::default();
        for entry in &log {
            prop_assert_eq!(&Entry::decode(&entry.encode()).unwrap(), entry);
            let parts: Vec<_> = entry.items.iter().map(Item::encode).collect();
            prop_assert_eq!(Entry::encode_with(entry.at, &parts), entry.encode());
            for item in &entry.items {
                prop_assert_eq!(&Item::decode(&item.encode()).unwrap(), item);
            }
            for outcome in next(&mut state, entry).outcomes {
                prop_assert_eq!(decode_outcome(&encode_outcome(&outcome)).unwrap(), outcome);
            }
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_and_never_worse(
        log in world::log(),
        damage in vec((any::<Index>(), any::<u8>()), 1..6),
        end in any::<Index>(),
    ) {
        let mut bytes = Vec::new();
        snapshot::write(&after(&log), &mut bytes).unwrap();
        let last = log.last().unwrap().encode();
        let _ = snapshot::read(&mut damaged(&bytes, &damage, None).as_slice());
        let cut = damaged(&bytes, &damage, Some(end));
        let _ = snapshot::read(&mut cut.as_slice());
        let _ = Entry::decode(&damaged(&last, &damage, None));
        let _ = Entry::decode(&damaged(&last, &damage, Some(end)));
        let _ = (Item::decode(&cut), decode_outcome(&cut));
    }

    #[test]
    fn a_snapshot_that_ends_early_is_refused(log in world::log(), end in any::<Index>()) {
        let mut bytes = Vec::new();
        snapshot::write(&after(&log), &mut bytes).unwrap();
        bytes.truncate(end.index(bytes.len()));
        prop_assert!(snapshot::read(&mut bytes.as_slice()).is_err());
    }
}

fn one_by_one(entry: &Entry) -> impl Iterator<Item = Entry> {
    let at = entry.at;
    entry.items.iter().map(move |item| Entry {
        at,
        items: vec![item.clone()],
    })
}

fn damaged(bytes: &[u8], damage: &[(Index, u8)], end: Option<Index>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, value) in damage {
        let place = place.index(bytes.len());
        bytes[place] = *value;
    }
    if let Some(end) = end {
        bytes.truncate(end.index(bytes.len()));
    }
    bytes
}

/// Nothing that the state has said is taken back.
fn only_forward(before: &State, now: &State) -> Result<(), TestCaseError> {
    prop_assert!(now.now() >= before.now());
    for old in before.tasks() {
        match now.task(&old.id) {
            Some(new) => task_forward(old, new)?,
            None => prop_assert_eq!(old.last, TaskStatus::Stopped),
        }
    }
    // Whoever waits goes on waiting, is placed, or is stopped; only then it is forgotten.
    for old in before.waiting_tasks() {
        match (now.waiting_task(&old.new.id), &old.stopped) {
            (Some(new), None) => prop_assert_eq!(&new.new, &old.new),
            (Some(new), Some(_)) => prop_assert_eq!(new, old),
            (None, None) => prop_assert!(now.task(&old.new.id).is_some()),
            (None, Some(_)) => {}
        }
    }
    for old in before.instances() {
        let new = now.instance(&old.id);
        prop_assert!(
            new.is_some_and(|new| new.incarnation >= old.incarnation && new.cluster == old.cluster)
        );
        prop_assert!(
            new.is_some_and(|new| new.change_count >= old.change_count && new.token == old.token)
        );
    }
    let revisions: BTreeMap<_, _> = now.families().collect();
    for (family, old) in before.families() {
        prop_assert!(revisions[family].last_revision >= old.last_revision);
    }
    Ok(())
}

fn task_forward(old: &Task, new: &Task) -> Result<(), TestCaseError> {
    // An id that was forgotten may be given again in this small world: then it is another task.
    if old.assigned_index != new.assigned_index {
        return Ok(());
    }
    prop_assert!(new.last >= old.last && new.version >= old.version);
    prop_assert!(old.desired == DesiredStatus::Running || new.desired == DesiredStatus::Stopped);
    prop_assert_eq!(
        (&new.cluster, &new.definition, new.instance),
        (&old.cluster, &old.definition, old.instance)
    );
    prop_assert_eq!(
        (&new.reserved, new.incarnation),
        (&old.reserved, old.incarnation)
    );
    if old.stop_code.is_some() {
        prop_assert_eq!(
            (new.stop_code, &new.stopped_reason),
            (old.stop_code, &old.stopped_reason)
        );
    }
    let times = |task: &Task| {
        [
            task.started_at,
            task.stopping_at,
            task.stopped_at,
            task.execution_stopped_at,
        ]
    };
    for (old, new) in times(old).into_iter().zip(times(new)) {
        prop_assert!(old.is_none() || old == new);
    }
    for (old, new) in old.containers.iter().zip(&new.containers) {
        prop_assert!(new.status >= old.status);
        if old.status == ContainerStatus::Stopped {
            prop_assert_eq!(new, old);
        }
    }
    if old.last == TaskStatus::Stopped {
        prop_assert_eq!(new, old);
    }
    Ok(())
}

/// Rows that differ although no change names them.
fn unannounced(before: &State, now: &State, named: &[Change]) -> Vec<Change> {
    let tasks = before.tasks().chain(now.tasks());
    let tasks = tasks.filter(|task| before.task(&task.id) != now.task(&task.id));
    let tasks = tasks.map(|task| Change::Task {
        task: task.id,
        instance: task.instance,
    });
    let instances = now
        .instances()
        .filter(|one| before.instance(&one.id) != Some(*one));
    let clusters = now
        .clusters()
        .filter(|one| before.cluster(&one.name) != Some(*one));
    let definitions = now
        .definitions()
        .filter(|one| before.definition(&one.id) != Some(*one));
    let nodes = now
        .nodes()
        .filter(|one| before.node(one.node) != Some(*one));
    let services = now
        .services()
        .filter(|one| before.service(&one.key) != Some(*one));
    let providers = now
        .providers()
        .filter(|one| before.provider(&one.name) != Some(*one));
    let waiting = before.waiting_tasks().chain(now.waiting_tasks());
    let waiting = waiting.map(|one| one.new.id);
    let waiting = waiting.filter(|id| before.waiting_task(id) != now.waiting_task(id));
    let differ = tasks
        .chain(instances.map(|one| Change::Instance(one.id)))
        .chain(clusters.map(|one| Change::Cluster(one.name.clone())))
        .chain(definitions.map(|one| Change::Definition(one.id.clone())))
        .chain(nodes.map(|one| Change::Node(one.node)))
        .chain(services.map(|one| Change::Service(one.key.clone())))
        .chain(providers.map(|one| Change::Provider(one.name.clone())))
        .chain(waiting.map(Change::Waiting));
    differ.filter(|change| !named.contains(change)).collect()
}
