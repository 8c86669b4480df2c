//! The journal: whole after crashes, gaps provable, every change found, bounded.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::id::{ClusterId, NodeId, Realm};
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use raft_store::Identity;
use raft_store::journal::{self, Fault, Finding, Journal, JournalError, Options, Record, Stretch};
use raft_store::storage::{Fatal, RamDisk, Storage};

use crate::node::{Node, history, sealer};

fn identity() -> Identity {
    Identity {
        realm: sealer().realm(),
        cluster: ClusterId([2; 16]),
        node: NodeId(1),
        name: "node-a".to_owned(),
    }
}

fn options(segment_bytes: u64, total_bytes: u64) -> Options {
    Options { segment_bytes, total_bytes, on_fatal: Fatal::new(|why| panic!("the journal failed: {why}")) }
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, &identity(), sealer(), options(4_096, u64::MAX)).unwrap()
}

/// A journal of entries in a range, closed.
fn written(dir: &Path, from: u64, through: u64) {
    let journal = open(dir);
    history(1, from, through).into_iter().for_each(|entry| journal.record(Record::of_entry(entry)));
}

fn stretches(dir: &Path) -> Vec<(u64, u64)> {
    let report = journal::verify(dir, &*sealer()).unwrap().expect("a journal");
    report.stretches.iter().map(|Stretch { first, last }| (*first, *last)).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn finding(dir: &Path) -> Finding {
    journal::verify(dir, &*sealer()).expect_err("damaged")
}

#[test]
fn restarts_and_rotations_make_one_stretch() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 0, 40);
    written(dir.path(), 30, 90);
    assert_eq!(stretches(dir.path()), [(0, 90)], "what is there is passed over");
    assert!(segments(dir.path()).len() > 2, "it was rotated");
    let mut read = Vec::new();
    journal::read(dir.path(), &*sealer(), 50, |record, _| read.push(record)).unwrap();
    let entries: Vec<Record> = history(1, 51, 90).into_iter().map(Record::of_entry).collect();
    assert_eq!(read.len(), entries.len());
    assert!(read.iter().zip(&entries).all(|(a, b)| a.id == b.id));
}

#[test]
fn entries_never_seen_leave_a_gap_that_shows() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3, 40);
    written(dir.path(), 60, 70);
    assert_eq!(stretches(dir.path()), [(3, 40), (60, 70)]);
}

#[test]
fn an_interrupted_write_is_cut_off_at_any_byte_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 0, 8);
    let file = segments(dir.path()).pop().unwrap();
    let whole = fs::read(&file).unwrap();
    for cut in (0..whole.len()).rev().step_by(7) {
        fs::write(&file, &whole[..cut]).unwrap();
        if cut >= 90 {
            journal::verify(dir.path(), &*sealer()).expect("a torn tail is no damage");
        }
        written(dir.path(), 0, 8);
        assert_eq!(stretches(dir.path()), [(0, 8)], "cut at {cut}");
    }
}

#[test]
fn every_changed_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 0, 60);
    let all = segments(dir.path());
    assert!(all.len() > 2);
    let whole = fs::read(&all[0]).unwrap();
    for at in (0..whole.len()).step_by(11) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&all[0], &bytes).unwrap();
        finding(dir.path());
    }
    fs::write(&all[0], &whole).unwrap();
    assert_eq!(stretches(dir.path()), [(0, 60)]);
}

#[test]
fn a_missing_or_foreign_segment_is_found() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 0, 60);
    let all = segments(dir.path());
    let middle = fs::read(&all[1]).unwrap();
    fs::remove_file(&all[1]).unwrap();
    assert!(matches!(finding(dir.path()).fault, Fault::Gap { .. }));
    fs::write(&all[1], middle).unwrap();

    let other = tempfile::tempdir().unwrap();
    let foreign = Identity { node: NodeId(9), ..identity() };
    let journal = Journal::open(other.path(), &foreign, sealer(), options(4_096, u64::MAX)).unwrap();
    history(1, 61, 61).into_iter().for_each(|entry| journal.record(Record::of_entry(entry)));
    drop(journal);
    let refused = Journal::open(other.path(), &identity(), sealer(), options(4_096, u64::MAX)).err();
    assert!(matches!(refused, Some(JournalError::Other { node: NodeId(9), .. })));
    fs::copy(&segments(other.path())[0], dir.path().join(format!("{:020}.journal", 61))).unwrap();
    assert!(matches!(finding(dir.path()).fault, Fault::Mixed { node: NodeId(9), .. }));
}

