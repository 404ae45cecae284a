//! The conversation with the control plane: find a node, register, listen and speak, and when the node dies, closes or falls
//! silent, go to another. It carries words; what they mean for tasks is the agent's affair.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_proto::agent as wire;
use quorate_proto::agent::agent_gateway_client::AgentGatewayClient;
use quorate_proto::agent::from_agent::Body as Say;
use quorate_proto::agent::to_agent::Body as Hear;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use crate::clock;
use crate::config::AgentError;
use crate::connect::{CONNECT_WAIT, Connect};
use crate::host::Host;
use crate::identity::Identity;
use crate::runtime::Port;

/// Registering is a replicated write: an election may lie in between, more than one should not.
const WELCOME_WAIT: Duration = Duration::from_secs(5);
/// Heartbeats and silence, where a Welcome gives none.
const HEARTBEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(3);
/// Waiting after a round of nodes that all failed: grows to this, short enough to be back within seconds of a repair.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_MOST: Duration = Duration::from_secs(2);
/// A conversation shorter than this counts as none, or a node that accepts and closes would be called without a pause.
const BRIEF: Duration = Duration::from_secs(1);
/// A registration this agent gave up may be committed late and supersede the next one; it can linger no longer than this.
const ECHO_OF_ONESELF: Duration = Duration::from_secs(30);
/// What one word of a node may have: a full set is one word, however many tasks with the largest definitions are in it.
const WORD_BYTES: usize = 64 << 20;
/// Words on their way to the stream: one report, one heartbeat, and slack.
const OUTBOX: usize = 16;

/// What the agent hears from its session.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Accepted by a node. `all_ids` are the present instance id and those this agent gave up.
    Welcome {
        session: u64,
        instance_id: String,
        all_ids: Vec<String>,
        is_new: bool,
    },
    FullSet(wire::FullSet),
    Delta(wire::Delta),
    Ack(u64),
    /// The stream ended; nothing said in it will be acknowledged any more.
    Parted,
}

/// A report, and the conversation in which its number means something.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) session: u64,
    pub(crate) report: wire::Report,
}

/// Finds nodes and talks to one at a time.
pub(crate) struct Session {
    pub(crate) host: Host,
    pub(crate) identity: Identity,
    pub(crate) addresses: Addresses,
    pub(crate) connect: Connect,
    /// Ports held by containers of this agent, which are not to be registered as taken by others.
    pub(crate) own_ports: watch::Receiver<BTreeSet<Port>>,
    pub(crate) reports: mpsc::Receiver<Numbered>,
    pub(crate) heard: mpsc::Sender<Heard>,
}

/// How a conversation ended.
enum End {
    /// It had been accepted, so the next node is tried without waiting.
    Parted(String),
    /// It came to nothing.
    Failed(String),
    Inactive(String),
    Superseded(String),
    Fatal(AgentError),
}

