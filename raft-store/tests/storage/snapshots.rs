//! Snapshots: there and back, refused when anything is wrong, and switched at once or not at all.

use std::sync::Arc;

use model::state::Effect;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine, StorageHelper};
use raft_store::snapshot::{SnapshotData, verify};
use raft_store::storage::disk::Disk;
use raft_store::storage::{Options, RamDisk, RocksDisk, Storage, Syncing};
use raft_store::types::SnapshotMeta;

use crate::node::{self, Node};

fn ram() -> Node<RamDisk> {
    Node::open(Storage::open_ram(RamDisk::default(), Options::default()).unwrap()).unwrap()
}

fn rocks(dir: &std::path::Path) -> Node<RocksDisk> {
    Node::open(Storage::open(dir, Options::default()).unwrap()).unwrap()
}

async fn fed<D: Disk>(mut node: Node<D>, through: u64) -> Node<D> {
    node.append(node::history(1, 0, through)).await;
    node.apply(0, through).await.unwrap();
    node
}

async fn built<D: Disk>(node: &mut Node<D>) -> (SnapshotMeta, SnapshotData) {
    let snapshot =
        node.machine.try_create_snapshot_builder(true).await.unwrap().build_snapshot().await.unwrap();
    (snapshot.meta, snapshot.snapshot)
}

fn bytes(data: &SnapshotData) -> Vec<u8> {
    data.read_at(0, usize::MAX).unwrap()
}

/// Sends bytes to a node as a peer would.
fn received<D: Disk>(node: &Node<D>, bytes: &[u8]) -> SnapshotData {
    let mut writer = node.storage.receive_snapshot().unwrap();
    bytes.chunks(100).for_each(|piece| writer.write(piece).unwrap());
    writer.finish().unwrap()
}

#[tokio::test]
async fn a_snapshot_carries_the_state_from_ram_to_rocksdb_and_back() {
    let mut source = fed(ram(), 120).await;
    let (meta, data) = built(&mut source).await;
    assert_eq!(verify(&data, &*node::sealer()).unwrap(), meta);
    let dir = tempfile::tempdir().unwrap();
    let mut target = fed(rocks(dir.path()), 20).await;
    let data = received(&target, &bytes(&data));
    target.machine.install_snapshot(&meta, data).await.unwrap();
    assert_eq!((target.state(), target.index().0), (source.state(), 120));
    assert_eq!(target.machine.digest(), source.machine.digest());
    drop(target);
    let mut target = rocks(dir.path());
    assert_eq!((target.state(), target.index().0), (source.state(), 120));
    let kept = target.machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(kept.meta, meta);
    let mut back = ram();
    let data = received(&back, &bytes(&kept.snapshot));
    back.machine.install_snapshot(&meta, data).await.unwrap();
    assert_eq!(back.state(), source.state());
}

#[tokio::test]
async fn a_builder_sees_the_moment_it_was_made() {
    let mut node = fed(ram(), 50).await;
    let mut builder = node.machine.try_create_snapshot_builder(true).await.unwrap();
    let then = node.state();
    node.append(node::history(1, 51, 80)).await;
    node.apply(51, 80).await.unwrap();
    let snapshot = builder.build_snapshot().await.unwrap();
    assert_eq!(snapshot.meta.last_log_id.unwrap().index, 50);
    let mut other = ram();
    other.machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
    assert_eq!(other.state(), then);
}

#[tokio::test]
async fn a_slow_build_does_not_replace_a_newer_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = fed(rocks(dir.path()), 50).await;
    let mut slow = node.machine.try_create_snapshot_builder(true).await.unwrap();
    node.append(node::history(1, 51, 60)).await;
    node.apply(51, 60).await.unwrap();
    let (newer, _) = built(&mut node).await;
    slow.build_snapshot().await.unwrap();
    assert_eq!(node.machine.get_current_snapshot().await.unwrap().unwrap().meta, newer);
}

#[tokio::test]
async fn nothing_altered_or_cut_is_accepted() {
    let mut source = fed(ram(), 30).await;
    let (meta, data) = built(&mut source).await;
    let good = bytes(&data);
    let mut target = fed(ram(), 10).await;
    let (before, sealer) = (target.state(), node::sealer());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(verify(&received(&target, &bad), &*sealer).is_err(), "byte {at} was flipped unnoticed");
        assert!(verify(&received(&target, &good[..at]), &*sealer).is_err(), "cut at {at} unnoticed");
    }
    let longer = [&good[..], &[0]].concat();
    assert!(verify(&received(&target, &longer), &*sealer).is_err());
    for bad in [&good[..good.len() - 40], &longer] {
        let data = received(&target, bad);
        assert!(target.machine.install_snapshot(&meta, data).await.is_err());
        assert_eq!((target.state(), target.index().0), (before.clone(), 10));
    }
    let reopened = Node::open(
        Storage::open_ram(target.storage.disk().after_crash(usize::MAX), Options::default()).unwrap(),
    )
    .unwrap();
    assert_eq!(reopened.state(), before);
}

