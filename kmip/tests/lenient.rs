//! What real clients send and we must read, and what strict ones read and we must not disturb.

use kmip::attribute::{AttributeName, CustomAttribute, CustomValue, IndexedAttribute};
use kmip::message::RequestHeader;
use kmip::ttlv::{Item, Limits, Writer};
use kmip::{
    AsynchronousIndicator, Attribute, AttributeKind, AttributeList, KeyFormatType, Operation, RequestBuilder,
    RequestMessage, RequestPayload, ResponseHeader, ResponseMessage, ResponseWriter, ResultReason, Tag,
    Template, Version, field::Decode, message::Fit, ops,
};

/// A request of one item whose payload `write` fills.
fn request(version: Version, operation: Operation, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    struct Raw(Vec<u8>);
    impl kmip::field::Encode for Raw {
        fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
            w.structure(tag, |w| w.encoded_items(&self.0));
        }
    }
    let mut items = Vec::new();
    write(&mut Writer::new(&mut items, version));
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &RequestHeader::new(version));
    builder.item(operation, None, &Raw(items));
    builder.finish();
    bytes
}

#[track_caller]
fn payload(bytes: &[u8]) -> RequestPayload<'_> {
    let request = RequestMessage::decode(bytes, &Limits::DEFAULT).expect("a real client's message");
    request.items[0].decode_payload().expect("a real client's payload")
}

/// Secret Data as libmongocrypt 1.5 sends it, with the template it is given.
fn secret_data(w: &mut Writer<'_>) {
    w.structure(Tag::SECRET_DATA, |w| {
        w.enumeration(Tag::SECRET_DATA_TYPE, 2);
        w.structure(Tag::KEY_BLOCK, |w| {
            w.enumeration(Tag::KEY_FORMAT_TYPE, KeyFormatType::Raw.value());
            w.structure(Tag::KEY_VALUE, |w| w.bytes(Tag::KEY_MATERIAL, &[7; 96]));
        });
    });
}

#[test]
fn register_with_an_empty_template_or_none() {
    for (with_template, expected) in [(true, Some(Template::default())), (false, None)] {
        let bytes = request(Version::V1_0, Operation::Register, |w| {
            w.enumeration(Tag::OBJECT_TYPE, 7);
            if with_template {
                w.structure(Tag::TEMPLATE_ATTRIBUTE, |_| {});
            }
            secret_data(w);
        });
        let RequestPayload::Register(register) = payload(&bytes) else { panic!("a Register") };
        assert_eq!(register.attributes, expected);
        let object = register.object.expect("an object");
        let block = object.key_block().expect("a key block");
        assert_eq!((block.cryptographic_algorithm, block.cryptographic_length), (None, None));
        assert_eq!(block.material_bytes(), Some(&[7; 96][..]));
    }
}

#[test]
fn fields_younger_than_the_version_are_read() {
    let bytes = request(Version::V1_0, Operation::Encrypt, |w| {
        w.structure(Tag::CRYPTOGRAPHIC_PARAMETERS, |w| w.boolean(Tag::RANDOM_IV, true));
        w.bytes(Tag::DATA, b"plain");
        w.boolean(Tag::FINAL_INDICATOR, true);
    });
    let RequestPayload::Encrypt(encrypt) = payload(&bytes) else { panic!("an Encrypt") };
    assert_eq!(encrypt.cryptographic_parameters.and_then(|p| p.random_iv), Some(true));
    assert_eq!(encrypt.final_indicator, Some(true));
}

