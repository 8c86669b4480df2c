//! Login: a ticket in place of credentials (2.x section 6.1).

use crate::field::structure;
use crate::{TicketTime, UsageLimits, credential::Ticket};

structure! {
    /// The request.
    pub struct Request {
        /// How long the ticket lasts.
        lease_time: Option<TicketTime> = LEASE_TIME,
        /// How many requests it is good for.
        request_count: Option<i32> = REQUEST_COUNT,
        /// How much use it is good for.
        usage_limits: Option<UsageLimits> = USAGE_LIMITS,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// The ticket.
        ticket: Ticket<'a> = TICKET,
    }
}
