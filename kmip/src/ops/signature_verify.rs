//! Signature Verify on the server (1.x section 4.32, 2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, CryptographicParameters, Data, UniqueIdentifier, ValidityIndicator};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// How; absent means the key's own Cryptographic Parameters.
        cryptographic_parameters: Option<CryptographicParameters> = CRYPTOGRAPHIC_PARAMETERS,
        /// The data.
        data: Option<Data<'a>> = DATA,
        /// Its digest in place of the data (1.4).
        digested_data: Option<Bytes<'a>> = DIGESTED_DATA since V1_4,
        /// The signature.
        signature_data: Option<Bytes<'a>> = SIGNATURE_DATA,
        /// Continues the stream with this value (1.3).
        correlation_value: Option<Bytes<'a>> = CORRELATION_VALUE since V1_3,
        /// First part of a stream (1.3).
        init_indicator: Option<bool> = INIT_INDICATOR since V1_3,
        /// Last part of a stream (1.3).
        final_indicator: Option<bool> = FINAL_INDICATOR since V1_3,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// Whether it holds; absent before the last part.
        validity_indicator: Option<ValidityIndicator> = VALIDITY_INDICATOR,
        /// Data recovered from the signature.
        data: Option<Bytes<'a>> = DATA,
        /// Names the stream in its next part (1.3).
        correlation_value: Option<Bytes<'a>> = CORRELATION_VALUE since V1_3,
    }
}
