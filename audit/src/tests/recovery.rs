//! A log opens after any crash, keeps what was acknowledged, and refuses what a crash cannot do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::*;

fn reopen(dir: &Path, boot: u64) -> Result<u64, OpenError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = AuditLog::open(dir, identity(boot), settings(1 << 20))?;
    runtime.block_on(log.close());
    Ok(log.size())
}

#[test]
fn a_new_boot_continues_every_chain() {
    let dir = TempDir::new().unwrap();
    write_log(dir.path(), 1, 1 << 20, 3);
    write_log(dir.path(), 2, 1 << 20, 3);
    let records: Vec<Record> = export(dir.path(), 1).unwrap().map(Result::unwrap).collect();
    let boots: Vec<&Record> = records.iter().filter(|record| record.kind == Kind::Boot).collect();
    assert_eq!(boots.iter().map(|record| record.place.boot.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(boots[1].place.chain_sequence, 3, "boot, one system event, boot");
    assert_eq!((boots[1].reason.as_str(), boots[1].detail.as_str()), ("", ""));
    assert_eq!(check(dir.path()).unwrap().last_sequence, 14);
}

#[test]
fn a_tail_cut_at_any_byte_opens_with_every_whole_record() {
    let dir = TempDir::new().unwrap();
    write_log(dir.path(), 1, 1 << 20, 4);
    let segment = &segments(dir.path())[0];
    let (bytes, frames) = (fs::read(segment).unwrap(), frames(segment));
    let last_commit = frames[frames.len() - 3];
    for cut in last_commit..=bytes.len() {
        fs::write(segment, &bytes[..cut]).unwrap();
        let whole = frames.iter().filter(|end| **end <= cut).count() as u64 - 1;
        assert_eq!(reopen(dir.path(), 2).unwrap(), whole + 1, "cut at {cut}");
        let boot = export(dir.path(), whole + 1).unwrap().next().unwrap().unwrap();
        assert_eq!(boot.kind, Kind::Boot);
        assert_eq!(boot.reason == "torn-tail", !frames.contains(&cut), "cut at {cut}");
        assert_eq!(check(dir.path()).unwrap().last_sequence, whole + 1);
    }
}

#[test]
fn a_copy_taken_at_any_moment_holds_what_was_acknowledged() {
    let dir = TempDir::new().unwrap();
    run(async {
        let log = AuditLog::open(dir.path(), identity(1), settings(16 << 10)).unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (log, acknowledged) = (log.clone(), acknowledged.clone());
                tokio::spawn(async move {
                    for n in 0..200 {
                        let durable = log.append(batch(n)).await.unwrap();
                        acknowledged.fetch_max(durable.last(), SeqCst);
                    }
                })
            })
            .collect();
        let mut copies = 0;
        while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
            let before = acknowledged.load(SeqCst);
            let crashed = copy(dir.path());
            let size = reopen_in_task(crashed.path()).await;
            assert!(size > before, "{before} were acknowledged, {size} are there with the boot record");
            check(crashed.path()).unwrap();
            copies += 1;
        }
        assert!(copies > 0);
        log.close().await;
    });
    assert_eq!(check(dir.path()).unwrap().last_sequence, 1 + 8 * 200 * 2);
}

async fn reopen_in_task(dir: &Path) -> u64 {
    let log = AuditLog::open(dir, identity(2), settings(1 << 20)).unwrap();
    let size = log.size();
    log.close().await;
    size
}

/// One commit of many records, as bytes after a first small one.
fn wide_commit() -> (TempDir, PathBuf, Vec<u8>, Vec<usize>) {
    let dir = TempDir::new().unwrap();
    run(async {
        let log = AuditLog::open(dir.path(), identity(1), settings(1 << 20)).unwrap();
        log.append(batch(0)).await.unwrap();
        log.append(batch_of(&[entry(Some(1), "wide"); 20])).await.unwrap();
        log.close().await;
    });
    let segment = segments(dir.path())[0].clone();
    let (bytes, frames) = (fs::read(&segment).unwrap(), frames(&segment));
    (dir, segment, bytes, frames)
}

