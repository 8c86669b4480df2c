//! Poll an asynchronous operation (1.x section 4.28, 2.x section 6.1).
//!
//! The answer is that of the operation itself, or pending again; Poll has no payload of its own.

use crate::Bytes;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Which asynchronous operation.
        correlation_value: Bytes<'a> = ASYNCHRONOUS_CORRELATION_VALUE,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
    }
}
