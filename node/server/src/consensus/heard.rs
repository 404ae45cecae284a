//! Signs of life of instances: noted on whichever node an agent is connected to, and told to the leader each second.
//!
//! None of it is replicated or kept: a new leader starts with an empty table and its own time in office, which no silence can exceed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::Heard;
use quorate_core::ids::InstanceId;
use tokio::time::Instant;

/// Notes kept between two tellings: as many instances as a node is made for. More are told with the next sign of life.
const NOTES_KEPT: usize = 100_000;

/// What this node heard, and what it was told as a leader. Clones share the tables.
#[derive(Clone, Default)]
pub(super) struct Contacts(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    /// Heard here, not told yet.
    notes: BTreeMap<InstanceId, Instant>,
    /// Present on the leader only.
    office: Option<Office>,
}

/// A leader's term.
struct Office {
    term: u64,
    began: Instant,
    last: BTreeMap<InstanceId, Instant>,
}

impl Contacts {
    /// An agent connected to this node gave a sign of life.
    pub(super) fn note(&self, instance: InstanceId, now: Instant) {
        let mut tables = self.0.lock();
        if tables.notes.len() < NOTES_KEPT || tables.notes.contains_key(&instance) {
            tables.notes.insert(instance, now);
        }
    }

    /// What was heard since the last call, and how long ago.
    pub(super) fn take_notes(&self, now: Instant) -> Vec<(InstanceId, Duration)> {
        let notes = std::mem::take(&mut self.0.lock().notes);
        notes
            .into_iter()
            .map(|(instance, at)| (instance, now - at))
            .collect()
    }

    /// This node leads from now on.
    pub(super) fn begin(&self, term: u64, now: Instant) {
        self.0.lock().office = Some(Office {
            term,
            began: now,
            last: BTreeMap::new(),
        });
    }

    /// Takes in what a node heard. Later signs of life win, whoever tells of them first.
    pub(super) fn take_in(
        &self,
        told: impl IntoIterator<Item = (InstanceId, Duration)>,
        now: Instant,
    ) {
        let mut tables = self.0.lock();
        let Some(office) = &mut tables.office else {
            return;
        };
        for (instance, age) in told {
            let at = now
                .checked_sub(age)
                .unwrap_or(office.began)
                .max(office.began);
            let last = office.last.entry(instance).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// Forgets instances that are not known any more.
    pub(super) fn retain(&self, is_known: impl Fn(&InstanceId) -> bool) {
        if let Some(office) = &mut self.0.lock().office {
            office.last.retain(|instance, _| is_known(instance));
        }
    }

    /// What the leader of `term` knows; nothing, and no time in office, where that is not this node.
    pub(super) fn heard(&self, term: u64, now: Instant) -> Heard {
        let tables = self.0.lock();
        let Some(office) = tables.office.as_ref().filter(|office| office.term == term) else {
            return Heard::default();
        };
        Heard {
            office_ms: as_ms(now - office.began),
            silent_ms: office
                .last
                .iter()
                .map(|(instance, at)| (*instance, as_ms(now - *at)))
                .collect(),
        }
    }
}

fn as_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_new_leader_knows_its_time_in_office_and_nothing_else() {
        let contacts = Contacts::default();
        let (instance, began) = (InstanceId::from_u128(7), Instant::now());
        contacts.take_in([(instance, Duration::ZERO)], began);
        contacts.begin(3, began);
        let heard = contacts.heard(3, began + 5 * SECOND);
        let nothing_else = BTreeMap::new();
        assert_eq!((heard.office_ms, &heard.silent_ms), (5000, &nothing_else));
        assert_eq!(heard.silence_ms(&instance), 5000);
        assert_eq!(contacts.heard(2, began + 5 * SECOND), Heard::default());
    }

    #[test]
    fn the_latest_sign_of_life_counts_whoever_tells_it_first() {
        let contacts = Contacts::default();
        let (instance, began) = (InstanceId::from_u128(7), Instant::now());
        contacts.begin(1, began);
        contacts.take_in([(instance, SECOND)], began + 10 * SECOND);
        contacts.take_in([(instance, 4 * SECOND)], began + 10 * SECOND);
        let silence_ms = |at| contacts.heard(1, began + at * SECOND).silence_ms(&instance);
        assert_eq!(silence_ms(10), 1000);
        contacts.take_in([(instance, 3600 * SECOND)], began + 10 * SECOND);
        assert_eq!(silence_ms(11), 2000);
        contacts.retain(|_| false);
        assert_eq!(silence_ms(11), 11_000);
    }

    #[test]
    fn notes_are_told_once() {
        let contacts = Contacts::default();
        let now = Instant::now();
        contacts.note(InstanceId::from_u128(7), now);
        assert_eq!(
            contacts.take_notes(now + SECOND),
            [(InstanceId::from_u128(7), SECOND)]
        );
        assert!(contacts.take_notes(now + SECOND).is_empty());
    }
}
