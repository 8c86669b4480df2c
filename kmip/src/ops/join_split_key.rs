//! Join Split Key (1.x section 4.39, 2.x section 6.1).

use crate::field::structure;
use crate::{ObjectType, ProtectionStorageMasks, SecretDataType, Template, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// What comes of it.
        object_type: ObjectType = OBJECT_TYPE,
        /// The parts.
        unique_identifiers: Vec<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Secret Data Type, for Secret Data.
        secret_data_type: Option<SecretDataType> = SECRET_DATA_TYPE,
        /// Attributes of the new object.
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES,
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
