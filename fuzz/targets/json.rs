//! Anything may come as JSON: it is refused with an answer of its own, or becomes TTLV that is printed and
//! read as the very same bytes.
#![no_main]

use kmip::ResponseMessage;
use kmip::text::{Encoding, from_ttlv, to_ttlv};
use kmip::ttlv::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let ttlv = match to_ttlv(Encoding::Json, bytes, &Limits::DEFAULT) {
        Ok(ttlv) => ttlv,
        Err(rejection) => {
            let mut answer = Vec::new();
            rejection.respond(0, &mut answer);
            ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("our own answer reads");
            from_ttlv(Encoding::Json, &answer).expect("our own answer prints");
            return;
        }
    };
    let printed = from_ttlv(Encoding::Json, &ttlv).expect("what was read prints");
    let again = to_ttlv(Encoding::Json, &printed, &Limits::DEFAULT).expect("what we print reads");
    assert_eq!(again, ttlv);
});
