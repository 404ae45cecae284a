//! I9: a state that is written as a snapshot and read back is the same state; and a node that restarts shows what was there before.

use quorate_core::{State, snapshot};

use super::{Promise, Published, Scene, Seen};

/// One in so many steps is written and read back: writing costs a walk over the whole state.
const SAMPLE: u64 = 128;

/// See the file.
#[derive(Default)]
pub(super) struct Restore;

impl Promise for Restore {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Published(published) if published.before.is_none() => {
                look_at_start(published, scene);
            }
            Seen::Step(step) if step.after.applied_index().is_multiple_of(SAMPLE) => {
                write_and_read(&step.after, scene);
            }
            Seen::Ended => {
                if let Some(newest) = scene.timeline.newest().cloned() {
                    write_and_read(&newest, scene);
                }
            }
            Seen::Event(_)
            | Seen::Answer(_)
            | Seen::Published(_)
            | Seen::Step(_)
            | Seen::Status(_) => {}
        }
    }
}

/// A life of a node begins with its newest snapshot. What it shows may lie between states that were seen, and is compared later then.
fn look_at_start(published: &Published, scene: &mut Scene<'_>) {
    let here = &published.state;
    let known = scene.timeline.state(here.applied_index());
    if known.is_some_and(|known| known != here) {
        scene.broken(
            published.node,
            format!(
                "starts with another state than was at index {}",
                here.applied_index()
            ),
        );
    }
}

fn write_and_read(state: &State, scene: &mut Scene<'_>) {
    let mut bytes = Vec::new();
    let text = match snapshot::write(state, &mut bytes) {
        Err(error) => format!("can not be written: {error}"),
        Ok(()) => match snapshot::read(&mut bytes.as_slice()) {
            Err(error) => format!("can not be read back: {error}"),
            Ok(back) if back != *state => "is another one when it is read back".to_owned(),
            Ok(_) => return,
        },
    };
    scene.broken(
        None,
        format!("the state at index {} {text}", state.applied_index()),
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::forge::Table;
    use super::super::tests::stage::Stage;

    #[test]
    fn a_restart_with_what_was_there_is_right() {
        let mut stage = Stage::judging("I9 restore");
        stage.run_task_with("w1", Some("t1"));
        stage.show(1);
        let kept = stage.state();
        stage.run_task("w2");
        stage.show(1);
        stage.show_state(1, 2, &kept);
        stage.end();
        stage.assert_kept();
    }

    #[test]
    fn a_restart_that_forgot_tokens_is_found() {
        let mut stage = Stage::judging("I9 restore");
        stage.run_task_with("w1", Some("t1"));
        stage.show(1);
        let poorer = Arc::new(stage.without(Table::Tokens));
        stage.show_state(1, 2, &poorer);
        stage.assert_broken("starts with another state");
    }
}
