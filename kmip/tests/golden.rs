//! Golden bytes: messages in the shape of the KMIP 1.0 use cases and of real clients, written
//! down by hand and encoded by another implementation. They must never change.

mod messages;

use hex_literal::hex;
use kmip::attribute::Name;
use kmip::message::RequestHeader;
use kmip::ttlv::{DecodeError, DecodeErrorKind, Limits};
use kmip::{
    Attribute, CryptographicAlgorithm, Key, KeyBlock, KeyFormatType, ManagedObject, ObjectType, Operation,
    RequestBuilder, RequestMessage, RequestPayload, ResponseHeader, ResponseMessage, ResponseWriter,
    SecretDataType, UniqueIdentifier, UsageMask, Version, message::Fit, message::Rejection, ops,
};
use messages::*;

const UID: &str = "fc8833de-70d2-4ece-b063-fede3a3c59fe";
const TIME_STAMP: i64 = 0x65F0_A1B2;
const KEY: [u8; 32] = hex!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

fn aes_256() -> ops::create::Request {
    ops::create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: vec![
            Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
            Attribute::CryptographicLength(256),
            Attribute::CryptographicUsageMask(UsageMask::ENCRYPT | UsageMask::DECRYPT),
        ]
        .into(),
        protection_storage_masks: None,
    }
}

fn created() -> ops::create::Response<'static> {
    ops::create::Response {
        object_type: ObjectType::SymmetricKey,
        unique_identifier: UID.into(),
        attributes: None,
    }
}

/// Writes the payload of the Get as the server does: the key appears in place.
fn derive(w: &mut kmip::ttlv::Writer<'_>) -> Result<(), ()> {
    ops::get::write_symmetric(w, UID, CryptographicAlgorithm::Aes, 256, KEY.len(), |key| {
        key.copy_from_slice(&KEY);
        Ok(())
    })
}

/// The request built from values is these bytes, and these bytes read as those values.
#[track_caller]
fn check_request(bytes: &[u8], header: &RequestHeader<'_>, items: &[(Option<&[u8]>, RequestPayload<'_>)]) {
    let mut built = Vec::new();
    let mut builder = RequestBuilder::new(&mut built, header);
    for (id, payload) in items {
        builder.item(payload.operation(), *id, payload);
    }
    builder.finish();
    assert_eq!(built, bytes, "built\n{built:02x?}");
    let read = RequestMessage::decode(bytes, &Limits::DEFAULT).expect("golden");
    assert_eq!(read.header.version, header.version);
    assert_eq!(read.header.maximum_response_size, header.maximum_response_size);
    for (item, (id, payload)) in read.items.iter().zip(items) {
        assert_eq!(item.id.as_deref(), *id);
        assert_eq!(item.decode_payload().as_ref(), Ok(payload));
    }
}

#[test]
fn create_request() {
    let payload = RequestPayload::Create(aes_256());
    check_request(CREATE_REQUEST_1_0, &RequestHeader::new(Version::V1_0), &[(None, payload)]);
}

#[test]
fn get_request() {
    let get = ops::get::Request { unique_identifier: Some(UID.into()), ..Default::default() };
    check_request(GET_REQUEST_1_0, &RequestHeader::new(Version::V1_0), &[(None, RequestPayload::Get(get))]);
}

#[test]
fn create_and_get_in_one_batch() {
    let items = [
        (Some(&b"\x01"[..]), RequestPayload::Create(aes_256())),
        (Some(&b"\x02"[..]), RequestPayload::Get(ops::get::Request::default())),
    ];
    check_request(CREATE_GET_REQUEST_2_1, &RequestHeader::new(Version::V2_1), &items);
}

