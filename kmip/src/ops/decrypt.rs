//! Decrypt on the server (1.x section 4.30, 2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, CryptographicParameters, Data, UniqueIdentifier};

structure! {
    /// The request.
    #[derive(Default)]
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// How; absent means the key's own Cryptographic Parameters.
        cryptographic_parameters: Option<CryptographicParameters> = CRYPTOGRAPHIC_PARAMETERS,
        /// Ciphertext.
        data: Option<Data<'a>> = DATA,
        /// IV, counter or nonce.
        iv_counter_nonce: Option<Bytes<'a>> = IV_COUNTER_NONCE,
        /// Continues the stream with this value (1.3).
        correlation_value: Option<Bytes<'a>> = CORRELATION_VALUE since V1_3,
        /// First part of a stream (1.3).
        init_indicator: Option<bool> = INIT_INDICATOR since V1_3,
        /// Last part of a stream (1.3).
        final_indicator: Option<bool> = FINAL_INDICATOR since V1_3,
        /// Data authenticated but not encrypted (1.4).
        additional_data: Option<Bytes<'a>> = AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA since V1_4,
        /// Tag of an authenticated mode (1.4).
        tag: Option<Bytes<'a>> = AUTHENTICATED_ENCRYPTION_TAG since V1_4,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// Plaintext.
        data: Option<Bytes<'a>> = DATA,
        /// Names the stream in its next part (1.3).
        correlation_value: Option<Bytes<'a>> = CORRELATION_VALUE since V1_3,
    }
}
