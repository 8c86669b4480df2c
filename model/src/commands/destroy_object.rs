//! KMIP Destroy: key, salt and digest go, metadata stays for its owner, names become free.

use serde::{Deserialize, Serialize};

use super::object_state::{existing, on_line, put_changed, taken};
use crate::command::{Answer, Apply};
use crate::object::{Body, KeyState};
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};
use crate::uid::Uid;

/// See the module. An Active object is refused: it must be revoked first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyObject {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
}

impl Apply for DestroyObject {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.living_service(fields.tenant, fields.service)?;
        let object = on_line(existing(state, &self.uid, at)?)?;
        match object.lifecycle.state_at(at.time) {
            KeyState::PreActive | KeyState::Deactivated | KeyState::Compromised => Ok(()),
            state @ (KeyState::Active | KeyState::Destroyed | KeyState::DestroyedCompromised) => {
                Err(Refusal::WrongState { state, at: object.withdrawn_at })
            }
        }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        object.lifecycle.state = match object.lifecycle.state {
            KeyState::Compromised => KeyState::DestroyedCompromised,
            _ => KeyState::Destroyed,
        };
        object.lifecycle.destroy_date = Some(at.time.as_secs());
        object.body = Body::Erased;
        object.attributes.retain(|attribute| attribute.name != "Digest");
        object.withdrawn_at = at.index;
        put_changed(state, object, at, changes)
    }
}