#[test]
fn register_of_libmongocrypt() {
    let material: Vec<u8> = (0..96).collect();
    let register = ops::register::Request {
        object_type: ObjectType::SecretData,
        attributes: Some(vec![Attribute::CryptographicUsageMask(UsageMask::NONE)].into()),
        object: Some(Box::new(ManagedObject::SecretData(kmip::SecretData {
            kind: SecretDataType::Seed,
            key_block: Some(KeyBlock::from_bytes(KeyFormatType::Opaque, &material[..])),
        }))),
        protection_storage_masks: None,
    };
    let items = [(None, RequestPayload::Register(register))];
    check_request(REGISTER_SECRET_DATA_1_0, &RequestHeader::new(Version::V1_0), &items);
}

#[test]
fn locate_of_libkmip() {
    let mut header = RequestHeader::new(Version::V1_0);
    header.maximum_response_size = Some(8192);
    let locate = ops::locate::Request {
        maximum_items: Some(16),
        offset_items: Some(0),
        attributes: vec![
            Attribute::ObjectType(ObjectType::SymmetricKey),
            Attribute::Name(Name::from("INNODBKey")),
        ]
        .into(),
        ..Default::default()
    };
    check_request(LOCATE_REQUEST_1_0, &header, &[(None, RequestPayload::Locate(locate))]);
}

#[test]
fn create_response() {
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, &ResponseHeader::new(Version::V1_0, TIME_STAMP), None);
    assert_eq!(writer.success(Operation::Create, None, &created()), Fit::Complete);
    writer.finish();
    assert_eq!(out, CREATE_RESPONSE_1_0);
}

#[test]
fn get_response() {
    let mut out = Vec::new();
    let mut writer =
        ResponseWriter::new(&mut out, &ResponseHeader::new(Version::V1_0, TIME_STAMP), Some(8192));
    assert_eq!(writer.success_with(Operation::Get, None, derive), Ok(Fit::Complete));
    writer.finish();
    assert_eq!(out, GET_RESPONSE_1_0);

    let response = ResponseMessage::decode(&out, &Limits::DEFAULT).expect("golden");
    let got: ops::get::Response<'_> = response.items[0].payload().expect("golden");
    assert_eq!(got.unique_identifier, UniqueIdentifier::from(UID));
    assert_eq!(got.object.key_block().and_then(KeyBlock::material_bytes), Some(&KEY[..]));

    // The same payload from a value, as for registered material.
    let block = KeyBlock {
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        cryptographic_length: Some(256),
        ..KeyBlock::from_bytes(KeyFormatType::Raw, &KEY)
    };
    assert_eq!(*got.object, ManagedObject::SymmetricKey(Key::from(block)));
}

#[test]
fn create_and_get_response() {
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, &ResponseHeader::new(Version::V2_1, TIME_STAMP), None);
    assert_eq!(writer.success(Operation::Create, Some(b"\x01"), &created()), Fit::Complete);
    assert_eq!(writer.success_with(Operation::Get, Some(b"\x02"), derive), Ok(Fit::Complete));
    writer.finish();
    assert_eq!(out, CREATE_GET_RESPONSE_2_1);
}

#[test]
fn a_failed_derivation_leaves_nothing_of_its_item() {
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, &ResponseHeader::new(Version::V2_1, TIME_STAMP), None);
    let failed = writer.success_with(Operation::Get, Some(b"\x02"), |w| {
        ops::get::write_symmetric(w, UID, CryptographicAlgorithm::Aes, 256, 32, |key| {
            key.fill(0xAA);
            Err("not fresh")
        })
    });
    assert_eq!(failed, Err("not fresh"));
    writer.failure(Some(Operation::Get.value()), Some(b"\x02"), kmip::ResultReason::GeneralFailure, "");
    writer.finish();
    let response = ResponseMessage::decode(&out, &Limits::DEFAULT).expect("our own answer");
    assert_eq!(response.items.len(), 1);
    assert!(!out.windows(4).any(|window| window == [0xAA; 4]));
}

#[test]
fn answer_to_an_empty_message() {
    let error = DecodeError { kind: DecodeErrorKind::EmptyFrame, offset: 0 };
    let mut out = Vec::new();
    Rejection::new(error, &[]).respond(TIME_STAMP, &mut out);
    assert_eq!(out, INVALID_MESSAGE_1_0);
}
