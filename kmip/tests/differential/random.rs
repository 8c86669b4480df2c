//! Random messages of what both codecs know: every operation PyKMIP has payloads for, with every field that
//! is optional there once and not there another time.

use kmip::attribute::{ApplicationSpecificInformation, CustomAttribute, CustomValue, Name};
use kmip::message::RequestHeader;
use kmip::ops;
use kmip::{
    Attribute, AttributeKind, AttributeName, BatchErrorContinuationOption, BlockCipherMode, Bytes,
    CryptographicAlgorithm, CryptographicParameters, DateTime, HashingAlgorithm, Key, KeyBlock,
    KeyFormatType, ManagedObject, ObjectType, PaddingMethod, QueryFunction, RequestBuilder, RequestPayload,
    ResponseHeader, ResponsePayload, ResponseWriter, ResultReason, RevocationReason, RevocationReasonCode,
    SecretData, SecretDataType, Template, UniqueIdentifier, UsageMask, Version,
};

/// SplitMix64: one seed, one message.
pub struct Random {
    state: u64,
}

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % n
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.coin().then(|| make(self))
    }

    fn text(&mut self) -> String {
        // PyKMIP decodes texts byte by byte, and so fails on anything but ASCII.
        const ALPHABET: &[char] = &['a', 'Z', '0', '-', '.', ' ', '_', '"'];
        (0..1 + self.below(24)).map(|_| self.pick(ALPHABET)).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..1 + self.below(40)).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    fn uid(&mut self) -> UniqueIdentifier<'static> {
        UniqueIdentifier::from(format!("{:016x}-{}", self.next(), self.below(1000)))
    }

    fn date(&mut self) -> DateTime {
        DateTime(i64::try_from(self.next() >> 30).expect("34 bits"))
    }

    fn positive(&mut self) -> i32 {
        i32::try_from(self.below(100_000)).expect("a small number")
    }
}

/// A request with a batch of one to three items.
pub fn request(r: &mut Random) -> Vec<u8> {
    let version = r.pick(&[Version::V1_0, Version::V1_1, Version::V1_2, Version::V1_3, Version::V1_4]);
    let mut header = RequestHeader::new(version);
    header.maximum_response_size = r.maybe(Random::positive);
    header.batch_error_continuation = r.maybe(|r| r.pick(BatchErrorContinuationOption::ALL));
    header.batch_order = r.maybe(Random::coin);
    header.time_stamp = r.maybe(Random::date);
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &header);
    let items = 1 + r.below(3);
    for _ in 0..items {
        let payload = request_payload(r, version);
        let id = (items > 1 || r.coin()).then(|| r.bytes());
        builder.item(payload.operation(), id.as_deref(), &payload);
    }
    builder.finish();
    bytes
}

