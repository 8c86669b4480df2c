//! Interop: marks the bounds of a test case (2.x section 6.1).

use crate::field::structure;
use crate::{InteropFunction, Text};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Begin, End or Reset.
        interop_function: InteropFunction = INTEROP_FUNCTION,
        /// Which test case.
        interop_identifier: Option<Text<'a>> = INTEROP_IDENTIFIER,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
    }
}
