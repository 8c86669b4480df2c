//! Add Attribute: one more instance (1.x section 4.14, 2.x section 6.1).

use crate::field::structure;
use crate::{IndexedAttribute, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// The attribute; its index is the server's to give.
        attribute: IndexedAttribute = ATTRIBUTE | NEW_ATTRIBUTE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// The attribute with its index (1.x).
        attribute: Option<IndexedAttribute> = ATTRIBUTE | NEW_ATTRIBUTE until V1_4,
    }
}
