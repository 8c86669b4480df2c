//! Logout: ends a ticket (2.x section 6.1).

use crate::credential::Ticket;
use crate::field::structure;

structure! {
    /// The request.
    pub struct Request<'a> {
        /// The ticket.
        ticket: Ticket<'a> = TICKET,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
    }
}
