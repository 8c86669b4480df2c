//! What using an object leaves behind: its usage limit shrinks, and it is no longer fresh.

use serde::{Deserialize, Serialize};

use super::object_state::{existing, living, put_changed, taken};
use crate::command::{Answer, Apply};
use crate::id::LogIndex;
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};
use crate::uid::Uid;

/// Takes from an object's usage limit, before the use that it pays for (KMIP Usage Limits, Get Usage
/// Allocation). Exact: what is not left is refused, and nothing is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeUsage {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
    /// How much, in the limit's own unit.
    pub amount: u64,
}

/// Takes a block from an object's usage limit for one node, which then counts uses by itself. What it does not
/// use it gives back or loses: more than the limit is never used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseUsage {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
    /// When the limit was set that the block is taken from ([`Object::usage_since`](crate::object::Object)).
    pub since: LogIndex,
    /// How much, in the limit's own unit.
    pub amount: u64,
}

/// Gives back what a node did not use of its blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnUsage {
    /// Which object.
    pub uid: Uid,
    /// When the limit was set that it was taken from.
    pub since: LogIndex,
    /// How much, in the limit's own unit.
    pub amount: u64,
}

/// The object was served by a Get: KMIP Fresh turns false for ever. Repeating it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkServed {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
}

impl Apply for TakeUsage {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.active_service(fields.tenant, fields.service)?;
        let object = living(state, &self.uid, at)?;
        match object.usage {
            Some(usage) if usage.left < self.amount => Err(Refusal::UsageSpent { left: usage.left }),
            Some(_) => Ok(()),
            None => Err(Refusal::AttributeUnknown),
        }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        let usage = object.usage.as_mut().expect("check passed on this state");
        usage.left -= self.amount;
        put_changed(state, object, at, changes)
    }
}

impl Apply for LeaseUsage {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        TakeUsage { uid: self.uid, amount: self.amount }.check(state, at)?;
        of_this_limit(state, &self.uid, self.since, at)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        TakeUsage { uid: self.uid, amount: self.amount }.apply(state, at, changes)
    }
}

impl Apply for ReturnUsage {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        living(state, &self.uid, at)?;
        of_this_limit(state, &self.uid, self.since, at)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        let Some(usage) = object.usage.as_mut() else { return Answer::Done };
        usage.left = usage.left.saturating_add(self.amount).min(usage.total);
        put_changed(state, object, at, changes)
    }
}

/// Refuses a block of a limit that is no more: another one took its place. Of a limit that this very entry set
/// nobody can have a block: its index was not known when the entry was proposed.
fn of_this_limit(state: &State, uid: &Uid, since: LogIndex, at: &At) -> Result<(), Refusal> {
    let set = existing(state, uid, at)?.usage_since;
    if set == since && set != at.index { Ok(()) } else { Err(Refusal::AttributeUnknown) }
}

impl Apply for MarkServed {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.active_service(fields.tenant, fields.service)?;
        existing(state, &self.uid, at).map(|_| ())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        if !object.fresh {
            return Answer::Done;
        }
        object.fresh = false;
        put_changed(state, object, at, changes)
    }
}
