//! Anything may come as a request: it is read or rejected, and a rejection writes its own answer.
#![no_main]

use kmip::RequestMessage;
use kmip::ttlv::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = RequestMessage::decode(bytes, &Limits::default()) else { return };
    assert!(!message.items.is_empty(), "a message that was read has a batch");
    for item in &message.items {
        if let Ok(payload) = item.decode_payload() {
            assert_eq!(payload.operation() as u32, item.operation_value);
        }
    }
});
