//! One conversation per connected agent, on whichever node the agent came to.
//!
//! What an agent is told follows from this node's own state ([`owed`]); what it says becomes commands, submitted through whoever leads.
//! Nothing here is kept: when a node dies its agents go to another and hear and say everything again.

mod assignment;
mod conversation;
mod enrol;
mod owed;
mod registration;
mod report;
mod roster;
mod session;
mod submit;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use quorate_core::Realm;
use quorate_core::ids::NodeId;
use quorate_proto::agent::agent_gateway_server::{AgentGateway, AgentGatewayServer};
use quorate_proto::agent::{FromAgent, ToAgent};
use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};

use crate::consensus::Consensus;
use conversation::Conversation;
use roster::Roster;

/// Streams open at once: as many instances as a node is made for, in case it is the last one standing.
const STREAMS_MAX: usize = 20_000;
/// Words on their way to one agent. An agent that does not take them in time is cut off and starts over elsewhere.
const OUTBOX_WORDS: usize = 64;
/// What one word of an agent may have: a full report of some ten thousand containers.
const WORD_BYTES: usize = 4 << 20;

/// A node's side of all conversations with agents. Clones are the same side.
#[derive(Clone)]
pub struct Dispatch {
    desk: Arc<Desk>,
}

/// What all conversations share.
struct Desk {
    consensus: Consensus,
    realm: Realm,
    node: NodeId,
    roster: Roster,
    streams: Arc<Semaphore>,
    /// Where conversations run: not where they are served from, which is where Raft runs.
    runtime: Handle,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Dispatch {
    /// Begins to follow the state, and serves agents once [`Dispatch::service`] is mounted; all of it runs on the caller's runtime,
    /// wherever the service is mounted.
    #[must_use]
    pub fn new(consensus: Consensus, realm: Realm, node: NodeId) -> Self {
        let desk = Arc::new(Desk {
            consensus,
            realm,
            node,
            roster: Roster::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            runtime: Handle::current(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        desk.tasks.spawn(follow(Arc::clone(&desk)));
        Self { desk }
    }

    /// The service agents speak to; mount it on the peer listener.
    #[must_use]
    pub fn service(&self) -> AgentGatewayServer<Self> {
        AgentGatewayServer::new(self.clone()).max_decoding_message_size(WORD_BYTES)
    }

    /// Closes all streams in order, so that agents move on at once, and waits until that is done. Consensus has to outlive it.
    pub async fn shutdown(&self) {
        self.desk.stop.cancel();
        self.desk.tasks.close();
        self.desk.tasks.wait().await;
    }
}

#[tonic::async_trait]
impl AgentGateway for Dispatch {
    type SessionStream = ReceiverStream<Result<ToAgent, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if self.desk.stop.is_cancelled() {
            return Err(Status::unavailable("this node is shutting down"));
        }
        let Ok(seat) = Arc::clone(&self.desk.streams).try_acquire_owned() else {
            return Err(Status::resource_exhausted(
                "this node has as many agents as it takes",
            ));
        };
        let (say, outbox) = mpsc::channel(OUTBOX_WORDS);
        let conversation =
            Conversation::new(Arc::clone(&self.desk), request.into_inner(), say, seat);
        let desk = &self.desk;
        desk.tasks.spawn_on(conversation.run(), &desk.runtime);
        Ok(Response::new(ReceiverStream::new(outbox)))
    }
}

/// Tells conversations what changed for them. One task reads for all, so that an entry wakes only those it concerns.
async fn follow(desk: Arc<Desk>) {
    let mut changes = desk.consensus.changes();
    loop {
        let read = tokio::select! {
            () = desk.stop.cancelled() => return,
            read = changes.recv() => read,
        };
        match read {
            Ok(set) if set.replaced => desk.roster.tell_all(),
            Ok(set) => desk.roster.tell(&set.changes),
            Err(RecvError::Lagged(missed)) => {
                tracing::info!(
                    missed,
                    "fell behind the state's changes; all conversations start over"
                );
                desk.roster.tell_all();
            }
            Err(RecvError::Closed) => return,
        }
    }
}
