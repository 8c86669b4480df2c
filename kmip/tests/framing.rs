//! Malformed framing: one test per kind of it that bytes alone can decide. What is about time
//! and sockets belongs to the server.

use std::time::{Duration, Instant};

use kmip::ttlv::{
    BATCH_ITEMS_MAX, DEPTH_MAX, DecodeErrorKind as Kind, FrameError, Item, Limits, frame_length,
};
use kmip::{
    Operation, RequestBuilder, RequestMessage, ResponseHeader, ResponseMessage, ResponseWriter, ResultReason,
    ResultStatus, Tag, UniqueIdentifier, Version, message::Fit, message::RequestHeader, ops,
};

const STRUCTURE: u8 = 1;
const INTEGER: u8 = 2;
const ENUMERATION: u8 = 5;
const BOOLEAN: u8 = 6;
const TEXT: u8 = 7;

/// An item whose length field says what it likes.
fn item_claiming(tag: u32, kind: u8, length: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = tag.to_be_bytes()[1..].to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

fn item(tag: Tag, kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = item_claiming(tag.0, kind, value.len() as u32, value);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn structure(tag: Tag, items: &[Vec<u8>]) -> Vec<u8> {
    item(tag, STRUCTURE, &items.concat())
}

fn integer(tag: Tag, value: i32) -> Vec<u8> {
    item(tag, INTEGER, &value.to_be_bytes())
}

fn header(batch_count: i32) -> Vec<u8> {
    let version = structure(
        Tag::PROTOCOL_VERSION,
        &[integer(Tag::PROTOCOL_VERSION_MAJOR, 1), integer(Tag::PROTOCOL_VERSION_MINOR, 2)],
    );
    structure(Tag::REQUEST_HEADER, &[version, integer(Tag::BATCH_COUNT, batch_count)])
}

fn batch_item(operation: u32, payload: &[Vec<u8>]) -> Vec<u8> {
    let operation = item(Tag::OPERATION, ENUMERATION, &operation.to_be_bytes());
    structure(Tag::BATCH_ITEM, &[operation, structure(Tag::REQUEST_PAYLOAD, payload)])
}

fn message(parts: &[Vec<u8>]) -> Vec<u8> {
    structure(Tag::REQUEST_MESSAGE, parts)
}

/// A message of one Get with this payload.
fn get(payload: &[Vec<u8>]) -> Vec<u8> {
    message(&[header(1), batch_item(Operation::Get.value(), payload)])
}

/// IM: refused as Invalid Message, the connection closed after an answer that can be read.
fn assert_im(bytes: &[u8], kind: Kind) {
    let rejection = RequestMessage::decode(bytes, &Limits::DEFAULT).expect_err("must be refused");
    assert_eq!(rejection.error.kind, kind);
    assert_eq!(rejection.error.reason(), ResultReason::InvalidMessage);
    assert!(rejection.closes_connection());
    let mut answer = Vec::new();
    rejection.respond(0, &mut answer);
    let answer = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("our own answer");
    assert_eq!(answer.items[0].status, ResultStatus::OperationFailed);
    assert_eq!(answer.items[0].reason(), Some(ResultReason::InvalidMessage));
}

/// F(Invalid Field): the message stands, this item fails, the connection stays.
fn assert_invalid_field(bytes: &[u8], kind: Kind) {
    let request = RequestMessage::decode(bytes, &Limits::DEFAULT).expect("the framing is fine");
    let error = request.items[0].decode_payload().expect_err("the payload is not");
    assert_eq!(error.kind, kind);
    assert_eq!(error.reason(), ResultReason::InvalidField);
    assert!(!error.closes_connection());
}

fn assert_frame(header: [u8; 8], kind: Kind) {
    match frame_length(&header) {
        Err(FrameError::Invalid(error)) => {
            assert_eq!(error.kind, kind);
            assert!(error.closes_connection());
        }
        other => panic!("{header:02x?} gave {other:?}"),
    }
}

#[test]
fn well_formed_messages_pass() {
    let bytes = get(&[item(Tag::UNIQUE_IDENTIFIER, TEXT, b"a-key")]);
    let head = bytes.first_chunk().expect("eight bytes");
    assert_eq!(frame_length(head), Ok(bytes.len()));
    let request = RequestMessage::decode(&bytes, &Limits::DEFAULT).expect("well formed");
    assert_eq!(request.items[0].operation(), Some(Operation::Get));
}

#[test]
fn t01_outer_length_of_4_gib_is_refused_from_the_header() {
    assert_frame([0x42, 0, 0x78, 1, 0xFF, 0xFF, 0xFF, 0xFF], Kind::FrameTooLong);
}

#[test]
fn t02_outer_length_one_beyond_the_limit() {
    let most = (Limits::DEFAULT.frame_bytes - 8) as u32;
    let frame = |length: u32| {
        let [a, b, c, d] = length.to_be_bytes();
        [0x42, 0, 0x78, 1, a, b, c, d]
    };
    assert_eq!(frame_length(&frame(most)), Ok(Limits::DEFAULT.frame_bytes));
    assert_frame(frame(most + 1), Kind::FrameTooLong);
}

#[test]
fn t03_outer_length_zero() {
    assert_frame([0x42, 0, 0x78, 1, 0, 0, 0, 0], Kind::EmptyFrame);
    assert_im(&message(&[]), Kind::EmptyFrame);
}

#[test]
fn t04_outer_tag_is_not_request_message() {
    assert_frame([0x42, 0, 0x7B, 1, 0, 0, 0, 8], Kind::NotTheMessage);
    assert_im(&structure(Tag::RESPONSE_MESSAGE, &[header(1)]), Kind::NotTheMessage);
}

#[test]
fn t05_tag_prefix_is_neither_42_nor_54() {
    assert_frame([0x41, 0, 0x78, 1, 0, 0, 0, 8], Kind::TagPrefix);
    assert_im(&get(&[item(Tag(0x43_0001), INTEGER, &[0; 4])]), Kind::TagPrefix);
    // A vendor's tag is theirs to send.
    let request = get(&[item(Tag(0x54_0001), INTEGER, &[0; 4])]);
    let request = RequestMessage::decode(&request, &Limits::DEFAULT).expect("well formed");
    request.items[0].decode_payload().expect("vendor tags are ignored");
}

#[test]
fn t06_type_bytes_that_do_not_exist() {
    for kind in [0x00, 0x0C, 0x7F, 0xFF] {
        assert_frame([0x42, 0, 0x78, kind, 0, 0, 0, 8], Kind::ItemType(kind));
        assert_im(&get(&[item(Tag::UNIQUE_IDENTIFIER, kind, &[0; 8])]), Kind::ItemType(kind));
    }
}

#[test]
fn t07_inner_length_beyond_its_parent() {
    let lie = item_claiming(Tag::UNIQUE_IDENTIFIER.0, TEXT, 64, &[b'a'; 8]);
    assert_im(&get(&[lie]), Kind::LengthBeyondParent);
}

#[test]
fn t08_trailing_bytes_in_a_structure() {
    let mut bytes = structure(Tag::REQUEST_PAYLOAD, &[integer(Tag::BATCH_COUNT, 1)]);
    let length = (bytes.len() - 8 + 4) as u32;
    bytes[4..8].copy_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0; 8]);
    assert_im(&message(&[header(1), bytes]), Kind::ItemLength);
    // Eight bytes of nothing at the end: no item begins so.
    let mut bytes = get(&[]);
    bytes.extend_from_slice(&[0; 8]);
    assert_im(&bytes, Kind::TrailingBytes);
}

