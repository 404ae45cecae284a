//! A node of the control plane as far as an agent can tell: a real gRPC server, whose words the test chooses.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_agent::Wire;
use quorate_proto::agent as wire;
use quorate_proto::agent::agent_gateway_server::{AgentGateway, AgentGatewayServer};
use quorate_proto::agent::from_agent::Body as Heard;
use quorate_proto::agent::to_agent::Body as Said;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use tower::ServiceExt;

use crate::agent::task_id;

/// Longer than anything here takes on a machine that is not broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// One node. It dies with its sockets when dropped.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    /// What it calls the agents that come.
    pub(crate) instance: String,
    conversations: mpsc::UnboundedReceiver<Conversation>,
    is_mute: Arc<AtomicBool>,
    runtime: Option<Runtime>,
}

/// One agent's stream.
pub(crate) struct Conversation {
    instance: String,
    pub(crate) register: wire::Register,
    say: mpsc::UnboundedSender<Result<wire::ToAgent, Status>>,
    reports: mpsc::UnboundedReceiver<wire::Report>,
    /// The newest that was said of each task.
    pub(crate) tasks: BTreeMap<String, wire::TaskObserved>,
    pub(crate) acknowledges: bool,
}

impl Node {
    /// A node on a port of its own, with an instance of its own: the engine is shared by all tests.
    pub(crate) fn start() -> Self {
        Self::start_for(format!("mi-{}", &task_id()[..17]))
    }

