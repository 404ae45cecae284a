//! A registered agent's session: the full set first, then what changes; its reports into the log, each acknowledged once committed.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse, FusedFuture};
use quorate_core::command::TaskObserved;
use quorate_core::{Command, Item, Rejection, Reply};
use quorate_proto::agent::{Ack, FromAgent, Nodes, Report, Welcome, from_agent};
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::Desk;
use super::conversation::Say;
use super::enrol::Enrolled;
use super::owed::{Sent, Standing, owed, owed_of, standing};
use super::roster::{Entered, News};
use super::submit::{item, submit};
use super::words::{HEARTBEAT, SILENCE, Word, as_ms, nodes};
use super::{assignment, report};
use crate::consensus::ProposeError;

/// How long a report may take to be committed. Agents take a node that needs longer than five seconds for one that is cut off.
const REPORT_PATIENCE: Duration = Duration::from_secs(4);
/// Tasks in one command: with the limits of each part, a command stays far below what one proposal may have.
const TASKS_PER_COMMAND: usize = 25;
/// Tasks that may wait while an earlier report is being committed: two full reports of the fullest instance.
const TASKS_WAITING: usize = 20_000;

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    #[error("this node is shutting down")]
    Leaving,
    #[error("the agent closed the stream")]
    Parted,
    #[error("the agent fell silent")]
    Silent,
    #[error("the agent does not take what it is told")]
    Stuck,
    #[error("a newer session of this container instance exists")]
    Superseded,
    #[error("this container instance was deregistered")]
    Gone,
    #[error("this session counts as disconnected; register again")]
    Lapsed,
    #[error("a report could not be committed: {0}")]
    Uncommitted(ProposeError),
    #[error("{0}")]
    Invalid(String),
}

/// One registered agent's stream.
pub(super) struct Session {
    desk: Arc<Desk>,
    me: Enrolled,
    say: Say,
    entered: Entered,
    sent: Sent,
    nodes: Nodes,
    reports: Reports,
}

impl Session {
    pub(super) fn new(desk: Arc<Desk>, me: Enrolled, say: Say) -> Self {
        let entered = desk.roster.enter(me.instance);
        Self {
            desk,
            me,
            say,
            entered,
            sent: Sent::default(),
            nodes: Nodes::default(),
            reports: Reports::default(),
        }
    }

    /// Talks and listens until there is a reason to end.
    pub(super) async fn run(mut self, hear: &mut Streaming<FromAgent>) -> Ending {
        self.desk.consensus.hear(&self.me.instance);
        match self.talk(hear).await {
            Err(ending) => ending,
            Ok(never) => match never {},
        }
    }

