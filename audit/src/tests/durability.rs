//! Nothing is acknowledged before it is on disk, and nothing ever after a failure.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::*;
use crate::disk::{Disk, Folder};

/// What a faulty disk does, set by the test while the log runs.
#[derive(Default)]
struct Faults {
    fail_sync: AtomicBool,
    /// Bytes that still fit; of an append that does not fit nothing is written, for space is made first.
    room: Mutex<Option<usize>>,
    blocked: Mutex<bool>,
    unblocked: Condvar,
    /// Syncs begun, and syncs that worked.
    begun: AtomicU64,
    syncs: AtomicU64,
}

impl Faults {
    fn block(&self, blocked: bool) {
        *self.blocked.lock().unwrap() = blocked;
        self.unblocked.notify_all();
    }

    /// Waits until the audit thread stands in its second sync; the first was the boot record's.
    async fn stands_in_a_sync(&self) {
        while self.begun.load(SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A real folder with faults before it.
struct Faulty(Folder, Arc<Faults>);

impl Disk for Faulty {
    fn begin(&mut self, name: &str, summary: &[u8]) -> io::Result<()> {
        self.0.begin(name, summary)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut room = self.1.room.lock().unwrap();
        if let Some(left) = &mut *room {
            *left = left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        }
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.begun.fetch_add(1, SeqCst);
        let mut blocked = self.1.blocked.lock().unwrap();
        while *blocked {
            blocked = self.1.unblocked.wait(blocked).unwrap();
        }
        if self.1.fail_sync.swap(false, SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.1.syncs.fetch_add(1, SeqCst);
        self.0.sync()
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.end()
    }
}

fn open_faulty(dir: &Path, settings: Settings) -> (AuditLog, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let log = AuditLog::open_on(dir, identity(1), settings, |folder| Faulty(folder, faults.clone())).unwrap();
    (log, faults)
}

fn append_later(log: &AuditLog, n: u64) -> tokio::task::JoinHandle<Result<Durable, AuditError>> {
    let log = log.clone();
    tokio::spawn(async move { log.append(batch(n)).await })
}

#[test]
fn no_answer_before_the_sync() {
    let dir = TempDir::new().unwrap();
    run(async {
        let (log, faults) = open_faulty(dir.path(), settings(SMALL));
        faults.block(true);
        let mut waiting = Box::pin(log.append(batch(1)));
        let early = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
        assert!(early.is_err(), "acknowledged before the sync");
        assert_eq!(log.size(), 1, "only the boot record is durable");
        let before = faults.syncs.load(SeqCst);
        faults.block(false);
        let durable = waiting.await.unwrap();
        assert_eq!((durable.first(), durable.last(), log.size()), (2, 3, 3));
        assert_eq!(faults.syncs.load(SeqCst), before + 1);
        log.close().await;
    });
}

#[test]
fn a_failed_sync_is_for_ever() {
    let dir = TempDir::new().unwrap();
    run(async {
        let (log, faults) = open_faulty(dir.path(), settings(SMALL));
        log.append(batch(0)).await.unwrap();
        faults.fail_sync.store(true, SeqCst);
        let failed = log.append(batch(1)).await.unwrap_err();
        assert!(
            matches!(&failed, AuditError::Failed { cause } if cause.contains("Input/output error")),
            "{failed}"
        );
        assert!(!log.healthy() && log.metrics().failed.load(SeqCst));
        // The disk would work again; it is not asked.
        let syncs = faults.syncs.load(SeqCst);
        for n in 0..20 {
            assert_eq!(log.append(batch(n)).await.unwrap_err(), failed);
        }
        assert_eq!((faults.syncs.load(SeqCst), log.size()), (syncs, 3));
        log.close().await;
    });
    write_log(dir.path(), 2, SMALL, 1);
    check(dir.path()).unwrap();
}

#[test]
fn requests_queued_behind_a_failure_are_refused() {
    let dir = TempDir::new().unwrap();
    run(async {
        let (log, faults) = open_faulty(dir.path(), settings(SMALL));
        faults.block(true);
        let first = append_later(&log, 0);
        faults.stands_in_a_sync().await;
        let waiting: Vec<_> = (1..50).map(|n| append_later(&log, n)).collect();
        while log.queue_length() < 49 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        faults.fail_sync.store(true, SeqCst);
        faults.block(false);
        // Only the first meets the fault: the disk would take the others, and is not asked.
        for request in [first].into_iter().chain(waiting) {
            assert!(matches!(request.await.unwrap(), Err(AuditError::Failed { .. })));
        }
        log.close().await;
    });
}

#[test]
fn a_full_disk_stops_the_log_and_loses_nothing_acknowledged() {
    for room in [0, 1, 15, 16, 17, 200, 300, 511, 512, 700, 1500] {
        let dir = TempDir::new().unwrap();
        let acknowledged = run(async {
            let (log, faults) = open_faulty(dir.path(), settings(1 << 20));
            log.append(batch(0)).await.unwrap();
            *faults.room.lock().unwrap() = Some(room);
            let mut last = log.size();
            for n in 0..10 {
                match log.append(batch(n)).await {
                    Ok(durable) => last = durable.last(),
                    Err(error) => assert!(matches!(error, AuditError::Failed { .. })),
                }
            }
            assert!(!log.healthy() && log.failure().unwrap().contains("no storage space"));
            log.close().await;
            last
        });
        write_log(dir.path(), 2, 1 << 20, 0);
        let report = check(dir.path()).unwrap();
        assert!(report.last_sequence > acknowledged, "room for {room} bytes");
    }
}

#[test]
fn a_full_queue_pushes_back_and_then_refuses() {
    let dir = TempDir::new().unwrap();
    run(async {
        let tight = Settings { queue_jobs: 2, append_wait: Duration::from_millis(50), ..settings(SMALL) };
        let (log, faults) = open_faulty(dir.path(), tight);
        faults.block(true);
        let first = append_later(&log, 0);
        faults.stands_in_a_sync().await;
        let queued: Vec<_> = (1..3).map(|n| append_later(&log, n)).collect();
        while log.queue_length() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(log.append(batch(3)).await, Err(AuditError::Busy));
        assert_eq!(log.metrics().busy.load(SeqCst), 1);
        assert!(log.healthy(), "a busy log is not a failed one");
        faults.block(false);
        first.await.unwrap().unwrap();
        for request in queued {
            request.await.unwrap().unwrap();
        }
        assert_eq!(log.size(), 1 + 3 * 2, "the refused batch left no record");
        log.close().await;
    });
}

#[test]
fn sixty_four_tasks_share_syncs_and_get_their_own_places() {
    let dir = TempDir::new().unwrap();
    let places = run(async {
        let log = AuditLog::open(dir.path(), identity(1), settings(64 << 10)).unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let log = log.clone();
                tokio::spawn(async move {
                    let mut places = Vec::new();
                    for n in 0..50 {
                        let name = format!("{task}/{n}");
                        let tenant = Some(u8::try_from(task % 7).unwrap());
                        places.push((log.append(batch_of(&[entry(tenant, &name); 3])).await.unwrap(), name));
                    }
                    places
                })
            })
            .collect();
        let mut places = Vec::new();
        for task in tasks {
            places.extend(task.await.unwrap());
        }
        assert!(log.metrics().commits.load(SeqCst) < 64 * 50 / 4, "requests share a sync");
        log.close().await;
        places
    });
    assert_eq!(check(dir.path()).unwrap().last_sequence, 1 + 64 * 50 * 3);
    let records: Vec<Record> = export(dir.path(), 1).unwrap().map(Result::unwrap).collect();
    for (durable, name) in places {
        assert_eq!(durable.last() - durable.first(), 2);
        for sequence in durable.first()..=durable.last() {
            assert_eq!(records[usize::try_from(sequence).unwrap() - 1].identifier, name);
        }
    }
}

#[test]
fn a_closed_log_refuses_and_an_abandoned_wait_still_records() {
    let dir = TempDir::new().unwrap();
    run(async {
        let (log, faults) = open_faulty(dir.path(), settings(SMALL));
        faults.block(true);
        let abandoned = tokio::time::timeout(Duration::from_millis(20), log.append(batch(1))).await;
        assert!(abandoned.is_err());
        faults.block(false);
        log.close().await;
        log.close().await;
        assert_eq!(log.size(), 3);
        assert_eq!(log.append(batch(2)).await, Err(AuditError::Closed));
    });
    assert_eq!(check(dir.path()).unwrap().last_sequence, 3);
}

#[test]
fn a_summary_longer_than_a_segment_does_not_rotate_every_commit() {
    let dir = TempDir::new().unwrap();
    run(async {
        let log = AuditLog::open(dir.path(), identity(1), settings(SMALL)).unwrap();
        let mut chains = Batch::new();
        (0..=255).for_each(|n| chains.push(&entry(Some(n), "")));
        log.append(chains).await.unwrap();
        for n in 0..20 {
            log.append(batch(n)).await.unwrap();
        }
        log.close().await;
    });
    let lengths: Vec<u64> =
        segments(dir.path()).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert!(lengths[1] > 4 * SMALL, "the summary of 257 chains");
    assert!((3..=8).contains(&lengths.len()), "{lengths:?}");
    check(dir.path()).unwrap();
}
