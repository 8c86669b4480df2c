//! Every alteration of a log is found, and named.

use super::*;

fn exit_code(dir: &Path) -> u8 {
    check(dir).map_or_else(|finding| finding.exit_code(), |_| 0)
}

/// The segment's bytes replaced by what `edit` makes of them and its frames.
fn edit(dir: &Path, nth: usize, edit: impl FnOnce(Vec<u8>, &[usize]) -> Vec<u8>) {
    let path = &segments(dir)[nth];
    let bytes = edit(fs::read(path).unwrap(), &frames(path));
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_untouched_log_passes() {
    let log = small_log();
    let report = check(log.path()).unwrap();
    assert_eq!((report.first_sequence, report.last_sequence), (1, 26));
    assert_eq!((report.chains, report.boots), (4, 2));
    assert_eq!(report.segments, segments(log.path()).len() as u64);
}

#[test]
fn every_flipped_byte_is_found() {
    let log = small_log();
    for segment in segments(log.path()) {
        let whole = fs::read(&segment).unwrap();
        for (at, byte) in whole.into_iter().enumerate() {
            // One bit flipped, and the byte zeroed; to zero a zero would be no change.
            for flip in [0x10, byte].into_iter().filter(|flip| *flip != 0) {
                poke(&segment, at, byte ^ flip);
                assert!(check(log.path()).is_err(), "{} at {at} flipped by {flip:#x}", segment.display());
            }
            poke(&segment, at, byte);
        }
    }
    assert_eq!(exit_code(log.path()), 0);
}

#[test]
fn a_removed_record_is_a_gap() {
    let log = small_log();
    edit(log.path(), 1, |bytes, frames| [&bytes[..frames[1]], &bytes[frames[2]..]].concat());
    let first = crate::segment::list(log.path()).unwrap()[1];
    let finding = check(log.path()).unwrap_err();
    assert!(
        matches!(finding.fault, Fault::Gap { expected, found } if (expected, found) == (first + 1, first + 2))
    );
    assert_eq!((finding.sequence, finding.exit_code()), (first + 1, 3));
}

#[test]
fn a_removed_end_of_a_segment_is_a_gap() {
    let log = small_log();
    edit(log.path(), 1, |bytes, frames| bytes[..frames[frames.len() - 2]].to_vec());
    assert_eq!(exit_code(log.path()), 3);
}

#[test]
fn a_segment_cut_inside_a_record_is_named() {
    let log = small_log();
    let last = segments(log.path()).len() - 1;
    edit(log.path(), last, |bytes, _| bytes[..bytes.len() - 1].to_vec());
    let finding = check(log.path()).unwrap_err();
    assert_eq!((finding.sequence, finding.exit_code()), (26, 5));
}

#[test]
fn swapped_and_repeated_records_are_found() {
    let log = small_log();
    edit(log.path(), 0, |bytes, f| {
        [&bytes[..f[1]], &bytes[f[2]..f[3]], &bytes[f[1]..f[2]], &bytes[f[3]..]].concat()
    });
    assert_eq!(exit_code(log.path()), 3);
    let log = small_log();
    edit(log.path(), 0, |bytes, f| [&bytes[..f[2]], &bytes[f[1]..f[2]], &bytes[f[2]..]].concat());
    assert_eq!(exit_code(log.path()), 2);
}

#[test]
fn a_missing_segment_is_a_gap() {
    let log = small_log();
    let all = segments(log.path());
    let middle = copy(log.path());
    fs::remove_file(middle.path().join(all[1].file_name().unwrap())).unwrap();
    assert_eq!(exit_code(middle.path()), 3);
    fs::remove_file(&all[0]).unwrap();
    assert_eq!(exit_code(log.path()), 3);
    let first = crate::segment::list(log.path()).unwrap()[0];
    let report = verify(log.path(), &Expect::default().starting_at(first)).unwrap();
    assert_eq!((report.first_sequence, report.last_sequence), (first, 26));
}

#[test]
fn an_empty_folder_is_truncated() {
    assert_eq!(exit_code(TempDir::new().unwrap().path()), 5);
}

/// Rewrites one record with all checksums and its own hash made right again.
fn forge(bytes: &[u8], frames: &[usize], nth: usize) -> Vec<u8> {
    let old = crate::frame::read(&bytes[frames[nth]..]).unwrap();
    let mut body = Vec::new();
    crate::record::encode_body(&Entry { tenant: old.tenant, ..entry(None, "forged") }, &mut body);
    let mut out = bytes[..frames[nth]].to_vec();
    crate::frame::write(&old.place, &body, &mut out);
    out.extend_from_slice(&bytes[frames[nth + 1]..]);
    out
}

#[test]
fn a_forged_record_is_betrayed_by_the_next_of_its_chain() {
    let dir = TempDir::new().unwrap();
    write_log(dir.path(), 1, 1 << 20, 6);
    // Records 4 and 5 are the two entries of one tenant's request.
    edit(dir.path(), 0, |bytes, frames| forge(&bytes, frames, 3));
    let finding = check(dir.path()).unwrap_err();
    assert_eq!((finding.sequence, finding.exit_code()), (5, 2));
    assert!(finding.to_string().contains("does not link"), "{finding}");
}

#[test]
fn only_a_checkpoint_betrays_a_forged_or_missing_end() {
    let dir = TempDir::new().unwrap();
    let checkpoint = write_log(dir.path(), 1, 1 << 20, 6).unwrap();
    let expect = || Expect::default().checkpoints([(checkpoint.clone(), vec![])], |_, _| true).unwrap();
    assert_eq!(verify(dir.path(), &expect()).unwrap().checkpoints, 1);
    assert_eq!(verify(dir.path(), &expect()).unwrap().root, checkpoint.root);

    let forged = copy(dir.path());
    edit(forged.path(), 0, |bytes, frames| forge(&bytes, frames, frames.len() - 2));
    assert_eq!(exit_code(forged.path()), 0);
    assert_eq!(verify(forged.path(), &expect()).unwrap_err().exit_code(), 2);

    edit(dir.path(), 0, |bytes, frames| bytes[..frames[frames.len() - 2]].to_vec());
    assert_eq!(exit_code(dir.path()), 0);
    assert_eq!(verify(dir.path(), &expect()).unwrap_err().exit_code(), 5);
}

#[test]
fn an_unsigned_checkpoint_is_refused() {
    let dir = TempDir::new().unwrap();
    let checkpoint = write_log(dir.path(), 1, SMALL, 1).unwrap();
    let signed = checkpoint.encode();
    let is_signed = |bytes: &[u8], signature: &[u8]| bytes == signed && signature == b"ours";
    let good = Expect::default().checkpoints([(checkpoint.clone(), b"ours".to_vec())], is_signed);
    assert!(good.is_ok());
    let bad = Expect::default().checkpoints([(checkpoint, b"theirs".to_vec())], is_signed);
    assert_eq!(bad.unwrap_err().exit_code(), 4);
}

#[test]
fn a_record_of_another_boot_is_found() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write_log(one.path(), 1, 1 << 20, 1);
    write_log(two.path(), 9, 1 << 20, 1);
    let foreign = fs::read(&segments(two.path())[0]).unwrap();
    let cut = frames(&segments(two.path())[0]);
    edit(one.path(), 0, |bytes, frames| [&bytes[..frames[1]], &foreign[cut[1]..]].concat());
    assert_eq!(exit_code(one.path()), 2);
}

