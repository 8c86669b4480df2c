//! Get: the object itself (1.x section 4.11, 2.x section 6.1).

use crate::field::structure;
use crate::ttlv::Writer;
use crate::{
    CryptographicAlgorithm, KeyCompressionType, KeyFormatType, KeyWrapType, KeyWrappingSpecification,
    ManagedObject, ObjectType, Tag, UniqueIdentifier,
};

structure! {
    /// The request.
    #[derive(Default)]
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// In which format; absent means as registered.
        key_format_type: Option<KeyFormatType> = KEY_FORMAT_TYPE,
        /// Whether to unwrap what was registered wrapped (1.4).
        key_wrap_type: Option<KeyWrapType> = KEY_WRAP_TYPE since V1_4,
        /// Compression of an EC public key.
        key_compression_type: Option<KeyCompressionType> = KEY_COMPRESSION_TYPE,
        /// How to wrap; absent means in the clear.
        key_wrapping_specification: Option<Box<KeyWrappingSpecification<'a>>> = KEY_WRAPPING_SPECIFICATION,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Object Type.
        object_type: ObjectType = OBJECT_TYPE,
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// The object.
        object: Box<ManagedObject<'a>> = CERTIFICATE | SYMMETRIC_KEY | PUBLIC_KEY | PRIVATE_KEY | SPLIT_KEY | TEMPLATE
            | SECRET_DATA | OPAQUE_OBJECT | PGP_KEY | CERTIFICATE_REQUEST,
    }
}

/// Bytes a response from [`write_symmetric`] takes beyond the material: reserve once, copy never.
pub const SYMMETRIC_OVERHEAD_BYTES: usize = 256;

/// Writes the payload of a symmetric key in Raw format whose `length` bytes `fill` derives in
/// place. Give it to [`ResponseWriter::success_with`](crate::message::ResponseWriter::success_with).
///
/// # Errors
/// Whatever `fill` returns; what was written is rolled back by the caller, and wiped.
pub fn write_symmetric<E>(
    w: &mut Writer<'_>,
    unique_identifier: &str,
    algorithm: CryptographicAlgorithm,
    bits: i32,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    w.reserve(SYMMETRIC_OVERHEAD_BYTES + length);
    let payload = w.open(Tag::RESPONSE_PAYLOAD);
    w.enumeration(Tag::OBJECT_TYPE, ObjectType::SymmetricKey.value());
    w.text(Tag::UNIQUE_IDENTIFIER, unique_identifier);
    let key = w.open(Tag::SYMMETRIC_KEY);
    let block = w.open(Tag::KEY_BLOCK);
    w.enumeration(Tag::KEY_FORMAT_TYPE, KeyFormatType::Raw.value());
    let value = w.open(Tag::KEY_VALUE);
    w.bytes_with(Tag::KEY_MATERIAL, length, fill)?;
    w.close(value);
    w.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM, algorithm.value());
    w.integer(Tag::CRYPTOGRAPHIC_LENGTH, bits);
    w.close(block);
    w.close(key);
    w.close(payload);
    Ok(())
}
