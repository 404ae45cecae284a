//! Which ended tasks are to be removed now. They stay a while, because whoever asks why a task ended reads its containers' logs,
//! and are then removed by the time at which the runtime says they ended: an agent that was gone meanwhile counts no other.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::assigned::Assigned;
use crate::observe::{Observed, ObservedTask};
use crate::runtime::TaskId;

/// A task that ends as soon as it is started, and is started anew each time, must not fill the disk within one cleanup wait. So
/// many logs tell why; and to list so many is still quick.
const KEPT_MOST: usize = 500;

/// How long ended tasks stay, and what the time is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// From the end of a task on.
    pub(crate) wait: Duration,
    /// Unix milliseconds.
    pub(crate) wall_ms: i64,
}

impl Keep {
    fn has_passed_since(self, finished_ms: i64) -> bool {
        let wait_ms = i64::try_from(self.wait.as_millis()).unwrap_or(i64::MAX);
        // An engine's clock may be ahead of ours; at once is at once.
        self.wait.is_zero() || finished_ms.saturating_add(wait_ms) <= self.wall_ms
    }
}

/// The tasks that have been kept long enough, that hold nothing worth keeping, or that are the oldest of too many.
pub(super) fn due<'a>(
    assigned: &Assigned,
    observed: &'a Observed,
    keep: Keep,
) -> Vec<(&'a TaskId, &'a ObservedTask)> {
    let mut due = Vec::new();
    let mut kept = BTreeMap::new();
    let settled = |(id, task): &(&TaskId, &ObservedTask)| observed.is_settled(id, task, assigned);
    for (id, task) in observed.tasks.iter().filter(settled) {
        match task.finished_ms() {
            Some(finished_ms) if !keep.has_passed_since(finished_ms) => {
                kept.insert((finished_ms, id), task);
            }
            Some(_) | None => due.push((id, task)),
        }
    }
    let too_many = kept.len().saturating_sub(KEPT_MOST);
    let oldest = kept.into_iter().take(too_many);
    due.extend(oldest.map(|((_, id), task)| (id, task)));
    due
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use quorate_proto::agent as wire;
    use tokio::time::Instant;

    use super::super::{Action, plan};
    use super::*;
    use crate::assigned;
    use crate::runtime::{Exit, Seen, Sighting};

    const WAIT: Duration = Duration::from_secs(60);

    fn id(number: usize) -> TaskId {
        TaskId::parse(&format!("{number:032x}")).unwrap()
    }

    /// A container of instance `mi-1` that ended at `at_ms`.
    fn ended(number: usize, at_ms: i64) -> Sighting {
        let container = wire::Container {
            name: "main".to_owned(),
            essential: true,
            ports: vec![wire::PortMapping {
                container_port: 80,
                host_port: 8080,
                ..Default::default()
            }],
            ..Default::default()
        };
        let assignment = wire::Assignment {
            task_id: id(number).to_string(),
            fencing_index: 5,
            containers: vec![container],
            ..Default::default()
        };
        let (_, task) = assigned::parse(assignment, "mi-1").unwrap();
        let exit = Exit {
            code: Some(1),
            reason: String::new(),
            never_started: false,
            at_ms,
            last_output: String::new(),
        };
        Sighting {
            tag: task.containers["main"].tag.clone(),
            runtime_id: number.to_string(),
            state: Seen::Exited(exit),
            health: None,
        }
    }

    /// What an agent of `instance` makes of these containers after its start, once it has been told that it has no tasks.
    fn after_a_start(instance: &str, found: Vec<Sighting>) -> (Assigned, Observed) {
        let mut observed = Observed {
            instance_id: instance.to_owned(),
            ..Observed::default()
        };
        let mut assigned = Assigned::default();
        let now = Instant::now();
        observed.absorb(found, now, 0);
        observed.settle(&assigned, now, 0);
        assigned.replace(9, Vec::new());
        observed.settle(&assigned, now, 0);
        (assigned, observed)
    }

    fn removed(assigned: &Assigned, observed: &Observed, keep: Keep) -> BTreeSet<TaskId> {
        let actions = plan(assigned, observed, Instant::now(), keep);
        let removed = actions.into_iter().map(|action| match action {
            Action::Remove(key) => key.task,
            other => panic!("{other:?} of an ended task"),
        });
        removed.collect()
    }

    #[test]
    fn a_task_is_kept_from_its_own_end_on_though_the_agent_was_started_since() {
        for instance in ["mi-1", "mi-2"] {
            let (assigned, observed) = after_a_start(instance, vec![ended(1, 1000)]);
            let at = |wait, wall_ms| removed(&assigned, &observed, Keep { wait, wall_ms });
            assert_eq!(at(WAIT, 60_999), BTreeSet::new());
            assert_eq!(at(WAIT, 61_000), BTreeSet::from([id(1)]));
            assert_eq!(at(Duration::ZERO, 0), BTreeSet::from([id(1)]), "at once");
            assert_eq!(at(Duration::MAX, i64::MAX - 1), BTreeSet::new(), "for ever");
        }
    }

    #[test]
    fn of_a_kept_task_nothing_is_said_and_its_ports_are_free() {
        let (assigned, observed) = after_a_start("mi-1", vec![ended(1, 1000)]);
        assert!(observed.summary(&assigned).is_empty());
        assert_eq!(observed.ports().count(), 0);
    }

    #[test]
    fn a_kept_task_that_is_assigned_again_is_stopped_and_stays_so() {
        let (mut assigned, mut observed) = after_a_start("mi-1", vec![ended(1, 1000)]);
        let assignment = wire::Assignment {
            task_id: id(1).to_string(),
            fencing_index: 5,
            containers: vec![wire::Container {
                name: "main".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let echo = assigned::parse(assignment, "mi-1").unwrap();
        assigned.change(9, vec![echo], Vec::new());
        observed.settle(&assigned, Instant::now(), 0);
        let keep = Keep {
            wait: Duration::ZERO,
            wall_ms: 0,
        };
        assert_eq!(removed(&assigned, &observed, keep), BTreeSet::new());
        assert_eq!(observed.summary(&assigned)[&id(1)].status, "STOPPED");
    }

    /// An engine was slow, the agent that had asked it for a start died, and the next one took the container for one that never runs.
    #[test]
    fn a_container_that_runs_though_it_is_over_is_stopped_before_it_is_removed() {
        let seen_as = |state| Sighting {
            state,
            ..ended(1, 0)
        };
        let key = ended(1, 0).tag.key;
        let keep = Keep {
            wait: WAIT,
            wall_ms: 0,
        };
        let (assigned, mut observed) = after_a_start("mi-1", vec![seen_as(Seen::Created)]);
        observed.tasks.get_mut(&id(1)).unwrap().acknowledged = true;
        let remove = vec![Action::Remove(key.clone())];
        assert_eq!(plan(&assigned, &observed, Instant::now(), keep), remove);
        observed.absorb(vec![seen_as(Seen::Running)], Instant::now(), 0);
        observed.settle(&assigned, Instant::now(), 0);
        let stop = vec![Action::Stop(key)];
        assert_eq!(plan(&assigned, &observed, Instant::now(), keep), stop);
        observed.absorb(vec![ended(1, 0)], Instant::now(), 0);
        observed.settle(&assigned, Instant::now(), 0);
        assert_eq!(plan(&assigned, &observed, Instant::now(), keep), remove);
    }

    #[test]
    fn of_too_many_the_oldest_go_first() {
        let newest_first = |number: usize| ended(number, 1000 - i64::try_from(number).unwrap());
        let found = (0..KEPT_MOST + 2).map(newest_first).collect();
        let (assigned, mut observed) = after_a_start("mi-1", found);
        let keep = Keep {
            wait: WAIT,
            wall_ms: 2000,
        };
        let oldest = [id(KEPT_MOST), id(KEPT_MOST + 1)];
        assert_eq!(removed(&assigned, &observed, keep), oldest.into());
        for id in [KEPT_MOST, KEPT_MOST + 1].map(id) {
            observed.tasks.remove(&id);
        }
        assert_eq!(removed(&assigned, &observed, keep), BTreeSet::new());
    }
}
