//! Discover Versions: what both sides speak (1.x section 4.26, 2.x section 6.1).

use crate::ProtocolVersion;
use crate::field::structure;

structure! {
    /// The request.
    #[derive(Default)]
    pub struct Request {
        /// What the client speaks, best first; none asks for all.
        versions: Vec<ProtocolVersion> = PROTOCOL_VERSION,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
        /// What the server speaks of these, best first.
        versions: Vec<ProtocolVersion> = PROTOCOL_VERSION,
    }
}
