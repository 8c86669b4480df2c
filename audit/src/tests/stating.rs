//! What the log tells others: checkpoints, exports, JSON lines.

use super::*;

#[test]
fn a_checkpoint_states_changed_heads_once() {
    let dir = TempDir::new().unwrap();
    run(async {
        let log = AuditLog::open(dir.path(), identity(1), settings(SMALL)).unwrap();
        let first = log.checkpoint().unwrap();
        assert_eq!((first.size, first.heads.len()), (1, 1));
        assert_eq!((first.heads[0].0, first.heads[0].1.sequence), (None, 1));
        assert_eq!(log.checkpoint(), None);
        log.append(batch(1)).await.unwrap();
        let second = log.checkpoint().unwrap();
        assert_eq!((second.size, second.heads.len()), (3, 1));
        assert_eq!(second.heads[0].1.sequence, 2);
        assert_ne!(first.root, second.root);
        assert_ne!(first.encode(), second.encode());
        log.close().await;
    });
}

#[test]
fn heads_beyond_the_limit_come_with_the_next_checkpoint() {
    let dir = TempDir::new().unwrap();
    run(async {
        let log = AuditLog::open(dir.path(), identity(1), Settings::default()).unwrap();
        let many = u32::try_from(HEADS_PER_CHECKPOINT_MAX).unwrap() + 10;
        let mut batch = Batch::new();
        for n in 0..many {
            batch.push(&Entry { tenant: Some(TenantHandle(n.to_be_bytes())), ..entry(None, "") });
        }
        log.append(batch).await.unwrap();
        let (one, two) = (log.checkpoint().unwrap(), log.checkpoint().unwrap());
        assert_eq!((one.heads.len(), two.heads.len()), (HEADS_PER_CHECKPOINT_MAX, 11));
        assert!(one.heads.last().unwrap().0 < two.heads[0].0 && one.root == two.root);
        assert_eq!(log.checkpoint(), None);
        log.close().await;
    });
}

#[test]
fn after_a_restart_recent_heads_are_stated_again() {
    let dir = TempDir::new().unwrap();
    write_log(dir.path(), 1, 1 << 20, 3);
    let again = write_log(dir.path(), 2, 1 << 20, 0).unwrap();
    assert_eq!((again.size, again.heads.len()), (8, 4));
}

#[test]
fn an_export_begins_anywhere() {
    let log = small_log();
    for from in 1..=27 {
        let sequences: Vec<u64> =
            export(log.path(), from).unwrap().map(|record| record.unwrap().place.sequence).collect();
        assert_eq!(sequences, (from..=26).collect::<Vec<_>>());
    }
    assert_eq!(export(TempDir::new().unwrap().path(), 1).unwrap().count(), 0);
}

#[test]
fn a_json_line_is_printable_and_says_what_the_record_says() {
    let dir = TempDir::new().unwrap();
    let hostile = "\u{1b}[2J\u{202e}\"\\\n\u{7f}\u{9b}31mé\u{1f511}";
    run(async {
        let log = AuditLog::open(dir.path(), identity(1), settings(SMALL)).unwrap();
        let told = Entry {
            peer: Some("[2001:db8::7]:50000".parse().unwrap()),
            certificate: Some([0xce; 32]),
            reason: "bad-tag",
            outcome: Outcome::Refused,
            latency_us: 417,
            ..entry(Some(7), hostile)
        };
        log.append(batch_of(&[told])).await.unwrap();
        log.close().await;
    });
    let record = export(dir.path(), 2).unwrap().next().unwrap().unwrap();
    let line = record.to_json();
    assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["identifier"], hostile);
    assert_eq!(json["sequence"], 2);
    assert_eq!(json["tenant"], "00000007");
    assert_eq!(json["peer"], "[2001:db8::7]:50000");
    assert_eq!(json["certificate_sha256"], "ce".repeat(32));
    assert_eq!((&json["outcome"], &json["reason"]), (&"refused".into(), &"bad-tag".into()));
    assert_eq!((&json["operation"], &json["latency_us"]), (&"Get".into(), &417.into()));
    assert_eq!(json.get("service"), None);
    assert_eq!(json.get("cut"), None);
}
