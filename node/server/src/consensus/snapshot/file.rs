//! One snapshot file: what it is, then the state in checked blocks, then what there should have been.
//!
//! ```text
//! magic (8) | header length, header CRC (4 + 4) | header
//! block length, block CRC (4 + 4) | block            as often as needed, blocks of up to 1 MiB
//! 0 (4) | length of all blocks (8) | CRC of this footer (4)
//! ```
//! Numbers are little-endian, checksums CRC-32C. A block is handed on only after its checksum was right, and the footer ends the file exactly, so
//! neither damage nor a cut goes unseen.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use prost::Message;
use quorate_core::{State, snapshot};
use quorate_proto::peer;

use super::super::convert::{
    ConvertError, from_log_id, from_stored_membership, to_log_id, to_stored_membership,
};
use super::super::types::LogId;
use super::Moment;
use crate::files::{Files, Open, Sequential};

/// The first bytes of every snapshot file; the last two are the version of the frame around the state.
const MAGIC: [u8; 8] = *b"qrsnap01";
/// A block is checked before it is used, so it has to fit in memory several times over.
const BLOCK_BYTES: usize = 1 << 20;
/// A header holds a membership: names and addresses of a few nodes.
const HEADER_LIMIT: u32 = 1 << 20;

/// A file that is not a whole, undamaged snapshot of ours.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum FileError {
    /// The file could not be read, or a checksum is wrong.
    #[error("read the file")]
    Io(#[from] io::Error),
    /// The header says something impossible.
    #[error("read the header")]
    Header(#[source] ConvertError),
    /// The header is no message.
    #[error("decode the header")]
    HeaderBytes(#[from] prost::DecodeError),
    /// The state in it cannot be read: damaged, or of a newer program.
    #[error("read the state")]
    State(#[from] snapshot::SnapshotError),
    /// It is whole, but not the one it should be.
    #[error("it is of cluster {cluster} and ends with {last:?}")]
    OtherSnapshot {
        /// The cluster it was written in.
        cluster: String,
        /// The entry it ends with.
        last: Option<LogId>,
    },
}

/// What a snapshot says of itself.
#[derive(Clone, Debug)]
pub(in super::super) struct Header {
    /// The cluster it belongs to.
    pub(in super::super) cluster: String,
    /// The moment it shows.
    pub(in super::super) moment: Moment,
}

/// Writes a whole file and waits until it is on disk. Its directory entry is the caller's business.
pub(super) fn write(
    files: &dyn Files,
    path: &Path,
    header: &Header,
    state: &State,
) -> io::Result<()> {
    let file = Sequential::new(files.open(path, Open::Create)?);
    let mut out = BufWriter::new(file);
    let header = encode_header(header);
    out.write_all(&MAGIC)?;
    out.write_all(&length_of(&header).to_le_bytes())?;
    out.write_all(&crc32c::crc32c(&header).to_le_bytes())?;
    out.write_all(&header)?;
    let mut blocks = BlockWriter {
        out,
        block: Vec::with_capacity(BLOCK_BYTES),
        total: 0,
    };
    snapshot::write(state, &mut blocks)?;
    let file = blocks
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.file().sync_data()
}

/// Reads and checks a whole file: its header, its state, its length.
pub(super) fn read(files: &dyn Files, path: &Path) -> Result<(Header, State, u64), FileError> {
    let file = files.open(path, Open::Read)?;
    let length = file.len()?;
    let mut input = BufReader::with_capacity(BLOCK_BYTES, Sequential::new(file));
    let header = read_header(&mut input)?;
    let mut blocks = BlockReader {
        input,
        block: Vec::new(),
        used: 0,
        total: 0,
        ended: false,
    };
    let state = snapshot::read(&mut blocks)?;
    blocks.finish()?;
    Ok((header, state, length))
}

/// Checks a whole file without making a state of it: what came over the network is either all there, or not ours to install.
pub(super) fn check(files: &dyn Files, path: &Path) -> Result<Header, FileError> {
    let file = Sequential::new(files.open(path, Open::Read)?);
    let mut input = BufReader::with_capacity(BLOCK_BYTES, file);
    let header = read_header(&mut input)?;
    let mut blocks = BlockReader {
        input,
        block: Vec::new(),
        used: 0,
        total: 0,
        ended: false,
    };
    io::copy(&mut blocks, &mut io::sink())?;
    blocks.finish()?;
    Ok(header)
}

fn encode_header(header: &Header) -> Vec<u8> {
    peer::SnapshotHeader {
        vote: None,
        last: header.moment.last.map(from_log_id),
        membership: Some(from_stored_membership(&header.moment.membership)),
        length: 0,
        cluster_id: header.cluster.clone(),
        target: 0,
    }
    .encode_to_vec()
}

fn read_header(input: &mut impl Read) -> Result<Header, FileError> {
    if read_array::<8>(input)? != MAGIC {
        return Err(damaged("it does not begin as a snapshot").into());
    }
    let length = u32::from_le_bytes(read_array(input)?);
    let crc = u32::from_le_bytes(read_array(input)?);
    if length > HEADER_LIMIT {
        return Err(damaged("its header is too long").into());
    }
    let bytes = read_checked(input, length, crc, "its header is damaged")?;
    let header = peer::SnapshotHeader::decode(&*bytes)?;
    let membership =
        to_stored_membership(header.membership.unwrap_or_default()).map_err(FileError::Header)?;
    Ok(Header {
        cluster: header.cluster_id,
        moment: Moment {
            last: header.last.map(to_log_id),
            membership,
        },
    })
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("headers and blocks are far below 4 GiB")
}

fn read_array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_checked(
    input: &mut impl Read,
    length: u32,
    crc: u32,
    what: &'static str,
) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    if crc32c::crc32c(&bytes) == crc {
        Ok(bytes)
    } else {
        Err(damaged(what))
    }
}

fn footer(total: u64) -> [u8; 12] {
    let mut footer = [0; 12];
    footer[..8].copy_from_slice(&total.to_le_bytes());
    footer[8..].copy_from_slice(&crc32c::crc32c(&total.to_le_bytes()).to_le_bytes());
    footer
}

/// Cuts what is written into checked blocks.
struct BlockWriter<W: Write> {
    out: W,
    block: Vec<u8>,
    total: u64,
}

impl<W: Write> BlockWriter<W> {
    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.out.write_all(&length_of(&self.block).to_le_bytes())?;
        self.out
            .write_all(&crc32c::crc32c(&self.block).to_le_bytes())?;
        self.out.write_all(&self.block)?;
        self.total += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<W> {
        self.end_block()?;
        self.out.write_all(&0_u32.to_le_bytes())?;
        self.out.write_all(&footer(self.total))?;
        Ok(self.out)
    }
}

impl<W: Write> Write for BlockWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(taken)
    }

    /// Blocks end when they are full or the file ends, not when a writer pauses.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands on what checked blocks hold.
struct BlockReader<R: Read> {
    input: R,
    block: Vec<u8>,
    used: usize,
    total: u64,
    ended: bool,
}

impl<R: Read> BlockReader<R> {
    fn next_block(&mut self) -> io::Result<()> {
        let length = u32::from_le_bytes(read_array(&mut self.input)?);
        self.used = 0;
        if length == 0 {
            self.block.clear();
            self.ended = true;
            return Ok(());
        }
        if length as usize > BLOCK_BYTES {
            return Err(damaged("a block is too long"));
        }
        let crc = u32::from_le_bytes(read_array(&mut self.input)?);
        self.block = read_checked(&mut self.input, length, crc, "a block is damaged")?;
        self.total += u64::from(length);
        Ok(())
    }

    /// The state ended: so must the file, with the footer of exactly what was read.
    fn finish(mut self) -> io::Result<()> {
        if self.used < self.block.len() {
            return Err(damaged("there is more than the state in it"));
        }
        if !self.ended {
            self.next_block()?;
        }
        if !self.ended {
            return Err(damaged("there is more than the state in it"));
        }
        if read_array::<12>(&mut self.input)? != footer(self.total) {
            return Err(damaged("its end does not fit what came before"));
        }
        match self.input.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(damaged("something follows its end")),
        }
    }
}

