//! Export: an object with all its attributes (1.x section 4.40, 2.x section 6.1).

use crate::field::structure;
use crate::{
    AttributeList, KeyCompressionType, KeyFormatType, KeyWrapType, KeyWrappingSpecification, ManagedObject,
    ObjectType, UniqueIdentifier,
};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// In which format; absent means as registered.
        key_format_type: Option<KeyFormatType> = KEY_FORMAT_TYPE,
        /// Whether to unwrap what was registered wrapped.
        key_wrap_type: Option<KeyWrapType> = KEY_WRAP_TYPE,
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
        /// Its attributes.
        attributes: AttributeList = ATTRIBUTE | ATTRIBUTES,
        /// The object.
        object: Option<Box<ManagedObject<'a>>> = CERTIFICATE | SYMMETRIC_KEY | PUBLIC_KEY | PRIVATE_KEY | SPLIT_KEY | TEMPLATE
            | SECRET_DATA | OPAQUE_OBJECT | PGP_KEY | CERTIFICATE_REQUEST,
    }
}
