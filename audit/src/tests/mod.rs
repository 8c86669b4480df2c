//! Tests that need to stand inside: faulty disks, forged bytes. Each file is one promise.

mod actions;
mod damage;
mod durability;
mod golden;
mod recovery;
mod stating;

use std::fs;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use model::id::{BootId, ClusterId, NodeId, TenantHandle};
use tempfile::TempDir;

use crate::*;

/// Small segments, so that a small log has several.
const SMALL: u64 = 2048;

fn identity(boot: u64) -> Identity {
    Identity {
        cluster: ClusterId([0xc0; 16]),
        node: NodeId(3),
        boot: BootId(boot),
        now_ms: 1_700_000_000_000,
    }
}

fn settings(segment_bytes: u64) -> Settings {
    Settings { segment_bytes, ..Settings::default() }
}

fn entry(tenant: Option<u8>, identifier: &str) -> Entry<'_> {
    Entry {
        tenant: tenant.map(|n| TenantHandle([0, 0, 0, n])),
        identifier,
        ..Entry::new(Kind::KeyOperation, Operation { code: 10, name: "Get" }, Outcome::Ok, 1_700_000_000_001)
    }
}

fn batch_of(entries: &[Entry<'_>]) -> Batch {
    let mut batch = Batch::new();
    entries.iter().for_each(|entry| batch.push(entry));
    batch
}

/// A batch of two entries: tenant `n % 3`, and every fifth time the system chain.
fn batch(n: u64) -> Batch {
    let text = format!("key-{n}");
    let tenant = Some(u8::try_from(n % 3).unwrap());
    batch_of(&[entry(tenant, &text), entry(tenant.filter(|_| !n.is_multiple_of(5)), &text)])
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Appends `batches` batches, each with its own sync, and closes the log.
fn write_log(dir: &Path, boot: u64, segment_bytes: u64, batches: u64) -> Option<Checkpoint> {
    run(async {
        let log = AuditLog::open(dir, identity(boot), settings(segment_bytes)).unwrap();
        for n in 0..batches {
            log.append(batch(n)).await.unwrap();
        }
        let checkpoint = log.checkpoint();
        log.close().await;
        checkpoint
    })
}

/// Two boots, several segments, several chains.
fn small_log() -> TempDir {
    let dir = TempDir::new().unwrap();
    write_log(dir.path(), 1, SMALL, 6);
    write_log(dir.path(), 2, SMALL, 6);
    assert!(segments(dir.path()).len() >= 3);
    dir
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let firsts = crate::segment::list(dir).unwrap();
    firsts.into_iter().map(|first| dir.join(crate::segment::name(first))).collect()
}

/// Copies the segments there are now. Of a log that is being written this is what a crash leaves: older
/// segments whole, the last one up to some commit or inside it. It is read from its end to its beginning,
/// so that no block of the copy is newer than a block before it.
fn copy(from: &Path) -> TempDir {
    const BLOCK: usize = 4096;
    let to = TempDir::new().unwrap();
    for segment in segments(from) {
        let file = fs::File::open(&segment).unwrap();
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        let mut length = bytes.len();
        for at in (0..bytes.len()).step_by(BLOCK).rev() {
            let end = bytes.len().min(at + BLOCK);
            // A segment that was ended meanwhile is shorter than it was.
            if file.read_exact_at(&mut bytes[at..end], at as u64).is_err() {
                let left = file.metadata().unwrap().len();
                length = usize::try_from(left).unwrap();
                file.read_exact_at(&mut bytes[at..length.max(at)], at as u64).unwrap();
            }
        }
        fs::write(to.path().join(segment.file_name().unwrap()), &bytes[..length]).unwrap();
    }
    to
}

/// Changes one byte in place; rewriting the file would have the disk flush it each time.
fn poke(segment: &Path, at: usize, byte: u8) {
    let file = fs::OpenOptions::new().write(true).open(segment).unwrap();
    file.write_all_at(&[byte], at as u64).unwrap();
}

fn check(dir: &Path) -> Result<Report, Finding> {
    verify(dir, &Expect::default())
}

/// Where each frame of a segment begins, and where the last ends.
fn frames(segment: &Path) -> Vec<usize> {
    let bytes = fs::read(segment).unwrap();
    let (_, start) = crate::segment::Summary::read(&mut &bytes[..]).unwrap().unwrap();
    let mut at = usize::try_from(start).unwrap();
    let mut frames = vec![at];
    while at < bytes.len() {
        let header = bytes[at..at + crate::frame::HEADER_BYTES].try_into().unwrap();
        at += crate::frame::HEADER_BYTES + crate::frame::Header::parse(header).unwrap().body_bytes;
        frames.push(at);
    }
    frames
}