/// Frames records of a log that nobody's writer would make.
fn write_by_hand(dir: &Path, batch_firsts: &[u64]) {
    let mut bytes = crate::segment::Summary::new(&identity(1), crate::ledger::Ledger::default()).encode();
    let mut ledger = crate::ledger::Ledger::default();
    for (n, batch_first) in batch_firsts.iter().enumerate() {
        let kind = if n == 0 { Kind::Boot } else { Kind::AdminAction };
        let mut body = Vec::new();
        crate::record::encode_body(&Entry { kind, ..entry(None, "") }, &mut body);
        ledger.seal(None, &body, *batch_first, &identity(1), &mut bytes);
    }
    fs::write(dir.join(crate::segment::name(1)), bytes).unwrap();
}

#[test]
fn an_impossible_group_commit_is_found() {
    let dir = TempDir::new().unwrap();
    write_by_hand(dir.path(), &[1, 2, 2, 4]);
    assert_eq!(exit_code(dir.path()), 0);
    for (bad, sequence) in [([0, 2, 2, 4], 1), ([1, 2, 1, 4], 3), ([1, 2, 2, 5], 4), ([1, 0, 0, 4], 2)] {
        write_by_hand(dir.path(), &bad);
        let finding = check(dir.path()).unwrap_err();
        assert_eq!((finding.sequence, finding.exit_code()), (sequence, 2), "{bad:?}");
    }
}

#[test]
fn a_log_begins_with_a_boot() {
    let dir = TempDir::new().unwrap();
    let mut bytes = crate::segment::Summary::new(&identity(1), crate::ledger::Ledger::default()).encode();
    let mut body = Vec::new();
    crate::record::encode_body(&entry(None, ""), &mut body);
    crate::ledger::Ledger::default().seal(None, &body, 1, &identity(1), &mut bytes);
    fs::write(dir.path().join(crate::segment::name(1)), bytes).unwrap();
    assert_eq!(exit_code(dir.path()), 2);
}
