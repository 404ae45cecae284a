//! The transfer of a snapshot: the file as it lies on the sender's disk, in pieces. What arrives is checked by the file's own checksums before it
//! is installed; a transfer that breaks off is begun again from the start, by openraft.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openraft::alias;
use quorate_proto::peer;
use quorate_proto::peer::raft_client::RaftClient;
use quorate_proto::peer::snapshot_chunk::Part;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::super::convert::{from_log_id, from_stored_membership, from_vote};
use super::super::disk::Disk;
use super::super::types::{SnapshotFile, Types, Vote};
use super::{Address, Wire};
use crate::files::{File, Files, Open};

/// One piece. Small against the connection's window, so that a slow receiver is felt.
const PIECE_BYTES: u64 = 512 << 10;
/// Pieces read ahead of the connection.
const PIECES_AHEAD: usize = 4;
/// A receiver that takes no piece for this long is treated as gone; each piece renews it.
const PIECE_PATIENCE: Duration = Duration::from_secs(30);

/// Sends `snapshot` and waits until it is installed, at most `install` after its last piece went out.
pub(super) async fn send(
    mut client: RaftClient<Wire>,
    to: Address,
    disk: Disk,
    vote: Vote,
    snapshot: alias::SnapshotOf<Types, SnapshotFile>,
    install: Duration,
) -> Result<peer::SnapshotReply, Status> {
    let header = peer::SnapshotHeader {
        vote: Some(from_vote(vote)),
        last: snapshot.meta.last_log_id.map(from_log_id),
        membership: Some(from_stored_membership(&snapshot.meta.last_membership)),
        length: snapshot.snapshot.length,
        cluster_id: to.cluster,
        target: to.node,
    };
    let file = Outgoing::open(disk, snapshot.snapshot).await?;
    let (pieces, body) = mpsc::channel(PIECES_AHEAD);
    let mut call = std::pin::pin!(client.snapshot(ReceiverStream::new(body)));
    let mut feeding = std::pin::pin!(feed(file, header, pieces));
    tokio::select! {
        biased;
        reply = &mut call => return reply.map(tonic::Response::into_inner),
        fed = &mut feeding => fed?,
    }
    timeout(install, call)
        .await
        .map_err(|_| Status::deadline_exceeded("the snapshot was not installed in time"))?
        .map(tonic::Response::into_inner)
}

async fn feed(
    mut file: Outgoing,
    header: peer::SnapshotHeader,
    pieces: mpsc::Sender<peer::SnapshotChunk>,
) -> Result<(), Status> {
    let mut part = Part::Header(header);
    loop {
        let sent = timeout(
            PIECE_PATIENCE,
            pieces.send(peer::SnapshotChunk { part: Some(part) }),
        )
        .await;
        match sent {
            Err(_) => {
                return Err(Status::deadline_exceeded(
                    "the receiver takes no more of the snapshot",
                ));
            }
            // The call is over; it says itself why.
            Ok(Err(_)) => return std::future::pending().await,
            Ok(Ok(())) => {}
        }
        match file.next().await? {
            Some(piece) => part = Part::Data(piece),
            None => return Ok(()),
        }
    }
}

/// A snapshot that is read piece by piece.
struct Outgoing {
    disk: Disk,
    file: Arc<dyn File>,
    length: u64,
    position: u64,
}

impl Outgoing {
    async fn open(disk: Disk, snapshot: SnapshotFile) -> io::Result<Self> {
        let files = Arc::clone(&disk.files);
        let file = disk.aside(move || files.open(&snapshot.path, Open::Read));
        Ok(Self {
            file: file.await??.into(),
            disk,
            length: snapshot.length,
            position: 0,
        })
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let (file, at) = (Arc::clone(&self.file), self.position);
        let bytes = (self.length - at).min(PIECE_BYTES);
        if bytes == 0 {
            return Ok(None);
        }
        let piece = self.disk.aside(move || {
            let length = usize::try_from(bytes).expect("a piece fits in memory");
            let mut piece = BytesMut::zeroed(length);
            file.read_exact_at(&mut piece, at).map(|()| piece.freeze())
        });
        let piece = piece.await?.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Status::data_loss("the snapshot file is shorter than it was")
            }
            _ => error.into(),
        })?;
        self.position += bytes;
        Ok(Some(piece))
    }
}

/// Puts the pieces that follow a header of `length` bytes into a new file at `path`, and waits until they are on disk.
pub(super) async fn receive(
    pieces: &mut Streaming<peer::SnapshotChunk>,
    length: u64,
    disk: &Disk,
    path: &Path,
) -> Result<(), Status> {
    let (files, path) = (Arc::clone(&disk.files), path.to_owned());
    let file = disk
        .aside(move || files.open(&path, Open::Create))
        .await??;
    let file: Arc<dyn File> = file.into();
    let mut position = 0;
    while position < length {
        let piece = timeout(PIECE_PATIENCE, pieces.message())
            .await
            .map_err(|_| Status::deadline_exceeded("the sender sends no more of the snapshot"))??;
        let Some(peer::SnapshotChunk {
            part: Some(Part::Data(data)),
        }) = piece
        else {
            return Err(Status::invalid_argument("the snapshot broke off"));
        };
        let (file, at) = (Arc::clone(&file), position);
        position += data.len() as u64;
        if data.is_empty() || position > length {
            return Err(Status::invalid_argument(
                "the snapshot is not as long as was said",
            ));
        }
        disk.aside(move || file.write_all_at(&data, at)).await??;
    }
    disk.aside(move || file.sync_data()).await??;
    Ok(())
}

/// A received file that nobody has taken over yet; removed when it is dropped.
pub(super) struct Incoming {
    pub(super) files: Arc<dyn Files>,
    pub(super) path: PathBuf,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Once installed it has another name, and there is nothing left to remove.
        let _ = self.files.remove_file(&self.path);
    }
}
