//! KMIP Archive and Recover: an archived object keeps everything and answers nothing until it is recovered.

use serde::{Deserialize, Serialize};

use super::object_state::{existing, living, on_line, put_changed, taken};
use crate::command::{Answer, Apply};
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};
use crate::uid::Uid;

/// Takes an object off-line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveObject {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
}

/// Brings an archived object back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverObject {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
}

impl Apply for ArchiveObject {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.active_service(fields.tenant, fields.service)?;
        on_line(living(state, &self.uid, at)?).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        object.lifecycle.archive_date = Some(at.time.as_secs());
        object.withdrawn_at = at.index;
        put_changed(state, object, at, changes)
    }
}

impl Apply for RecoverObject {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.active_service(fields.tenant, fields.service)?;
        match existing(state, &self.uid, at)?.lifecycle.archive_date {
            Some(_) => Ok(()),
            None => Err(Refusal::NotArchived),
        }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        object.lifecycle.archive_date = None;
        put_changed(state, object, at, changes)
    }
}
