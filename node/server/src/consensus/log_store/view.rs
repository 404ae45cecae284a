//! The log as Raft sees it, in memory: where it begins and ends, the vote, and the recent entries, so that appends are readable
//! at once and followers are served without touching the disk.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::super::convert::{to_log_id, to_vote};
use super::super::engine::Head;
use super::super::types::{Entry, LogId, Payload, Vote};

/// Followers that keep up read from here only; those farther behind read the disk.
const CACHE_BYTES: usize = 64 << 20;
/// What an entry costs besides its command.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// What Raft has asked for, whether or not it is on disk yet.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// Whether `committed` has to go into the next batch. It never causes one: losing a little of it loses nothing.
    pub(super) committed_is_new: bool,
    pub(super) purged: Option<LogId>,
    last: Option<LogId>,
    /// The end of the log on disk; what comes after it may be lost by a crash.
    pub(super) kept: Option<LogId>,
    /// The entries are `first..next`.
    first: u64,
    next: u64,
    recent: Recent,
    /// Counts truncations and purges, so that a reader of the disk can tell whether its range still holds.
    cuts: u64,
    pub(super) catalogue: BTreeMap<String, Bytes>,
}

/// The youngest entries, without holes up to the end of the log.
#[derive(Debug, Default)]
struct Recent {
    entries: VecDeque<Cached>,
    bytes: usize,
    /// Appends up to this number are on disk; only such entries may leave the cache.
    durable: u64,
    appended: u64,
}

#[derive(Debug)]
struct Cached {
    entry: Entry,
    number: u64,
    bytes: usize,
}

/// Where the entries of a range are to be had.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Located {
    /// Indexes `first..next` to be read from the engine, which come before the rest.
    pub(super) on_disk: Option<(u64, u64)>,
    pub(super) cached: Vec<Entry>,
    /// [`View::cuts`] when it was looked up.
    pub(super) cuts: u64,
}

impl View {
    /// The view of a log that was just opened; all of it lies on disk.
    pub(super) fn of(head: &Head) -> View {
        let end = head.end().map(to_log_id);
        let next = end.map_or(0, |end| end.index + 1);
        View {
            vote: head.vote.map(to_vote),
            committed: head.committed.map(to_log_id),
            purged: head.purged.map(to_log_id),
            last: end,
            kept: end,
            first: head.first.unwrap_or(next),
            next,
            catalogue: head.catalogue.clone(),
            ..View::default()
        }
    }

    /// The end of the log: its last entry, or where it was purged.
    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    /// The last entry that is on disk and known to be committed: no leader will ever have it cut off.
    pub(super) fn held(&self) -> Option<LogId> {
        let index = |id: Option<LogId>| id.map(|id| id.index);
        if index(self.committed) <= index(self.kept) {
            self.committed
        } else {
            self.kept
        }
    }

    /// Adds entries and returns the number under which [`View::durable`] later reports them.
    pub(super) fn append(&mut self, entries: &[Entry]) -> u64 {
        self.recent.appended += 1;
        for entry in entries {
            let index = entry.log_id.index;
            if self.first == self.next {
                (self.first, self.next) = (index, index);
            }
            assert_eq!(index, self.next, "Raft appends without holes");
            let bytes = size_of_entry(entry);
            self.recent.bytes += bytes;
            self.recent.entries.push_back(Cached {
                entry: entry.clone(),
                number: self.recent.appended,
                bytes,
            });
            self.next = index + 1;
            self.last = Some(entry.log_id);
        }
        self.recent.shrink();
        self.recent.appended
    }

    /// Notes that appends up to `number` are on disk.
    pub(super) fn durable(&mut self, number: u64) {
        self.recent.durable = self.recent.durable.max(number);
        self.recent.shrink();
    }

    /// Drops every entry after `keep`. Returns the first index that is dropped.
    pub(super) fn truncate_after(&mut self, keep: Option<LogId>) -> u64 {
        let from = keep.map_or(0, |keep| keep.index + 1);
        if from < self.next {
            self.cuts += 1;
            while self
                .recent
                .entries
                .back()
                .is_some_and(|cached| cached.entry.log_id.index >= from)
            {
                self.recent.bytes -= self
                    .recent
                    .entries
                    .pop_back()
                    .map_or(0, |cached| cached.bytes);
            }
            self.next = from;
            self.first = self.first.min(from);
            self.last = keep;
        }
        from
    }

    /// Drops every entry up to `upto`, which may lie beyond the end.
    pub(super) fn purge(&mut self, upto: LogId) {
        if self.purged.is_some_and(|purged| purged >= upto) {
            return;
        }
        while self
            .recent
            .entries
            .front()
            .is_some_and(|cached| cached.entry.log_id.index <= upto.index)
        {
            self.recent.bytes -= self
                .recent
                .entries
                .pop_front()
                .map_or(0, |cached| cached.bytes);
        }
        self.cuts += 1;
        self.purged = Some(upto);
        self.first = self.first.max(upto.index + 1);
        if self.next <= upto.index {
            self.next = upto.index + 1;
            self.last = Some(upto);
        }
        self.first = self.first.min(self.next);
    }

    /// Where the entries of `from..to` are that the log contains. Stops after about `bytes`, but not before one entry.
    pub(super) fn locate(&self, from: u64, to: u64, bytes: usize) -> Located {
        let (from, to) = (from.max(self.first), to.min(self.next));
        if from >= to {
            return Located::default();
        }
        let cached_from = self.next - self.recent.entries.len() as u64;
        let on_disk = (from < cached_from).then_some((from, to.min(cached_from)));
        // A bounded read that begins on disk ends there; the next one finds the rest.
        if on_disk.is_some() && bytes != usize::MAX {
            return Located {
                on_disk,
                cached: Vec::new(),
                cuts: self.cuts,
            };
        }
        let skip = usize::try_from(from.saturating_sub(cached_from))
            .expect("the cache is indexed by usize");
        let mut size = 0;
        let fits = |cached: &&Cached| {
            let take = size == 0 || size < bytes;
            size += cached.bytes;
            take && cached.entry.log_id.index < to
        };
        let cached = self
            .recent
            .entries
            .iter()
            .skip(skip)
            .take_while(fits)
            .map(|cached| cached.entry.clone());
        Located {
            on_disk,
            cached: cached.collect(),
            cuts: self.cuts,
        }
    }

    /// How often entries were truncated or purged.
    pub(super) fn cuts(&self) -> u64 {
        self.cuts
    }
}

impl Recent {
    fn shrink(&mut self) {
        while self.bytes > CACHE_BYTES
            && self
                .entries
                .front()
                .is_some_and(|cached| cached.number <= self.durable)
        {
            self.bytes -= self.entries.pop_front().map_or(0, |cached| cached.bytes);
        }
    }
}

/// About how much memory and disk an entry takes.
pub(super) fn size_of_entry(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES
        + match &entry.payload {
            Payload::Normal(command) => command.0.len(),
            Payload::Blank | Payload::Membership(_) => 0,
        }
}
