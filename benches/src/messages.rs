//! The two messages of a Create and Get in one batch, as a client and a node write them.

use kmip::message::RequestHeader;
use kmip::ops::create;
use kmip::{
    Attribute, CryptographicAlgorithm, ObjectType, Operation, RequestBuilder, ResponseHeader, ResponseWriter,
    UsageMask, Version, ops,
};

/// Bytes of the key in the answer.
pub const KEY_BYTES: usize = 32;

/// An identifier of the length every identifier has.
pub const IDENTIFIER: &str = "ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn";

/// Create AES-256, then Get of the ID placeholder, in KMIP 1.4.
#[must_use]
pub fn create_and_get_request() -> Vec<u8> {
    let attributes = vec![
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
        Attribute::CryptographicLength(256),
        Attribute::CryptographicUsageMask(UsageMask::ENCRYPT | UsageMask::DECRYPT),
    ];
    let create = create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: attributes.into(),
        protection_storage_masks: None,
    };
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &RequestHeader::new(Version::V1_4));
    builder.item(Operation::Create, Some(&[1]), &create);
    builder.item(Operation::Get, Some(&[2]), &ops::get::Request::default());
    builder.finish();
    bytes
}

/// The answer to it, into an empty buffer; `key` fills in the material where it is sent from.
pub fn write_response(out: &mut Vec<u8>, key: impl FnOnce(&mut [u8])) {
    let mut writer = ResponseWriter::new(out, &ResponseHeader::new(Version::V1_4, 1_700_000_000), None);
    let created = create::Response {
        object_type: ObjectType::SymmetricKey,
        unique_identifier: IDENTIFIER.into(),
        attributes: None,
    };
    let fits = writer.success(Operation::Create, Some(&[1]), &created);
    debug_assert_eq!(fits, kmip::message::Fit::Complete);
    let got = writer.success_with(Operation::Get, Some(&[2]), |w| {
        let fill = |out: &mut [u8]| {
            key(out);
            Ok::<(), std::convert::Infallible>(())
        };
        ops::get::write_symmetric(w, IDENTIFIER, CryptographicAlgorithm::Aes, 256, KEY_BYTES, fill)
    });
    debug_assert_eq!(got, Ok(kmip::message::Fit::Complete));
    writer.finish();
}

#[cfg(test)]
mod tests {
    use kmip::ttlv::Limits;
    use kmip::{RequestMessage, ResponseMessage};

    use super::*;

    #[test]
    fn the_messages_are_the_ones_they_claim_to_be() {
        let request = create_and_get_request();
        let request = RequestMessage::decode(&request, &Limits::DEFAULT).expect("a request");
        let operations: Vec<_> =
            request.items.iter().filter_map(kmip::message::RequestItem::operation).collect();
        assert_eq!(operations, [Operation::Create, Operation::Get]);

        let mut response = Vec::new();
        write_response(&mut response, |out| out.fill(7));
        let response = ResponseMessage::decode(&response, &Limits::DEFAULT).expect("a response");
        let got: ops::get::Response<'_> = response.items[1].payload().expect("a key");
        let block = got.object.key_block().expect("a key block");
        assert_eq!(block.material_bytes(), Some(&[7; KEY_BYTES][..]));
    }
}
