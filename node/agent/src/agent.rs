//! The agent itself: one loop that hears the session, the runtime and the clock, keeps the picture, asks `plan` what to do, has
//! it done, and tells the control plane what it sees. It holds no wish that it could not find again from labels and a full set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_proto::agent as wire;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::assigned::{self, Assigned};
use crate::clock::Clock;
use crate::config::AgentError;
use crate::connect::Connect;
use crate::host::Host;
use crate::identity::Identity;
use crate::observe::Observed;
use crate::plan::{Action, Keep, plan};
use crate::report::Reporter;
use crate::runtime::{
    ContainerSpec, Key, Port, Runtime, RuntimeError, Sighting, StartError, Started, StopSignal,
    TaskId,
};
use crate::session::{Addresses, Heard, Numbered, Session};

/// Deadlines (stop timeouts, reports to send again) are looked at this often.
const TICK: Duration = Duration::from_millis(500);
/// Every so many ticks the runtime is asked though it has not called: it may have missed something.
const LOOK_EVERY: u32 = 10;
/// Words from the session that wait for the agent; it is always quicker than a node.
const INBOX: usize = 64;
/// One report is under way at a time; the rest is for repeats.
const REPORTS: usize = 4;
/// On its way out the agent lets started work come to its end, so that no half-made container is left.
const FAREWELL: Duration = Duration::from_secs(5);

/// All that an agent meets beside itself. A real machine's is made of [`Config`](crate::Config) by [`run`](crate::run).
#[derive(Debug)]
pub struct Surroundings<R> {
    /// The nodes to begin with.
    pub nodes: Addresses,
    /// Who the agent is.
    pub identity: Identity,
    /// What it has to offer.
    pub host: Host,
    /// What runs its containers.
    pub runtime: R,
    /// How it reaches nodes.
    pub connect: Connect,
    /// Its wall clock.
    pub clock: Clock,
    /// How long the containers of an ended task stay after its end.
    pub cleanup_wait: Duration,
}

/// Runs an agent in these surroundings until `shutdown`, or until it must not go on. Its tasks run on in either case, also where the future is
/// dropped, which is how an agent is killed.
///
/// # Errors
/// If the runtime does not answer at the start, the identity cannot be kept, or the control plane refuses this agent for good.
pub async fn run_in<R: Runtime>(
    surroundings: Surroundings<R>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let Surroundings {
        nodes,
        identity,
        host,
        runtime,
        connect,
        clock,
        cleanup_wait,
    } = surroundings;
    let version = runtime.version();
    info!(runtime = version.0, version = %version.1, "agent starts");
    let instances = identity.all();
    let began = Instant::now();
    let found = runtime
        .list(&instances)
        .await
        .map_err(|source| AgentError::Runtime {
            runtime: version.0,
            source,
        })?;
    info!(
        containers = found.len(),
        "found containers of an earlier life"
    );
    let (heard_by, heard) = mpsc::channel(INBOX);
    let (reports, reports_out) = mpsc::channel(REPORTS);
    let mut observed = Observed {
        instance_id: identity.instance_id().to_owned(),
        ..Observed::default()
    };
    observed.absorb(found, began, clock.wall_ms());
    let (own_ports, own_ports_out) = watch::channel(observed.ports().cloned().collect());
    let session = Session {
        host,
        identity,
        addresses: nodes,
        connect,
        own_ports: own_ports_out,
        reports: reports_out,
        heard: heard_by,
    };
    let agent = Agent {
        runtime: Arc::new(runtime),
        clock,
        cleanup_wait,
        instances,
        assigned: Assigned::default(),
        observed,
        reporter: Reporter::default(),
        reports,
        own_ports,
        session: 0,
        work: JoinSet::new(),
        cancels: BTreeMap::new(),
        poke: Arc::new(Notify::new()),
        is_looking: false,
        must_look_again: false,
        removed_at: None,
    };
    agent.run(session, heard, shutdown).await
}

/// Work done elsewhere, come to its end.
enum Done {
    Started(Key, Result<Started, StartError>),
    Signalled(Key, Result<(), RuntimeError>),
    Removed(Key, Result<(), RuntimeError>),
    Looked(Instant, Result<Vec<Sighting>, RuntimeError>),
}

