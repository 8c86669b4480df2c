//! Tickets: given, used, given back.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};
use crate::ticket::{Purpose, TICKET_BYTES_MAX, TICKET_MS_MAX, TICKETS_PER_SERVICE_MAX, Ticket};
use crate::uid::Uid;

/// A new ticket. Those of its service that have ended make room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueTicket {
    /// Made by the proposer.
    pub uid: Uid,
    /// How long it lasts, in milliseconds from when the command takes effect.
    pub lasts_ms: u64,
    /// What it is for.
    pub purpose: Purpose,
}

/// One request on a ticket. Exact: on a spent one nothing is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseTicket {
    /// Which; the proposer has checked its tag.
    pub uid: Uid,
}

/// The ticket is worth nothing any more, on any node (KMIP Logout, Cancel; CONSISTENCY 3 counts a logout among
/// the withdrawals).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndTicket {
    /// Which; the proposer has checked its tag.
    pub uid: Uid,
}

impl Apply for IssueTicket {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.active_service(fields.tenant, fields.service)?;
        if self.lasts_ms > TICKET_MS_MAX {
            return Err(Refusal::LimitReached { what: Limit::TicketTime, max: TICKET_MS_MAX });
        }
        if self.purpose.bytes() > TICKET_BYTES_MAX {
            return Err(Refusal::LimitReached { what: Limit::TicketBytes, max: TICKET_BYTES_MAX as u64 });
        }
        if state.ticket(&self.uid).is_some() {
            return Err(Refusal::ObjectExists);
        }
        let lasting = state.tickets(fields.tenant, fields.service).filter(|one| one.lasts_at(at.time));
        if lasting.count() >= TICKETS_PER_SERVICE_MAX {
            let max = TICKETS_PER_SERVICE_MAX as u64;
            return Err(Refusal::LimitReached { what: Limit::Tickets, max });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let fields = self.uid.header.fields();
        let tickets = state.tickets(fields.tenant, fields.service);
        let ended: Vec<Uid> = tickets.filter(|one| !one.lasts_at(at.time)).map(|one| one.uid).collect();
        for uid in ended {
            state.remove_ticket(&uid, changes);
        }
        let expires = at.time.plus_ms(self.lasts_ms);
        state.put_ticket(Ticket { uid: self.uid, expires, purpose: self.purpose.clone() }, changes);
        Answer::Done
    }
}

impl Apply for UseTicket {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        match &lasting(state, &self.uid, at)?.purpose {
            Purpose::Login { requests_left: Some(0), .. } => Err(Refusal::TicketSpent),
            Purpose::Login { .. } => Ok(()),
            Purpose::Answer { .. } | Purpose::Session => Err(Refusal::TicketUnknown),
        }
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        let mut ticket = state.ticket(&self.uid).expect("check passed on this state").as_ref().clone();
        if let Purpose::Login { requests_left: Some(left), .. } = &mut ticket.purpose {
            *left -= 1;
            state.put_ticket(ticket, changes);
        }
        Answer::Done
    }
}

impl Apply for EndTicket {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        lasting(state, &self.uid, at).map(|_| ())
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        state.remove_ticket(&self.uid, changes);
        Answer::Done
    }
}

fn lasting<'s>(state: &'s State, uid: &Uid, at: &At) -> Result<&'s Ticket, Refusal> {
    let fields = uid.header.fields();
    state.active_service(fields.tenant, fields.service)?;
    let ticket = state.ticket(uid).filter(|ticket| ticket.lasts_at(at.time));
    ticket.map(AsRef::as_ref).ok_or(Refusal::TicketUnknown)
}
