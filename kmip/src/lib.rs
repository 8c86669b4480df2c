//! KMIP vocabulary: bytes to values and back, and the payloads of every operation.
//!
//! Versions 1.0 to 1.4, 2.0 and 2.1; TTLV, and XML and JSON, which are transcoded ([`text`]). What this crate never does: sockets, clocks, randomness,
//! tenants, cryptography. A message is checked once ([`ttlv`]), read without copying
//! ([`message`]), and written in the version of its request, with the fields that version has.
//!
//! Start at [`message::RequestMessage`] to serve, at [`message::RequestBuilder`] to ask;
//! [`operation`] is the table of operations, [`attribute`] that of attributes, [`ops`] holds one
//! file per operation.

pub mod attribute;
pub mod credential;
pub mod enums;
pub mod field;
mod key_block;
mod mask;
pub mod message;
mod object;
pub mod operation;
pub mod ops;
#[cfg(test)]
mod sample;
mod tag;
pub mod text;
pub mod ttlv;
mod value;
mod version;

pub use self::attribute::*;
pub use self::credential::Credential;
pub use self::enums::*;
pub use self::key_block::{
    KeyBlock, KeyInformation, KeyMaterial, KeyValue, KeyWrappingData, KeyWrappingSpecification,
    TransparentKey,
};
pub use self::mask::{ProtectionStorageMask, StorageStatusMask, UsageMask};
pub use self::message::{RequestBuilder, RequestMessage, ResponseHeader, ResponseMessage, ResponseWriter};
pub use self::object::{
    Certificate, CertificateRequest, Key, ManagedObject, OpaqueObject, PgpKey, SecretData, SplitKey,
};
pub use self::operation::{Operation, RequestPayload, ResponsePayload};
pub use self::tag::Tag;
pub use self::value::{
    BigInteger, ByteString, Bytes, Data, DateTime, Identifier, Interval, OwnedIdentifier, RawEnumeration,
    Text, TicketTime, UniqueIdentifier,
};
pub use self::version::{ProtocolVersion, Version};
