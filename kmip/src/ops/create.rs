//! Create: a new symmetric key (1.x section 4.1, 2.x section 6.1).

use crate::field::structure;
use crate::{ObjectType, ProtectionStorageMasks, Template, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request {
        /// What to create.
        object_type: ObjectType = OBJECT_TYPE,
        /// Algorithm, length, mask and whatever else it shall have.
        attributes: Template = TEMPLATE_ATTRIBUTE | ATTRIBUTES,
        /// Where it may be kept (2.0).
        protection_storage_masks: Option<ProtectionStorageMasks> = PROTECTION_STORAGE_MASKS since V2_0,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// What was created.
        object_type: ObjectType = OBJECT_TYPE,
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// Attributes the server set beyond the request (1.x).
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES until V1_4,
    }
}
