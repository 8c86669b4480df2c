//! Delete Attribute (1.x section 4.16, 2.x section 6.1).

use crate::field::structure;
use crate::{Attribute, AttributeName, IndexedAttribute, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Which instance, by its value (2.x).
        current: Option<Attribute> = CURRENT_ATTRIBUTE since V2_0,
        /// Which attribute, by its name: in 2.x all instances.
        name: Option<AttributeName> = ATTRIBUTE_NAME | ATTRIBUTE_REFERENCE,
        /// Which instance, by its index (1.x); absent means 0.
        index: Option<i32> = ATTRIBUTE_INDEX,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// The attribute that is gone (1.x).
        attribute: Option<IndexedAttribute> = ATTRIBUTE | CURRENT_ATTRIBUTE until V1_4,
    }
}
