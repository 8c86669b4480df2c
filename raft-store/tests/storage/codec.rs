//! The codec: golden bytes, hostile bytes, and the way out of bincode.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use model::command::Action;
use model::id::CommandId;
use model::row::RowKey;
use model::time::ClusterTime;
use proptest::prelude::*;
use raft_store::codec::records::{self, Applied, Table};
use raft_store::codec::{self, BadBytes};
use raft_store::journal::{Content, Record};
use raft_store::types::{LeaderId, Members, SealedCommand, SnapshotMeta, Vote, entry_id};

use crate::allocation::largest;
use crate::node::{blank, entry, membership};
use crate::samples;

/// Length of everything before the body.
const HEADER: usize = 15;
/// What serde may reserve for a sequence before it has seen its elements.
const RESERVED_MAX: usize = 1024 * 1024;
/// Every record once, framed.
static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    encoded().into_iter().filter(|(name, _)| !name.starts_with("name/")).map(|(_, bytes)| bytes).collect()
});

/// Everything we store, by name, as it is encoded now.
fn encoded() -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for command in samples::commands() {
        let bytes = codec::encode_command(&command).unwrap();
        assert_eq!(codec::decode_command(&bytes).unwrap(), command);
        all.insert(format!("command/{}", command.action.name()), bytes);
    }
    for (name, key, row) in samples::rows() {
        let bytes = codec::encode_row(&key, &row).unwrap();
        assert_eq!(codec::decode_row(&bytes).unwrap(), (key, row));
        all.insert(format!("row/{name}"), bytes);
        all.insert(format!("name/{name}"), codec::row_name(&key).unwrap());
    }
    for (name, entry) in [("blank", blank(2, 9)), ("membership", membership(2, 9))] {
        let bytes = records::encode_entry(&entry).unwrap();
        assert_eq!(records::decode_entry(&bytes).unwrap(), entry);
        all.insert(format!("entry/{name}"), bytes);
    }
    let vote = Vote { leader_id: LeaderId { term: 3, node_id: 4 }, committed: true };
    all.insert("vote".into(), records::encode_vote(&vote).unwrap());
    assert_eq!(records::decode_vote(&all["vote"]).unwrap(), vote);
    all.insert("id".into(), records::encode_id(entry_id(5, 6, 7)).unwrap());
    assert_eq!(records::decode_id(&all["id"]).unwrap(), entry_id(5, 6, 7));
    for (name, content) in [
        ("blank", Content::Blank),
        ("command", Content::Command(SealedCommand { id: CommandId([7; 16]), sealed: vec![1, 2, 3] })),
    ] {
        let record =
            Record { id: entry_id(2, 1, 9), time: ClusterTime(77), content, answer: Some([0xcd; 32]) };
        let bytes = records::encode_journal(&record).unwrap();
        assert_eq!(records::decode_journal(&bytes).unwrap(), record);
        all.insert(format!("journal/{name}"), bytes);
    }
    all.extend(marks());
    all
}

fn marks() -> BTreeMap<String, Vec<u8>> {
    let raft_store::types::EntryPayload::Membership(membership) = membership(2, 9).payload else {
        unreachable!("it is a membership")
    };
    let members = Members::new(Some(entry_id(2, 1, 9)), membership);
    let applied = Applied { generation: 2, last: Some(entry_id(2, 1, 11)), members: members.clone() };
    let meta = SnapshotMeta { last_log_id: Some(entry_id(2, 1, 11)), last_membership: members };
    let table = Table { rows: 3, sum: [0xab; 32] };
    let all = BTreeMap::from([
        ("applied".to_owned(), records::encode_applied(&applied).unwrap()),
        ("snapshot".to_owned(), records::encode_snapshot_meta(&meta).unwrap()),
        ("table".to_owned(), records::encode_table(&table).unwrap()),
    ]);
    assert_eq!(records::decode_applied(&all["applied"]).unwrap(), applied);
    assert_eq!(records::decode_snapshot_meta(&all["snapshot"]).unwrap(), meta);
    assert_eq!(records::decode_table(&all["table"]).unwrap(), table);
    all
}

