//! Delegated Login: a ticket with fewer rights, to be given away (2.x section 6.1).

use crate::field::structure;
use crate::{
    ObjectType, RawEnumeration, Text, TicketTime, UniqueIdentifier, UsageLimits, credential::Ticket,
};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// How long the ticket lasts.
        lease_time: Option<TicketTime> = LEASE_TIME,
        /// How many requests it is good for.
        request_count: Option<i32> = REQUEST_COUNT,
        /// How much use it is good for.
        usage_limits: Option<UsageLimits> = USAGE_LIMITS,
        /// What it allows.
        rights: Rights<'a> = RIGHTS,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// The ticket.
        ticket: Ticket<'a> = TICKET,
    }
}

structure! {
    /// Rights.
    pub struct Rights<'a> {
        /// Each allows what it lists.
        rights: Vec<Right<'a>> = RIGHT,
    }
}

structure! {
    /// Right: the operations on the objects, any of them when absent.
    pub struct Right<'a> {
        /// How much use.
        usage_limits: Option<UsageLimits> = USAGE_LIMITS,
        /// Operations.
        operations: Option<Operations> = OPERATIONS,
        /// Objects.
        objects: Option<Objects<'a>> = OBJECTS,
    }
}

structure! {
    /// Operations, by number.
    pub struct Operations {
        /// The numbers.
        operations: Vec<RawEnumeration> = OPERATION,
    }
}

structure! {
    /// Objects: by identifier, type or group.
    pub struct Objects<'a> {
        /// Identifiers.
        unique_identifiers: Vec<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Types.
        object_types: Vec<ObjectType> = OBJECT_TYPE,
        /// Groups.
        object_groups: Vec<Text<'a>> = OBJECT_GROUP,
    }
}
