//! Validate a certificate chain (1.x section 4.24, 2.x section 6.1).

use crate::field::structure;
use crate::{Certificate, DateTime, UniqueIdentifier, ValidityIndicator};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Certificates given.
        certificates: Vec<Certificate<'a>> = CERTIFICATE,
        /// Certificates held by the server.
        unique_identifiers: Vec<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// At which time; absent means now.
        validity_date: Option<DateTime> = VALIDITY_DATE,
    }
}

structure! {
    /// The response.
    pub struct Response {
        /// Whether it holds.
        validity_indicator: ValidityIndicator = VALIDITY_INDICATOR,
    }
}
