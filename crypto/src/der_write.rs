//! Writing DER by hand, where a structure is written once and read by others: tag, length, parts.

use der::Encode as _;
use der::asn1::ObjectIdentifier;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BITS: u8 = 0x03;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const UTF8: u8 = 0x0c;
pub(crate) const PRINTABLE: u8 = 0x13;
pub(crate) const IA5: u8 = 0x16;
pub(crate) const BMP_STRING: u8 = 0x1e;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const EXPLICIT_0: u8 = 0xa0;
pub(crate) const EXPLICIT_3: u8 = 0xa3;
pub(crate) const IMPLICIT_0: u8 = 0x80;

/// An object identifier.
pub(crate) fn oid(identifier: ObjectIdentifier) -> Vec<u8> {
    identifier.to_der().expect("a known identifier has a DER")
}

/// Tag, length, and the parts one after the other.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let lead = bytes.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | u8::try_from(bytes.len() - lead).expect("a length has at most 8 bytes"));
            out.extend_from_slice(&bytes[lead..]);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}
