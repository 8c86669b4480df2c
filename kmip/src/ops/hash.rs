//! Hash on the server (1.x section 4.37, 2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, CryptographicParameters, Data};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Which hash; later parts of a stream need not say it again.
        cryptographic_parameters: Option<CryptographicParameters> = CRYPTOGRAPHIC_PARAMETERS,
        /// The data.
        data: Option<Data<'a>> = DATA,
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
        /// The hash.
        data: Option<Bytes<'a>> = DATA,
        /// Names the stream in its next part (1.3).
        correlation_value: Option<Bytes<'a>> = CORRELATION_VALUE since V1_3,
    }
}
