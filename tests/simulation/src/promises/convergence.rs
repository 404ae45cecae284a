//! I7: once nothing is broken any more, everything comes to rest: what should run runs, what should not does not, and all agree.

use std::collections::BTreeMap;

use quorate_core::State;
use quorate_core::ids::NodeId;
use quorate_core::state::{DesiredStatus, Instance, InstanceStatus, Task, TaskStatus};

use super::supply::{comes_and_goes, lacking};
use super::truth::Truth;
use super::{NodeView, Promise, Scene, Seen, Timeline};

/// See the file.
#[derive(Default)]
pub(super) struct Convergence;

impl Promise for Convergence {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Some(healed_us) = scene.truth.healed_us() else {
            return;
        };
        if let Seen::Ended = seen
            && let Some(unrest) = unrest(scene.timeline, scene.truth, scene.views)
        {
            let peace_s = (scene.at_us - healed_us) / 1_000_000;
            scene.broken(None, format!("after {peace_s} s without faults {unrest}"));
        }
    }
}

/// What has not come to rest yet.
pub(super) fn unrest(
    timeline: &Timeline,
    truth: &Truth,
    views: &BTreeMap<NodeId, NodeView>,
) -> Option<String> {
    let state = timeline.newest()?;
    disagreement(timeline, views)
        .or_else(|| state.tasks().find_map(|task| restless(state, task)))
        .or_else(|| state.services().find_map(|one| lacking(state, one)))
        .or_else(|| truth.hosts().find_map(|host| unconnected(state, host)))
        .or_else(|| unreported(state, truth))
}

/// Nodes follow one leader, and show the same.
fn disagreement(timeline: &Timeline, views: &BTreeMap<NodeId, NodeView>) -> Option<String> {
    let first = views.values().next()?;
    if views.len() < first.voters {
        return Some(format!(
            "only {} of {} nodes run",
            views.len(),
            first.voters
        ));
    }
    for (node, view) in views {
        if view.leader.is_none() {
            return Some(format!("n{node} knows no leader"));
        }
        if (view.term, view.leader) != (first.term, first.leader) {
            return Some(format!(
                "n{node} and n{} follow different leaders",
                first.node
            ));
        }
        let shown = timeline
            .current(*node)
            .map_or(0, |state| state.applied_index());
        if shown < timeline.reached() {
            return Some(format!(
                "n{node} shows index {shown} of {}",
                timeline.reached()
            ));
        }
    }
    None
}

fn restless(state: &State, task: &Task) -> Option<String> {
    if task.last == TaskStatus::Stopped || comes_and_goes(state, task) {
        return None;
    }
    let last = task.last.as_str();
    let is_gone = state
        .instance(&task.instance)
        .is_none_or(|one| one.status == InstanceStatus::Inactive);
    match task.desired {
        _ if is_gone => Some(format!(
            "task {} is {last} on {}, which is INACTIVE",
            task.id, task.instance
        )),
        DesiredStatus::Running if task.last < TaskStatus::Running => {
            Some(format!("task {} is still {last}", task.id))
        }
        DesiredStatus::Running => None,
        DesiredStatus::Stopped => Some(format!(
            "task {} was told to stop and is still {last}",
            task.id
        )),
    }
}

/// The registrations that an agent of this host made, those that were ended left out.
pub(super) fn registrations(state: &State, host: u32) -> impl Iterator<Item = &Instance> {
    let name = format!("h{host}");
    let active = state
        .instances()
        .filter(|one| one.status != InstanceStatus::Inactive);
    active.filter(move |one| one.hostname == name)
}

/// An agent that runs is connected. One whose every registration was ended has nothing to connect.
pub(super) fn unconnected(state: &State, host: u32) -> Option<String> {
    let mut registered = registrations(state, host).peekable();
    registered.peek()?;
    let is_connected = registered.any(|one| one.connected);
    (!is_connected).then(|| format!("the agent of h{host} is not connected"))
}

/// What runs is known to run, what ended is known to have ended, and what is not wanted does not run, where an agent can see to it.
fn unreported(state: &State, truth: &Truth) -> Option<String> {
    truth.containers().find_map(|(id, container)| {
        if truth.agents_on(container.host) == 0 || container.is_removed {
            return None;
        }
        let task = state.task(&container.task);
        if task.is_some_and(|task| comes_and_goes(state, task)) {
            return None;
        }
        let is_live = task.is_some_and(|task| task.last != TaskStatus::Stopped);
        match container.ended {
            None if !is_live => Some(format!(
                "container {id} of task {} runs on, and its task does not",
                container.task
            )),
            Some(_) if is_live => {
                let known = task?
                    .containers
                    .iter()
                    .find(|one| one.name == container.name)?;
                let says = known.status.as_str();
                (known.status != quorate_core::state::ContainerStatus::Stopped).then(|| {
                    format!(
                        "container {id} of task {} has ended and is said to be {says}",
                        container.task
                    )
                })
            }
            None | Some(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::{Stage, view};
    use super::*;

    fn peace() -> Stage {
        Stage::at_peace("I7 convergence")
    }

    fn end(stage: Stage) -> Stage {
        stage.end_in_peace()
    }

    #[test]
    fn a_world_at_rest_is_right() {
        let mut stage = peace();
        let (runs, ended) = (stage.run_task("w1"), stage.run_task("w2"));
        stage.container(0, "r1", runs, true);
        stage.container(0, "r2", ended, true);
        stage.container(0, "r2", ended, false);
        stage.observe_running(runs);
        stage.observe_stopped(ended, 0);
        end(stage).assert_kept();
    }

    #[test]
    fn a_task_that_stays_pending_is_found() {
        let mut stage = peace();
        stage.run_task("w1");
        end(stage).assert_broken("is still PENDING");
    }

    #[test]
    fn a_task_that_never_stops_is_found() {
        let mut stage = peace();
        let task = stage.run_task("w1");
        stage.observe_running(task);
        stage.stop_task(task);
        end(stage).assert_broken("told to stop");
    }

    #[test]
    fn a_container_that_nobody_wants_is_found() {
        let mut stage = peace();
        let task = stage.run_task("w1");
        stage.container(0, "r1", task, true);
        stage.observe_stopped(task, 0);
        end(stage).assert_broken("runs on, and its task does not");
    }

    #[test]
    fn an_end_that_is_never_reported_is_found() {
        let mut stage = peace();
        let task = stage.run_task("w1");
        stage.observe_running(task);
        stage.container(0, "r1", task, true);
        stage.container(0, "r1", task, false);
        end(stage).assert_broken("has ended and is said to be RUNNING");
    }

    #[test]
    fn nodes_that_disagree_are_found() {
        let mut stage = peace();
        let index = stage.index();
        stage.show(2);
        stage.show(3);
        stage.status(view(1, index));
        stage.status(view(2, index));
        stage.status(NodeView {
            term: 2,
            leader: Some(NodeId(3)),
            ..view(3, index)
        });
        stage.end();
        stage.assert_broken("different leaders");
    }

    #[test]
    fn a_node_that_does_not_come_back_is_found() {
        let mut stage = peace();
        stage.status(view(1, stage.index()));
        stage.end();
        stage.assert_broken("only 1 of 3 nodes run");
    }
}