#[test]
fn a_sector_missing_from_the_last_commit_is_a_torn_tail() {
    let (dir, segment, bytes, frames) = wide_commit();
    let commit = frames[3];
    let sectors = (commit.div_ceil(512) * 512..bytes.len()).step_by(512);
    for sector in sectors {
        let mut torn = bytes.clone();
        torn[sector..(sector + 512).min(bytes.len())].fill(0);
        fs::write(&segment, torn).unwrap();
        let whole = frames.iter().filter(|end| **end <= sector).count() as u64 - 1;
        assert_eq!(reopen(dir.path(), 2).unwrap(), whole + 1, "sector at {sector}");
        check(dir.path()).unwrap();
    }
    fs::write(&segment, [&bytes[..], &[0; 3000]].concat()).unwrap();
    assert_eq!(reopen(dir.path(), 2).unwrap(), 24);
}

#[test]
fn a_sector_missing_from_an_acknowledged_commit_is_damage() {
    let (dir, segment, bytes, frames) = wide_commit();
    let mut damaged = bytes;
    damaged[frames[2]..frames[3]].fill(0);
    fs::write(segment, damaged).unwrap();
    assert!(matches!(reopen(dir.path(), 2), Err(OpenError::Damaged(finding)) if finding.sequence == 3));
}

#[test]
fn space_made_ahead_is_no_fault_and_is_gone_after_a_clean_end() {
    let (dir, segment, bytes, frames) = wide_commit();
    assert_eq!(bytes.len(), *frames.last().unwrap(), "a closed log ends with its last record");
    for unused in [1, 15, 16, 17, 511, 512, 5000, 1 << 20] {
        fs::write(&segment, [&bytes[..], &vec![0; unused]].concat()).unwrap();
        assert_eq!(check(dir.path()).unwrap().last_sequence, 23);
        assert_eq!(export(dir.path(), 1).unwrap().map(Result::unwrap).count(), 23);
        assert_eq!(reopen(dir.path(), 2).unwrap(), 24);
        let boot = export(dir.path(), 24).unwrap().next().unwrap().unwrap();
        assert_eq!((boot.kind, boot.reason.as_str()), (Kind::Boot, ""));
        assert_eq!(fs::metadata(&segment).unwrap().len(), bytes.len() as u64 + boot_bytes(&segment));
    }
    // Only the last segment may have any.
    let log = small_log();
    let first = &segments(log.path())[0];
    let bytes = fs::read(first).unwrap();
    fs::write(first, [&bytes[..], &[0; 100]].concat()).unwrap();
    assert_eq!(check(log.path()).unwrap_err().exit_code(), 2);
}

/// Length of the last record.
fn boot_bytes(segment: &Path) -> u64 {
    let frames = frames(segment);
    (frames[frames.len() - 1] - frames[frames.len() - 2]) as u64
}

#[test]
fn a_byte_in_the_space_made_ahead_is_found() {
    let (dir, segment, bytes, _) = wide_commit();
    let made = [&bytes[..], &[0; 3000]].concat();
    for at in bytes.len()..made.len() {
        fs::write(&segment, &made).unwrap();
        poke(&segment, at, 1);
        let finding = check(dir.path()).unwrap_err();
        // In the sector of the last record it is damage, beyond it might be an interrupted write.
        let expected = if at / 512 == bytes.len() / 512 { 2 } else { 5 };
        assert_eq!((finding.sequence, finding.exit_code()), (24, expected), "a byte at {at}");
    }
}

#[test]
fn a_torn_commit_before_space_made_ahead_opens_with_every_whole_record() {
    let (dir, segment, bytes, frames) = wide_commit();
    let commit = frames[3];
    let mut made = [&bytes[..], &[0; 3000]].concat();
    // What a power cut leaves of blocks that were being overwritten: some sectors new, the others old.
    for sector in (commit / 512 * 512..bytes.len()).step_by(512).rev() {
        made[sector.max(commit)..].fill(0);
        fs::write(&segment, &made).unwrap();
        let whole = frames.iter().filter(|end| **end <= sector.max(commit)).count() as u64 - 1;
        assert_eq!(reopen(dir.path(), 2).unwrap(), whole + 1, "from sector {sector}");
        check(dir.path()).unwrap();
    }
}

