//! Keys and certificates in the shapes KMIP has for them: reading a Key Block into numbers, writing it in
//! another Key Format Type, wrapping it, and what a certificate says of itself.
//!
//! An object is kept as it came, in TTLV; every change of shape makes a new TTLV object in a buffer that
//! is wiped. Nothing here decides who may have a key.

pub mod authority;
pub mod blocks;
pub mod certificate;
pub mod convert;
pub mod digest;
pub mod fetch;
pub mod new;
pub mod pair;
pub mod pkcs12;
pub mod wrapping;

use kmip::field::Encode as _;
use kmip::ttlv::Writer;
use kmip::{ManagedObject, Tag, Version};
use zeroize::Zeroizing;

/// Room for an object to begin with: the largest usual key, RSA-4096, takes 2.4 KiB.
const OBJECT_BYTES: usize = 4096;

/// An object in the TTLV it is kept in.
pub type Stored = Zeroizing<Vec<u8>>;

/// Writes an object as it is kept: in the newest version, whatever version it came in.
pub fn encode(object: &ManagedObject<'_>) -> Stored {
    let room = OBJECT_BYTES + object.key_block().map_or(0, material_bytes);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    object.encode(&mut Writer::new(&mut bytes, Version::V2_1), Tag::SYMMETRIC_KEY);
    bytes
}

fn material_bytes(block: &kmip::KeyBlock<'_>) -> usize {
    use kmip::{KeyMaterial, KeyValue};
    match &block.key_value {
        Some(KeyValue::Wrapped(bytes) | KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => {
            bytes.len()
        }
        Some(KeyValue::Plain { material: KeyMaterial::Transparent(_), .. }) | None => 0,
    }
}
