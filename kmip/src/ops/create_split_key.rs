//! Create Split Key (1.x section 4.38, 2.x section 6.1).

use crate::field::structure;
use crate::{BigInteger, ObjectType, ProtectionStorageMasks, SplitKeyMethod, Template, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// What is split.
        object_type: ObjectType = OBJECT_TYPE,
        /// The key to split; absent means a new one.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// How many parts.
        parts: i32 = SPLIT_KEY_PARTS,
        /// How many parts give the key.
        threshold: i32 = SPLIT_KEY_THRESHOLD,
        /// Split Key Method.
        method: SplitKeyMethod = SPLIT_KEY_METHOD,
        /// Prime Field Size, for the method over a prime field.
        prime_field_size: Option<BigInteger<'a>> = PRIME_FIELD_SIZE,
        /// Attributes of the new object.
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES,
        /// Where it may be kept (2.0).
        protection_storage_masks: Option<ProtectionStorageMasks> = PROTECTION_STORAGE_MASKS since V2_0,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// The parts.
        unique_identifiers: Vec<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Attributes the server set beyond the request (1.x).
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES until V1_4,
    }
}
