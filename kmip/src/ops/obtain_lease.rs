//! Obtain Lease (1.x section 4.17, 2.x section 6.1).

use crate::field::structure;
use crate::{DateTime, Interval, UniqueIdentifier};

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
        /// How long.
        lease_time: Interval = LEASE_TIME,
        /// When the object last changed.
        last_change_date: DateTime = LAST_CHANGE_DATE,
    }
}
