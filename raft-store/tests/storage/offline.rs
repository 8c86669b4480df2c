//! Restore and recovery: the same state on another disk, nothing withdrawn comes back.

use model::command::Action;
use model::commands::{DestroyObject, SuspendTenant};
use model::id::{ClusterId, NodeId};
use model::lineage::FLOOR;
use model::object::KeyState;
use model::tenant::TenantState;
use model::uid::{Kind, Uid};
use raft_store::Identity;
use raft_store::journal::Record;
use raft_store::offline::{BadReplay, Contents, Gap, Head, OfflineError, Replay, Survivor, found};
use raft_store::storage::{Options, RamDisk, RocksDisk, Storage};
use raft_store::types::{Entry, Member};

use crate::node::{Node, TENANT_A, TENANT_B, entry, history, sealer};
use crate::samples;

const BACKUP_AT: u64 = 20;
const END: u64 = 60;

/// A node that applied the whole history, and its state at the moment of a backup.
async fn backed_up() -> (Node<RamDisk>, Contents) {
    let mut node = Node::open(Storage::open_ram(RamDisk::default(), Default::default()).unwrap()).unwrap();
    node.append(history(1, 0, END)).await;
    node.apply(0, BACKUP_AT).await.unwrap();
    let snapshot = snapshot(&mut node).await;
    let contents = Contents::read(&snapshot, &*sealer()).unwrap();
    assert_eq!(contents.digest, node.machine.digest());
    node.apply(BACKUP_AT + 1, END).await.unwrap();
    (node, contents)
}

async fn snapshot(node: &mut Node<RamDisk>) -> raft_store::snapshot::SnapshotData {
    use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
    node.machine.get_snapshot_builder().await.build_snapshot().await.unwrap().snapshot
}

fn journal(entries: Vec<Entry>) -> Replay {
    let mut replay = Replay::default();
    entries.into_iter().for_each(|entry| replay.add(Record::of_entry(entry)).unwrap());
    replay
}

#[tokio::test]
async fn a_backup_and_a_journal_make_the_state_of_the_journals_end() {
    let (node, contents) = backed_up().await;
    let mut head = contents.head;
    assert_eq!(head.index().0, BACKUP_AT);
    let replayed = journal(history(1, 0, END)).run(&mut head, &*sealer()).unwrap();
    assert_eq!(replayed.entries, END - BACKUP_AT);
    assert!(replayed.gaps.is_empty());
    assert_eq!(head.state, node.state(), "to the last row");
    assert_eq!(head.index(), node.index());
}

#[tokio::test]
async fn behind_a_gap_withdrawals_alone_are_applied() {
    let (_, contents) = backed_up().await;
    let mut head = contents.head;
    // Recorded before the backup.
    let uid = samples::uid(TENANT_A, Kind::Recorded, 6);
    assert!(head.state.object(TENANT_A, &uid).is_some());
    let objects = head.state.object_count(TENANT_B, uid.header.fields().service);
    let behind = vec![
        entry(1, 40, samples::record_object(TENANT_B, 90)),
        entry(1, 41, DestroyObject { uid }),
        entry(1, 42, SuspendTenant { tenant: TENANT_B }),
    ];
    let replayed = journal(behind).run(&mut head, &*sealer()).unwrap();
    assert_eq!(replayed.gaps, [Gap { from: BACKUP_AT + 1, to: 39 }]);
    assert_eq!(replayed.withdrawals, 2);
    let object = head.state.object(TENANT_A, &uid).unwrap();
    assert_eq!(object.lifecycle.state, KeyState::Destroyed);
    assert_eq!(head.state.tenant(TENANT_B).unwrap().state, TenantState::Suspended);
    assert_eq!(head.state.object_count(TENANT_B, uid.header.fields().service), objects);
}

