//! Ids from a seed. The shell draws the seed; after it, everything that is minted can be repeated.

use sha2::{Digest, Sha256};

use crate::ids::{ContainerId, InstanceId, RequestId, TaskId};

/// A source of ids: equal seeds mint equal ids in equal order.
#[derive(Clone, Debug)]
pub struct Mint {
    seed: [u8; 32],
    count: u64,
}

impl Mint {
    /// A mint that starts at `seed`.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    fn next(&mut self) -> u128 {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.count.to_be_bytes());
        self.count += 1;
        let bytes = hash.finalize();
        u128::from_be_bytes(bytes[..16].try_into().expect("SHA-256 has 32 bytes"))
    }

    /// A new task id.
    pub fn task(&mut self) -> TaskId {
        TaskId::from_u128(self.next())
    }

    /// A new container id.
    pub fn container(&mut self) -> ContainerId {
        ContainerId::from_u128(self.next())
    }

    /// A new instance id.
    pub fn instance(&mut self) -> InstanceId {
        InstanceId::from_u128(self.next())
    }

    /// A new request id.
    pub fn request(&mut self) -> RequestId {
        RequestId::from_u128(self.next())
    }
}
