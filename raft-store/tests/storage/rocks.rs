//! The same promises on RocksDB's own files: copied at every sync, cut, and flipped.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use openraft::storage::{RaftLogReader, RaftLogStorage, RaftStateMachine};
use raft_store::storage::{Hook, Options, RocksDisk, Storage};
use raft_store::types::{LeaderId, Vote};
use tempfile::TempDir;

use crate::node::{self, Node};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "LOCK" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn open(dir: &Path) -> Result<Node<RocksDisk>, raft_store::storage::StoreError> {
    Node::open(Storage::open(dir, Options::default())?)
}

/// The newest write-ahead log of a database.
fn wal(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "log")).max().unwrap()
}

/// The deletion and what follows it are one batch, in this order.
#[tokio::test]
async fn a_truncated_tail_gives_way_to_its_successors() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (node::history(1, 0, 9), node::history(2, 6, 7));
    let mut node = open(home.path()).unwrap();
    node.append(old.clone()).await;
    node.log.truncate_after(Some(old[5].log_id)).await.unwrap();
    node.append(new.clone()).await;
    drop(node);
    let mut node = open(home.path()).unwrap();
    let found = node.log.try_get_log_entries(..).await.unwrap();
    assert!(found.iter().eq(old[..6].iter().chain(&new)), "{found:?}");
    assert_eq!(node.storage.durable_mark().last, Some(new[1].log_id));
}

#[tokio::test]
async fn at_every_sync_everything_acknowledged_is_in_the_files() {
    let (home, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = Arc::new(Mutex::new(0_usize));
    let hook = Hook::new({
        let (home, copies, made) = (home.path().to_owned(), copies.path().to_owned(), Arc::clone(&made));
        move || {
            let mut made = made.lock().unwrap();
            copy(&home, &copies.join(made.to_string()));
            *made += 1;
        }
    });
    let options = Options { after_sync: Some(hook), ..Options::default() };
    let mut node = Node::open(Storage::open(home.path(), options).unwrap()).unwrap();
    // After which copy which (vote term, last index) was acknowledged.
    let mut acknowledged: Vec<(usize, u64, u64)> = Vec::new();
    for round in 0..6_u64 {
        let vote = Vote { leader_id: LeaderId { term: round + 1, node_id: 1 }, committed: true };
        node.log.save_vote(&vote).await.unwrap();
        node.append(node::history(1, round * 5, round * 5 + 4)).await;
        node.apply(round * 5, round * 5 + 4).await.unwrap();
        acknowledged.push((*made.lock().unwrap(), round + 1, round * 5 + 4));
        if round == 3 {
            node.log.purge(node::blank(1, 9).log_id).await.unwrap();
        }
    }
    drop(node);
    let made = *made.lock().unwrap();
    assert!(made >= 13, "only {made} syncs were seen");
    for number in 0..made {
        let mut node = open(&copies.path().join(number.to_string())).unwrap();
        let vote = node.log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term);
        let state = node.log.get_log_state().await.unwrap();
        let applied = node.machine.applied_state().await.unwrap().0;
        assert!(applied <= state.last_log_id && state.last_purged_log_id <= applied);
        for (copies, term, last) in acknowledged.iter().filter(|(copies, ..)| *copies <= number + 1) {
            assert!(vote >= *term, "copy {number} lost a vote acknowledged after {copies} syncs");
            assert!(state.last_log_id.is_some_and(|id| id.index >= *last), "copy {number} lost an entry");
        }
    }
}

/// A closed database whose write-ahead log holds a long history.
async fn written(through: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open(dir.path()).unwrap();
    for index in 0..=through {
        node.append(node::history(1, index, index)).await;
    }
    let live = tempfile::tempdir().unwrap();
    copy(dir.path(), live.path());
    drop(node);
    live
}

#[tokio::test]
async fn a_flipped_byte_in_the_middle_of_the_log_refuses_to_open() {
    let dir = written(100).await;
    let wal = wal(dir.path());
    let mut bytes = std::fs::read(&wal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&wal, bytes).unwrap();
    let error = open(dir.path()).err().expect("half of the log would be lost silently");
    assert!(error.to_string().contains("failed to open"), "{error}");
}

#[tokio::test]
async fn a_torn_tail_opens_without_the_torn_record() {
    let dir = written(100).await;
    let wal = wal(dir.path());
    let bytes = std::fs::read(&wal).unwrap();
    std::fs::write(&wal, &bytes[..bytes.len() - 10]).unwrap();
    let mut node = open(dir.path()).unwrap();
    let last = node.log.get_log_state().await.unwrap().last_log_id.unwrap();
    assert_eq!(last.index, 99);
}

#[tokio::test]
async fn reopening_gives_the_same_state_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open(dir.path()).unwrap();
    node.append(node::history(1, 0, 200)).await;
    node.apply(0, 150).await.unwrap();
    let (state, digest) = (node.state(), node.machine.digest());
    drop(node);
    let mut node = open(dir.path()).unwrap();
    assert_eq!((node.state(), node.machine.digest(), node.index().0), (state, digest, 150));
    node.apply(151, 200).await.unwrap();
    let entries = node.log.try_get_log_entries(190..).await.unwrap();
    assert_eq!(entries.len(), 11);
}
