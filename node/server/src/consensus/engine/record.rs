//! A record's form in a sled value: format byte, length, CRC32C, term, leader, index, data. Several follow one another in a chunk.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{EngineError, RECORD_BYTES_MAX, Record};

/// The format this page writes. A reader that meets another stops.
const FORMAT: u8 = 1;
/// Format, length, CRC.
const PREFIX_BYTES: usize = 1 + 4 + 4;
/// Term, leader, index.
const POSITION_BYTES: usize = 3 * 8;

/// How long a record is in this form.
pub(super) fn encoded_len(record: &Record) -> usize {
    PREFIX_BYTES + POSITION_BYTES + record.data.len()
}

/// Adds the record to a chunk.
pub(super) fn encode(record: &Record, chunk: &mut BytesMut) {
    let body_bytes = POSITION_BYTES + record.data.len();
    chunk.reserve(PREFIX_BYTES + body_bytes);
    chunk.put_u8(FORMAT);
    chunk.put_u32(
        u32::try_from(body_bytes).expect("a record's size is checked before it is encoded"),
    );
    let crc_at = chunk.len();
    chunk.put_u32(0);
    chunk.put_u64(record.term);
    chunk.put_u64(record.leader);
    chunk.put_u64(record.index);
    chunk.put_slice(&record.data);
    let crc = crc32c::crc32c(&chunk[crc_at + 4..]);
    chunk[crc_at..crc_at + 4].copy_from_slice(&crc.to_be_bytes());
}

/// All records of a chunk, in order. Their data shares the chunk's bytes.
///
/// # Errors
/// If anything in the chunk is not as it was written.
pub(super) fn decode_all(mut chunk: Bytes) -> Result<Vec<Record>, EngineError> {
    let mut records = Vec::new();
    while !chunk.is_empty() {
        records.push(decode(&mut chunk)?);
    }
    Ok(records)
}

fn decode(chunk: &mut Bytes) -> Result<Record, EngineError> {
    if chunk.len() < PREFIX_BYTES {
        return Err(EngineError::damaged("a record is cut short"));
    }
    let (format, body_bytes, crc) = (chunk.get_u8(), chunk.get_u32() as usize, chunk.get_u32());
    if format != FORMAT {
        return Err(EngineError::damaged(format!(
            "a record has the unknown format {format}"
        )));
    }
    let is_plausible = (POSITION_BYTES..=POSITION_BYTES + RECORD_BYTES_MAX).contains(&body_bytes);
    if !is_plausible || body_bytes > chunk.len() {
        return Err(EngineError::damaged(format!(
            "a record claims {body_bytes} bytes of {}",
            chunk.len()
        )));
    }
    let mut body = chunk.split_to(body_bytes);
    if crc32c::crc32c(&body) != crc {
        return Err(EngineError::damaged("a record fails its checksum"));
    }
    let (term, leader, index) = (body.get_u64(), body.get_u64(), body.get_u64());
    Ok(Record {
        term,
        leader,
        index,
        data: body,
    })
}