#[tokio::test]
async fn a_journal_of_another_history_is_refused() {
    let (_, contents) = backed_up().await;
    let mut replay = journal(vec![entry(1, 21, SuspendTenant { tenant: TENANT_A })]);
    let other = Record::of_entry(entry(2, 21, SuspendTenant { tenant: TENANT_A }));
    assert!(matches!(replay.add(other), Err(BadReplay::Contradiction { index: 21 })));
    let lying = Record { answer: Some([0; 32]), ..Record::of_entry(entry(1, 21, suspend())) };
    let mut replay = Replay::default();
    replay.add(lying).unwrap();
    let refused = replay.run(&mut contents.head.clone(), &*sealer());
    assert!(matches!(refused, Err(BadReplay::Answer { index: 21 })));
}

fn suspend() -> Action {
    SuspendTenant { tenant: TENANT_A }.into()
}

fn member() -> Member {
    Member { name: "node-r".to_owned(), ..Member::default() }
}

fn founded(head: &mut Head, dir: &std::path::Path) -> Identity {
    let node = head.begin_lineage([5; 16], member(), true).unwrap();
    let (realm, cluster) = (sealer().realm(), ClusterId([8; 16]));
    let identity = Identity { realm, cluster, node, name: "node-r".to_owned() };
    found(dir, &identity, head, &*sealer()).unwrap();
    identity
}

#[tokio::test]
async fn a_founded_node_reads_back_as_it_was_written_and_applies_on() {
    let (_, contents) = backed_up().await;
    let (dir, mut head) = (tempfile::tempdir().unwrap(), contents.head);
    let dir = dir.path().join("raft");
    let identity = founded(&mut head, &dir);
    assert_eq!(identity.node, NodeId(BACKUP_AT + FLOOR));
    let read = Survivor::read(&dir, &*sealer()).unwrap();
    assert_eq!((read.identity, &read.head.state, read.head.last), (identity.clone(), &head.state, head.last));
    assert_eq!(read.head.nodes().keys().copied().collect::<Vec<_>>(), [identity.node.0]);
    assert!(matches!(found(&dir, &identity, &head, &*sealer()), Err(OfflineError::Exists(_))));

    let storage = Storage::<RocksDisk>::open(&dir.join("raft"), Options::default()).unwrap();
    let mut node = Node::open(storage).unwrap();
    let next = identity.node.0 + 1;
    node.append([entry(3, next, SuspendTenant { tenant: TENANT_B })]).await;
    node.apply(next, next).await.unwrap();
    assert_eq!(node.state().tenant(TENANT_B).unwrap().state, TenantState::Suspended);
    assert_eq!(node.state().tenant(TENANT_A).unwrap().state, TenantState::Quarantined);
}

/// A survivor's log may hold more than it applied, and more than it knew to be committed.
#[tokio::test]
async fn a_survivor_gives_everything_its_log_holds() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("raft");
    let (_, contents) = backed_up().await;
    let mut head = contents.head;
    let first = founded(&mut head, &dir).node.0;
    let uid: Uid = samples::uid(TENANT_A, Kind::Recorded, 6);
    {
        let storage = Storage::<RocksDisk>::open(&dir.join("raft"), Options::default()).unwrap();
        let mut node = Node::open(storage).unwrap();
        node.append([entry(3, first + 1, DestroyObject { uid }), entry(3, first + 2, suspend())]).await;
        node.apply(first + 1, first + 1).await.unwrap();
    }
    let read = Survivor::read(&dir, &*sealer()).unwrap();
    assert_eq!((read.committed, read.head.index().0), (first + 1, first + 2));
    assert_eq!(read.head.state.object(TENANT_A, &uid).unwrap().lifecycle.state, KeyState::Destroyed);
    assert_eq!(read.head.state.tenant(TENANT_A).unwrap().state, TenantState::Suspended);
    let nobody = tempfile::tempdir().unwrap();
    let nobody = nobody.path().join("raft");
    assert!(matches!(Survivor::read(&nobody, &*sealer()), Err(OfflineError::NoNode(_))));
}