#[test]
fn t09_integer_of_the_wrong_length() {
    for length in [0, 3, 5, 8] {
        let bad = item_claiming(
            Tag::MAXIMUM_ITEMS.0,
            INTEGER,
            length,
            &vec![0; length.next_multiple_of(8) as usize],
        );
        assert_im(&get(&[bad]), Kind::ItemLength);
    }
}

#[test]
fn t10_long_integer_and_date_time_of_the_wrong_length() {
    for kind in [3, 9, 11] {
        for length in [0, 4, 16] {
            let bad =
                item_claiming(Tag::TIME_STAMP.0, kind, length, &vec![0; length.next_multiple_of(8) as usize]);
            assert_im(&get(&[bad]), Kind::ItemLength);
        }
    }
}

#[test]
fn t11_boolean_two_or_of_length_one() {
    for value in [2_u64, 1 << 56, u64::MAX] {
        assert_im(&get(&[item(Tag::RANDOM_IV, BOOLEAN, &value.to_be_bytes())]), Kind::Boolean);
    }
    assert_im(
        &get(&[item_claiming(Tag::RANDOM_IV.0, BOOLEAN, 1, &[1, 0, 0, 0, 0, 0, 0, 0])]),
        Kind::ItemLength,
    );
}

#[test]
fn t12_enumeration_of_length_eight_or_unknown_value() {
    let tag = Tag::KEY_FORMAT_TYPE;
    assert_im(&get(&[item_claiming(tag.0, ENUMERATION, 8, &[0; 8])]), Kind::ItemLength);
    let unknown = get(&[item(tag, ENUMERATION, &0x7FFF_FFFF_u32.to_be_bytes())]);
    assert_invalid_field(&unknown, Kind::UnknownEnumeration(tag));
}

