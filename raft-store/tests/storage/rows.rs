//! Rows on a disk someone meddled with: a record moved, replaced, put back or taken away never serves.

use std::ops::ControlFlow;

use model::sealer::Unopenable;
use openraft::storage::RaftStateMachine;
use raft_store::storage::disk::{Batch, Disk, Pair, Space};
use raft_store::storage::{Options, RamDisk, Storage, StoreError};

use crate::node::{self, Node};

fn open(disk: &RamDisk) -> Result<Node<RamDisk>, StoreError> {
    Node::open(Storage::open_ram(disk.clone(), Options::default()).unwrap())
}

fn all(disk: &RamDisk, space: Space) -> Vec<Pair> {
    let mut pairs = Vec::new();
    disk.scan(space, &[], &[0xff; 64], &mut |key, value| {
        pairs.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    pairs
}

fn rows(disk: &RamDisk) -> Vec<Pair> {
    all(disk, Space::Rows)
}

/// A disk with a state on it, and the disk as it was some entries before.
async fn disks() -> (RamDisk, RamDisk) {
    let disk = RamDisk::default();
    let mut node = open(&disk).unwrap();
    node.append(node::history(1, 0, 40)).await;
    node.apply(0, 30).await.unwrap();
    let before = disk.after_crash(usize::MAX);
    node.apply(31, 40).await.unwrap();
    (disk.after_crash(usize::MAX), before)
}

fn put(disk: &RamDisk, space: Space, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(space, key, value.to_vec());
    disk.tamper(&batch);
}

fn refused(disk: &RamDisk) -> StoreError {
    open(disk).err().expect("a disk that was meddled with opened")
}

#[tokio::test]
async fn the_same_entries_make_the_same_digest_on_every_node() {
    let mut digests = Vec::new();
    for pieces in [vec![(0, 40)], vec![(0, 3), (4, 17), (18, 40)]] {
        let mut node = open(&RamDisk::default()).unwrap();
        node.append(node::history(1, 0, 40)).await;
        for (from, through) in pieces {
            node.apply(from, through).await.unwrap();
        }
        digests.push(node.machine.digest());
    }
    assert!(digests[0].rows > 20);
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn two_swapped_rows_do_not_open() {
    let (disk, _) = disks().await;
    let rows = rows(&disk);
    for pair in rows.windows(2) {
        let other = disk.after_crash(0);
        put(&other, Space::Rows, &pair[0].0, &pair[1].1);
        put(&other, Space::Rows, &pair[1].0, &pair[0].1);
        let StoreError::Row { why, .. } = refused(&other) else { panic!("refused for another reason") };
        assert_eq!(why, Unopenable::NotAuthentic.to_string(), "the seal alone must refuse it");
    }
}

#[tokio::test]
async fn a_row_under_another_revision_does_not_open() {
    let (disk, _) = disks().await;
    let (key, mut value) = rows(&disk).swap_remove(0);
    value[7] ^= 1;
    put(&disk, Space::Rows, &key, &value);
    assert!(matches!(refused(&disk), StoreError::Row { .. }));
}

#[tokio::test]
async fn an_older_version_of_a_row_is_noticed() {
    let (disk, before) = disks().await;
    let (now, then) = (rows(&disk), rows(&before));
    let older: Vec<&Pair> = then
        .iter()
        .filter(|(key, value)| now.iter().any(|pair| pair.0 == *key && pair.1 != *value))
        .collect();
    assert!(older.len() >= 2, "too few rows changed between the two moments");
    for (key, value) in older {
        let other = disk.after_crash(0);
        put(&other, Space::Rows, key, value);
        assert!(matches!(refused(&other), StoreError::Integrity { .. }));
    }
}

#[tokio::test]
async fn a_missing_row_is_noticed() {
    let (disk, _) = disks().await;
    for (key, _) in rows(&disk) {
        let other = disk.after_crash(0);
        let mut batch = Batch::default();
        batch.delete(Space::Rows, key);
        other.tamper(&batch);
        assert!(matches!(refused(&other), StoreError::Integrity { .. }));
    }
}

/// Rows and their sums put back together are consistent with each other, not with the rest.
#[tokio::test]
async fn a_whole_table_put_back_is_noticed() {
    let (disk, before) = disks().await;
    let sums = |disk: &RamDisk| -> Vec<Pair> {
        all(disk, Space::Meta).into_iter().filter(|(key, _)| key.starts_with(b"sum/")).collect()
    };
    let changed: Vec<Pair> = sums(&before).into_iter().filter(|pair| !sums(&disk).contains(pair)).collect();
    assert!(!changed.is_empty());
    for (sum_key, sum) in changed {
        // generation ‖ prefix ‖ table stands in both keys.
        let table = &sum_key[b"sum/".len()..];
        let other = disk.after_crash(0);
        let mut batch = Batch::default();
        rows(&other).into_iter().filter(|row| row.0.starts_with(table)).for_each(|row| {
            batch.delete(Space::Rows, row.0);
        });
        rows(&before).into_iter().filter(|row| row.0.starts_with(table)).for_each(|row| {
            batch.put(Space::Rows, row.0, row.1);
        });
        batch.put(Space::Meta, sum_key, sum);
        other.tamper(&batch);
        let error = refused(&other);
        assert!(matches!(error, StoreError::Digest { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_applied_mark_of_another_moment_is_noticed() {
    let (disk, before) = disks().await;
    let key = b"state/applied";
    let old = before.get(Space::Meta, key).unwrap().unwrap();
    put(&disk, Space::Meta, key, &old);
    assert!(matches!(refused(&disk), StoreError::Digest { .. }));
}

#[tokio::test]
async fn a_lost_digest_is_noticed() {
    let (disk, _) = disks().await;
    let mut batch = Batch::default();
    batch.delete(Space::Meta, &b"state/digest"[..]);
    disk.tamper(&batch);
    assert!(matches!(refused(&disk), StoreError::Digest { .. }));
}

#[tokio::test]
async fn files_tell_no_names_and_no_neighbours() {
    let (disk, _) = disks().await;
    let everything = Space::ALL.map(|space| all(&disk, space)).concat();
    let secrets: [&[u8]; 5] =
        [b"tenant-a", b"mongodb", b"object 8", node::TENANT_A.as_bytes(), node::TENANT_B.as_bytes()];
    for (key, value) in &everything {
        for secret in secrets {
            let found = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found(key) && !found(value), "{} is in clear", String::from_utf8_lossy(secret));
        }
    }
}

#[tokio::test]
async fn an_untouched_disk_opens_to_the_same_state() {
    let (disk, _) = disks().await;
    let mut node = open(&disk).unwrap();
    assert_eq!(node.machine.applied_state().await.unwrap().0, Some(node::blank(1, 40).log_id));
    assert_eq!(node.index().0, 40);
}
