//! Get Usage Allocation: takes from the Usage Limits (1.x section 4.18, 2.x section 6.1).

use crate::UniqueIdentifier;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// How much, in the unit of the limits.
        usage_limits_count: i64 = USAGE_LIMITS_COUNT,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
    }
}
