//! Set Endpoint Role: who sends requests on this connection (2.x section 6.1).

use crate::EndpointRole;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request {
        /// What the sender wants to be.
        endpoint_role: EndpointRole = ENDPOINT_ROLE,
    }
}

structure! {
    /// The response.
    pub struct Response {
        /// What it is now.
        endpoint_role: EndpointRole = ENDPOINT_ROLE,
    }
}
