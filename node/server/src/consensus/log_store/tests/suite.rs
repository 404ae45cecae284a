//! openraft's own storage suite: log store and state machine as a node runs them, on both engines.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::super::super::machine::Machine;
use super::super::super::types::Types;
use super::{EngineKind, LogStore, config, disk, open};

struct Builder(EngineKind);

impl StoreBuilder<Types, LogStore, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<Types>> {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&config(&dir.path().join("node"), self.0)).unwrap();
        let snapshots = dir.path().join("node").join("snapshots");
        let machine = Machine::open(disk(), &snapshots, "test", store.clone()).unwrap();
        Ok((dir, store, machine))
    }
}

#[tokio::test]
async fn openraft_suite_on_sled() {
    Suite::test_all(Builder(EngineKind::Sled)).await.unwrap();
}

#[tokio::test]
async fn openraft_suite_on_segments() {
    Suite::test_all(Builder(EngineKind::Segments))
        .await
        .unwrap();
}
