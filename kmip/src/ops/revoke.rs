//! Revoke: Deactivated or Compromised from now on (1.x section 4.20, 2.x section 6.1).

use crate::field::structure;
use crate::{DateTime, RevocationReason, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Why.
        reason: RevocationReason = REVOCATION_REASON,
        /// When the compromise is believed to have happened.
        compromise_occurrence_date: Option<DateTime> = COMPROMISE_OCCURRENCE_DATE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
    }
}