#[test]
fn attribute_index_zero_may_be_sent_or_left_out() {
    for index in [None, Some(0)] {
        let bytes = request(Version::V1_1, Operation::AddAttribute, |w| {
            w.structure(Tag::ATTRIBUTE, |w| {
                w.text(Tag::ATTRIBUTE_NAME, "x-Vendor");
                if let Some(index) = index {
                    w.integer(Tag::ATTRIBUTE_INDEX, index);
                }
                w.text(Tag::ATTRIBUTE_VALUE, "acme");
            });
        });
        let RequestPayload::AddAttribute(add) = payload(&bytes) else { panic!("an Add Attribute") };
        let custom = CustomAttribute {
            vendor: "x".into(),
            name: "Vendor".into(),
            value: CustomValue::Text("acme".into()),
        };
        assert_eq!(add.attribute, IndexedAttribute { index, attribute: Attribute::Custom(custom) });
    }
}

#[test]
fn asking_for_unknown_attributes_is_no_fault() {
    let bytes = request(Version::V1_1, Operation::GetAttributes, |w| {
        w.text(Tag::ATTRIBUTE_NAME, "x-Product_Version");
        w.text(Tag::ATTRIBUTE_NAME, "Shoe Size");
        w.text(Tag::ATTRIBUTE_NAME, "State");
    });
    let RequestPayload::GetAttributes(get) = payload(&bytes) else { panic!("a Get Attributes") };
    let custom = AttributeName::Custom { vendor: "x".into(), name: "Product_Version".into() };
    let unknown = AttributeName::Unknown("Shoe Size".into());
    assert_eq!(get.names, [custom, unknown, AttributeName::Standard(AttributeKind::State)]);
}

#[test]
fn parameters_without_their_name_are_taken_and_nothing_else_is() {
    let nameless = |value: fn(&mut Writer<'_>)| {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Version::V1_2).structure(Tag::ATTRIBUTE, value);
        bytes
    };
    let read = |bytes: &[u8]| {
        let item = Item::parse(bytes, &Limits::DEFAULT).expect("well formed");
        IndexedAttribute::decode(item)
    };
    let parameters = nameless(|w| {
        w.structure(Tag::ATTRIBUTE_VALUE, |w| w.enumeration(Tag::PADDING_METHOD, 10));
    });
    assert!(matches!(read(&parameters).expect("taken").attribute, Attribute::CryptographicParameters(_)));
    read(&nameless(|w| w.integer(Tag::ATTRIBUTE_VALUE, 1))).expect_err("a number could be anything");
    read(&nameless(|w| w.structure(Tag::ATTRIBUTE_VALUE, |_| {}))).expect_err("so could nothing");
}

#[test]
fn the_asynchronous_boolean_of_1_x_reads_as_the_enumeration_of_2_x() {
    for (version, sent, read) in [
        (Version::V1_2, AsynchronousIndicator::Mandatory, AsynchronousIndicator::Mandatory),
        (Version::V1_2, AsynchronousIndicator::Optional, AsynchronousIndicator::Mandatory),
        (Version::V1_2, AsynchronousIndicator::Prohibited, AsynchronousIndicator::Prohibited),
        (Version::V2_1, AsynchronousIndicator::Optional, AsynchronousIndicator::Optional),
    ] {
        let mut header = RequestHeader::new(version);
        header.asynchronous = Some(sent);
        let mut bytes = Vec::new();
        let mut builder = RequestBuilder::new(&mut bytes, &header);
        builder.item(Operation::Query, None, &ops::query::Request::default());
        builder.finish();
        let request = RequestMessage::decode(&bytes, &Limits::DEFAULT).expect("what we wrote");
        assert_eq!(request.header.asynchronous, Some(read), "{version}");
    }
}

/// The tags of the response header and of its first item, in order.
fn response_tags(bytes: &[u8]) -> (Vec<Tag>, Vec<Tag>) {
    let message = Item::parse(bytes, &Limits::DEFAULT).expect("our own answer");
    let tags = |item: Item<'_>| item.structure().expect("a structure").map(|item| item.tag()).collect();
    let mut parts = message.structure().expect("a structure");
    (tags(parts.next().expect("a header")), tags(parts.next().expect("an item")))
}

