//! Anything may come as a request: it is read or rejected, a rejection writes its own answer, and
//! what was read is written to bytes that read as the same.
#![no_main]

use kmip::message::RequestHeader;
use kmip::ttlv::{Limits, frame_length};
use kmip::{RequestBuilder, RequestMessage, RequestPayload, ResponseMessage, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(Ok(length)) = bytes.first_chunk().map(frame_length) {
        assert!(length <= Limits::DEFAULT.frame_bytes);
    }
    match RequestMessage::decode(bytes, &Limits::DEFAULT) {
        Ok(message) => read(&message),
        Err(rejection) => {
            let mut answer = Vec::new();
            rejection.respond(0, &mut answer);
            ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("our own answer reads");
        }
    }
});

fn read(message: &RequestMessage<'_>) {
    assert!(!message.items.is_empty(), "a message that was read has a batch");
    for item in &message.items {
        if let Ok(payload) = item.decode_payload() {
            assert_eq!(payload.operation() as u32, item.operation_value);
            write(message.header.version, &payload);
        }
    }
}

/// A payload may hold fields of the other style, which writing in its version loses: so the first
/// writing may differ from what came, the second never from the first.
fn write(version: Version, payload: &RequestPayload<'_>) {
    let written = written(version, payload);
    if written.len() > Limits::DEFAULT.frame_bytes {
        return;
    }
    let Ok(message) = RequestMessage::decode(&written, &Limits::DEFAULT) else {
        panic!("what we write reads: {payload:?}");
    };
    if let Ok(again) = message.items[0].decode_payload() {
        assert_eq!(self::written(version, &again), written);
    }
}

fn written(version: Version, payload: &RequestPayload<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &RequestHeader::new(version));
    builder.item(payload.operation(), None, payload);
    builder.finish();
    bytes
}