/// Where nothing but the identifier is in a payload it is always there: PyKMIP does not read an empty one.
fn request_payload(r: &mut Random, version: Version) -> RequestPayload<'static> {
    let cryptography = version >= Version::V1_2;
    match r.below(if cryptography { 14 } else { 11 }) {
        0 => RequestPayload::Create(ops::create::Request {
            object_type: ObjectType::SymmetricKey,
            attributes: template(r, version),
            protection_storage_masks: None,
        }),
        1 => RequestPayload::Get(ops::get::Request {
            unique_identifier: r.maybe(Random::uid),
            key_format_type: r
                .maybe(|r| r.pick(&[KeyFormatType::Raw, KeyFormatType::Pkcs8, KeyFormatType::X509])),
            ..Default::default()
        }),
        2 => RequestPayload::GetAttributes(ops::get_attributes::Request {
            unique_identifier: r.maybe(Random::uid),
            names: names(r),
        }),
        3 => RequestPayload::GetAttributeList(ops::get_attribute_list::Request {
            unique_identifier: r.maybe(Random::uid),
        }),
        4 => RequestPayload::Activate(ops::activate::Request { unique_identifier: Some(r.uid()) }),
        5 => RequestPayload::Destroy(ops::destroy::Request { unique_identifier: r.maybe(Random::uid) }),
        6 => RequestPayload::Revoke(ops::revoke::Request {
            unique_identifier: Some(r.uid()),
            reason: RevocationReason {
                code: r.pick(RevocationReasonCode::ALL),
                message: r.maybe(Random::text),
            },
            compromise_occurrence_date: r.maybe(Random::date),
        }),
        7 => RequestPayload::Locate(ops::locate::Request {
            maximum_items: r.maybe(Random::positive),
            attributes: attributes(r, version).into(),
            ..Default::default()
        }),
        8 => RequestPayload::Register(ops::register::Request {
            object_type: ObjectType::SymmetricKey,
            attributes: Some(template(r, version)),
            object: Some(symmetric_key(r).into()),
            protection_storage_masks: None,
        }),
        9 => RequestPayload::Register(ops::register::Request {
            object_type: ObjectType::SecretData,
            attributes: Some(template(r, version)),
            object: Some(secret_data(r).into()),
            protection_storage_masks: None,
        }),
        10 => RequestPayload::Query(ops::query::Request {
            functions: (0..1 + r.below(4)).map(|_| r.pick(&QueryFunction::ALL[..4])).collect(),
        }),
        11 => RequestPayload::Encrypt(ops::encrypt::Request {
            unique_identifier: r.maybe(Random::uid),
            cryptographic_parameters: r.maybe(parameters),
            data: Some(kmip::Data::Bytes(r.bytes().into())),
            iv_counter_nonce: r.maybe(|r| r.bytes().into()),
            correlation_value: None,
            init_indicator: None,
            final_indicator: None,
            additional_data: (version >= Version::V1_4 && r.coin()).then(|| Bytes::from(r.bytes())),
        }),
        12 => RequestPayload::Decrypt(ops::decrypt::Request {
            unique_identifier: r.maybe(Random::uid),
            cryptographic_parameters: r.maybe(parameters),
            data: Some(kmip::Data::Bytes(r.bytes().into())),
            iv_counter_nonce: r.maybe(|r| r.bytes().into()),
            correlation_value: None,
            init_indicator: None,
            final_indicator: None,
            additional_data: None,
            tag: None,
        }),
        _ => RequestPayload::Mac(ops::mac::Request {
            unique_identifier: r.maybe(Random::uid),
            cryptographic_parameters: r.maybe(parameters),
            data: Some(kmip::Data::Bytes(r.bytes().into())),
            correlation_value: None,
            init_indicator: None,
            final_indicator: None,
        }),
    }
}

/// A response with one to three items, failures among them.
pub fn response(r: &mut Random) -> Vec<u8> {
    let version = r.pick(&[Version::V1_0, Version::V1_1, Version::V1_2, Version::V1_3, Version::V1_4]);
    let header = ResponseHeader::new(version, r.date().0);
    let mut bytes = Vec::new();
    let mut writer = ResponseWriter::new(&mut bytes, &header, None);
    let items = 1 + r.below(3);
    for _ in 0..items {
        let id = (items > 1 || r.coin()).then(|| r.bytes());
        let payload = response_payload(r, version);
        if r.below(4) == 0 {
            let reason = r.pick(&[
                ResultReason::ItemNotFound,
                ResultReason::PermissionDenied,
                ResultReason::InvalidField,
            ]);
            let message = r.maybe(Random::text).unwrap_or_default();
            writer.failure(Some(payload.operation() as u32), id.as_deref(), reason, &message);
        } else {
            let fit = writer.success(payload.operation(), id.as_deref(), &payload);
            assert_eq!(fit, kmip::message::Fit::Complete);
        }
    }
    writer.finish();
    bytes
}

fn response_payload(r: &mut Random, version: Version) -> ResponsePayload<'static> {
    let cryptography = version >= Version::V1_2;
    match r.below(if cryptography { 10 } else { 9 }) {
        0 => ResponsePayload::Create(ops::create::Response {
            object_type: ObjectType::SymmetricKey,
            unique_identifier: r.uid(),
            attributes: None,
        }),
        1 => ResponsePayload::Get(ops::get::Response {
            object_type: ObjectType::SymmetricKey,
            unique_identifier: r.uid(),
            object: symmetric_key(r).into(),
        }),
        2 => ResponsePayload::Get(ops::get::Response {
            object_type: ObjectType::SecretData,
            unique_identifier: r.uid(),
            object: secret_data(r).into(),
        }),
        3 => ResponsePayload::GetAttributes(ops::get_attributes::Response {
            unique_identifier: r.uid(),
            attributes: attributes(r, version).into(),
        }),
        4 => ResponsePayload::Locate(ops::locate::Response {
            located_items: None,
            unique_identifiers: (0..r.below(5)).map(|_| r.uid()).collect(),
        }),
        5 => ResponsePayload::Activate(ops::activate::Response { unique_identifier: r.uid() }),
        6 => ResponsePayload::Destroy(ops::destroy::Response { unique_identifier: r.uid() }),
        7 => ResponsePayload::Revoke(ops::revoke::Response { unique_identifier: r.uid() }),
        8 => ResponsePayload::Register(ops::register::Response {
            unique_identifier: r.uid(),
            attributes: None,
        }),
        _ => ResponsePayload::Encrypt(ops::encrypt::Response {
            unique_identifier: r.uid(),
            data: Some(r.bytes().into()),
            iv_counter_nonce: r.maybe(|r| r.bytes().into()),
            correlation_value: None,
            tag: None,
        }),
    }
}

