//! What files hold: what a program sees, what the disk keeps, and the writes that lie between the two.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::rngs::SmallRng;

/// A device writes whole sectors; less than one is never torn.
const SECTOR: usize = 512;

/// The number of a file, whatever its name.
pub(super) type Inode = u64;

/// All files, by number.
#[derive(Default)]
pub(super) struct Contents {
    files: BTreeMap<Inode, Content>,
    next: Inode,
}

/// One file.
#[derive(Default)]
pub(super) struct Content {
    /// As programs see it.
    seen: Vec<u8>,
    /// What was done since the last sync, in order, with what it takes to undo it: what the disk keeps is what is seen without these.
    unsynced: Vec<Done>,
    /// As it is on the disk, where that can not be told from what is seen any more: after a sync that failed.
    diverged: Option<Vec<u8>>,
    /// How many programs hold it open.
    handles: usize,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A change, and what was there before.
struct Done {
    change: Change,
    length: usize,
    /// What it wrote over or cut off, and where that was.
    lost: (usize, Vec<u8>),
}

impl Contents {
    /// A new and empty file.
    pub(super) fn create(&mut self) -> Inode {
        self.next += 1;
        self.files.insert(self.next, Content::default());
        self.next
    }

    pub(super) fn get(&self, inode: Inode) -> Option<&Content> {
        self.files.get(&inode)
    }

    pub(super) fn get_mut(&mut self, inode: Inode) -> Option<&mut Content> {
        self.files.get_mut(&inode)
    }

    /// A program opens a file.
    pub(super) fn hold(&mut self, inode: Inode) {
        if let Some(content) = self.files.get_mut(&inode) {
            content.handles += 1;
        }
    }

    /// A program closes a file.
    pub(super) fn release(&mut self, inode: Inode) {
        if let Some(content) = self.files.get_mut(&inode) {
            content.handles = content.handles.saturating_sub(1);
        }
    }

    /// Every program that held a file is gone.
    pub(super) fn release_all(&mut self) {
        for content in self.files.values_mut() {
            content.handles = 0;
        }
    }

    /// Drops the files that have no name and that nobody holds.
    pub(super) fn drop_nameless(&mut self, named: &BTreeSet<Inode>) {
        self.files
            .retain(|inode, content| content.handles > 0 || named.contains(inode));
    }

