//! I13: an agent finds its way back soon after the last fault, and stays.

use std::collections::BTreeSet;

use super::convergence::{registrations, unconnected};
use super::{Promise, Scene, Seen};

/// An election, an agent's longest pause between two tries, a registration: the worst of each, one after the other.
const WITHIN_US: u64 = 15_000_000;

/// See the file.
#[derive(Default)]
pub(super) struct Contact {
    /// Hosts that were seen connected, or missed, after the time was over.
    judged: BTreeSet<u32>,
}

impl Promise for Contact {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let due_us = scene
            .truth
            .healed_us()
            .map(|healed_us| healed_us + WITHIN_US);
        if due_us.is_none_or(|due_us| scene.at_us < due_us) {
            return;
        }
        let Some(newest) = scene.timeline.newest() else {
            return;
        };
        let missing: Vec<_> = scene
            .truth
            .hosts()
            .filter(|host| !self.judged.contains(host))
            .map(|host| (host, unconnected(newest, host)))
            .collect();
        for (host, unconnected) in missing {
            self.judged.insert(host);
            if let Some(text) = unconnected {
                scene.broken(
                    None,
                    format!("{text}, {} s after the last fault", WITHIN_US / 1_000_000),
                );
            }
        }
        if let Seen::Step(step) = seen {
            let cut: Vec<_> = scene
                .truth
                .hosts()
                .filter(|host| {
                    let was = registrations(&step.before, *host).any(|one| one.connected);
                    was && unconnected(&step.after, *host).is_some()
                })
                .collect();
            for host in cut {
                scene.broken(
                    None,
                    format!("the agent of h{host} was cut off without a fault"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::Command;
    use quorate_core::ids::{InstanceId, SessionId};

    use super::super::tests::stage::Stage;
    use crate::history::What;

    fn healed() -> Stage {
        let mut stage = Stage::judging("I13 contact");
        stage.event(What::AgentUp { host: 0 });
        stage.event(What::Healed);
        stage
    }

    fn disconnect(stage: &mut Stage) {
        let command = Command::Disconnect {
            instance: InstanceId::from_u128(1),
            session: SessionId::from_u128(1),
        };
        stage.apply(command).expect("the session is the instance's");
        stage.show(1);
    }

    #[test]
    fn an_agent_that_comes_back_in_time_is_right() {
        let mut stage = healed();
        disconnect(&mut stage);
        stage.wait_s(4);
        stage.register_instance(1, 2);
        stage.show(1);
        stage.wait_s(20);
        stage.end();
        stage.assert_kept();
    }

    #[test]
    fn an_agent_that_stays_away_is_found() {
        let mut stage = healed();
        disconnect(&mut stage);
        stage.wait_s(20);
        stage.end();
        stage.assert_broken("h0 is not connected");
    }

    #[test]
    fn an_agent_that_is_cut_off_in_peace_is_found() {
        let mut stage = healed();
        stage.wait_s(20);
        disconnect(&mut stage);
        stage.assert_broken("cut off without a fault");
    }
}
