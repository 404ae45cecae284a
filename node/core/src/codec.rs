//! Bytes for the log, for other nodes and for snapshots: MessagePack with named members, so that members can be added.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::{Entry, Item, Outcome};

/// Bytes that are not what they should be: written by a newer program, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("decode {what}")]
pub struct CodecError {
    /// What was being read.
    pub what: &'static str,
    #[source]
    source: rmp_serde::decode::Error,
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value)
        .expect("core's types have no maps with unencodable keys and write to memory")
}

pub(crate) fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, CodecError> {
    rmp_serde::from_slice(bytes).map_err(|source| CodecError { what, source })
}

impl Entry {
    /// The entry's bytes in the log.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode(self).into()
    }

    /// Reads an entry of the log.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode("log entry", bytes)
    }
}

impl Item {
    /// The item's bytes on the way to the leader.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode(self).into()
    }

    /// Reads an item that another node sent.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode("item", bytes)
    }
}

/// An outcome's bytes on the way back from the leader.
#[must_use]
pub fn encode_outcome(outcome: &Outcome) -> Bytes {
    encode(outcome).into()
}

/// Reads an outcome that the leader sent.
pub fn decode_outcome(bytes: &[u8]) -> Result<Outcome, CodecError> {
    decode("outcome", bytes)
}
