//! Tickets of the caller's service: answers that wait, logins, sessions; and whose turn it is in a group.
//!
//! A ticket's name is an identifier with a tag: nobody but the cluster makes one, and one of another service
//! or tenant is as unknown as one that never was.

use std::sync::Arc;

use crypto::L3Place;
use model::commands::{AdvanceGroup, EndTicket, IssueTicket, UseTicket};
use model::refusal::Refusal;
use model::ticket::{Purpose, Ticket};
use model::uid::Uid;
use zeroize::Zeroizing;

use crate::hot::commitments;
use crate::objects::Found;
use crate::refused::Refused;
use crate::turn::Turn;

/// Stands for an Object Type in what binds a waiting answer to its ticket; no object has it.
const ANSWER: u32 = 0xffff_0001;
/// How often a group's turn is tried when others take theirs at the same time; each failure means that
/// another request got on.
const TURNS_MAX: usize = 16;

impl Turn<'_> {
    /// Gives the caller's service a ticket that lasts so long.
    ///
    /// # Errors
    /// What the state refuses: too many tickets, too long a life, too large a content.
    pub async fn issue_ticket(&mut self, lasts_ms: u64, purpose: Purpose) -> Result<Uid, Refused> {
        let uid = self.registered_uid()?;
        self.propose(IssueTicket { uid, lasts_ms, purpose }.into()).await?;
        Ok(uid)
    }

    /// Keeps an answer until it is asked for, wrapped under a root of its own: it may hold a key.
    ///
    /// # Errors
    /// As [`Turn::issue_ticket`]; [`Refused::KeyUnavailable`].
    pub async fn keep_answer(
        &mut self,
        operation: u32,
        answer: &[u8],
        read_only: bool,
        lasts_ms: u64,
    ) -> Result<Uid, Refused> {
        let uid = self.registered_uid()?;
        let salt = crypto::random::bytes();
        let record = self.wrapped(&uid.header, &salt, ANSWER, 1, answer).await?;
        let purpose = Purpose::Answer { operation, salt, record, read_only };
        self.propose(IssueTicket { uid, lasts_ms, purpose }.into()).await?;
        Ok(uid)
    }

    /// A ticket of the caller's own that still lasts, not older than this call.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for any other; [`Refused::NotNow`] without a leader.
    pub async fn ticket(&mut self, name: &str) -> Result<Arc<Ticket>, Refused> {
        self.refresh().await?;
        let unknown = Refused::NotFound { cause: "no_ticket" };
        let uid = Uid::parse(name).ok_or(unknown.clone())?;
        let fields = uid.header.fields();
        if (fields.tenant, fields.service) != (self.tenant.handle, self.service.handle) {
            return Err(unknown);
        }
        let bound = commitments(&self.tenant, &self.service, fields.l2_version).ok_or(unknown.clone())?;
        if !self.tag_key()?.verify(&uid, &bound) {
            return Err(unknown);
        }
        let ticket = self.state().ticket(&uid).filter(|ticket| ticket.lasts_at(self.now()));
        ticket.cloned().ok_or(unknown)
    }

    /// The answer a ticket keeps, in a buffer wiped when dropped.
    ///
    /// # Errors
    /// [`Refused::NotFound`] if it keeps none; [`Refused::KeyUnavailable`].
    pub async fn kept_answer(&mut self, ticket: &Ticket) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let Purpose::Answer { salt, record, .. } = &ticket.purpose else {
            return Err(Refused::NotFound { cause: "ticket_of_another_purpose" });
        };
        let header = ticket.uid.header;
        let hot = self.l3(L3Place::of(&header)).await?;
        self.check_lease()?;
        let root = hot.l3().material_root(&header, salt).map_err(|error| {
            tracing::error!(%error, "a material root could not be derived");
            Refused::Internal { cause: "material_root_not_derived" }
        })?;
        root.unwrap(ANSWER, 1, record).map_err(|error| {
            tracing::error!(%error, ticket = %ticket.uid, "a kept answer does not open");
            Refused::Internal { cause: "answer_does_not_open" }
        })
    }

    /// Takes one request from a login.
    ///
    /// # Errors
    /// [`Refusal::TicketSpent`] and [`Refusal::TicketUnknown`] inside [`Refused::Refused`].
    pub async fn use_ticket(&mut self, uid: Uid) -> Result<(), Refused> {
        self.propose(UseTicket { uid }.into()).await
    }

    /// Gives a ticket back.
    ///
    /// # Errors
    /// [`Refusal::TicketUnknown`] inside [`Refused::Refused`].
    pub async fn end_ticket(&mut self, uid: Uid) -> Result<(), Refused> {
        self.propose(EndTicket { uid }.into()).await
    }

    /// The members of a group whose turn it is: `members` come oldest first; the round goes on after the one
    /// given out last, and no two requests are given the same in one round.
    ///
    /// # Errors
    /// What the state refuses; [`Refused::NotNow`] without a leader.
    pub async fn next_members(
        &mut self,
        group: &str,
        members: &[Found],
        count: usize,
    ) -> Result<Vec<Found>, Refused> {
        let name = crypto::digest::sha256(&[group.as_bytes()]);
        let (tenant, service) = (self.tenant.handle, self.service.handle);
        for _ in 0..TURNS_MAX {
            let from = self.generation.state.group_cursor(tenant, service, &name);
            let first = members.iter().position(|one| Some(one.object.place) > from).unwrap_or(0);
            let round = members[first..].iter().chain(&members[..first]);
            let chosen: Vec<Found> = round.take(count).cloned().collect();
            let Some(last) = chosen.last() else { return Ok(chosen) };
            let to = last.object.place;
            let advance = AdvanceGroup { tenant, service, group: name, from, to };
            match self.propose(advance.into()).await {
                Err(Refused::Refused(Refusal::GroupMoved)) => self.look_again()?,
                Err(other) => return Err(other),
                Ok(()) => return Ok(chosen),
            }
        }
        Err(Refused::NotNow { reason: "too many requests take turns in this group".to_owned() })
    }
}
