//! Log: a line for the server to keep (2.x section 6.1).

use crate::Text;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request<'a> {
        /// The line.
        log_message: Text<'a> = LOG_MESSAGE,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
    }
}
