//! The sparse index of a log: which consecutive records lie together, and where. An engine keeps one in memory instead of an
//! entry for every record.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use super::{Batch, EngineError, RECORD_BYTES_MAX, Record};

/// Consecutive records that lie in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run<P> {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) place: P,
}

/// The runs of a log by their first index; consecutive, without overlap.
#[derive(Clone, Debug)]
pub(super) struct Runs<P> {
    by_first: BTreeMap<u64, Run<P>>,
}

impl<P> Default for Runs<P> {
    fn default() -> Self {
        Runs {
            by_first: BTreeMap::new(),
        }
    }
}

impl<P: Copy> Runs<P> {
    /// The index the next record must have; `None` if the log is empty and any will do.
    pub(super) fn next(&self) -> Option<u64> {
        self.by_first.last_key_value().map(|(_, run)| run.last + 1)
    }

    /// The index that the batch's first record must have: `next` once the batch has truncated and purged.
    fn next_after(&self, batch: &Batch) -> Option<u64> {
        let after_purge = batch.purged.map(|purged| purged.index + 1);
        let (Some(first), Some(next)) = (self.first(), self.next()) else {
            return after_purge;
        };
        let next = next.min(batch.truncate_from.unwrap_or(u64::MAX));
        if next <= first.first || after_purge.is_some_and(|after| after >= next) {
            after_purge
        } else {
            Some(next)
        }
    }

    /// The first run.
    pub(super) fn first(&self) -> Option<Run<P>> {
        self.by_first.first_key_value().map(|(_, run)| *run)
    }

    /// Adds a run behind all others.
    pub(super) fn push(&mut self, run: Run<P>) {
        assert!(run.first <= run.last, "a run holds at least one record");
        assert!(
            self.next().is_none_or(|next| next == run.first),
            "runs are consecutive"
        );
        self.by_first.insert(run.first, run);
    }

    /// The run that holds `index`.
    pub(super) fn holding(&self, index: u64) -> Option<Run<P>> {
        self.by_first
            .range(..=index)
            .next_back()
            .map(|(_, run)| *run)
            .filter(|run| run.last >= index)
    }

    /// Forgets every record from `from` on. Returns the runs that are gone, and the one that was cut short, as it was.
    pub(super) fn truncate_from(&mut self, from: u64) -> (Vec<Run<P>>, Option<Run<P>>) {
        let gone: Vec<Run<P>> = self.by_first.split_off(&from).into_values().collect();
        let cut = self.holding(from);
        if let Some(cut) = cut {
            self.by_first.insert(
                cut.first,
                Run {
                    last: from - 1,
                    ..cut
                },
            );
        }
        (gone, cut)
    }

    /// Forgets the runs that lie wholly at or below `upto`, and returns them. One that reaches beyond stays whole.
    pub(super) fn purge(&mut self, upto: u64) -> Vec<Run<P>> {
        let mut gone = Vec::new();
        while let Some(first) = self
            .by_first
            .first_entry()
            .filter(|run| run.get().last <= upto)
        {
            gone.push(first.remove());
        }
        gone
    }
}

/// Reads consecutive records run by run: at least one, none beyond `last`, and none after `bytes` are exceeded.
pub(super) fn read_runs<P: Copy>(
    runs: &RwLock<Runs<P>>,
    (first, last): (u64, u64),
    bytes: usize,
    load: impl Fn(Run<P>) -> Result<Vec<Record>, EngineError>,
) -> Result<Vec<Record>, EngineError> {
    let (mut records, mut next, mut size) = (Vec::new(), first, 0);
    while next <= last && (records.is_empty() || size < bytes) {
        let run = runs
            .read()
            .holding(next)
            .ok_or(EngineError::Missing { index: next })?;
        for record in load(run)?
            .into_iter()
            .skip_while(|record| record.index < first)
        {
            if record.index > last || (size >= bytes && !records.is_empty()) {
                return Ok(records);
            }
            if record.index != next {
                return Err(EngineError::damaged(format!(
                    "record {next} is absent from its run"
                )));
            }
            size += record.data.len();
            next += 1;
            records.push(record);
        }
        // The run may have been cut since it was looked up; whoever reads asks for nothing beyond the cut.
        if next <= run.last.min(last) {
            return Err(EngineError::damaged(format!(
                "record {next} is absent from its run"
            )));
        }
    }
    Ok(records)
}

/// Checks a batch before anything of it is written.
///
/// # Errors
/// If its records would leave a hole or one is too large.
pub(super) fn check_records<P: Copy>(runs: &Runs<P>, batch: &Batch) -> Result<(), EngineError> {
    let mut next = runs.next_after(batch);
    for record in &batch.records {
        if let Some(next) = next.filter(|next| *next != record.index) {
            return Err(EngineError::Gap {
                index: record.index,
                next,
            });
        }
        if record.data.len() > RECORD_BYTES_MAX {
            return Err(EngineError::TooLarge {
                index: record.index,
                bytes: record.data.len(),
            });
        }
        next = Some(record.index + 1);
    }
    Ok(())
}
