//! Set Attribute: whatever was there before (2.x section 6.1).

use crate::field::structure;
use crate::{IndexedAttribute, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// The attribute.
        attribute: IndexedAttribute = NEW_ATTRIBUTE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
    }
}