    async fn talk(
        &mut self,
        hear: &mut Streaming<FromAgent>,
    ) -> Result<std::convert::Infallible, Ending> {
        self.welcome().await?;
        self.start_over().await?;
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                () = self.desk.stop.cancelled() => return Err(Ending::Leaving),
                () = self.say.closed() => return Err(Ending::Parted),
                () = sleep_until(heard_at + SILENCE) => return Err(Ending::Silent),
                word = hear.message() => {
                    heard_at = Instant::now();
                    self.take(word).await?;
                }
                news = self.entered.news() => self.tell(news).await?,
                committed = &mut self.reports.committing => self.committed(committed).await?,
            }
        }
    }

    async fn welcome(&mut self) -> Result<(), Ending> {
        self.nodes = nodes(&self.desk.consensus.state());
        let (realm, me) = (&self.desk.realm, &self.me);
        let welcome = Welcome {
            instance_id: me.instance.to_string(),
            instance_arn: realm.instance(&me.cluster, me.instance),
            cluster_arn: realm.cluster(&me.cluster),
            incarnation: me.incarnation,
            heartbeat_ms: as_ms(HEARTBEAT),
            silence_ms: as_ms(SILENCE),
            nodes: Some(self.nodes.clone()),
        };
        tracing::info!(instance = %me.instance, cluster = %me.cluster, incarnation = me.incarnation, "agent registered");
        self.say(welcome).await
    }

    /// The full set, as if nothing had been said before.
    async fn start_over(&mut self) -> Result<(), Ending> {
        let state = self.desk.consensus.state();
        stands(standing(&state, self.me.instance, self.me.session))?;
        let mut sent = Sent::default();
        let all = owed(&state, self.me.instance, &sent);
        sent.note(&all);
        self.sent = sent;
        let full = assignment::full_set(&state, &self.desk.realm, &all);
        self.say(full).await
    }

    async fn tell(&mut self, news: News) -> Result<(), Ending> {
        if news.everything {
            self.start_over().await?;
        }
        let state = self.desk.consensus.state();
        if news.instance {
            stands(standing(&state, self.me.instance, self.me.session))?;
        }
        if (news.everything || news.nodes) && nodes(&state) != self.nodes {
            self.nodes = nodes(&state);
            self.say(self.nodes.clone()).await?;
        }
        let changed = owed_of(&state, self.me.instance, &self.sent, &news.tasks);
        self.sent.note(&changed);
        for delta in assignment::deltas(&state, &self.desk.realm, &changed) {
            self.say(delta).await?;
        }
        Ok(())
    }

    async fn take(&mut self, word: Result<Option<FromAgent>, Status>) -> Result<(), Ending> {
        let Ok(Some(word)) = word else {
            return Err(Ending::Parted);
        };
        self.desk.consensus.hear(&self.me.instance);
        match word.body {
            Some(from_agent::Body::Heartbeat(heartbeat)) => {
                metrics::counter!("quorate_agent_heartbeats_total").increment(1);
                self.say(heartbeat).await
            }
            Some(from_agent::Body::Report(report)) => {
                metrics::counter!("quorate_agent_reports_total").increment(1);
                self.take_report(report).await
            }
            Some(from_agent::Body::Register(_)) => {
                Err(Ending::Invalid("Register was said twice".into()))
            }
            // A word of a newer agent, which has to get along without our understanding it.
            None => Ok(()),
        }
    }

    async fn take_report(&mut self, report: Report) -> Result<(), Ending> {
        if report.seq <= self.reports.acknowledged {
            let again = Ack {
                seq: self.reports.acknowledged,
            };
            return self.say(again).await;
        }
        self.reports.add(report)?;
        self.commit_next().await
    }

    /// Begins to commit what waits, unless something is being committed.
    async fn commit_next(&mut self) -> Result<(), Ending> {
        while self.reports.committing.is_terminated() {
            let Some(tasks) = self.reports.take_waiting() else {
                return Ok(());
            };
            if tasks.is_empty() {
                self.acknowledge().await?;
                continue;
            }
            let observed = tasks.chunks(TASKS_PER_COMMAND).map(|tasks| {
                item(Command::Observe {
                    instance: self.me.instance,
                    session: self.me.session,
                    tasks: tasks.to_vec(),
                })
            });
            let items: Vec<Item> = observed.collect();
            let commit = commit(Arc::clone(&self.desk), items);
            self.reports.committing = commit.boxed().fuse();
        }
        Ok(())
    }

    async fn committed(&mut self, committed: Result<(), Setback>) -> Result<(), Ending> {
        match committed {
            Ok(()) => {
                self.acknowledge().await?;
                self.commit_next().await
            }
            Err(Setback::Unsettled(error)) => Err(Ending::Uncommitted(error)),
            Err(Setback::Rejected(Rejection::StaleSession(_))) => Err(Ending::Superseded),
            Err(Setback::Rejected(
                Rejection::InstanceInactive(_) | Rejection::InstanceNotFound(_),
            )) => Err(Ending::Gone),
            Err(Setback::Rejected(other)) => unreachable!("Observe is not rejected with {other:?}"),
        }
    }

    async fn acknowledge(&mut self) -> Result<(), Ending> {
        let seq = self.reports.underway;
        self.reports.acknowledged = seq;
        self.say(Ack { seq }).await
    }

    async fn say(&mut self, word: impl Into<Word>) -> Result<(), Ending> {
        let Word(word) = word.into();
        match timeout(SILENCE, self.say.send(Ok(word))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::Parted),
            Err(_) => Err(Ending::Stuck),
        }
    }
}

fn stands(standing: Standing) -> Result<(), Ending> {
    match standing {
        Standing::Current => Ok(()),
        Standing::Superseded => Err(Ending::Superseded),
        Standing::Lapsed => Err(Ending::Lapsed),
        Standing::Gone => Err(Ending::Gone),
    }
}

/// Why observations are not in the state.
enum Setback {
    Unsettled(ProposeError),
    Rejected(Rejection),
}

async fn commit(desk: Arc<Desk>, items: Vec<Item>) -> Result<(), Setback> {
    let deadline = Instant::now() + REPORT_PATIENCE;
    for item in items {
        let settled = submit(&desk.consensus, item, deadline)
            .await
            .map_err(Setback::Unsettled)?;
        let _: Reply = settled.outcome.map_err(Setback::Rejected)?;
    }
    Ok(())
}

/// Reports by their numbers: one lot is being committed, the others wait together, in order, for the next.
struct Reports {
    committing: Fuse<BoxFuture<'static, Result<(), Setback>>>,
    /// The newest report in the lot that is being committed.
    underway: u64,
    waiting: Vec<TaskObserved>,
    /// The newest report that waits, or was taken from there.
    newest: u64,
    acknowledged: u64,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            committing: Fuse::terminated(),
            underway: 0,
            waiting: Vec::new(),
            newest: 0,
            acknowledged: 0,
        }
    }
}

impl Reports {
    /// Adds a report; one that is here already was only sent again.
    fn add(&mut self, report: Report) -> Result<(), Ending> {
        if report.seq <= self.newest {
            return Ok(());
        }
        if self.waiting.len() + report.tasks.len() > TASKS_WAITING {
            return Err(Ending::Invalid("too many tasks in one report".into()));
        }
        for seen in report.tasks {
            let observed = report::parse(seen).map_err(|error| Ending::Invalid(error.0))?;
            self.waiting.push(observed);
        }
        self.newest = report.seq;
        Ok(())
    }

    /// What waits, if a report does; it may be empty.
    fn take_waiting(&mut self) -> Option<Vec<TaskObserved>> {
        if self.newest == self.underway {
            return None;
        }
        self.underway = self.newest;
        Some(std::mem::take(&mut self.waiting))
    }
}
