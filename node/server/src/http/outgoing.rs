//! The body of an answer: whole, or told bit by bit for as long as its reader listens.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::connection::Busy;

/// What leaves.
pub(super) enum Outgoing {
    /// All at once.
    Whole(Full<Bytes>),
    /// As it comes.
    Stream(Telling),
}

/// A stream that a task of its own tells; the task ends with it.
pub(super) struct Telling {
    pub(super) frames: mpsc::Receiver<Bytes>,
    /// Takes what keeps the connection from being idle, until the task ends.
    pub(super) keep: Option<oneshot::Sender<Busy>>,
    pub(super) _task: AbortOnDropHandle<()>,
}

impl Outgoing {
    /// The call is answered: a connection is busy for as long as its stream is told.
    pub(super) fn hold(&mut self, busy: Busy) {
        if let Self::Stream(Telling { keep, .. }) = self
            && let Some(keep) = keep.take()
        {
            // The stream may be over by now.
            let _ = keep.send(busy);
        }
    }
}

impl From<Full<Bytes>> for Outgoing {
    fn from(whole: Full<Bytes>) -> Self {
        Self::Whole(whole)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Stream(stream) => {
                let polled = stream.frames.poll_recv(cx);
                polled.map(|frame| frame.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
