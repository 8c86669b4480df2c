//! What using an object leaves behind: its usage limit shrinks, and it is no longer fresh.

use serde::{Deserialize, Serialize};

use super::object_state::{existing, living, put_changed, taken};
use crate::command::{Answer, Apply};
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