#[test]
fn every_record_of_schema_1_keeps_its_bytes() {
    let golden: BTreeMap<String, String> = include_str!("golden/schema1.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, bytes)| (name.to_owned(), bytes.to_owned()))
        .collect();
    let now: BTreeMap<String, String> =
        encoded().into_iter().map(|(name, bytes)| (name, hex::encode(bytes))).collect();
    let missing: Vec<String> = now
        .iter()
        .filter(|(name, _)| !golden.contains_key(*name))
        .map(|(name, bytes)| format!("{name} {bytes}"))
        .collect();
    assert!(missing.is_empty(), "add to golden/schema1.txt:\n{}", missing.join("\n"));
    for (name, bytes) in &now {
        assert_eq!(&golden[name], bytes, "{name} no longer reads as shipped: give it a new schema version");
    }
    assert_eq!(golden.len(), now.len(), "a record that was shipped is no longer tested");
}

#[test]
fn every_command_has_a_sample() {
    let names: Vec<_> = samples::actions().iter().map(Action::name).collect();
    assert_eq!(names, Action::NAMES);
}

#[test]
fn a_command_entry_comes_back() {
    let entry = entry(3, 8, model::commands::SuspendTenant { tenant: samples::TENANT });
    let bytes = records::encode_entry(&entry).unwrap();
    assert_eq!(records::decode_entry(&bytes).unwrap(), entry);
}

#[test]
fn no_membership_at_all_comes_back() {
    let applied = Applied::default();
    let bytes = records::encode_applied(&applied).unwrap();
    assert_eq!(records::decode_applied(&bytes).unwrap(), applied);
}

#[test]
fn one_kind_is_never_read_as_another_and_newer_ones_are_named() {
    let command = codec::encode_command(&samples::commands()[0]).unwrap();
    assert_eq!(codec::decode_row(&command), Err(BadBytes::Magic));
    let mut newer = command.clone();
    newer[6] = 2;
    assert_eq!(codec::decode_command(&newer), Err(BadBytes::Newer { format: 1, schema: 2 }));
    let mut other = command.clone();
    other[4] = 9;
    assert_eq!(codec::decode_command(&other), Err(BadBytes::Newer { format: 9, schema: 1 }));
}

#[test]
fn an_unknown_command_is_named_by_its_number() {
    let mut bytes = codec::encode_command(&samples::command(1, samples::actions()[0].clone())).unwrap();
    let variant = HEADER + 16 + 8 + 1;
    bytes[variant] = 200;
    seal_checksum(&mut bytes);
    let Err(BadBytes::Body { detail }) = codec::decode_command(&bytes) else { panic!("it decoded") };
    assert!(detail.contains("200"), "{detail}");
}

/// The body that decodes to the most, however short: lengths claim everything.
#[test]
fn a_claimed_length_allocates_nothing_of_that_size() {
    let command = samples::command(1, samples::create_tenant(samples::TENANT, "tenant-a"));
    let good = codec::encode_command(&command).unwrap();
    for at in HEADER..good.len() - 8 {
        let mut bytes = good.clone();
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        seal_checksum(&mut bytes);
        let (_, most) = largest(|| codec::decode_command(&bytes));
        assert!(most <= RESERVED_MAX, "{most} bytes allocated for {} at {at}", bytes.len());
    }
}

fn seal_checksum(frame: &mut [u8]) {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[..11]), &frame[HEADER..]);
    frame[11..HEADER].copy_from_slice(&crc.to_be_bytes());
}

/// What replaces bincode one day reads the same bytes, through a mirror of one command.
#[test]
fn wincode_reads_the_same_bytes() {
    #[derive(wincode::SchemaRead, wincode::SchemaWrite, Debug, PartialEq)]
    struct MirrorJoin {
        id: [u8; 16],
        time: u64,
        idempotency: Option<([u8; 32], [u8; 32])>,
        variant: u32,
        attempt: [u8; 16],
        name: String,
        voter: bool,
        token: [u8; 32],
    }
    let commands = samples::commands();
    let command = commands.iter().find(|command| command.action.name() == "join_node").unwrap();
    let bytes = codec::encode_command(command).unwrap();
    let mirror: MirrorJoin = wincode::deserialize(&bytes[HEADER..]).unwrap();
    let expected = MirrorJoin {
        id: [0xcd; 16],
        time: 1_700_000_000_000,
        idempotency: Some(([0xd1; 32], [0xd2; 32])),
        variant: u32::try_from(Action::NAMES.iter().position(|name| *name == "join_node").unwrap()).unwrap(),
        attempt: [0x10; 16],
        name: "node-b".into(),
        voter: true,
        token: [0x70; 32],
    };
    assert_eq!(mirror, expected);
    assert_eq!(wincode::serialize(&mirror).unwrap(), bytes[HEADER..]);
}

fn decode_everything(bytes: &[u8]) {
    let _ = codec::decode_command(bytes);
    let _ = codec::decode_row(bytes);
    let _ = codec::decode_rows(bytes);
    let _ = records::decode_entry(bytes);
    let _ = records::decode_applied(bytes);
    let _ = records::decode_snapshot_meta(bytes);
    let _ = records::decode_vote(bytes);
    let _ = records::decode_table(bytes);
    let _ = records::decode_id(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn hostile_bodies_never_panic_nor_allocate_much(
        which in 0_usize..64,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = FRAMES[which % FRAMES.len()].clone();
        for (at, value) in flips {
            let at = HEADER + at.index(bytes.len() - HEADER);
            bytes[at] = value;
        }
        let keep = HEADER + cut.index(bytes.len() - HEADER + 1);
        bytes.truncate(keep);
        let length = u32::try_from(bytes.len() - HEADER).unwrap();
        bytes[7..11].copy_from_slice(&length.to_be_bytes());
        seal_checksum(&mut bytes);
        let ((), most) = largest(|| decode_everything(&bytes));
        prop_assert!(most <= RESERVED_MAX, "{most} bytes allocated for {}", bytes.len());
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(codec::decode_command(&bytes).is_err());
        decode_everything(&bytes);
    }

    #[test]
    fn one_altered_byte_is_noticed(which in 0_usize..64, at in any::<prop::sample::Index>(), mask in 1_u8..) {
        let mut bytes = FRAMES[which % FRAMES.len()].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        let (command, row) = (codec::decode_command(&bytes), codec::decode_row(&bytes));
        prop_assert!(command.is_err() && row.is_err());
    }
}

#[test]
fn names_of_rows_differ() {
    let names: std::collections::BTreeSet<_> = samples::rows()
        .iter()
        .map(|(_, key, _)| *key)
        .collect::<std::collections::BTreeSet<RowKey>>()
        .iter()
        .map(|key| codec::row_name(key).unwrap())
        .collect();
    assert_eq!(names.len(), 21);
}
