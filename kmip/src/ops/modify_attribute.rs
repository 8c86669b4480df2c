//! Modify Attribute: change an instance that exists (1.x section 4.15, 2.x section 6.1).

use crate::field::structure;
use crate::{Attribute, IndexedAttribute, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Which instance, by its present value (2.x).
        current: Option<Attribute> = CURRENT_ATTRIBUTE since V2_0,
        /// The new value; in 1.x its index says which instance.
        attribute: IndexedAttribute = ATTRIBUTE | NEW_ATTRIBUTE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// The attribute as it is now (1.x).
        attribute: Option<IndexedAttribute> = ATTRIBUTE | NEW_ATTRIBUTE until V1_4,
    }
}
