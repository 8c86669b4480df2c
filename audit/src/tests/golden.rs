//! The bytes of version 1, made by an independent encoder, and the rules of the encoding.

use hex_literal::hex;
use model::id::{L2Version, ServiceHandle};
use proptest::prelude::*;

use super::*;
use crate::ledger::Ledger;
use crate::merkle::Tree;
use crate::record::{RECORD_BYTES_MAX, encode_body};
use crate::segment::Summary;

const FULL: &[u8] = &hex!(
    "
    4b526563000001066492d1cef5954e5e01000000000000000700000000000000060000000000000002c0c1c2c3c4c5c6
    c7c8c9cacbcccdcecf00000000000000030000000000000009ababababababababababababababababababababababab
    ababababababababab012f0000018bcfe5687b001122330000002acecececececececececececececececececececece
    cececececececececececec0000207c350000a0003476574000f736f6d652d6964656e746966696572000304000b6c65
    6173652d656e64656400156c6561736520656e646564203132206d732061676f000001a1000102030405060708090a0b
    0c0d0e0f00022b289ccb03a293930cb0c4d7a42b480cf469f49c0264cf23ab97af32ed9c8c1d
    "
);

const SMALLEST: &[u8] = &hex!(
    "
    4b526563000000bc964896d34c3a829c01000000000000000800000000000000060000000000000001c0c1c2c3c4c5c6
    c7c8c9cacbcccdcecf000000000000000300000000000000090000000000000000000000000000000000000000000000
    000000000000000000020000000000000000050000000948616e647368616b65000002000f6261642d63657274696669
    6361746500000000000000000000000000000000000000000000000025e9be90bcfc4d65feb733164a7f33d9d78c88e2
    9fe865b64ab6a15320c4e94c
    "
);

const SUMMARY: &[u8] = &hex!(
    "
    4b52415544495431000000c6c0c1c2c3c4c5c6c7c8c9cacbcccdcecf0000000000000003000000000000000900000000
    000000030101010101010101010101010101010101010101010101010101010101010101020202020202020202020202
    02020202020202020202020202020202020202020000000200000000000000000000000001ababababababababababab
    ababababababababababababababababababababab01001122330000000000000002cdcdcdcdcdcdcdcdcdcdcdcdcdcd
    cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd4c58d12565d75ba05bdf73fd5860d2eb0af2667c2b368f8cd9a7733f0c88
    76fb
    "
);

const CHECKPOINT: &[u8] = &hex!(
    "
    6b6579726166742f76312f61756469742f636865636b706f696e7400c0c1c2c3c4c5c6c7c8c9cacbcccdcecf00000000
    0000000300000000000000090000000000000003eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee
    eeeeeeee01001122330000000000000002cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
    cd
    "
);

const CLUSTER: ClusterId = ClusterId(hex!("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"));

fn place(sequence: u64, chain_sequence: u64, previous: u8) -> Place {
    Place {
        sequence,
        batch_first: 6,
        chain_sequence,
        cluster: CLUSTER,
        node: NodeId(3),
        boot: BootId(9),
        previous: [previous; 32],
    }
}

fn full() -> Entry<'static> {
    Entry {
        kind: Kind::KeyOperation,
        time_ms: 1_700_000_000_123,
        tenant: Some(TenantHandle([0, 0x11, 0x22, 0x33])),
        service: Some(ServiceHandle([0, 0, 0, 0x2a])),
        certificate: Some([0xce; 32]),
        peer: Some("192.0.2.7:50000".parse().unwrap()),
        operation: Operation { code: 10, name: "Get" },
        identifier: "some-identifier",
        l2_version: Some(L2Version(3)),
        outcome: Outcome::Withheld,
        reason: "lease-ended",
        detail: "lease ended 12 ms ago",
        latency_us: 417,
        request: hex!("000102030405060708090a0b0c0d0e0f"),
        item: 2,
    }
}

fn smallest() -> Entry<'static> {
    let operation = Operation { code: 0, name: "Handshake" };
    Entry { reason: "bad-certificate", ..Entry::new(Kind::SecurityEvent, operation, Outcome::Refused, 5) }
}

fn framed(place: &Place, entry: &Entry<'_>) -> Vec<u8> {
    let (mut body, mut frame) = (Vec::new(), Vec::new());
    encode_body(entry, &mut body);
    crate::frame::write(place, &body, &mut frame);
    frame
}

#[test]
fn records_have_these_bytes() {
    for (bytes, place, entry) in [(FULL, place(7, 2, 0xab), full()), (SMALLEST, place(8, 1, 0), smallest())] {
        assert_eq!(framed(&place, &entry), bytes);
        assert_eq!(crate::frame::read(bytes).unwrap(), record_of(place, &entry));
    }
}

#[test]
fn a_summary_has_these_bytes() {
    let heads = [
        (None, Head { sequence: 1, hash: [0xab; 32] }),
        (Some(TenantHandle([0, 0x11, 0x22, 0x33])), Head { sequence: 2, hash: [0xcd; 32] }),
    ];
    let tree = Tree::from_parts(3, vec![[1; 32], [2; 32]]).unwrap();
    let ledger = Ledger { heads: heads.into(), tree };
    let summary = Summary { cluster: CLUSTER, node: NodeId(3), boot: BootId(9), ledger };
    assert_eq!(summary.encode(), SUMMARY);
    let (read, bytes) = Summary::read(&mut &SUMMARY[..]).unwrap().unwrap();
    assert_eq!((read, bytes), (summary, SUMMARY.len() as u64));
}