#[test]
fn t13_big_integer_of_odd_zero_and_huge_length() {
    for length in [0, 4, 12] {
        let bad = item_claiming(Tag::MODULUS.0, 4, length, &vec![0; length.next_multiple_of(8) as usize]);
        assert_im(&get(&[bad]), Kind::ItemLength);
    }
    let limits = Limits { frame_bytes: 2 << 20, ..Limits::DEFAULT };
    let bytes = item(Tag::MODULUS, 4, &vec![0; 1 << 20]);
    let error = Item::parse(&bytes, &limits).expect("well formed").big_integer().expect_err("too long");
    assert_eq!((error.kind, error.reason()), (Kind::TooLong(Tag::MODULUS), ResultReason::InvalidField));
}

#[test]
fn t14_length_that_is_negative_if_signed() {
    assert_frame([0x42, 0, 0x78, 1, 0x80, 0, 0, 0], Kind::FrameTooLong);
    let lie = item_claiming(Tag::UNIQUE_IDENTIFIER.0, TEXT, 0x8000_0000, &[0; 8]);
    assert_im(&get(&[lie]), Kind::LengthBeyondParent);
    let lie = item_claiming(Tag::UNIQUE_IDENTIFIER.0, TEXT, 0xFFFF_FFFF, &[0; 8]);
    assert_im(&get(&[lie]), Kind::LengthBeyondParent);
}

#[test]
fn t15_padding_that_is_not_zero() {
    let mut text = item(Tag::UNIQUE_IDENTIFIER, TEXT, b"abc");
    *text.last_mut().expect("padding") = 1;
    let bytes = get(&[text]);
    assert_im(&bytes, Kind::Padding);
    let loose = Limits { loose_padding: true, ..Limits::DEFAULT };
    let request = RequestMessage::decode(&bytes, &loose).expect("tolerated by flag");
    let payload: ops::get::Request<'_> = match request.items[0].decode_payload().expect("a Get") {
        kmip::RequestPayload::Get(get) => get,
        other => panic!("{other:?}"),
    };
    assert_eq!(payload.unique_identifier, Some(UniqueIdentifier::from("abc")));
}

#[test]
fn t16_padding_missing_at_the_end() {
    let mut bytes = get(&[item(Tag::UNIQUE_IDENTIFIER, TEXT, b"abc")]);
    bytes.truncate(bytes.len() - 5);
    assert_im(&bytes, Kind::Truncated);
}

#[test]
fn t17_text_that_is_not_clean_utf_8() {
    let tag = Tag::UNIQUE_IDENTIFIER;
    for bad in [&b"\xFF"[..], b"\xC0\xAF", b"\xED\xA0\x80", b"\xF5\x80\x80\x80", b"ab\xC3"] {
        assert_im(&get(&[item(tag, TEXT, bad)]), Kind::Utf8);
    }
    for bad in [&b"a\0b"[..], b"\x1b[31mred", b"\x7f", "\u{85}".as_bytes()] {
        assert_invalid_field(&get(&[item(tag, TEXT, bad)]), Kind::ControlCharacters(tag));
    }
    assert_invalid_field(&get(&[item(tag, TEXT, &[b'a'; 64 << 10])]), Kind::TooLong(tag));
    let long = get(&[item(tag, TEXT, &vec![b'a'; 1 << 20])]);
    assert_im(&long, Kind::FrameTooLong);
}

/// `depth` structures around each other, built from the outside in.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(depth * 8);
    for level in 0..depth {
        let length = ((depth - level - 1) * 8) as u32;
        bytes.extend_from_slice(&item_claiming(Tag::VENDOR_EXTENSION.0, STRUCTURE, length, &[]));
    }
    bytes
}

#[test]
fn t18_depth_at_the_limit_beyond_it_and_absurd() {
    assert!(Item::parse(&nested(DEPTH_MAX), &Limits::DEFAULT).is_ok());
    for depth in [DEPTH_MAX + 1, 100_000] {
        let limits = Limits { items: usize::MAX, ..Limits::DEFAULT };
        let error = Item::parse(&nested(depth), &limits).expect_err("too deep");
        assert_eq!(error.kind, Kind::TooDeep);
    }
}

