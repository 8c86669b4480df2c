//! Anything may come as a response: our own client reads it or says why not.
#![no_main]

use kmip::ttlv::Limits;
use kmip::{ResponseMessage, ResponsePayload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = ResponseMessage::decode(bytes, &Limits::DEFAULT) else { return };
    for item in &message.items {
        let _ = item.reason();
        if let (Some(operation), Some(payload)) = (item.operation(), item.raw_payload) {
            let _ = ResponsePayload::decode(operation, payload.0);
        }
    }
});
