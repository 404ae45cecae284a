//! A batch as it lies in a segment file: mark, length, CRC32C, then the encoded batch. The checksum covers where the frame lies
//! too, so that bytes that merely look like a frame inside someone's data are not taken for one.

use bytes::Bytes;
use prost::Message;

use super::Batch;

/// Begins every frame; the last character is the format.
const MARK: &[u8; 4] = b"QLF1";
const HEADER_BYTES: usize = 12;

/// Which file, and how far into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// What lies at a spot.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// A whole frame, and where the next one begins.
    Frame { batch: Batch, next: u64 },
    /// The file ends here.
    End,
    /// Something that is no frame, or not the one that was written.
    Broken,
}

/// The frame of a batch, for this spot only.
pub(super) fn encode(batch: &Batch, spot: Spot) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + batch.encoded_len());
    frame.extend_from_slice(MARK);
    frame.extend_from_slice(
        &u32::try_from(batch.encoded_len())
            .expect("a group commit is capped far below 4 GiB")
            .to_be_bytes(),
    );
    frame.extend_from_slice(&[0; 4]);
    batch.encode(&mut frame).expect("a Vec grows");
    let crc = checksum(spot, &frame[HEADER_BYTES..]);
    frame[8..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    frame
}

/// What lies at `spot` of a file whose whole content is `file`.
pub(super) fn find(file: &Bytes, spot: Spot) -> Found {
    let rest = file
        .slice(usize::try_from(spot.offset).map_or(file.len(), |offset| offset.min(file.len()))..);
    if rest.is_empty() {
        return Found::End;
    }
    decode(&rest, spot).map_or(Found::Broken, |(batch, bytes)| Found::Frame {
        batch,
        next: spot.offset + bytes,
    })
}

/// Decodes the frame that begins `bytes` and was written for `spot`, with its length; `None` if there is none.
pub(super) fn decode(bytes: &Bytes, spot: Spot) -> Option<(Batch, u64)> {
    let header = bytes.get(..HEADER_BYTES)?;
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let end = HEADER_BYTES + word(4) as usize;
    if &header[..4] != MARK || end > bytes.len() {
        return None;
    }
    let body = bytes.slice(HEADER_BYTES..end);
    if checksum(spot, &body) != word(8) {
        return None;
    }
    Some((Batch::decode(body).ok()?, end as u64))
}

/// Whether any frame begins behind `spot`. Frames are written one after the other, each durable before the next: a broken
/// frame with another behind it was not torn by a crash, it was damaged later.
pub(super) fn any_behind(file: &Bytes, spot: Spot) -> bool {
    let from = usize::try_from(spot.offset).map_or(file.len(), |offset| offset.min(file.len()));
    let starts = file[from..]
        .windows(MARK.len())
        .enumerate()
        .skip(1)
        .filter(|(_, window)| window == MARK);
    starts
        .map(|(at, _)| spot.offset + at as u64)
        .any(|offset| matches!(find(file, Spot { offset, ..spot }), Found::Frame { .. }))
}

fn checksum(spot: Spot, body: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(
        crc32c::crc32c(&spot.segment.to_be_bytes()),
        &spot.offset.to_be_bytes(),
    );
    crc32c::crc32c_append(place, body)
}