struct Agent<R> {
    runtime: Arc<R>,
    clock: Clock,
    /// How long ended containers stay.
    cleanup_wait: Duration,
    /// Whose containers are this agent's: the present instance id and those given up.
    instances: Vec<String>,
    assigned: Assigned,
    observed: Observed,
    reporter: Reporter,
    reports: mpsc::Sender<Numbered>,
    own_ports: watch::Sender<BTreeSet<Port>>,
    /// Number of the conversation under way.
    session: u64,
    /// Owns everything that is being done; nothing in it outlives the agent.
    work: JoinSet<Done>,
    /// By these, starts under way can be given up.
    cancels: BTreeMap<Key, CancellationToken>,
    poke: Arc<Notify>,
    is_looking: bool,
    must_look_again: bool,
    /// A listing begun before this may still show what is gone.
    removed_at: Option<Instant>,
}

impl<R: Runtime> Agent<R> {
    async fn run(
        mut self,
        session: Session,
        mut heard: mpsc::Receiver<Heard>,
        shutdown: CancellationToken,
    ) -> Result<(), AgentError> {
        let runtime = self.runtime.clone();
        let poke = self.poke.clone();
        let mut talking = std::pin::pin!(session.run(shutdown.clone()));
        let mut watching = std::pin::pin!(runtime.watch(poke.clone()));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0_u32;
        let ended = loop {
            self.go_on();
            tokio::select! {
                ended = &mut talking => break ended,
                never = &mut watching => match never {},
                Some(word) = heard.recv() => self.hear(word),
                Some(done) = self.work.join_next() => self.finish(done.expect("work does not panic and is not aborted")),
                () = poke.notified() => self.look(),
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    if ticks.is_multiple_of(LOOK_EVERY) {
                        self.look();
                    }
                }
            }
        };
        self.part().await;
        ended
    }

    /// Draws conclusions, begins what is to be done, and reports.
    fn go_on(&mut self) {
        let (now, wall_ms) = (Instant::now(), self.clock.wall_ms());
        self.observed.settle(&self.assigned, now, wall_ms);
        let keep = Keep {
            wait: self.cleanup_wait,
            wall_ms,
        };
        for action in plan(&self.assigned, &self.observed, now, keep) {
            self.begin(action, now);
        }
        let own_ports = self.observed.ports().cloned().collect();
        self.own_ports.send_if_modified(|known| {
            let is_other = *known != own_ports;
            *known = own_ports;
            is_other
        });
        let assigned = &self.assigned;
        let observed = &self.observed;
        if let Some(report) = self.reporter.next(now, || observed.summary(assigned)) {
            debug!(
                seq = report.seq,
                tasks = report.tasks.len(),
                full = report.full,
                "reporting"
            );
            // If the session is slower than the repeats, one of them will find room.
            let _ = self.reports.try_send(Numbered {
                session: self.session,
                report,
            });
        }
    }

    fn begin(&mut self, action: Action, now: Instant) {
        match action {
            Action::Start(spec) => self.start(*spec, now),
            Action::Cancel(key) => {
                if let Some(cancel) = self.cancels.get(&key) {
                    cancel.cancel();
                }
                if let Some(container) = self.observed.container_mut(&key) {
                    container.cancelled = true;
                }
            }
            Action::Stop(key) => self.signal(key, StopSignal::Stop, now),
            Action::Kill(key) => self.signal(key, StopSignal::Kill, now),
            Action::Remove(key) => self.remove(key),
            Action::Forget(task) => {
                debug!(%task, "forgotten");
                self.observed.tasks.remove(&task);
            }
        }
    }

    fn start(&mut self, spec: ContainerSpec, now: Instant) {
        info!(container = %spec.tag.key, image = %spec.image, "starting");
        self.observed.starting(&spec, now);
        let cancel = CancellationToken::new();
        self.cancels.insert(spec.tag.key.clone(), cancel.clone());
        let runtime = self.runtime.clone();
        self.work.spawn(async move {
            let result = runtime.start(&spec, &cancel).await;
            Done::Started(spec.tag.key, result)
        });
    }

    fn signal(&mut self, key: Key, signal: StopSignal, now: Instant) {
        let Some(container) = self.observed.container_mut(&key) else {
            return;
        };
        match signal {
            StopSignal::Stop => container.signalled_at = Some(now),
            StopSignal::Kill => container.killed_at = Some(now),
        }
        let Some(id) = container.runtime_id.clone() else {
            return;
        };
        info!(container = %key, ?signal, "stopping");
        let runtime = self.runtime.clone();
        self.work
            .spawn(async move { Done::Signalled(key, runtime.signal(&id, signal).await) });
    }

    fn remove(&mut self, key: Key) {
        let Some(container) = self.observed.container_mut(&key) else {
            return;
        };
        let Some(id) = container.runtime_id.clone() else {
            return;
        };
        debug!(container = %key, "removing");
        container.is_being_removed = true;
        let runtime = self.runtime.clone();
        self.work
            .spawn(async move { Done::Removed(key, runtime.remove(&id).await) });
    }

    fn look(&mut self) {
        if self.is_looking {
            // What called now may have come too late for the look under way.
            self.must_look_again = true;
            return;
        }
        (self.is_looking, self.must_look_again) = (true, false);
        let (runtime, instances, began) =
            (self.runtime.clone(), self.instances.clone(), Instant::now());
        self.work
            .spawn(async move { Done::Looked(began, runtime.list(&instances).await) });
    }

    fn finish(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Started(key, result) => {
                match &result {
                    Ok(_) => info!(container = %key, "started"),
                    Err(reason) => warn!(container = %key, %reason, "not started"),
                }
                self.cancels.remove(&key);
                self.observed
                    .start_ended(&key, result, now, self.clock.wall_ms());
            }
            Done::Signalled(key, Err(error)) => {
                warn!(container = %key, error = &error as &dyn std::error::Error, "not signalled");
            }
            Done::Signalled(_, Ok(())) => {}
            Done::Removed(key, result) => {
                self.removed_at = Some(now);
                match result {
                    Ok(()) => self.observed.removed(&key),
                    // The next listing that shows it takes the mark away, and so it is tried again.
                    Err(error) => {
                        warn!(container = %key, error = &error as &dyn std::error::Error, "not removed");
                    }
                }
            }
            Done::Looked(began, result) => {
                self.is_looking = false;
                let is_stale = self.removed_at.is_some_and(|at| at >= began);
                if is_stale || self.must_look_again {
                    self.look();
                }
                match result {
                    Ok(_) if is_stale => {}
                    Ok(listing) => self.absorb(listing, began),
                    Err(error) => warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot see containers"
                    ),
                }
            }
        }
    }

    fn absorb(&mut self, listing: Vec<Sighting>, began: Instant) {
        for key in self.observed.absorb(listing, began, self.clock.wall_ms()) {
            let container = self.observed.container_mut(&key);
            if let Some(health) = container.and_then(|container| container.health.as_ref()) {
                info!(container = %key, health = health.status.as_str(), output = %health.output, "checked");
            }
        }
    }

    fn hear(&mut self, word: Heard) {
        match word {
            Heard::Welcome {
                session,
                instance_id,
                all_ids,
                is_new,
            } => {
                self.session = session;
                self.reporter.start_over();
                if is_new {
                    self.assigned.start_over();
                }
                self.observed.instance_id = instance_id;
                self.instances = all_ids;
            }
            Heard::FullSet(set) => {
                let tasks = self.parse(set.assignments);
                self.assigned.replace(set.applied_index, tasks);
                self.reporter.open();
            }
            Heard::Delta(delta) => {
                let tasks = self.parse(delta.assignments);
                let forgotten = delta
                    .forgotten_task_ids
                    .iter()
                    .filter_map(|id| TaskId::parse(id))
                    .collect();
                self.assigned.change(delta.applied_index, tasks, forgotten);
            }
            Heard::Ack(seq) => {
                for id in self.reporter.acknowledge(seq) {
                    if let Some(task) = self.observed.tasks.get_mut(&id) {
                        task.acknowledged = true;
                    }
                }
            }
            Heard::Parted => self.reporter.start_over(),
        }
    }

    fn parse(&self, assignments: Vec<wire::Assignment>) -> Vec<(TaskId, assigned::AssignedTask)> {
        let parsed = assignments
            .into_iter()
            .map(|assignment| assigned::parse(assignment, &self.observed.instance_id));
        parsed
            .filter_map(|task| {
                task.map_err(|malformed| error!(%malformed, "passed over"))
                    .ok()
            })
            .collect()
    }

    /// Lets starts come to their end or give up; what runs, runs on.
    async fn part(&mut self) {
        self.cancels.values().for_each(CancellationToken::cancel);
        let all_done = async { while self.work.join_next().await.is_some() {} };
        if timeout(FAREWELL, all_done).await.is_err() {
            warn!("work under way is given up; what it leaves is found at the next start");
        }
    }
}