#[test]
fn a_checkpoint_is_signed_over_these_bytes() {
    let head = Head { sequence: 2, hash: [0xcd; 32] };
    let heads = vec![(Some(TenantHandle([0, 0x11, 0x22, 0x33])), head)];
    let checkpoint =
        Checkpoint { cluster: CLUSTER, node: NodeId(3), boot: BootId(9), size: 3, root: [0xee; 32], heads };
    assert_eq!(checkpoint.encode(), CHECKPOINT);
}

#[test]
fn long_texts_are_cut_at_a_character_and_marked() {
    let long = "é".repeat(300);
    let entry = Entry { identifier: &long, reason: &long[..65 * 2], detail: &long, ..full() };
    let frame = framed(&place(7, 2, 0xab), &entry);
    let record = crate::frame::read(&frame).unwrap();
    assert!(record.cut);
    let lengths = [&record.identifier, &record.reason, &record.detail].map(String::len);
    assert_eq!(lengths, [128, 64, 256]);
    let just = Entry { identifier: &long[..128], ..full() };
    assert!(!crate::frame::read(&framed(&place(7, 2, 0xab), &just)).unwrap().cut);
    let odd = format!("x{long}");
    let odd = Entry { identifier: &odd, ..full() };
    assert_eq!(crate::frame::read(&framed(&place(7, 2, 0xab), &odd)).unwrap().identifier.len(), 127);
}

#[test]
fn the_longest_record_fits() {
    let long = "x".repeat(300);
    let name = "an operation name of 32 bytes ok";
    let entry = Entry {
        operation: Operation { code: 1, name },
        peer: Some("[::1]:1".parse().unwrap()),
        identifier: &long,
        reason: &long,
        detail: &long,
        ..full()
    };
    let frame = framed(&place(7, 2, 0xab), &entry);
    assert_eq!(frame.len() - crate::frame::HEADER_BYTES - 32, 672);
    const { assert!(672 <= RECORD_BYTES_MAX) };
    assert_eq!(crate::frame::read(&frame).unwrap().operation, name);
}

#[test]
#[should_panic(expected = "only the log writes boot records")]
fn nobody_else_writes_a_boot_record() {
    Batch::new().push(&Entry { kind: Kind::Boot, ..full() });
}

/// What a record must say after an entry without over-long texts.
fn record_of(place: Place, entry: &Entry<'_>) -> Record {
    Record {
        place,
        kind: entry.kind,
        cut: false,
        time_ms: entry.time_ms,
        tenant: entry.tenant,
        service: entry.service,
        certificate: entry.certificate,
        peer: entry.peer,
        operation_code: entry.operation.code,
        operation: entry.operation.name.to_owned(),
        identifier: entry.identifier.to_owned(),
        l2_version: entry.l2_version,
        outcome: entry.outcome,
        reason: entry.reason.to_owned(),
        detail: entry.detail.to_owned(),
        latency_us: entry.latency_us,
        request: entry.request,
        item: entry.item,
    }
}

/// Encodes a decoded record again.
fn encoded_again(record: &Record) -> Vec<u8> {
    let name: &'static str = Box::leak(record.operation.clone().into_boxed_str());
    let entry = Entry {
        kind: record.kind,
        time_ms: record.time_ms,
        tenant: record.tenant,
        service: record.service,
        certificate: record.certificate,
        peer: record.peer,
        operation: Operation { code: record.operation_code, name },
        identifier: &record.identifier,
        l2_version: record.l2_version,
        outcome: record.outcome,
        reason: &record.reason,
        detail: &record.detail,
        latency_us: record.latency_us,
        request: record.request,
        item: record.item,
    };
    let mut bytes = Vec::new();
    record.place.encode(&mut bytes);
    encode_body(&entry, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_entry_comes_back(
        ids in any::<(Option<[u8; 4]>, Option<[u8; 4]>, Option<[u8; 32]>, Option<u16>)>(),
        peer in proptest::option::of(any::<(std::net::IpAddr, u16)>()),
        numbers in any::<(u64, u32, [u8; 16], u16)>(),
        (identifier, detail) in ("\\PC{0,32}", "\\PC{0,64}"),
    ) {
        let entry = Entry {
            tenant: ids.0.map(TenantHandle),
            service: ids.1.map(ServiceHandle),
            certificate: ids.2,
            l2_version: ids.3.map(L2Version),
            peer: peer.map(Into::into),
            time_ms: numbers.0,
            latency_us: numbers.1,
            request: numbers.2,
            item: numbers.3,
            identifier: &identifier,
            detail: &detail,
            ..full()
        };
        let place = place(7, 2, 0xab);
        prop_assert_eq!(crate::frame::read(&framed(&place, &entry)), Some(record_of(place, &entry)));
    }

    #[test]
    fn what_is_accepted_is_canonical(edits in proptest::collection::vec((0usize..230, any::<u8>()), 1..4)) {
        let mut bytes = FULL[crate::frame::HEADER_BYTES..FULL.len() - 32].to_vec();
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        if let Ok(record) = Record::decode(&bytes) {
            // The mark of a cut text is the one thing that an encoder does not make from a short text.
            let cut = if record.cut { 1 << 6 } else { 0 };
            let mut again = encoded_again(&record);
            again[90] |= cut;
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Record::decode(&bytes);
        let _ = Record::decode(&[&[1], &bytes[..]].concat());
        let _ = crate::frame::read(&[&crate::frame::MAGIC[..], &bytes].concat());
        let _ = Summary::read(&mut &bytes[..]).unwrap();
        let _ = crate::tail::judge(&bytes, 1234, 5);
    }
}
