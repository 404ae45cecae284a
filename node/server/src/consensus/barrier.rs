//! Linearizable reads on any node: the leader's commit index, confirmed by a quorum, reached here.
//!
//! All reads that wait at one moment share one confirmation; those that come while it is under way share the next. A confirmation serves only
//! reads that began before it did, so each try carries an id of its own and an answer to an older try is not taken.

use std::time::Duration;

use openraft::ReadPolicy;
use quorate_bugs::{Bug, is_seeded};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::leadership::Leadership;
use super::machine::{Machine, View};
use super::types::Types;
use super::wire::Calls;

/// Reads that may wait here. More wait for a place, within their own deadlines.
const WAITING: usize = 8192;
/// A try without an answer is made again after this long, with a new id: the leader may be gone, or stopped for a moment.
const TRY_PATIENCE: Duration = Duration::from_millis(500);
/// Pause after a try that failed at once.
const TRY_PAUSE: Duration = Duration::from_millis(20);

/// Why a read cannot be made linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// No leader confirmed its commit index in time.
    #[error("no leader answered in time")]
    NoLeader,
    /// It did, but this node did not catch up with it in time.
    #[error("this node is behind and did not catch up in time")]
    Behind,
    /// This node's consensus has stopped.
    #[error("this node has stopped")]
    Stopped,
}

type Raft = openraft::Raft<Types, Machine>;
type Waiting = oneshot::Sender<u64>;

/// The way in for reads. Clones share one queue.
#[derive(Clone)]
pub(super) struct Barriers {
    queue: mpsc::Sender<Waiting>,
    view: View,
}

/// Makes the way in, and the work behind it, which runs until `stop`.
pub(super) fn barriers(
    raft: Raft,
    calls: Calls,
    leadership: watch::Receiver<Leadership>,
    view: View,
    stop: CancellationToken,
) -> (Barriers, impl Future<Output = ()>) {
    let (queue, waiting) = mpsc::channel(WAITING);
    let rounds = Rounds {
        confirm: Confirm { raft, calls },
        leadership,
        waiting,
        group: Vec::new(),
        probe: 0,
    };
    (Barriers { queue, view }, async move {
        stop.run_until_cancelled(rounds.run()).await;
    })
}

impl Barriers {
    /// Waits until this node has applied all that was committed when the call began; gives the index of it.
    pub(super) async fn pass(&self, deadline: Instant) -> Result<u64, BarrierError> {
        if is_seeded(Bug::LocalRead) {
            return Ok(*self.view.applied().borrow());
        }
        let (answer, answered) = oneshot::channel();
        let confirmed = async {
            self.queue
                .send(answer)
                .await
                .map_err(|_| BarrierError::Stopped)?;
            answered.await.map_err(|_| BarrierError::Stopped)
        };
        let index = timeout_at(deadline, confirmed)
            .await
            .map_err(|_| BarrierError::NoLeader)??;
        let mut applied = self.view.applied();
        let reached = timeout_at(deadline, applied.wait_for(|applied| *applied >= index)).await;
        reached
            .map_err(|_| BarrierError::Behind)?
            .map_err(|_| BarrierError::Stopped)?;
        Ok(index)
    }
}

struct Rounds {
    confirm: Confirm,
    leadership: watch::Receiver<Leadership>,
    waiting: mpsc::Receiver<Waiting>,
    /// Who waits for the next answer.
    group: Vec<Waiting>,
    probe: u64,
}

impl Rounds {
    async fn run(mut self) {
        while self.gather().await {
            self.probe += 1;
            let leadership = self.leadership.borrow_and_update().clone();
            let changed = async { self.leadership.changed().await.is_ok() };
            let index = tokio::select! {
                tried = self.confirm.index(&leadership, self.probe) => tried,
                _ = changed => Err(Status::aborted("the leader changed")),
                () = sleep(TRY_PATIENCE) => Err(Status::deadline_exceeded("the leader did not answer")),
            };
            while is_seeded(Bug::BarrierReused)
                && let Ok(late) = self.waiting.try_recv()
            {
                self.group.push(late);
            }
            match index {
                // Who gave up meanwhile does not hear it.
                Ok(index) => self.group.drain(..).for_each(|waiting| {
                    let _ = waiting.send(index);
                }),
                Err(status) => {
                    tracing::debug!(%status, waiting = self.group.len(), "no read barrier yet");
                    sleep(TRY_PAUSE).await;
                }
            }
        }
    }

    /// Waits until somebody waits, and takes in all who do; false when nobody will again.
    async fn gather(&mut self) -> bool {
        self.group.retain(|waiting| !waiting.is_closed());
        if self.group.is_empty() {
            match self.waiting.recv().await {
                Some(first) => self.group.push(first),
                None => return false,
            }
        }
        while let Ok(next) = self.waiting.try_recv() {
            self.group.push(next);
        }
        true
    }
}

/// Asks the leader, be it this node or another.
pub(super) struct Confirm {
    raft: Raft,
    calls: Calls,
}

impl Confirm {
    async fn index(&self, leadership: &Leadership, probe: u64) -> Result<u64, Status> {
        if leadership.is_me {
            return confirmed_here(&self.raft).await;
        }
        let leader = leadership
            .leader
            .as_ref()
            .ok_or_else(|| Status::unavailable("no leader"))?;
        let reply = self.calls.read_barrier(leader, probe, TRY_PATIENCE).await?;
        match reply {
            reply if reply.not_leader => {
                Err(Status::unavailable(format!("{leader} does not lead")))
            }
            reply if reply.probe != probe => Err(Status::internal("an answer to another probe")),
            reply => Ok(reply.index),
        }
    }
}

/// The commit index of this leader, confirmed by a quorum after the call began.
pub(super) async fn confirmed_here(raft: &Raft) -> Result<u64, Status> {
    let linearizer = raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
    linearizer
        .map(|it| it.read_log_id().index())
        .map_err(|error| Status::unavailable(error.to_string()))
}