#[tokio::test]
async fn a_snapshot_of_another_place_is_refused() {
    let mut source = fed(ram(), 30).await;
    let (mut meta, data) = built(&mut source).await;
    meta.last_log_id = Some(node::blank(1, 31).log_id);
    let mut target = ram();
    let data = received(&target, &bytes(&data));
    let error = target.machine.install_snapshot(&meta, data).await.unwrap_err();
    assert!(error.to_string().contains("the snapshot is refused"), "{error}");
}

#[tokio::test]
async fn a_newer_format_is_refused_by_name() {
    let mut source = fed(ram(), 30).await;
    let (_, data) = built(&mut source).await;
    let mut newer = bytes(&data);
    newer[4 + 6] = 2;
    let error = verify(&received(&source, &newer), &*node::sealer()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("schema 2, which this version does not know"), "{cause}");
}

/// Killed at every point of an install: the old state or the new one, never a mixture, and nothing is left
/// over after the next open.
#[tokio::test]
async fn an_install_killed_half_way_leaves_the_old_state_or_the_new() {
    let mut source = fed(ram(), 90).await;
    let (meta, data) = built(&mut source).await;
    let disk = RamDisk::default();
    let old =
        fed(Node::open(Storage::open_ram(disk.clone(), Options::default()).unwrap()).unwrap(), 20).await;
    let before = old.state();
    drop(old);
    let disk = disk.after_crash(usize::MAX);
    let options = Options { syncing: Syncing::Manual, ..Options::default() };
    let storage = Storage::open_ram(disk.clone(), options).unwrap();
    let mut target = Node::open(Arc::clone(&storage)).unwrap();
    let data = received(&target, &bytes(&data));
    let kill = async {
        let (mut olds, mut news) = (0, 0);
        for kept in 0..=disk.unsynced() {
            let crashed = disk.after_crash(kept);
            let mut node =
                Node::open(Storage::open_ram(crashed.clone(), Options::default()).unwrap()).unwrap();
            if node.index().0 == 20 {
                assert_eq!(node.state(), before);
                // The snapshot itself was kept: openraft finishes the install at start.
                let (log, machine) = (&mut node.log, &mut node.machine);
                StorageHelper::new(log, machine).with_id(1).get_initial_state().await.unwrap();
                assert_eq!((node.index().0, node.state()), (90, source.state()));
                olds += 1;
            } else {
                assert_eq!((node.index().0, node.state()), (90, source.state()));
                news += 1;
            }
            let generations: std::collections::BTreeSet<Vec<u8>> = {
                let mut seen = std::collections::BTreeSet::new();
                let mut visit = |key: &[u8], _: &[u8]| {
                    seen.insert(key[..8].to_vec());
                    std::ops::ControlFlow::Continue(())
                };
                let rows = raft_store::storage::disk::Space::Rows;
                crashed.scan(rows, &[], &[0xff; 64], &mut visit).unwrap();
                seen
            };
            assert_eq!(generations.len(), 1, "rows of a dead generation are left");
        }
        assert!(olds >= 2 && news == 1, "{olds} old, {news} new");
        storage.sync_now();
    };
    let install = async { target.machine.install_snapshot(&meta, data).await.unwrap() };
    tokio::join!(install, kill);
    assert_eq!(target.state(), source.state());
}

#[tokio::test]
async fn an_install_purges_every_key_that_was_cached() {
    let mut source = fed(ram(), 30).await;
    let (meta, data) = built(&mut source).await;
    let mut target = fed(ram(), 5).await;
    target.watcher.0.lock().unwrap().clear();
    target.machine.install_snapshot(&meta, data).await.unwrap();
    let all = vec![Effect::PurgeTenant(node::TENANT_A), Effect::PurgeTenant(node::TENANT_B)];
    assert_eq!(*target.watcher.0.lock().unwrap(), [("close", all.clone()), ("purge", all)]);
}

#[tokio::test]
async fn what_nobody_installs_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let node = rocks(dir.path());
    let count = || std::fs::read_dir(dir.path().join("snapshots")).unwrap().count();
    let data = received(&node, b"not a snapshot");
    assert_eq!(count(), 1);
    drop(data);
    let unfinished = node.storage.receive_snapshot().unwrap();
    assert_eq!(count(), 1);
    std::mem::forget(unfinished);
    drop(node);
    let _node = rocks(dir.path());
    assert_eq!(count(), 0, "a file of a dead process stays");
}
