//! Import: an object under an identifier of the client (1.x section 4.41, 2.x section 6.1).

use crate::field::structure;
use crate::{AttributeList, KeyWrapType, ManagedObject, ObjectType, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// What is imported.
        object_type: ObjectType = OBJECT_TYPE,
        /// Whether an object of this identifier is replaced.
        replace_existing: Option<bool> = REPLACE_EXISTING,
        /// Whether to unwrap it.
        key_wrap_type: Option<KeyWrapType> = KEY_WRAP_TYPE,
        /// Its attributes.
        attributes: AttributeList = ATTRIBUTE | ATTRIBUTES,
        /// The object.
        object: Option<Box<ManagedObject<'a>>> = CERTIFICATE | SYMMETRIC_KEY | PUBLIC_KEY | PRIVATE_KEY | SPLIT_KEY | TEMPLATE
            | SECRET_DATA | OPAQUE_OBJECT | PGP_KEY | CERTIFICATE_REQUEST,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
    }
}
