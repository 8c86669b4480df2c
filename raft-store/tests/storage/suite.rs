//! openraft's own conformance suite, on both disks.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use raft_store::machine::Machine;
use raft_store::storage::{LogStore, Options, RamDisk, RocksDisk, Storage};
use raft_store::types::TypeConfig;
use tempfile::TempDir;

use crate::node::Node;

struct Ram;
struct Rocks;

impl StoreBuilder<TypeConfig, LogStore<RamDisk>, Machine<RamDisk>, ()> for Ram {
    async fn build(&self) -> Result<((), LogStore<RamDisk>, Machine<RamDisk>), StorageError<TypeConfig>> {
        let node = Node::open(Storage::open_ram(RamDisk::default(), Options::default()).unwrap()).unwrap();
        Ok(((), node.log, node.machine))
    }
}

impl StoreBuilder<TypeConfig, LogStore<RocksDisk>, Machine<RocksDisk>, TempDir> for Rocks {
    async fn build(
        &self,
    ) -> Result<(TempDir, LogStore<RocksDisk>, Machine<RocksDisk>), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::open(Storage::open(dir.path(), Options::default()).unwrap()).unwrap();
        Ok((dir, node.log, node.machine))
    }
}

#[tokio::test]
async fn openraft_suite_on_ram() {
    Suite::test_all(Ram).await.unwrap();
}

#[tokio::test]
async fn openraft_suite_on_rocksdb() {
    Suite::test_all(Rocks).await.unwrap();
}
