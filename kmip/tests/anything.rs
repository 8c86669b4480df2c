//! Decoders face anything: no panic, no over-read, and what they accept they can write again.
//!
//! The inputs are golden-like messages with bytes changed, cut and repeated, which reach far
//! deeper than noise; proptest prints the seed of a failure.

use kmip::attribute::Attribute;
use kmip::message::RequestHeader;
use kmip::ttlv::{Item, Limits, frame_length};
use kmip::{
    CryptographicAlgorithm, ObjectType, Operation, RequestBuilder, RequestMessage, ResponseMessage, Version,
    ops,
};
use proptest::prelude::*;

/// A batch with a template, a placeholder, names and a filter.
fn sound(version: Version) -> Vec<u8> {
    let attributes = vec![
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
        Attribute::CryptographicLength(128),
        Attribute::Name("a name".into()),
    ];
    let create = ops::create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: attributes.clone().into(),
        protection_storage_masks: None,
    };
    let locate = ops::locate::Request { attributes: attributes.into(), ..Default::default() };
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &RequestHeader::new(version));
    builder.item(Operation::Create, Some(b"1"), &create);
    builder.item(Operation::Get, Some(b"2"), &ops::get::Request::default());
    builder.item(Operation::Locate, Some(b"3"), &locate);
    builder.finish();
    bytes
}

/// Reads everything there is to read; when all of it reads, writes it and reads that.
fn exercise(bytes: &[u8]) {
    if let Some(head) = bytes.first_chunk() {
        let _ = frame_length(head);
    }
    let _ = Attribute::from_ttlv_bytes(bytes);
    if let Ok(response) = ResponseMessage::decode(bytes, &Limits::DEFAULT) {
        for item in &response.items {
            let _ = item.payload::<ops::get::Response<'_>>();
            let _ = item.payload::<ops::query::Response<'_>>();
        }
    }
    match RequestMessage::decode(bytes, &Limits::DEFAULT) {
        Err(rejection) => {
            let mut answer = Vec::new();
            rejection.respond(0, &mut answer);
            ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("our own answer reads");
        }
        Ok(request) => write_again(&request),
    }
}

fn write_again(request: &RequestMessage<'_>) {
    let payloads: Vec<_> = request.items.iter().filter_map(|item| item.decode_payload().ok()).collect();
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &request.header);
    for payload in &payloads {
        builder.item(payload.operation(), None, payload);
    }
    builder.finish();
    if !payloads.is_empty() {
        RequestMessage::decode(&bytes, &Limits::DEFAULT).expect("what we write reads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn noise(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
        let _ = Item::parse(&bytes, &Limits::DEFAULT);
    }

    #[test]
    fn changed_bytes(v2: bool, changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut bytes = sound(if v2 { Version::V2_1 } else { Version::V1_2 });
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        exercise(&bytes);
    }

    #[test]
    fn repeated_and_cut_ranges(from: usize, length in 0_usize..200, to: usize, end: usize) {
        let mut bytes = sound(Version::V1_4);
        let from = (from % bytes.len()) & !7;
        let length = length.min(bytes.len() - from) & !7;
        let piece = bytes[from..from + length].to_vec();
        let to = (to % bytes.len()) & !7;
        bytes.splice(to..to, piece);
        let total = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&total.to_be_bytes());
        exercise(&bytes);
        bytes.truncate(end % (bytes.len() + 1));
        exercise(&bytes);
    }
}
