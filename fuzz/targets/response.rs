//! Anything may come as a response: our own client reads it or says why not.
#![no_main]

use kmip::ResponseMessage;
use kmip::ttlv::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = ResponseMessage::decode(bytes, &Limits::default()) else { return };
    for item in &message.items {
        let _ = (item.operation(), item.reason());
    }
});