#[test]
fn another_realm_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = Identity { realm: Realm([0xee; 16]), ..identity() };
    let journal = Journal::open(dir.path(), &foreign, sealer(), options(4_096, u64::MAX)).unwrap();
    journal.record(Record::of_entry(history(1, 0, 0).remove(0)));
    drop(journal);
    assert!(matches!(finding(dir.path()).fault, Fault::Realm { .. }));
}

#[test]
fn the_oldest_segments_go_when_the_bound_is_reached() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), &identity(), sealer(), options(2_048, 10_000)).unwrap();
    history(1, 0, 300).into_iter().for_each(|entry| journal.record(Record::of_entry(entry)));
    drop(journal);
    let kept: u64 = segments(dir.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    // The open segment and the write that filled it come on top.
    assert!(kept < 10_000 + 4_096, "{kept} bytes");
    let [(first, 300)] = stretches(dir.path())[..] else { panic!("one stretch to the end") };
    assert!(first > 100, "from {first}");
}

/// What is applied is journaled with its answer; what a crash kept from the journal comes from the log.
#[tokio::test]
async fn a_machine_tells_everything_and_catches_up_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RamDisk::default();
    let mut node = Node::open(Storage::open_ram(disk.clone(), Default::default()).unwrap()).unwrap();
    node.append(history(1, 0, 50)).await;
    node.machine.journal_to(Arc::new(open(dir.path()))).await.unwrap();
    node.apply(0, 20).await.unwrap();
    drop(node);
    assert_eq!(stretches(dir.path()), [(0, 20)]);
    let mut unanswered = 0;
    journal::read(dir.path(), &*sealer(), 0, |record, _| unanswered += usize::from(record.answer.is_none()))
        .unwrap();
    assert_eq!(unanswered, 1, "one blank entry; each command has its answer");

    let mut node = Node::open(Storage::open_ram(disk.clone(), Default::default()).unwrap()).unwrap();
    node.apply(21, 35).await.unwrap();
    node.machine.journal_to(Arc::new(open(dir.path()))).await.unwrap();
    node.apply(36, 50).await.unwrap();
    drop(node);
    assert_eq!(stretches(dir.path()), [(0, 50)]);
}

/// A snapshot was installed and the node died before its log was purged: what the log still holds was not applied, and
/// is no reason not to start.
#[tokio::test]
async fn a_snapshot_that_outran_the_log_begins_a_new_stretch() {
    let dir = tempfile::tempdir().unwrap();
    let ram = || Storage::open_ram(RamDisk::default(), Default::default()).unwrap();
    let mut source = Node::open(ram()).unwrap();
    source.append(history(1, 0, 60)).await;
    source.apply(0, 50).await.unwrap();
    let builder = source.machine.try_create_snapshot_builder(true).await.unwrap();
    let snapshot = { builder }.build_snapshot().await.unwrap();

    let disk = RamDisk::default();
    let mut node = Node::open(Storage::open_ram(disk.clone(), Default::default()).unwrap()).unwrap();
    node.append(history(1, 0, 30)).await;
    node.machine.journal_to(Arc::new(open(dir.path()))).await.unwrap();
    node.apply(0, 20).await.unwrap();
    let mut writer = node.storage.receive_snapshot().unwrap();
    writer.write(&snapshot.snapshot.read_at(0, usize::MAX).unwrap()).unwrap();
    node.machine.install_snapshot(&snapshot.meta, writer.finish().unwrap()).await.unwrap();
    drop(node);

    let mut node = Node::open(Storage::open_ram(disk.clone(), Default::default()).unwrap()).unwrap();
    assert_eq!(node.index().0, 50);
    node.machine.journal_to(Arc::new(open(dir.path()))).await.unwrap();
    node.append(history(1, 51, 60)).await;
    node.apply(51, 60).await.unwrap();
    drop(node);
    assert_eq!(stretches(dir.path()), [(0, 20), (51, 60)]);
}
