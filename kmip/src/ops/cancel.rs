//! Cancel an asynchronous operation (1.x section 4.27, 2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, CancellationResult};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Which asynchronous operation.
        correlation_value: Bytes<'a> = ASYNCHRONOUS_CORRELATION_VALUE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Which asynchronous operation.
        correlation_value: Bytes<'a> = ASYNCHRONOUS_CORRELATION_VALUE,
        /// What came of it.
        cancellation_result: CancellationResult = CANCELLATION_RESULT,
    }
}
