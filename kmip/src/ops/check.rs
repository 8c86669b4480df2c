//! Check: may the key be used so? (1.x section 4.10, 2.x section 6.1).

use crate::field::structure;
use crate::{Interval, UniqueIdentifier, UsageMask};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Whether this much use is allowed.
        usage_limits_count: Option<i64> = USAGE_LIMITS_COUNT,
        /// Whether these uses are allowed.
        usage_mask: Option<UsageMask> = CRYPTOGRAPHIC_USAGE_MASK,
        /// Whether a lease of this length is possible.
        lease_time: Option<Interval> = LEASE_TIME,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// The count, when it is not.
        usage_limits_count: Option<i64> = USAGE_LIMITS_COUNT,
        /// The uses that are allowed, when some asked for are not.
        usage_mask: Option<UsageMask> = CRYPTOGRAPHIC_USAGE_MASK,
        /// The longest lease, when it is shorter.
        lease_time: Option<Interval> = LEASE_TIME,
    }
}