#[test]
fn t19_a_million_tiny_siblings_cost_nothing() {
    let siblings = item(Tag::UNIQUE_BATCH_ITEM_ID, 8, &[]).repeat(1_000_000);
    let bytes = item(Tag::REQUEST_MESSAGE, STRUCTURE, &siblings);
    let limits = Limits { frame_bytes: 16 << 20, ..Limits::DEFAULT };
    let begin = Instant::now();
    let error = Item::parse(&bytes, &limits).expect_err("too many");
    assert_eq!(error.kind, Kind::TooManyItems);
    assert!(begin.elapsed() < Duration::from_millis(5), "took {:?}", begin.elapsed());
}

#[test]
fn t20_batch_counts_that_lie() {
    let items = |n: usize| vec![batch_item(Operation::Query.value(), &[]); n];
    let of = |count, n| message(&[vec![header(count)], items(n)].concat());
    for (count, n) in [(0, 0), (0, 1), (1, 0), (1, 2), (i32::MAX, 1), (-1, 1), (i32::MIN, 1)] {
        assert_im(&of(count, n), Kind::BatchCount);
    }
    assert!(RequestMessage::decode(&of(2, 2), &Limits::DEFAULT).is_ok());
}

#[test]
fn t21_one_batch_item_too_many() {
    let items = vec![batch_item(Operation::Query.value(), &[]); BATCH_ITEMS_MAX + 1];
    let bytes = message(&[vec![header(BATCH_ITEMS_MAX as i32 + 1)], items].concat());
    let rejection = RequestMessage::decode(&bytes, &Limits::DEFAULT).expect_err("too many");
    assert_eq!(rejection.error.kind, Kind::TooManyBatchItems);
    assert_eq!(rejection.error.reason(), ResultReason::InvalidMessage);
    assert!(!rejection.closes_connection());
    assert!(rejection.to_string().contains("too many batch items"));
}

#[test]
fn t22_headers_and_fields_out_of_order() {
    let query = || batch_item(Operation::Query.value(), &[]);
    let order = Kind::Order;
    assert_im(&message(&[header(1), header(1), query()]), order(Tag::REQUEST_HEADER));
    assert_im(&message(&[query(), header(1)]), order(Tag::BATCH_ITEM));
    let payload = structure(Tag::REQUEST_PAYLOAD, &[]);
    let operation = item(Tag::OPERATION, ENUMERATION, &0x18_u32.to_be_bytes());
    let backwards = structure(Tag::BATCH_ITEM, &[payload.clone(), operation.clone()]);
    assert_im(&message(&[header(1), backwards]), order(Tag::OPERATION));
    let twice = structure(Tag::BATCH_ITEM, &[operation.clone(), operation, payload]);
    assert_im(&message(&[header(1), twice]), order(Tag::OPERATION));
    let mut late = header(1);
    late.extend(integer(Tag::MAXIMUM_RESPONSE_SIZE, 8));
    let length = (late.len() - 8) as u32;
    late[4..8].copy_from_slice(&length.to_be_bytes());
    assert_im(&message(&[late, query()]), order(Tag::MAXIMUM_RESPONSE_SIZE));
}

#[test]
fn t26_other_protocols_are_dropped_on_eight_bytes() {
    for noise in [
        *b"GET / HT",
        *b"\x16\x03\x01\x02\0\x01\0\x01",
        *b"\x16\x03\x01\x01\0\x01\0\x01",
        *b"SSH-2.0-",
        [0; 8],
    ] {
        assert_eq!(frame_length(&noise), Err(FrameError::NotKmip), "{noise:02x?}");
    }
}

#[test]
fn t28_a_response_beyond_the_maximum_is_replaced_not_cut() {
    let payload = ops::locate::Response {
        located_items: None,
        unique_identifiers: vec![UniqueIdentifier::from("0123456789012345678901234567890123456789"); 32],
    };
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, &ResponseHeader::new(Version::V1_0, 0), Some(1024));
    assert_eq!(writer.success(Operation::Locate, Some(b"\x07"), &payload), Fit::TooLarge);
    assert_eq!(writer.finish(), out.len());
    assert!(out.len() <= 1024);
    let response = ResponseMessage::decode(&out, &Limits::DEFAULT).expect("our own answer");
    assert_eq!(response.items[0].reason(), Some(ResultReason::ResponseTooLarge));
    assert_eq!(response.items[0].id.as_deref(), Some(&b"\x07"[..]));
    assert!(response.items[0].raw_payload.is_none());
}

