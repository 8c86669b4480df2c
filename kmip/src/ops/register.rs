//! Register: an object the client has (1.x section 4.3, 2.x section 6.1).

use crate::field::structure;
use crate::{ManagedObject, ObjectType, ProtectionStorageMasks, Template, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// What is registered.
        object_type: ObjectType = OBJECT_TYPE,
        /// Its attributes; old clients send none, or an empty structure.
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES,
        /// The object; absent when only attributes are registered.
        object: Option<Box<ManagedObject<'a>>> = CERTIFICATE | SYMMETRIC_KEY | PUBLIC_KEY | PRIVATE_KEY | SPLIT_KEY | TEMPLATE
            | SECRET_DATA | OPAQUE_OBJECT | PGP_KEY | CERTIFICATE_REQUEST,
        /// Where it may be kept (2.0).
        protection_storage_masks: Option<ProtectionStorageMasks> = PROTECTION_STORAGE_MASKS since V2_0,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// Attributes the server set beyond the request (1.x).
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES until V1_4,
    }
}