impl Session {
    /// Talks until told to stop, or until the control plane refuses this agent for good.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), AgentError> {
        let mut failures = 0;
        let mut number = 0;
        let mut abandoned_at: Option<Instant> = None;
        loop {
            let address = self.addresses.current().to_owned();
            number += 1;
            let began = Instant::now();
            let end = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                end = self.converse(&address, number) => end,
            };
            match end {
                End::Fatal(error) => return Err(error),
                // One echo of a registration given up is forgiven, and no second: then there really is another agent.
                End::Superseded(text) => match abandoned_at.take() {
                    Some(at) if at.elapsed() < ECHO_OF_ONESELF => failures += 1,
                    _ => return Err(AgentError::Superseded(text)),
                },
                End::Inactive(text) => {
                    warn!(%text, "this instance was deregistered; joining as a new one");
                    self.identity.renew()?;
                }
                End::Parted(why) => {
                    info!(node = %address, %why, "left node");
                    failures = if began.elapsed() < BRIEF {
                        failures + 1
                    } else {
                        0
                    };
                    abandoned_at = Some(Instant::now());
                }
                End::Failed(why) => {
                    failures += 1;
                    abandoned_at = Some(Instant::now());
                    if failures == self.addresses.len() {
                        warn!(node = %address, %why, "no node takes this agent; trying on");
                    }
                    debug!(node = %address, %why, "node did not take this agent");
                }
            }
            // A dropped receiver means that the agent is ending; the token says so in the next turn.
            let _ = self.heard.send(Heard::Parted).await;
            self.addresses.advance();
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = sleep(back_off(failures, self.addresses.len())) => {}
            }
        }
    }

    async fn converse(&mut self, address: &str, session: u64) -> End {
        let (say, outbox) = mpsc::channel(OUTBOX);
        let (welcome, mut inbound) = match self.register(address, &say, outbox).await {
            Ok(accepted) => accepted,
            Err(end) => return end,
        };
        let is_new = match self.identity.take(&welcome.instance_id) {
            Ok(is_new) => is_new,
            Err(error) => return End::Fatal(error),
        };
        info!(node = %address, instance = %welcome.instance_id, incarnation = welcome.incarnation, "registered");
        self.addresses.learn(welcome.nodes.as_ref());
        let instance_id = welcome.instance_id.clone();
        let first = Heard::Welcome {
            session,
            instance_id,
            all_ids: self.identity.all(),
            is_new,
        };
        if self.heard.send(first).await.is_err() {
            return End::Parted("the agent is ending".to_owned());
        }
        self.listen(session, &welcome, &say, &mut inbound).await
    }

    async fn register(
        &mut self,
        address: &str,
        say: &mpsc::Sender<wire::FromAgent>,
        outbox: mpsc::Receiver<wire::FromAgent>,
    ) -> Result<(wire::Welcome, Streaming<wire::ToAgent>), End> {
        let failed =
            |what: &str, why: &dyn std::fmt::Display| End::Failed(format!("{what}: {why}"));
        let wire = match timeout(CONNECT_WAIT, self.connect.open(address)).await {
            Ok(Ok(wire)) => wire,
            Ok(Err(status)) => return Err(failed("connect", &status.message())),
            Err(late) => return Err(failed("connect", &late)),
        };
        let register = self.registration();
        say.try_send(from_agent(Say::Register(register)))
            .expect("the outbox is new and has room");
        let opened = async {
            let mut inbound = AgentGatewayClient::new(wire)
                .max_decoding_message_size(WORD_BYTES)
                .session(ReceiverStream::new(outbox))
                .await?
                .into_inner();
            let first = inbound.message().await?;
            Ok::<_, Status>((first, inbound))
        };
        let (first, inbound) = match timeout(WELCOME_WAIT, opened).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(status)) => return Err(failed("register", &status.message())),
            Err(late) => return Err(failed("register", &late)),
        };
        match first.and_then(|message| message.body) {
            Some(Hear::Welcome(welcome)) => Ok((welcome, inbound)),
            Some(Hear::Refused(refused)) => Err(refusal(refused)),
            _ => Err(End::Failed("the first word was no welcome".to_owned())),
        }
    }

    fn registration(&self) -> wire::Register {
        let own_ports = self.own_ports.borrow().clone();
        let ports = self.host.dynamic_ports;
        wire::Register {
            cluster: self.host.cluster.clone(),
            instance_id: self.identity.instance_id().to_owned(),
            registration_token: self.identity.registration_token().to_owned(),
            session: clock::unique(),
            resources: self.host.resources(&own_ports),
            attributes: self.host.attributes(),
            tags: Vec::new(),
            version: Some(self.host.version()),
            hostname: self.host.hostname.clone(),
            // Without a wish the choice is the control plane's.
            dynamic_port_first: ports.map_or(0, |range| range.first().into()),
            dynamic_port_last: ports.map_or(0, |range| range.last().into()),
        }
    }

    async fn listen(
        &mut self,
        session: u64,
        welcome: &wire::Welcome,
        say: &mpsc::Sender<wire::FromAgent>,
        inbound: &mut Streaming<wire::ToAgent>,
    ) -> End {
        let silence = millis_or(welcome.silence_ms, SILENCE);
        let mut beat = interval(millis_or(welcome.heartbeat_ms, HEARTBEAT));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        let mut heard_at = began;
        // Since when a report waits for its acknowledgement: a node that cannot commit is as good as silent.
        let mut owed: Option<(u64, Instant)> = None;
        loop {
            let word = tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(message)) => message,
                    Ok(None) => return End::Parted("it closed the stream".to_owned()),
                    Err(status) => return End::Parted(status.message().to_owned()),
                },
                numbered = self.reports.recv() => {
                    let Some(Numbered { session: of, report }) = numbered else { return End::Parted("the agent is ending".to_owned()) };
                    if of != session {
                        continue;
                    }
                    owed = owed.filter(|(seq, _)| *seq == report.seq).or(Some((report.seq, Instant::now())));
                    // A full outbox is a stuck stream, which the silence below ends; the reporter sends again.
                    let _ = say.try_send(from_agent(Say::Report(report)));
                    continue;
                }
                _ = beat.tick() => {
                    let sent_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let _ = say.try_send(from_agent(Say::Heartbeat(wire::Heartbeat { sent_ms })));
                    if heard_at.elapsed() > silence {
                        return End::Parted("it fell silent".to_owned());
                    }
                    if owed.is_some_and(|(_, since)| since.elapsed() > silence.max(WELCOME_WAIT)) {
                        return End::Parted("it does not commit what it is told".to_owned());
                    }
                    continue;
                }
            };
            heard_at = Instant::now();
            if let Some(end) = self.take(word, &mut owed).await {
                return end;
            }
        }
    }

    async fn take(
        &mut self,
        word: wire::ToAgent,
        owed: &mut Option<(u64, Instant)>,
    ) -> Option<End> {
        let heard = match word.body {
            Some(Hear::FullSet(set)) => Heard::FullSet(set),
            Some(Hear::Delta(delta)) => Heard::Delta(delta),
            Some(Hear::Ack(ack)) => {
                *owed = owed.filter(|(seq, _)| *seq != ack.seq);
                Heard::Ack(ack.seq)
            }
            Some(Hear::Nodes(nodes)) => {
                self.addresses.learn(Some(&nodes));
                return None;
            }
            Some(Hear::Refused(refused)) => return Some(refusal(refused)),
            Some(Hear::Heartbeat(_) | Hear::Welcome(_)) | None => return None,
        };
        self.heard
            .send(heard)
            .await
            .err()
            .map(|_| End::Parted("the agent is ending".to_owned()))
    }
}

