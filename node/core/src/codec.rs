//! Bytes for the log, for other nodes and for snapshots: MessagePack with named members, so that members can be added.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::{Entry, Item, Outcome};
use crate::time::Millis;

/// Bytes that are not what they should be: written by a newer program, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("decode {what}")]
pub struct CodecError {
    /// What was being read.
    pub what: &'static str,
    #[source]
    source: rmp_serde::decode::Error,
}

/// MessagePack: an array of up to 15 elements, the number in the lower half.
const ARRAY: u8 = 0x90;
/// MessagePack: an array with a length of 16 bits.
const ARRAY_16: u8 = 0xdc;

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

    /// The bytes of an entry whose items are encoded already: the same as [`Entry::encode`] gives.
    #[must_use]
    pub fn encode_with(at: Millis, items: &[Bytes]) -> Bytes {
        let mut bytes = encode(&Entry {
            at,
            items: Vec::new(),
        });
        // The items come last: in place of the empty array go the length and the items' own bytes.
        let empty = bytes.pop();
        assert_eq!(empty, Some(ARRAY), "an entry ends with its items");
        match u16::try_from(items.len()) {
            Ok(few @ 0..16) => bytes.push(ARRAY | few as u8),
            Ok(many) => {
                bytes.push(ARRAY_16);
                bytes.extend(many.to_be_bytes());
            }
            Err(_) => unreachable!("an entry has a few hundred items at most"),
        }
        bytes.reserve(items.iter().map(Bytes::len).sum());
        items.iter().for_each(|item| bytes.extend_from_slice(item));
        bytes.into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::ids::RequestId;

    #[test]
    fn an_entry_of_encoded_items_is_the_entry() {
        for count in [0, 1, 15, 16, 17, 255, 256, 4096] {
            let items = (0..count).map(|number| Item {
                request: RequestId::from_u128(number),
                command: Command::Forget { tasks: Vec::new() },
            });
            let entry = Entry {
                at: Millis(7),
                items: items.collect(),
            };
            let parts: Vec<Bytes> = entry.items.iter().map(Item::encode).collect();
            assert_eq!(
                Entry::encode_with(entry.at, &parts),
                entry.encode(),
                "{count}"
            );
        }
    }
}
