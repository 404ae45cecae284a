//! Ids from a seed. The shell draws the seed; after it, everything that is minted can be repeated.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::ids::{ContainerId, InstanceId, RequestId, TaskId};

/// A source of ids: equal seeds mint equal ids in equal order.
#[derive(Clone, Debug)]
pub struct Mint {
    from: Source,
    count: u64,
}

#[derive(Clone, Debug)]
enum Source {
    Seed([u8; 32]),
    /// The last number of each kind, by its letter.
    Counting(BTreeMap<u8, u64>),
}

impl Mint {
    /// A mint that starts at `seed`.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            from: Source::Seed(seed),
            count: 0,
        }
    }

    /// A mint of ids that people can read, behind `count`: a kind's letter and a number. For scripts; its ids can be guessed.
    #[must_use]
    pub const fn counting(count: u64) -> Self {
        Self {
            from: Source::Counting(BTreeMap::new()),
            count,
        }
    }

    fn next(&mut self, kind: u8) -> u128 {
        let seed = match &mut self.from {
            Source::Counting(last) => {
                let last = last.entry(kind).or_insert(self.count);
                *last += 1;
                return u128::from(kind) << 64 | u128::from(*last);
            }
            Source::Seed(seed) => seed,
        };
        let mut hash = Sha256::new();
        hash.update(seed);
        hash.update(self.count.to_be_bytes());
        self.count += 1;
        let bytes = hash.finalize();
        u128::from_be_bytes(bytes[..16].try_into().expect("SHA-256 has 32 bytes"))
    }

    /// A new task id.
    pub fn task(&mut self) -> TaskId {
        TaskId::from_u128(self.next(b't'))
    }

    /// A new container id.
    pub fn container(&mut self) -> ContainerId {
        ContainerId::from_u128(self.next(b'c'))
    }

    /// A new instance id.
    pub fn instance(&mut self) -> InstanceId {
        InstanceId::from_u128(self.next(b'i'))
    }

    /// A new request id.
    pub fn request(&mut self) -> RequestId {
        RequestId::from_u128(self.next(b'r'))
    }
}