    /// Another node, to which the same agent comes.
    pub(crate) fn start_for(instance: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (mut node, gateway) = Self::silent(address, instance);
        // A runtime of its own, so that all of the node, open connections too, ends at once.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let incoming =
                TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
            let server =
                tonic::transport::Server::builder().add_service(AgentGatewayServer::new(gateway));
            server.serve_with_incoming(incoming).await.unwrap();
        });
        node.runtime = Some(runtime);
        node
    }

    /// A node without a socket, and the wire to it.
    pub(crate) fn nearby() -> (Self, Wire) {
        let address = SocketAddr::from(([198, 51, 100, 1], 6571));
        let (node, gateway) = Self::silent(address, "mi-0123456789abcdef0".to_owned());
        let routes = Routes::new(AgentGatewayServer::new(gateway));
        let infallible = ServiceExt::<http::Request<Body>>::map_err(routes, |never| match never {});
        (node, Wire::new(infallible))
    }

    /// A node that nobody reaches, and what has to be served so that agents do.
    fn silent(address: SocketAddr, instance: String) -> (Self, Gateway) {
        let (arrived, conversations) = mpsc::unbounded_channel();
        let is_mute = Arc::new(AtomicBool::new(false));
        let gateway = Gateway {
            instance: instance.clone(),
            arrived,
            is_mute: is_mute.clone(),
        };
        let node = Self {
            address,
            instance,
            conversations,
            is_mute,
            runtime: None,
        };
        (node, gateway)
    }

    /// Goes on in silence: connections stay, nothing is said.
    pub(crate) fn fall_silent(&self) {
        self.is_mute.store(true, Ordering::Relaxed);
    }

    /// The next agent that comes; it has registered and waits for a welcome.
    pub(crate) async fn visit(&mut self) -> Conversation {
        timeout(PATIENCE, self.conversations.recv())
            .await
            .expect("an agent comes")
            .unwrap()
    }

    /// The next agent, welcomed and given `assignments`.
    pub(crate) async fn host(
        &mut self,
        applied: u64,
        assignments: Vec<wire::Assignment>,
    ) -> Conversation {
        let conversation = self.visit().await;
        conversation.welcome(&[self.address]);
        conversation.full_set(applied, assignments);
        conversation
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Conversation {
    pub(crate) fn say(&self, body: Said) {
        // An agent that is gone hears nothing.
        let _ = self.say.send(Ok(wire::ToAgent { body: Some(body) }));
    }

    pub(crate) fn welcome(&self, nodes: &[SocketAddr]) {
        self.welcome_as(&self.instance, nodes);
    }

    pub(crate) fn welcome_as(&self, instance: &str, nodes: &[SocketAddr]) {
        self.say(Said::Welcome(wire::Welcome {
            instance_id: instance.to_owned(),
            instance_arn: format!(
                "arn:aws:ecs:us-east-1:000000000000:container-instance/default/{instance}"
            ),
            cluster_arn: "arn:aws:ecs:us-east-1:000000000000:cluster/default".to_owned(),
            incarnation: 1,
            heartbeat_ms: 200,
            silence_ms: 1000,
            nodes: Some(wire::Nodes {
                addresses: nodes.iter().map(SocketAddr::to_string).collect(),
            }),
        }));
    }

    pub(crate) fn refuse(&self, code: wire::refused::Code) {
        self.say(Said::Refused(wire::Refused {
            code: code.into(),
            message: format!("{code:?} by the test"),
        }));
    }

    pub(crate) fn full_set(&self, applied_index: u64, assignments: Vec<wire::Assignment>) {
        self.say(Said::FullSet(wire::FullSet {
            applied_index,
            assignments,
        }));
    }

    pub(crate) fn assign(&self, assignment: wire::Assignment) {
        let applied_index = assignment.fencing_index;
        self.say(Said::Delta(wire::Delta {
            applied_index,
            assignments: vec![assignment],
            forgotten_task_ids: Vec::new(),
        }));
    }

    pub(crate) fn forget(&self, applied_index: u64, task: &str) {
        self.say(Said::Delta(wire::Delta {
            applied_index,
            assignments: Vec::new(),
            forgotten_task_ids: vec![task.to_owned()],
        }));
    }

    /// The next report, acknowledged if this conversation does so.
    pub(crate) async fn report(&mut self) -> wire::Report {
        let report = timeout(PATIENCE, self.reports.recv()).await;
        let report = report
            .unwrap_or_else(|_| panic!("no report; known so far: {:#?}", self.tasks))
            .expect("the stream is open");
        for task in &report.tasks {
            self.tasks.insert(task.task_id.clone(), task.clone());
        }
        if self.acknowledges {
            self.say(Said::Ack(wire::Ack { seq: report.seq }));
        }
        report
    }

    /// Hears reports until `task` has `status`, and returns it.
    pub(crate) async fn until(&mut self, task: &str, status: &str) -> wire::TaskObserved {
        self.until_so(task, |observed| observed.status == status)
            .await
    }

    /// Hears reports until the first container of `task` is so well.
    pub(crate) async fn until_health(&mut self, task: &str, health: &str) {
        self.until_so(task, |observed| observed.containers[0].health == health)
            .await;
    }

    async fn until_so(
        &mut self,
        task: &str,
        is_so: impl Fn(&wire::TaskObserved) -> bool,
    ) -> wire::TaskObserved {
        loop {
            if let Some(observed) = self.tasks.get(task).filter(|observed| is_so(observed)) {
                return observed.clone();
            }
            self.report().await;
        }
    }
}

struct Gateway {
    instance: String,
    arrived: mpsc::UnboundedSender<Conversation>,
    is_mute: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl AgentGateway for Gateway {
    type SessionStream = UnboundedReceiverStream<Result<wire::ToAgent, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<wire::FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut inbound = request.into_inner();
        let Some(Heard::Register(register)) =
            inbound.message().await?.and_then(|message| message.body)
        else {
            return Err(Status::invalid_argument("the first word was not Register"));
        };
        let (say, said) = mpsc::unbounded_channel();
        let (reported, reports) = mpsc::unbounded_channel();
        let conversation = Conversation {
            instance: self.instance.clone(),
            register,
            say: say.clone(),
            reports,
            tasks: BTreeMap::new(),
            acknowledges: true,
        };
        self.arrived
            .send(conversation)
            .map_err(|_| Status::unavailable("the test has ended"))?;
        let is_mute = self.is_mute.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = inbound.message().await {
                match message.body {
                    Some(Heard::Report(report)) => drop(reported.send(report)),
                    Some(Heard::Heartbeat(beat)) if !is_mute.load(Ordering::Relaxed) => {
                        let echo = wire::ToAgent {
                            body: Some(Said::Heartbeat(beat)),
                        };
                        drop(say.send(Ok(echo)));
                    }
                    Some(Heard::Heartbeat(_)) => {}
                    Some(Heard::Register(_)) | None => break,
                }
            }
        });
        Ok(Response::new(UnboundedReceiverStream::new(said)))
    }
}
