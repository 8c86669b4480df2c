//! Ping: is anyone there? (2.x section 6.1).

use crate::field::structure;

structure! {
    /// The request.
    #[derive(Default)]
    pub struct Request {
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
    }
}
