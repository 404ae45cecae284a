//! The smallest state machine that openraft's suite accepts: it remembers positions and nothing else.

use std::io;
use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;

use super::super::super::types::{LogId, StoredMembership, Types};

type Meta = openraft::alias::SnapshotMetaOf<Types>;
type Snap = openraft::alias::SnapshotOf<Types, ()>;

#[derive(Clone, Debug, Default)]
struct Positions {
    applied: Option<LogId>,
    membership: StoredMembership,
    snapshot: Option<Meta>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Machine(Arc<Mutex<Positions>>);

impl RaftSnapshotBuilder<Types> for Machine {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<Snap> {
        let mut positions = self.0.lock();
        let meta = SnapshotMeta {
            last_log_id: positions.applied,
            last_membership: positions.membership.clone(),
        };
        positions.snapshot = Some(meta.clone());
        Ok(Snapshot { meta, snapshot: () })
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = ();
    type SnapshotBuilder = Machine;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let positions = self.0.lock();
        Ok((positions.applied, positions.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let mut positions = self.0.lock();
            positions.applied = Some(entry.log_id);
            if let Some(membership) = entry.get_membership() {
                positions.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(Vec::new());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &Meta, (): ()) -> io::Result<()> {
        let (applied, membership) = (meta.last_log_id, meta.last_membership.clone());
        *self.0.lock() = Positions {
            applied,
            membership,
            snapshot: Some(meta.clone()),
        };
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snap>> {
        Ok(self
            .0
            .lock()
            .snapshot
            .clone()
            .map(|meta| Snapshot { meta, snapshot: () }))
    }
}
