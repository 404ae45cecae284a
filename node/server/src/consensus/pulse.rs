//! What a node does about every second while it takes part: it tells the leader who was heard, and the others what its disk holds, and sets
//! metrics.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::node::Shared;
use super::status;
use super::witness::Telling;

/// How often.
const PULSE: Duration = Duration::from_secs(1);

/// Goes on until dropped.
pub(super) async fn pulse(shared: &Shared) {
    let mut telling = Telling::default();
    let mut ticks = interval(PULSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tokio::join!(
            tell_heard(shared),
            tell_promised(shared, &mut telling),
            shared.witness.keep()
        );
        status::measure(&shared.status());
    }
}

async fn tell_promised(shared: &Shared, telling: &mut Telling) {
    let may_hear = shared.admitted_by.lock().clone();
    let members = shared.status().members;
    telling
        .tell(
            shared.log.promised(),
            &members,
            &may_hear,
            &shared.submitter.calls,
            PULSE,
        )
        .await;
}

async fn tell_heard(shared: &Shared) {
    let now = shared.leadership.borrow().clone();
    if now.is_me {
        let now = Instant::now();
        shared
            .contacts
            .take_in(shared.contacts.take_notes(now), now);
        let state = shared.view.state();
        shared
            .contacts
            .retain(|instance| state.instance(instance).is_some());
    } else if let Some(leader) = &now.leader {
        let notes = shared.contacts.take_notes(Instant::now());
        if notes.is_empty() {
            return;
        }
        // Lost notes come again with the next sign of life; the leader's patience is many of these.
        let told = timeout(PULSE, shared.submitter.calls.heard(leader, &notes, PULSE)).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::debug!(%leader, instances = notes.len(), "the leader was not told who was heard");
        }
    }
}
