//! Whatever reads as a stored attribute is stored as the same again.
#![no_main]

use kmip::Attribute;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(attribute) = Attribute::from_ttlv_bytes(bytes) else { return };
    let stored = attribute.to_ttlv_bytes();
    assert_eq!(Attribute::from_ttlv_bytes(&stored), Ok(attribute));
});
