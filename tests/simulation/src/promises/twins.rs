//! I6: a container of a task starts once, on one host; there is never a second one beside it, nor one after it.

use std::collections::BTreeMap;

use super::{Promise, Scene, Seen};
use crate::history::{ContainerNow, What};

/// See the file.
#[derive(Default)]
pub(super) struct Twins {
    /// By task and name: where it started, and the runtime's ids for it.
    started: BTreeMap<(String, String), Vec<(u32, String)>>,
}

impl Promise for Twins {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Event(event) = seen else {
            return;
        };
        let What::Container {
            host,
            id,
            task,
            name,
            now: ContainerNow::Started,
            ..
        } = &event.what
        else {
            return;
        };
        let started = self
            .started
            .entry((task.clone(), name.clone()))
            .or_default();
        // A copy of a machine does what its original does, until one of them is told that it is not the one.
        let twin = started.iter().find(|(other, _)| {
            other == host || scene.truth.original(*other) != scene.truth.original(*host)
        });
        if let Some((other, first)) = twin {
            let text = format!(
                "container {name} of task {task} starts on h{host} as {id}, and started on h{other} as {first}"
            );
            scene.broken(None, text);
        }
        started.push((*host, id.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;
    use super::*;

    #[test]
    fn containers_of_different_tasks_are_right() {
        let mut stage = Stage::judging("I6 twins");
        for (number, id) in ["r1", "r2"].iter().enumerate() {
            let task = stage.run_task(&format!("w{number}"));
            stage.container(0, id, task, true);
        }
        stage.assert_kept();
    }

    #[test]
    fn a_second_one_beside_it_is_found() {
        let mut stage = Stage::judging("I6 twins");
        let task = stage.run_task("w1");
        stage.container(0, "r1", task, true);
        stage.container(1, "r2", task, true);
        stage.assert_broken("starts on h1 as r2");
    }

    #[test]
    fn one_on_a_copy_of_the_machine_is_nobodys_fault_and_a_second_there_is() {
        let mut stage = Stage::judging("I6 twins");
        stage.event(What::Cloned { host: 5, of: 0 });
        let task = stage.run_task("w1");
        stage.container(0, "r1", task, true);
        stage.container(5, "r2", task, true);
        stage.assert_kept();
        stage.container(5, "r3", task, true);
        stage.assert_broken("as r3");
    }

    #[test]
    fn a_second_one_after_it_is_found() {
        let mut stage = Stage::judging("I6 twins");
        let task = stage.run_task("w1");
        stage.container(0, "r1", task, true);
        stage.container(0, "r1", task, false);
        stage.container(0, "r2", task, true);
        stage.assert_broken("as r2");
    }
}
