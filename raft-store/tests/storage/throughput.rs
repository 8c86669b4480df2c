//! How many durable appends a second this disk takes: `cargo test --release -p raft-store --test storage
//! throughput -- --ignored --nocapture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openraft::storage::RaftLogStorageExt;
use raft_store::storage::{Options, Storage};
use raft_store::types::{Entry, EntryPayload, SealedCommand, entry_id};

const RUN: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn throughput() {
    for writers in [1, 16, 64] {
        let dir = tempfile::tempdir_in(".").unwrap();
        let storage = Storage::open(dir.path(), Options::default()).unwrap();
        let next = Arc::new(AtomicU64::new(0));
        let until = Instant::now() + RUN;
        let tasks: Vec<_> = (0..writers)
            .map(|_| {
                let (mut log, next) = (storage.log_store(), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut waits = Vec::new();
                    while Instant::now() < until {
                        let began = Instant::now();
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        log.blocking_append([sealed(index)]).await.unwrap();
                        waits.push(began.elapsed());
                    }
                    waits
                })
            })
            .collect();
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await.unwrap());
        }
        waits.sort();
        let rate = waits.len() as u64 / RUN.as_secs();
        let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
        println!("{writers} writers: {rate} appends/s, p50 {:?}, p99 {:?}", at(50), at(99));
        assert!(rate > 0);
    }
}

fn sealed(index: u64) -> Entry {
    let command = SealedCommand { id: model::id::CommandId([1; 16]), sealed: vec![0x5a; 300] };
    Entry { log_id: entry_id(1, 1, index), payload: EntryPayload::Normal(command) }
}