fn from_agent(body: Say) -> wire::FromAgent {
    wire::FromAgent { body: Some(body) }
}

fn refusal(refused: wire::Refused) -> End {
    match refused.code() {
        wire::refused::Code::Retry => End::Failed(refused.message),
        wire::refused::Code::Invalid => End::Fatal(AgentError::Refused(refused.message)),
        wire::refused::Code::Superseded => End::Superseded(refused.message),
        wire::refused::Code::Inactive => End::Inactive(refused.message),
    }
}

fn millis_or(millis: u64, default: Duration) -> Duration {
    if millis == 0 {
        default
    } else {
        Duration::from_millis(millis)
    }
}

/// No wait while there is a node untried (but never in step with other agents), then longer from round to round.
fn back_off(failures: usize, nodes: usize) -> Duration {
    let rounds = u32::try_from(failures / nodes.max(1)).unwrap_or(u32::MAX);
    let span = BACK_OFF_FIRST.saturating_mul(2_u32.saturating_pow(rounds.min(8)));
    clock::jittered(span.min(BACK_OFF_MOST))
}

/// The nodes an agent knows, and the one it is at.
#[derive(Debug)]
pub struct Addresses {
    configured: Vec<String>,
    all: Vec<String>,
    at: usize,
}

impl Addresses {
    /// The configured ones, each `host:port` of a peer listener, begun anywhere, so that agents spread over the nodes.
    ///
    /// # Errors
    /// If there is none, or one is no address.
    pub fn new(configured: Vec<String>) -> Result<Self, AgentError> {
        for address in &configured {
            let is_address = address
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            if !is_address || Endpoint::from_shared(format!("http://{address}")).is_err() {
                return Err(AgentError::Config(format!(
                    "node address {address:?} is not host:port"
                )));
            }
        }
        if configured.is_empty() {
            return Err(AgentError::Config(
                "no node address is given; name one or more with --nodes".to_owned(),
            ));
        }
        Ok(Self {
            at: clock::index_below(configured.len()),
            all: configured.clone(),
            configured,
        })
    }

    fn current(&self) -> &str {
        &self.all[self.at]
    }

    fn len(&self) -> usize {
        self.all.len()
    }

    fn advance(&mut self) {
        self.at = (self.at + 1) % self.all.len();
    }

    /// Takes the members a node named; the configured ones stay, in case the members changed while this agent was away.
    fn learn(&mut self, nodes: Option<&wire::Nodes>) {
        let Some(nodes) = nodes.filter(|nodes| !nodes.addresses.is_empty()) else {
            return;
        };
        let current = self.current().to_owned();
        let mut seen = BTreeSet::new();
        let named = nodes.addresses.iter().chain(&self.configured);
        self.all = named
            .filter(|address| seen.insert((*address).clone()))
            .cloned()
            .collect();
        self.at = self
            .all
            .iter()
            .position(|address| *address == current)
            .unwrap_or(0);
    }
}
