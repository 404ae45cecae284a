//! What placed tasks lately, and the state that it found: so that whoever asks why a task is where it is hears what was so then.
//!
//! Kept in memory, on every node, of what this node applied itself: a node that was started anew has what it took from its log. What is gone
//! is gone; nothing depends on it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_core::{Entry, State, explain};

/// Entries that are kept. A state of the past shares with the one of now what has not changed since, so that what they take together grows
/// with what changed while they were placed, not with the state.
const KEPT_MAX: usize = 512;
/// Bytes of these entries: one may start hundreds of tasks.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// An entry that started tasks.
pub(crate) struct Decision {
    /// Its index, which each of its tasks carries (`assigned_index`).
    pub(crate) index: u64,
    /// The state that it found.
    pub(crate) before: State,
    /// Encoded: decoded, it is several times as large, and it is seldom asked for.
    entry: Bytes,
}

impl Decision {
    /// The entry.
    pub(crate) fn entry(&self) -> Entry {
        Entry::decode(&self.entry).expect("it was decoded before it was applied")
    }
}

/// The newest decisions. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Decisions(Arc<Mutex<Ring>>);

/// By index, the oldest first.
#[derive(Default)]
struct Ring {
    kept: VecDeque<Arc<Decision>>,
    bytes: usize,
}

impl Decisions {
    /// Whether applying the entry may start tasks.
    pub(crate) fn is_one(entry: &Entry) -> bool {
        let mut commands = entry.items.iter().map(|item| &item.command);
        commands.any(|command| explain::started(command).next().is_some())
    }

    /// Keeps an entry that was applied, and the state before it.
    pub(crate) fn keep(&self, index: u64, before: State, entry: &Bytes) {
        let decision = Decision {
            index,
            before,
            // It may be a small part of a large message, which would stay with it.
            entry: Bytes::copy_from_slice(entry),
        };
        let mut gone = Vec::new();
        let mut ring = self.0.lock();
        ring.bytes += decision.entry.len();
        ring.kept.push_back(Arc::new(decision));
        while ring.kept.len() > KEPT_MAX || ring.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = ring.kept.pop_front() else {
                break;
            };
            ring.bytes -= oldest.entry.len();
            gone.push(oldest);
        }
        drop(ring);
        // What only the oldest state still held is freed now, while nobody waits for the lock.
        drop(gone);
    }

    /// The decision at an index, while it is kept.
    pub(crate) fn at(&self, index: u64) -> Option<Arc<Decision>> {
        let ring = self.0.lock();
        let place = ring
            .kept
            .binary_search_by_key(&index, |one| one.index)
            .ok()?;
        ring.kept.get(place).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keep(decisions: &Decisions, index: u64, bytes: usize) {
        let entry = Bytes::from(vec![0; bytes]);
        decisions.keep(index, State::default(), &entry);
    }

    #[test]
    fn the_newest_are_kept() {
        let decisions = Decisions::default();
        let last = 3 * KEPT_MAX as u64;
        (1..=last).for_each(|number| keep(&decisions, 2 * number, 10));
        assert_eq!(decisions.0.lock().kept.len(), KEPT_MAX);
        assert_eq!(decisions.at(2 * last).unwrap().index, 2 * last);
        assert!(decisions.at(2 * last - 1).is_none(), "started nothing");
        assert!(decisions.at(2).is_none(), "forgotten");
    }

    #[test]
    fn large_ones_make_room_for_each_other() {
        let decisions = Decisions::default();
        (1..=5).for_each(|index| keep(&decisions, index, KEPT_BYTES_MAX / 3));
        let kept: Vec<u64> = decisions
            .0
            .lock()
            .kept
            .iter()
            .map(|one| one.index)
            .collect();
        assert_eq!(kept, [3, 4, 5]);
        keep(&decisions, 6, 2 * KEPT_BYTES_MAX);
        assert!(decisions.at(6).is_none());
        assert_eq!(decisions.0.lock().bytes, 0);
    }
}
