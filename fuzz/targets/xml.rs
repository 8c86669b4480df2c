//! Anything may come as XML: it is refused with an answer of its own, or becomes TTLV that is printed and
//! read as the same again.
#![no_main]

use kmip::ResponseMessage;
use kmip::text::{Encoding, from_ttlv, to_ttlv};
use kmip::ttlv::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let ttlv = match to_ttlv(Encoding::Xml, bytes, &Limits::DEFAULT) {
        Ok(ttlv) => ttlv,
        Err(rejection) => {
            let mut answer = Vec::new();
            rejection.respond(0, &mut answer);
            ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("our own answer reads");
            from_ttlv(Encoding::Xml, &answer).expect("our own answer prints");
            return;
        }
    };
    let printed = from_ttlv(Encoding::Xml, &ttlv).expect("what was read prints");
    let again = to_ttlv(Encoding::Xml, &printed, &Limits::DEFAULT).expect("what we print reads");
    // Control characters, which no field accepts, print as question marks: so the second printing counts.
    assert_eq!(from_ttlv(Encoding::Xml, &again).expect("and prints again"), printed);
});