#[test]
fn response_fields_stand_in_the_order_strict_parsers_want() {
    let mut header = ResponseHeader::new(Version::V1_0, 1);
    header.server_correlation_value = Some("not before 1.4".into());
    let destroyed = ops::destroy::Response { unique_identifier: "a-key".into() };

    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, &header, None);
    assert_eq!(writer.success(Operation::Destroy, Some(b"\x01"), &destroyed), Fit::Complete);
    writer.finish();
    let (head, item) = response_tags(&out);
    assert_eq!(head, [Tag::PROTOCOL_VERSION, Tag::TIME_STAMP, Tag::BATCH_COUNT]);
    let payload = Tag::RESPONSE_PAYLOAD;
    assert_eq!(item, [Tag::OPERATION, Tag::UNIQUE_BATCH_ITEM_ID, Tag::RESULT_STATUS, payload]);

    out.clear();
    let mut writer = ResponseWriter::new(&mut out, &header, None);
    writer.failure(Some(0x14), None, ResultReason::WrongKeyLifecycleState, "key is active");
    writer.finish();
    let (_, item) = response_tags(&out);
    assert_eq!(item, [Tag::OPERATION, Tag::RESULT_STATUS, Tag::RESULT_REASON, Tag::RESULT_MESSAGE]);
    let response = ResponseMessage::decode(&out, &Limits::DEFAULT).expect("our own answer");
    assert_eq!(
        response.items[0].reason(),
        Some(ResultReason::PermissionDenied),
        "1.0 knows no younger reason"
    );
}

#[test]
fn a_locate_that_finds_nothing_has_an_empty_payload() {
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, &ResponseHeader::new(Version::V1_0, 0), None);
    let nothing = ops::locate::Response { located_items: Some(0), unique_identifiers: Vec::new() };
    assert_eq!(writer.success(Operation::Locate, None, &nothing), Fit::Complete);
    writer.finish();
    let response = ResponseMessage::decode(&out, &Limits::DEFAULT).expect("our own answer");
    let payload = response.items[0].raw_payload.expect("present");
    assert_eq!(payload.0.raw(), b"", "Located Items came with 1.3");
}

#[test]
fn query_lists_what_the_version_has() {
    for (version, highest) in [
        (Version::V1_0, 0x1C),
        (Version::V1_1, 0x1E),
        (Version::V1_2, 0x29),
        (Version::V1_4, 0x2B),
        (Version::V2_0, 0x35),
    ] {
        let listed = ops::query::operations_in(version);
        assert_eq!(listed.iter().map(|operation| operation.0).max(), Some(highest), "{version}");
    }
}

#[test]
fn added_attributes_are_not_returned_to_2_x() {
    let response = ops::add_attribute::Response {
        unique_identifier: "a-key".into(),
        attribute: Some(Attribute::Name("n".into()).into()),
    };
    for (version, returned) in [(Version::V1_4, true), (Version::V2_0, false)] {
        let mut out = Vec::new();
        let mut writer = ResponseWriter::new(&mut out, &ResponseHeader::new(version, 0), None);
        assert_eq!(writer.success(Operation::AddAttribute, None, &response), Fit::Complete);
        writer.finish();
        let message = ResponseMessage::decode(&out, &Limits::DEFAULT).expect("our own answer");
        let read: ops::add_attribute::Response<'_> = message.items[0].payload().expect("our own answer");
        assert_eq!(read.attribute.is_some(), returned, "{version}");
    }
}

#[test]
fn material_is_never_printed() {
    let object = kmip::ManagedObject::SymmetricKey(
        kmip::KeyBlock::from_bytes(KeyFormatType::Raw, b"0123456789abcdef").into(),
    );
    let printed = format!("{object:?}");
    assert!(printed.contains("[16 bytes]") && !printed.contains("0123") && !printed.contains("48, 49"));
    let list = AttributeList::from(vec![Attribute::ShortUniqueIdentifier(b"0123".to_vec().into())]);
    assert!(!format!("{list:?}").contains("48, 49"));
}
