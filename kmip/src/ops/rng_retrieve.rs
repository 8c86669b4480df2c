//! RNG Retrieve (1.x section 4.35, 2.x section 6.1).

use crate::Bytes;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request {
        /// How many bytes.
        data_length: i32 = DATA_LENGTH,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Random bytes.
        data: Bytes<'a> = DATA,
    }
}
