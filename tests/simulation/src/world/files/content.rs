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
    /// As it is on the disk.
    kept: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
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
            (*inode, (seen, content.kept.len()))
        };
        self.files.iter_mut().map(lose).collect()
    }
}

impl Content {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let change = Change::Write {
            offset,
            bytes: bytes.to_vec(),
        };
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    pub(super) fn set_len(&mut self, length: usize) {
        let change = Change::Length(length);
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    /// All that was written is on the disk.
    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.kept);
        }
    }

    /// A sync failed: programs go on seeing what they wrote, but it will not be written by a later sync either. That is what Linux does.
    pub(super) fn forget_unsynced(&mut self) {
        self.unsynced.clear();
    }

    fn lose_power(&mut self, rng: &mut SmallRng) {
        let unsynced = std::mem::take(&mut self.unsynced);
        match rng.random_range(0..4) {
            // Nothing of it.
            0 => {}
            // All of it: the kernel had written it of its own accord.
            1 => unsynced
                .iter()
                .for_each(|change| change.apply(&mut self.kept)),
            // What came first, the last of it torn.
            2 => {
                let whole = rng.random_range(0..=unsynced.len());
                for change in &unsynced[..whole] {
                    change.apply(&mut self.kept);
                }
                if let Some(torn) = unsynced.get(whole) {
                    torn.apply_head(&mut self.kept, rng);
                }
            }
            // Whatever sectors the device had come to.
            _ => {
                for change in &unsynced {
                    change.apply_some(&mut self.kept, rng);
                }
            }
        }
        self.seen.clone_from(&self.kept);
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
