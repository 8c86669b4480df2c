//! RNG Seed (1.x section 4.36, 2.x section 6.1).

use crate::Bytes;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request<'a> {
        /// The seed.
        data: Bytes<'a> = DATA,
    }
}

structure! {
    /// The response.
    pub struct Response {
        /// How many bytes of it were used.
        data_length: i32 = DATA_LENGTH,
    }
}