impl<R: Read> Read for BlockReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.used == self.block.len() && !self.ended {
            self.next_block()?;
        }
        let given = into.len().min(self.block.len() - self.used);
        into[..given].copy_from_slice(&self.block[self.used..self.used + given]);
        self.used += given;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(body: &[u8]) -> Vec<u8> {
        let mut blocks = BlockWriter {
            out: Vec::new(),
            block: Vec::new(),
            total: 0,
        };
        blocks.write_all(body).unwrap();
        blocks.finish().unwrap()
    }

    fn read_back(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut blocks = BlockReader {
            input: bytes,
            block: Vec::new(),
            used: 0,
            total: 0,
            ended: false,
        };
        let mut body = Vec::new();
        blocks.read_to_end(&mut body)?;
        blocks.finish()?;
        Ok(body)
    }

    #[test]
    fn bodies_of_any_length_come_back() {
        for length in [
            0,
            1,
            BLOCK_BYTES - 1,
            BLOCK_BYTES,
            BLOCK_BYTES + 1,
            3 * BLOCK_BYTES,
        ] {
            let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            assert!(read_back(&written(&body)).unwrap() == body, "{length}");
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let whole = written(b"a state of some length");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            assert!(read_back(&flipped).is_err(), "byte {at} flipped");
            assert!(read_back(&whole[..at]).is_err(), "cut after {at}");
        }
        let longer = [&*whole, b"x"].concat();
        assert!(read_back(&longer).is_err());
    }
}