#[test]
fn a_log_that_is_written_while_it_is_read_is_no_fault() {
    let (dir, segment, bytes, frames) = wide_commit();
    let mut early = bytes.clone();
    early[frames[3] + 100..frames[5]].fill(0);
    fs::write(&segment, &early).unwrap();
    // It has read ahead when the rest is written.
    let mut walk = crate::walk::Walk::begin(dir.path(), 1).unwrap().unwrap();
    fs::write(&segment, &bytes).unwrap();
    let mut records = 0;
    while walk.next().unwrap().is_some() {
        records += 1;
    }
    assert_eq!(records, 23);
}

#[test]
fn a_flipped_byte_anywhere_refuses_to_open_and_says_where() {
    for made_ahead in [0, 16, 2000] {
        flip_every_byte(made_ahead);
    }
}

fn flip_every_byte(made_ahead: usize) {
    let (dir, segment, bytes, frames) = wide_commit();
    fs::write(&segment, [&bytes[..], &vec![0; made_ahead]].concat()).unwrap();
    for at in (0..frames[5]).chain(frames[frames.len() - 2]..bytes.len()) {
        poke(&segment, at, bytes[at] ^ 0x10);
        let Err(OpenError::Damaged(finding)) = reopen(dir.path(), 2) else {
            panic!("opened, flipped at {at}")
        };
        let begins = frames.iter().rev().find(|begin| **begin <= at).copied().unwrap_or(0);
        assert_eq!((finding.offset, finding.exit_code()), (begins as u64, 2), "flipped at {at}: {finding}");
        poke(&segment, at, bytes[at]);
    }
    poke(&segment, bytes.len() - 1, !bytes[bytes.len() - 1]);
    let refusal = reopen(dir.path(), 2).unwrap_err().to_string();
    let place = format!("audit-{:020}.log, offset {}, record 23", 1, frames[frames.len() - 2]);
    assert!(refusal.contains(&place) && refusal.contains("keyraft audit verify"), "{refusal}");
}

#[test]
fn an_unfinished_segment_is_removed() {
    let dir = TempDir::new().unwrap();
    write_log(dir.path(), 1, SMALL, 1);
    let unfinished = dir.path().join([crate::segment::name(99), ".new".to_owned()].concat());
    fs::write(&unfinished, b"KRAUD").unwrap();
    assert_eq!(reopen(dir.path(), 2).unwrap(), 4);
    assert!(!unfinished.exists());
}

#[test]
fn a_rewound_disk_a_foreign_folder_and_a_second_process_are_refused() {
    let dir = TempDir::new().unwrap();
    write_log(dir.path(), 5, SMALL, 1);
    assert!(matches!(reopen(dir.path(), 5), Err(OpenError::Rewound { .. })));
    assert!(matches!(reopen(dir.path(), 4), Err(OpenError::Rewound { .. })));
    let other = Identity { node: NodeId(4), ..identity(6) };
    assert!(matches!(
        AuditLog::open(dir.path(), other, Settings::default()),
        Err(OpenError::OtherNode { node: NodeId(3), .. })
    ));
    run(async {
        let log = AuditLog::open(dir.path(), identity(6), Settings::default()).unwrap();
        assert!(matches!(
            AuditLog::open(dir.path(), identity(7), Settings::default()),
            Err(OpenError::InUse(_))
        ));
        log.close().await;
    });
    let recovered = Identity { cluster: ClusterId([0xdd; 16]), node: NodeId(1), boot: BootId(1), now_ms: 0 };
    run(async { AuditLog::open(dir.path(), recovered, Settings::default()).unwrap().close().await });
    assert_eq!(check(dir.path()).unwrap().boots, 3);
}