fn template(r: &mut Random, version: Version) -> Template {
    attributes(r, version).into()
}

fn attributes(r: &mut Random, version: Version) -> Vec<Attribute> {
    (0..r.below(5)).map(|_| attribute(r, version)).collect()
}

fn attribute(r: &mut Random, version: Version) -> Attribute {
    match r.below(if version >= Version::V1_2 { 13 } else { 12 }) {
        0 => Attribute::CryptographicAlgorithm(
            r.pick(&[CryptographicAlgorithm::Aes, CryptographicAlgorithm::Rsa]),
        ),
        1 => Attribute::CryptographicLength(r.positive()),
        2 => {
            Attribute::CryptographicUsageMask(UsageMask(u32::try_from(r.below(0x10_0000)).expect("20 bits")))
        }
        3 => Attribute::Name(Name::from(r.text().as_str())),
        4 => Attribute::ObjectGroup(r.text()),
        5 => Attribute::ActivationDate(r.date()),
        6 => Attribute::DeactivationDate(r.date()),
        7 => Attribute::ContactInformation(r.text()),
        8 => Attribute::OperationPolicyName(r.text()),
        9 => Attribute::ObjectType(r.pick(&[ObjectType::SymmetricKey, ObjectType::SecretData])),
        10 => Attribute::ApplicationSpecificInformation(ApplicationSpecificInformation {
            namespace: r.text(),
            data: Some(r.text()),
        }),
        11 => Attribute::Custom(CustomAttribute {
            vendor: "x".to_owned(),
            name: r.text(),
            value: CustomValue::Text(r.text()),
        }),
        _ => Attribute::CryptographicParameters(parameters(r)),
    }
}

fn names(r: &mut Random) -> Vec<AttributeName> {
    const KNOWN: &[AttributeKind] = &[
        AttributeKind::State,
        AttributeKind::Name,
        AttributeKind::CryptographicLength,
        AttributeKind::Digest,
    ];
    // PyKMIP keeps each name once.
    let wanted = r.below(KNOWN.len() + 1);
    KNOWN.iter().take(wanted).map(|kind| AttributeName::Standard(*kind)).collect()
}

fn parameters(r: &mut Random) -> CryptographicParameters {
    CryptographicParameters {
        block_cipher_mode: r
            .maybe(|r| r.pick(&[BlockCipherMode::Cbc, BlockCipherMode::Gcm, BlockCipherMode::Ctr])),
        padding_method: r
            .maybe(|r| r.pick(&[PaddingMethod::None, PaddingMethod::Pkcs5, PaddingMethod::Oaep])),
        hashing_algorithm: r.maybe(|r| r.pick(&[HashingAlgorithm::Sha256, HashingAlgorithm::Sha512])),
        cryptographic_algorithm: r
            .maybe(|r| r.pick(&[CryptographicAlgorithm::Aes, CryptographicAlgorithm::HmacSha256])),
        random_iv: r.maybe(Random::coin),
        iv_length: r.maybe(Random::positive),
        tag_length: r.maybe(Random::positive),
        ..Default::default()
    }
}

fn symmetric_key(r: &mut Random) -> ManagedObject<'static> {
    let length = r.pick(&[16_usize, 24, 32]);
    let material: Vec<u8> = (0..length).map(|_| r.next().to_be_bytes()[0]).collect();
    let mut block = KeyBlock::from_bytes(KeyFormatType::Raw, material);
    block.cryptographic_algorithm = Some(CryptographicAlgorithm::Aes);
    block.cryptographic_length = Some(i32::try_from(8 * length).expect("a small number"));
    ManagedObject::SymmetricKey(Key { key_block: Some(block) })
}

fn secret_data(r: &mut Random) -> ManagedObject<'static> {
    let format = r.pick(&[KeyFormatType::Opaque, KeyFormatType::Raw]);
    ManagedObject::SecretData(SecretData {
        kind: r.pick(&[SecretDataType::Password, SecretDataType::Seed]),
        key_block: Some(KeyBlock::from_bytes(format, r.bytes())),
    })
}
