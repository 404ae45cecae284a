//! One real node on loopback, and an agent that speaks the protocol by hand.

use std::time::Duration;

use quorate_core::ids::{NodeId, RequestId};
use quorate_core::{Command, Outcome, State};
use quorate_proto::agent::agent_gateway_client::AgentGatewayClient;
use quorate_proto::agent::{self as wire, from_agent, to_agent};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::transport::Server;

use super::super::Dispatch;
use super::realm;
use crate::consensus::{self, Consensus, ConsensusConfig, Member};

/// How long anything here may take: the machines that run it are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the node's state is as `fact` says.
pub(super) async fn eventually(node: &Node, what: &str, fact: impl Fn(&State) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !fact(&node.consensus.state()) {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A node that serves agents.
pub(super) struct Node {
    pub(super) consensus: Consensus,
    pub(super) dispatch: Dispatch,
    pub(super) address: String,
    serving: JoinHandle<()>,
    stop: CancellationToken,
    _directory: TempDir,
}

impl Node {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let me = Member {
            node: NodeId(1),
            peer_address: address.clone(),
            api_address: "127.0.0.1:1".into(),
        };
        let directory = tempfile::tempdir().unwrap();
        let config = ConsensusConfig::new(NodeId(1), vec![me], directory.path().join("node"));
        let consensus = consensus::start(config).await.unwrap();
        let dispatch = Dispatch::new(consensus.clone(), realm(), NodeId(1));
        let stop = CancellationToken::new();
        let serving = Server::builder()
            .add_service(consensus.raft_service())
            .add_service(dispatch.service())
            .serve_with_incoming(TcpListenerStream::new(listener));
        let stopping = stop.clone();
        let serving = tokio::spawn(async move {
            // Without waiting for open streams, as when a process ends.
            let _ = stopping.run_until_cancelled(serving).await;
        });
        Self {
            consensus,
            dispatch,
            address,
            serving,
            stop,
            _directory: directory,
        }
    }

    /// Carries out a command by the side of the agents.
    pub(super) async fn submit(&self, number: u128, command: Command) -> Outcome {
        let item = quorate_core::Item {
            request: RequestId::from_u128(number),
            command,
        };
        let proposed = self
            .consensus
            .submit(vec![item], Instant::now() + PATIENCE)
            .await
            .unwrap();
        proposed.outcomes.into_iter().next().unwrap()
    }

    pub(super) async fn end(self) {
        self.dispatch.shutdown().await;
        self.consensus.shutdown().await;
        self.stop.cancel();
        let _ = self.serving.await;
    }
}

/// An agent that says what it is told to say.
pub(super) struct Agent {
    say: mpsc::Sender<wire::FromAgent>,
    hear: Streaming<wire::ToAgent>,
}

impl Agent {
    /// Opens a stream and registers.
    pub(super) async fn connect(node: &Node, register: wire::Register) -> Self {
        let client = AgentGatewayClient::connect(format!("http://{}", node.address)).await;
        let (say, outbox) = mpsc::channel(16);
        let stream = client
            .unwrap()
            .session(ReceiverStream::new(outbox))
            .await
            .unwrap();
        let agent = Self {
            say,
            hear: stream.into_inner(),
        };
        agent.say(from_agent::Body::Register(register)).await;
        agent
    }

    pub(super) async fn say(&self, body: from_agent::Body) {
        let word = wire::FromAgent { body: Some(body) };
        self.say.send(word).await.unwrap();
    }

    /// The next word, or none where the node closed the stream.
    pub(super) async fn next(&mut self) -> Option<to_agent::Body> {
        let word = timeout(PATIENCE, self.hear.message()).await;
        let word = word.expect("the node says something in time").unwrap();
        word.map(|word| word.body.unwrap())
    }

    pub(super) async fn welcome(&mut self) -> wire::Welcome {
        match self.next().await {
            Some(to_agent::Body::Welcome(welcome)) => welcome,
            other => panic!("wanted Welcome, heard {other:?}"),
        }
    }

    pub(super) async fn full_set(&mut self) -> wire::FullSet {
        match self.next().await {
            Some(to_agent::Body::FullSet(full)) => full,
            other => panic!("wanted FullSet, heard {other:?}"),
        }
    }

    /// The next delta; the members of the cluster may become known meanwhile.
    pub(super) async fn delta(&mut self) -> wire::Delta {
        match self.next_but_nodes().await {
            Some(to_agent::Body::Delta(delta)) => delta,
            other => panic!("wanted Delta, heard {other:?}"),
        }
    }

    /// The code and text of a refusal, after which the node has to close.
    pub(super) async fn refused(&mut self) -> (wire::refused::Code, String) {
        match self.next_but_nodes().await {
            Some(to_agent::Body::Refused(refused)) => {
                assert_eq!(self.next().await, None);
                (refused.code(), refused.message)
            }
            other => panic!("wanted Refused, heard {other:?}"),
        }
    }

    pub(super) async fn next_but_nodes(&mut self) -> Option<to_agent::Body> {
        loop {
            match self.next().await {
                Some(to_agent::Body::Nodes(_)) => {}
                other => return other,
            }
        }
    }
}
