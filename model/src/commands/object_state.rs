//! KMIP Activate and Revoke, on recorded objects and, by an override, on ephemeral keys.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::LogIndex;
use crate::object::{KeyState, Object, Place, Revocation};
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};
use crate::uid::Uid;

/// KMIP Revocation Reason Code of a key compromise (KMIP 1.4, 9.1.3.2.19).
const KEY_COMPROMISE: u32 = 2;
/// KMIP Revocation Reason Code of a compromised certification authority.
const CA_COMPROMISE: u32 = 3;

/// From Pre-Active to Active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateObject {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
}

/// To Deactivated, or, for a compromise, to Compromised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeObject {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
    /// Why.
    pub reason: Revocation,
    /// When a compromise is believed to have happened, in seconds since the epoch.
    pub compromise_occurrence_date: Option<u64>,
}

impl Apply for ActivateObject {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.active_service(fields.tenant, fields.service)?;
        let object = on_line(existing_with_room(state, &self.uid, at)?)?;
        let over = object.lifecycle.deactivation_date.is_some_and(|date| date <= at.time.as_secs());
        match object.lifecycle.state_at(at.time) {
            // It would be Deactivated at once: a withdrawal that nobody asked for.
            KeyState::PreActive if over => Err(Refusal::DeactivationDue),
            KeyState::PreActive => Ok(()),
            state => Err(Refusal::WrongState { state, at: object.withdrawn_at }),
        }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        let now = at.time.as_secs();
        object.lifecycle.state = KeyState::Active;
        object.lifecycle.activation_date = Some(now);
        put_changed(state, object, at, changes)
    }
}

impl RevokeObject {
    fn is_compromise(&self) -> bool {
        matches!(self.reason.code, KEY_COMPROMISE | CA_COMPROMISE)
    }
}

impl Apply for RevokeObject {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.living_service(fields.tenant, fields.service)?;
        let object = on_line(existing(state, &self.uid, at)?)?;
        let now = object.lifecycle.state_at(at.time);
        let lawful = match now {
            KeyState::Active => true,
            KeyState::PreActive | KeyState::Deactivated => self.is_compromise(),
            KeyState::Compromised | KeyState::Destroyed | KeyState::DestroyedCompromised => false,
        };
        if lawful { Ok(()) } else { Err(Refusal::WrongState { state: now, at: object.withdrawn_at }) }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        let now = at.time.as_secs();
        if self.is_compromise() {
            object.lifecycle.state = KeyState::Compromised;
            object.lifecycle.compromise_date = Some(now);
            object.lifecycle.compromise_occurrence_date =
                Some(self.compromise_occurrence_date.unwrap_or(now));
        } else {
            object.lifecycle.state = KeyState::Deactivated;
            object.lifecycle.deactivation_date = Some(now);
        }
        object.lifecycle.revocation = Some(self.reason.clone());
        object.withdrawn_at = at.index;
        put_changed(state, object, at, changes)
    }
}

/// The row, or, for an ephemeral key without one, what its identifier says. At the limit of rows too: a key
/// that could not be revoked or destroyed would be worse than one row more.
pub(super) fn existing(state: &State, uid: &Uid, at: &At) -> Result<Object, Refusal> {
    let fields = uid.header.fields();
    match state.object(fields.tenant, uid) {
        Some(object) => Ok(object.as_ref().clone()),
        None if fields.kind.is_ephemeral() => {
            Ok(Object::ephemeral(*uid, Place { index: at.index, item: at.item }))
        }
        None => Err(Refusal::ObjectUnknown),
    }
}

/// As [`existing`], for changes that withdraw nothing: a row they would make needs room.
pub(super) fn existing_with_room(state: &State, uid: &Uid, at: &At) -> Result<Object, Refusal> {
    let fields = uid.header.fields();
    if state.object(fields.tenant, uid).is_none() {
        state.room_for_object(fields.tenant, fields.service)?;
    }
    existing(state, uid, at)
}

/// Refuses an archived object: it stays what it is until it is recovered.
pub(super) fn on_line(object: Object) -> Result<Object, Refusal> {
    match object.lifecycle.archive_date {
        Some(_) => Err(Refusal::Archived { at: object.withdrawn_at }),
        None => Ok(object),
    }
}

/// As [`existing`], for what a destroyed object no longer allows.
pub(super) fn living(state: &State, uid: &Uid, at: &At) -> Result<Object, Refusal> {
    let object = existing(state, uid, at)?;
    match object.lifecycle.state_at(at.time) {
        state if state.is_destroyed() => Err(Refusal::WrongState { state, at: object.withdrawn_at }),
        _ => Ok(object),
    }
}

/// As [`existing`], after a check that passed.
pub(super) fn taken(state: &State, uid: &Uid, at: &At) -> Object {
    existing(state, uid, at).expect("check passed on this state")
}

/// Writes a changed object back.
pub(super) fn put_changed(state: &mut State, mut object: Object, at: &At, changes: &mut Changes) -> Answer {
    object.lifecycle.last_change_date = at.time.as_secs();
    object.revision = at.index;
    debug_assert!(object.withdrawn_at <= object.revision && object.revision > LogIndex(0));
    state.put_object(object.uid.header.fields().tenant, object, changes);
    Answer::Done
}
