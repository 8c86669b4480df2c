//! Activate: Pre-Active becomes Active (1.x section 4.19, 2.x section 6.1).

use crate::UniqueIdentifier;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
    }
}
