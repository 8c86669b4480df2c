//! Whose turn it is in an Object Group: Locate with Group Member Default goes round.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{ServiceHandle, TenantHandle};
use crate::object::Place;
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};

/// The member at `to` was the last to be given out. Refused if another was given out meanwhile: the proposer
/// looks again, so that no member is given twice in one round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceGroup {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The service whose group it is.
    pub service: ServiceHandle,
    /// Hash of the group's name, of fixed length for the row's key.
    pub group: [u8; 32],
    /// The member the proposer saw last; `None` if none ever was.
    pub from: Option<Place>,
    /// The member given out now.
    pub to: Place,
}

impl Apply for AdvanceGroup {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.active_service(self.tenant, self.service)?;
        if state.group_cursor(self.tenant, self.service, &self.group) == self.from {
            return Ok(());
        }
        Err(Refusal::GroupMoved)
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        state.put_group_cursor(self.tenant, self.service, self.group, self.to, changes);
        Answer::Done
    }
}
