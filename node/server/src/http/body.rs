//! A request's body: read whole, within its own limits and the memory that all bodies share.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::front::busy;
use crate::operations::exception::{Exception, Kind};

/// A body at most; the largest legal input, a task definition, has 64 KiB.
pub(super) const BODY: usize = 1024 * 1024;
/// Of a body over its limit, this much is read and dropped so that the client gets to read the refusal.
const DISCARDED: usize = 32 * BODY;
/// From a request's head to the end of its body: a full body at 100 KiB/s.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Held by all bodies at once, in KiB. This, not the number of connections, bounds a flood's memory.
const BODIES_KIB: usize = 128 * 1024;

/// The memory of all bodies. It is taken as bytes arrive, not as they are announced: announcing is free.
pub(super) struct Bodies(Arc<Semaphore>);

/// A body and its share of the memory.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_KIB)))
    }
}

impl Bodies {
    /// The whole body. Most bodies come in one piece and are not copied.
    pub(super) async fn read(
        &self,
        mut body: Incoming,
        deadline: Instant,
    ) -> Result<Whole, Exception> {
        let deadline = deadline.min(Instant::now() + BODY_TIME);
        let (mut pieces, mut size, mut share) = (Vec::new(), 0, None);
        while let Some(piece) = next(&mut body, deadline).await? {
            size += piece.len();
            if size > DISCARDED {
                break;
            } else if size > BODY {
                pieces.clear();
                share = None;
            } else {
                self.grow(&mut share, piece.len())?;
                pieces.push(piece);
            }
        }
        if size > BODY {
            let message = format!("The request body is larger than {BODY} bytes.");
            return Err(Exception::new(Kind::RequestEntityTooLarge, message));
        }
        Ok(Whole {
            bytes: joined(pieces, size),
            _share: share,
        })
    }

    fn grow(
        &self,
        share: &mut Option<OwnedSemaphorePermit>,
        bytes: usize,
    ) -> Result<(), Exception> {
        let kib = u32::try_from(bytes.div_ceil(1024)).expect("a piece is no larger than a body");
        let more = Arc::clone(&self.0)
            .try_acquire_many_owned(kib)
            .map_err(busy)?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}

async fn next(body: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>, Exception> {
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(None) => return Ok(None),
            // A frame that is not data is a trailer, which nobody signed and nobody reads.
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
            Ok(Some(Err(_))) => return Err(Exception::client("The request body ended early.")),
            Err(_) => {
                return Err(Exception::client(
                    "The request body did not arrive in time.",
                ));
            }
        }
    }
}

fn joined(mut pieces: Vec<Bytes>, size: usize) -> Bytes {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    let mut whole = BytesMut::with_capacity(size);
    pieces
        .iter()
        .for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}