    /// Keeps the files that still have a name, each with what was synced and a drawn part of the rest.
    /// Says of each how long it seemed and how long it is.
    pub(super) fn lose_power(
        &mut self,
        rng: &mut SmallRng,
        named: &BTreeSet<Inode>,
    ) -> BTreeMap<Inode, (usize, usize)> {
        self.files.retain(|inode, _| named.contains(inode));
        let lose = |(inode, content): (&Inode, &mut Content)| {
            let seen = content.seen.len();
            content.lose_power(rng);
            (*inode, (seen, content.seen.len()))
        };
        self.files.iter_mut().map(lose).collect()
    }
}

impl Content {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.change(Change::Write {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn set_len(&mut self, length: usize) {
        self.change(Change::Length(length));
    }

    fn change(&mut self, change: Change) {
        let length = self.seen.len();
        let lost = match &change {
            Change::Write { offset, bytes } => *offset..(offset + bytes.len()).min(length),
            Change::Length(shorter) => *shorter..length,
        };
        let before = self.seen.get(lost.clone()).unwrap_or_default().to_vec();
        change.apply(&mut self.seen);
        self.unsynced.push(Done {
            change,
            length,
            lost: (lost.start, before),
        });
    }

    /// All that was written is on the disk.
    pub(super) fn sync(&mut self) {
        let done = self.unsynced.drain(..);
        match &mut self.diverged {
            Some(kept) => done.for_each(|done| done.change.apply(kept)),
            None => drop(done),
        }
    }

    /// A sync failed: programs go on seeing what they wrote, but it will not be written by a later sync either. That is what Linux does.
    pub(super) fn forget_unsynced(&mut self) {
        self.diverged = Some(self.kept());
        self.unsynced.clear();
    }

    /// As it is on the disk.
    fn kept(&self) -> Vec<u8> {
        self.diverged.clone().unwrap_or_else(|| {
            let mut kept = self.seen.clone();
            self.unsynced
                .iter()
                .rev()
                .for_each(|done| done.undo(&mut kept));
            kept
        })
    }

    fn lose_power(&mut self, rng: &mut SmallRng) {
        let mut kept = self.kept();
        let unsynced = std::mem::take(&mut self.unsynced);
        let mut changes = unsynced.iter().map(|done| &done.change);
        match rng.random_range(0..4) {
            // Nothing of it.
            0 => {}
            // All of it: the kernel had written it of its own accord.
            1 => changes.for_each(|change| change.apply(&mut kept)),
            // What came first, the last of it torn.
            2 => {
                let whole = rng.random_range(0..=unsynced.len());
                for change in changes.by_ref().take(whole) {
                    change.apply(&mut kept);
                }
                if let Some(torn) = changes.next() {
                    torn.apply_head(&mut kept, rng);
                }
            }
            // Whatever sectors the device had come to.
            _ => changes.for_each(|change| change.apply_some(&mut kept, rng)),
        }
        (self.seen, self.diverged) = (kept, None);
    }
}

impl Done {
    fn undo(&self, to: &mut Vec<u8>) {
        to.resize(self.length, 0);
        let (offset, bytes) = &self.lost;
        put(to, *offset, bytes);
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Length(length) => to.resize(*length, 0),
        }
    }

    fn apply_head(&self, to: &mut Vec<u8>, rng: &mut SmallRng) {
        match self {
            Self::Write { offset, bytes } => {
                let head = rng.random_range(0..=bytes.len());
                put(to, *offset, &bytes[..head]);
            }
            Self::Length(_) => {}
        }
    }

    fn apply_some(&self, to: &mut Vec<u8>, rng: &mut SmallRng) {
        match self {
            Self::Write { offset, bytes } => {
                let mut at = 0;
                while at < bytes.len() {
                    let end = (at + SECTOR - (offset + at) % SECTOR).min(bytes.len());
                    if rng.random_bool(0.5) {
                        put(to, offset + at, &bytes[at..end]);
                    }
                    at = end;
                }
            }
            Self::Length(_) if rng.random_bool(0.5) => self.apply(to),
            Self::Length(_) => {}
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn what_was_synced_survives_and_what_was_not_never_damages_it() {
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut content = Content::default();
            content.write(0, &[1; 1500]);
            content.sync();
            content.write(1500, &[2; 2000]);
            content.write(3500, &[3; 100]);
            content.lose_power(&mut rng);
            assert_eq!(content.bytes()[..1500], [1; 1500]);
            assert!(
                content.bytes()[1500..]
                    .iter()
                    .all(|byte| [0, 2, 3].contains(byte))
            );
            assert!(content.bytes().len() <= 3600);
        }
    }

    #[test]
    fn what_was_written_over_or_cut_off_is_still_on_the_disk() {
        let mut outcomes = BTreeSet::new();
        for seed in 0..50 {
            let mut content = Content::default();
            content.write(0, b"before");
            content.sync();
            content.write(2, b"after and longer");
            content.set_len(3);
            content.lose_power(&mut SmallRng::seed_from_u64(seed));
            outcomes.insert(content.bytes().to_vec());
        }
        assert!(outcomes.contains(&b"before"[..]));
        assert!(outcomes.contains(&b"bea"[..]));
        assert!(outcomes.contains(&b"beafter and longer"[..]));
    }

    #[test]
    fn a_file_without_a_name_lives_as_long_as_somebody_holds_it() {
        let mut contents = Contents::default();
        let (held, free) = (contents.create(), contents.create());
        contents.hold(held);
        contents.drop_nameless(&BTreeSet::new());
        assert!(contents.get(held).is_some() && contents.get(free).is_none());
        contents.release(held);
        contents.drop_nameless(&BTreeSet::from([held]));
        assert!(contents.get(held).is_some());
        contents.drop_nameless(&BTreeSet::new());
        assert!(contents.get(held).is_none());
    }

    #[test]
    fn after_a_failed_sync_a_later_one_keeps_nothing_of_it() {
        let mut content = Content::default();
        content.write(0, b"one");
        content.forget_unsynced();
        content.sync();
        assert_eq!(content.bytes(), b"one");
        content.lose_power(&mut SmallRng::seed_from_u64(1));
        assert_eq!(content.bytes(), b"");
    }
}
