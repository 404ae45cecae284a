//! I11, the lease: an instance is not lost, and its resources not given to others, before its agent had the time to be heard.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_core::ids::{InstanceId, SessionId};

use super::{Promise, Scene, Seen, Step};

/// What lies between a registration and the look that sees it; and the rounding of spans to milliseconds.
const TOLERANCE_US: u64 = 100_000;

/// See the file.
pub(super) struct Lease {
    lost_after_us: u64,
    /// The newest session of each instance, and when it was first seen.
    sessions: BTreeMap<InstanceId, (SessionId, u64)>,
}

impl Lease {
    pub(super) fn new(lost_after: Duration) -> Self {
        Self {
            lost_after_us: u64::try_from(lost_after.as_micros()).unwrap_or(u64::MAX),
            sessions: BTreeMap::new(),
        }
    }
}

impl Promise for Lease {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        if let Seen::Step(step) = seen {
            self.take(step, scene);
        }
    }
}

impl Lease {
    fn take(&mut self, step: &Step, scene: &mut Scene<'_>) {
        for id in &step.touched.instances {
            let Some(after) = step.after.instance(id) else {
                continue;
            };
            let before = step.before.instance(id);
            let was_lost = before.is_some_and(|before| before.incarnation < after.incarnation);
            let known = self.sessions.get(id).copied();
            if let Some((session, since_us)) =
                known.filter(|(session, _)| was_lost && *session == after.session)
            {
                let after_us = scene.at_us - since_us;
                if after_us + TOLERANCE_US < self.lost_after_us {
                    let text = format!(
                        "instance {id} was lost {after_us} µs after its session {session} began"
                    );
                    scene.broken(None, text);
                }
            }
            if known.is_none_or(|(session, _)| session != after.session) {
                self.sessions.insert(*id, (after.session, scene.at_us));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::Command;
    use quorate_core::ids::{InstanceId, SessionId};

    use super::super::tests::stage::Stage;

    fn lose(stage: &mut Stage, session: u128) {
        let command = Command::LoseInstance {
            instance: InstanceId::from_u128(1),
            session: SessionId::from_u128(session),
        };
        stage.apply(command).expect("the session is the instance's");
        stage.show(1);
    }

    #[test]
    fn a_loss_after_a_long_silence_is_right() {
        let mut stage = Stage::judging("I11 lease");
        stage.run_task("w1");
        stage.show(1);
        stage.wait_s(60);
        lose(&mut stage, 1);
        stage.assert_kept();
    }

    #[test]
    fn a_loss_soon_after_the_agent_came_back_is_found() {
        let mut stage = Stage::judging("I11 lease");
        stage.run_task("w1");
        stage.show(1);
        stage.wait_s(55);
        stage.register_instance(1, 2);
        stage.show(1);
        stage.wait_s(10);
        lose(&mut stage, 2);
        stage.assert_broken("was lost 10");
    }
}