#[test]
fn unsupported_versions_are_answered_readably_and_keep_the_connection() {
    for (major, minor, answered) in [(0, 9, Version::V1_0), (1, 99, Version::V1_4), (3, 0, Version::V2_1)] {
        let version = structure(
            Tag::PROTOCOL_VERSION,
            &[integer(Tag::PROTOCOL_VERSION_MAJOR, major), integer(Tag::PROTOCOL_VERSION_MINOR, minor)],
        );
        let header = structure(Tag::REQUEST_HEADER, &[version, integer(Tag::BATCH_COUNT, 1)]);
        let bytes = message(&[header, batch_item(Operation::Query.value(), &[])]);
        let rejection = RequestMessage::decode(&bytes, &Limits::DEFAULT).expect_err("not spoken");
        assert_eq!(rejection.error.kind, Kind::UnsupportedVersion);
        assert_eq!(rejection.version, answered);
        assert!(!rejection.closes_connection());
    }
}

#[test]
fn a_critical_extension_fails_its_item_and_another_does_not() {
    for (critical, refused) in [(0_u64, false), (1, true)] {
        let extension = structure(
            Tag::MESSAGE_EXTENSION,
            &[
                item(Tag::VENDOR_IDENTIFICATION, TEXT, b"acme"),
                item(Tag::CRITICALITY_INDICATOR, BOOLEAN, &critical.to_be_bytes()),
                structure(Tag::VENDOR_EXTENSION, &[]),
            ],
        );
        let operation = item(Tag::OPERATION, ENUMERATION, &Operation::Query.value().to_be_bytes());
        let query = structure(Tag::BATCH_ITEM, &[operation, structure(Tag::REQUEST_PAYLOAD, &[]), extension]);
        let bytes = message(&[header(1), query]);
        let request = RequestMessage::decode(&bytes, &Limits::DEFAULT).expect("well formed");
        let result = request.items[0].decode_payload();
        assert_eq!(result.is_err(), refused);
        assert!(result.is_ok() || result.expect_err("refused").reason() == ResultReason::FeatureNotSupported);
    }
}

#[test]
fn an_unknown_operation_fails_its_item_alone() {
    let bytes = message(&[header(2), batch_item(0x7FFF, &[]), batch_item(Operation::Query.value(), &[])]);
    let request = RequestMessage::decode(&bytes, &Limits::DEFAULT).expect("well formed");
    let error = request.items[0].decode_payload().expect_err("unknown");
    assert_eq!(error.reason(), ResultReason::OperationNotSupported);
    assert_eq!(request.items[0].operation_value, 0x7FFF);
    request.items[1].decode_payload().expect("the other item stands");
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    let bytes = get(&[item(Tag::UNIQUE_IDENTIFIER, TEXT, b"a-key")]);
    for end in 0..bytes.len() {
        assert!(RequestMessage::decode(&bytes[..end], &Limits::DEFAULT).is_err(), "cut at {end}");
    }
}

#[test]
fn requests_with_every_header_field_round_trip() {
    let mut header = RequestHeader::new(Version::V2_1);
    header.maximum_response_size = Some(8192);
    header.client_correlation_value = Some("client".into());
    header.asynchronous = Some(kmip::AsynchronousIndicator::Optional);
    header.batch_error_continuation = Some(kmip::BatchErrorContinuationOption::Undo);
    header.batch_order = Some(true);
    header.time_stamp = Some(kmip::DateTime(1_700_000_000));
    header.credentials = vec![kmip::Credential::UsernameAndPassword(kmip::credential::UsernameAndPassword {
        username: "fred".into(),
        password: Some("password1".into()),
    })];
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &header);
    builder.item(Operation::Get, Some(b"\x01"), &ops::get::Request::default());
    builder.item(Operation::Query, Some(b"\x02"), &ops::query::Request::default());
    assert_eq!(builder.finish(), bytes.len());
    let request = RequestMessage::decode(&bytes, &Limits::DEFAULT).expect("what we wrote");
    assert_eq!(request.header, RequestHeader { batch_count: 2, ..header });
    assert_eq!(request.items[1].id.as_deref(), Some(&b"\x02"[..]));
    let kmip::Credential::UsernameAndPassword(credential) = &request.header.credentials[0] else {
        panic!("{:?}", request.header.credentials)
    };
    assert!(!format!("{request:?} {credential:?}").contains("password1"), "secrets are not printed");
}
