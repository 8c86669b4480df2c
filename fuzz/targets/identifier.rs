//! Whatever reads as an identifier is written back to the very same text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::uid::{Header, Uid};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(uid) = Uid::parse(text) else { return };
    assert_eq!(uid.encode().as_str(), text);
    assert_eq!(Header::new(&uid.header.fields()), uid.header, "every bit of a header has a meaning");
});
