//! Who leads: openraft's view, as a value that others can watch.

use std::sync::Arc;

use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::WatchReceiver;
use openraft::{RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::heard::Contacts;
use super::log_store::StoreError;
use super::membership::Member;
use super::types::Types;

/// Who leads, as this node knows it. A node that is cut off may go on believing in itself; what must not be stale asks for a barrier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term; there is at most one leader in each.
    pub term: u64,
    /// Its leader, once known.
    pub leader: Option<Member>,
    /// Whether that is this node.
    pub is_me: bool,
}

/// Why consensus on this node is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// [`super::Consensus::shutdown`] was called.
    #[error("consensus was shut down")]
    Shutdown,
    /// The disk failed, or the log holds what this program cannot apply.
    #[error("consensus failed: {0}")]
    Failed(String),
    /// The cluster knows this node with another disk: voting with an empty one could undo what it promised before.
    #[error(
        "{0}. Its disk holds less than it promised. Bring the old data directory back, or remove the node from the cluster and let it join \
         under a new id"
    )]
    Refused(String),
}

/// Becomes `Some` when the disk failed.
type DiskFailure = watch::Receiver<Option<Arc<StoreError>>>;
type Metrics = WatchReceiverOf<Types, RaftMetrics<Types>>;

/// Follows openraft until it stops or `stop` is given, and tells `leadership`, `contacts` and, at a failure, `stopped`.
pub(super) async fn follow(
    mut metrics: Metrics,
    mut disk: DiskFailure,
    leadership: watch::Sender<Leadership>,
    contacts: Contacts,
    stopped: watch::Sender<Option<StopReason>>,
    stop: CancellationToken,
) {
    loop {
        let (now, running) = {
            let metrics = metrics.borrow_watched();
            (leadership_of(&metrics), metrics.running_state.clone())
        };
        let failed = disk.borrow().as_ref().map(ToString::to_string);
        if let Some(why) = failed.or_else(|| running.err().map(|fatal| fatal.to_string())) {
            report_end(&stopped, why);
            return;
        }
        tell(&leadership, &contacts, now);
        tokio::select! {
            () = stop.cancelled() => {
                step_down(&leadership);
                return;
            }
            changed = metrics.changed() => if changed.is_err() {
                // openraft's core is gone without a word: it panicked. A node without it must not go on looking alive.
                report_end(&stopped, "raft ended by itself; the log says why".to_owned());
                return;
            },
            Ok(()) = disk.changed() => {}
        }
    }
}

fn leadership_of(metrics: &RaftMetrics<Types>) -> Leadership {
    let members = metrics.membership_config.membership();
    let leader = metrics
        .current_leader
        .and_then(|id| members.get_node(&id).map(|member| Member::of(id, member)));
    Leadership {
        term: metrics.current_term,
        leader,
        is_me: metrics.state == ServerState::Leader,
    }
}

fn tell(leadership: &watch::Sender<Leadership>, contacts: &Contacts, now: Leadership) {
    leadership.send_if_modified(|known| {
        if *known == now {
            return false;
        }
        if now.is_me && !(known.is_me && known.term == now.term) {
            contacts.begin(now.term, Instant::now());
        }
        if now.leader != known.leader {
            metrics::counter!("quorate_leader_changes_total").increment(1);
            let leader = now.leader.as_ref().map(|leader| leader.node.0);
            tracing::info!(
                term = now.term,
                leader,
                is_me = now.is_me,
                "leadership changed"
            );
        }
        *known = now;
        true
    });
}

/// A node that is on its way out leads no more, as far as anybody asks it: nothing that it is told now would be carried out.
fn step_down(leadership: &watch::Sender<Leadership>) {
    leadership.send_if_modified(|known| {
        let has_led = std::mem::take(&mut known.is_me);
        if has_led {
            known.leader = None;
        }
        has_led
    });
}

fn report_end(stopped: &watch::Sender<Option<StopReason>>, why: String) {
    stopped.send_if_modified(|reason| {
        if reason.is_some() {
            return false;
        }
        tracing::error!(%why, "consensus stopped");
        *reason = Some(StopReason::Failed(why));
        true
    });
}
