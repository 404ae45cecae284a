//! The transfer of a snapshot: the file as it lies on the sender's disk, in pieces. What arrives is checked by the file's own checksums before it
//! is installed; a transfer that breaks off is begun again from the start, by openraft.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use openraft::alias;
use quorate_proto::peer;
use quorate_proto::peer::raft_client::RaftClient;
use quorate_proto::peer::snapshot_chunk::Part;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::super::convert::{from_log_id, from_stored_membership, from_vote};
use super::super::types::{SnapshotFile, Types, Vote};
use super::Address;

/// One piece. Small against the connection's window, so that a slow receiver is felt.
const PIECE_BYTES: usize = 512 << 10;
/// Pieces read ahead of the connection.
const PIECES_AHEAD: usize = 4;
/// A receiver that takes no piece for this long is treated as gone; each piece renews it.
const PIECE_PATIENCE: Duration = Duration::from_secs(30);

/// Sends `snapshot` and waits until it is installed, at most `install` after its last piece went out.
pub(super) async fn send(
    mut client: RaftClient<Channel>,
    to: Address,
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
    let file = File::open(&snapshot.snapshot.path).await?;
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
    mut file: File,
    header: peer::SnapshotHeader,
    pieces: mpsc::Sender<peer::SnapshotChunk>,
) -> Result<(), Status> {
    let mut left = header.length;
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
            Ok(Ok(())) if left == 0 => return Ok(()),
            Ok(Ok(())) => {}
        }
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = (&mut file)
            .take(left.min(PIECE_BYTES as u64))
            .read_buf(&mut piece)
            .await?;
        if read == 0 {
            return Err(Status::data_loss(
                "the snapshot file is shorter than it was",
            ));
        }
        left -= read as u64;
        part = Part::Data(piece.freeze());
    }
}

/// Puts the pieces that follow a header of `length` bytes into a new file at `path`, and waits until they are on disk.
pub(super) async fn receive(
    pieces: &mut Streaming<peer::SnapshotChunk>,
    length: u64,
    path: &Path,
) -> Result<(), Status> {
    let mut file = File::create(path).await?;
    let mut left = length;
    while left > 0 {
        let piece = timeout(PIECE_PATIENCE, pieces.message())
            .await
            .map_err(|_| Status::deadline_exceeded("the sender sends no more of the snapshot"))??;
        let Some(peer::SnapshotChunk {
            part: Some(Part::Data(data)),
        }) = piece
        else {
            return Err(Status::invalid_argument("the snapshot broke off"));
        };
        left = left
            .checked_sub(data.len() as u64)
            .filter(|_| !data.is_empty())
            .ok_or_else(|| Status::invalid_argument("the snapshot is not as long as was said"))?;
        file.write_all(&data).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok(())
}

/// A received file that nobody has taken over yet; removed when it is dropped.
pub(super) struct Incoming(pub(super) PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        // Once installed it has another name, and there is nothing left to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}
