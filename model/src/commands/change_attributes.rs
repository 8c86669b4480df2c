//! Changes names, dates and attributes of an object.

use serde::{Deserialize, Serialize};

use super::object_state::{existing_with_room, put_changed, taken};
use super::record_object::{check_attributes, check_names};
use crate::command::{Answer, Apply};
use crate::id::LogIndex;
use crate::object::{Name, StoredAttribute, Usage};
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};
use crate::time::ClusterTime;
use crate::uid::Uid;

/// The object's names, dates and attributes from then on. The proposer works out the whole set from the
/// revision it read; a change in between is refused, and the proposer reads again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAttributes {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
    /// The revision the proposer read; 0 for an ephemeral key without a row.
    pub if_revision: LogIndex,
    /// All names.
    pub names: Vec<Name>,
    /// All attributes the state machine does not judge.
    pub attributes: Vec<StoredAttribute>,
    /// New dates.
    pub dates: Dates,
    /// What it may still protect.
    pub usage: Option<Usage>,
    /// Whether the attributes can turn an allowed answer into a refusal (CONSISTENCY 3: mask narrowed,
    /// Sensitive set, Extractable cleared). The proposer says so; what dates do is judged on cluster time.
    pub withdraws: bool,
}

/// Dates a request may set, in seconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// When it becomes Active.
    pub activation_date: Option<u64>,
    /// When it becomes Deactivated.
    pub deactivation_date: Option<u64>,
    /// From when on it may process.
    pub process_start_date: Option<u64>,
    /// From when on it may not protect.
    pub protect_stop_date: Option<u64>,
}

impl ChangeAttributes {
    /// Whether the change, taking effect at `now`, can turn an allowed answer into a refusal. Dates are
    /// judged here: the proposer cannot know the time at which the leader stamps the command.
    pub(crate) fn withdraws_at(&self, now: ClusterTime) -> bool {
        let come = |date: Option<u64>| date.is_some_and(|date| date <= now.as_secs());
        self.withdraws || come(self.dates.deactivation_date) || come(self.dates.protect_stop_date)
    }
}

impl Apply for ChangeAttributes {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let fields = self.uid.header.fields();
        state.active_service(fields.tenant, fields.service)?;
        let object = existing_with_room(state, &self.uid, at)?;
        object.is_as_read(self.if_revision, at)?;
        let now = object.lifecycle.state_at(at.time);
        if now.is_destroyed() {
            return Err(Refusal::WrongState { state: now, at: object.withdrawn_at });
        }
        check_names(state, fields.tenant, &self.uid, &self.names)?;
        check_attributes(&self.attributes)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut object = taken(state, &self.uid, at);
        object.names.clone_from(&self.names);
        object.attributes.clone_from(&self.attributes);
        if object.usage != self.usage {
            (object.usage, object.usage_since) = (self.usage, at.index);
        }
        object.lifecycle.state = object.lifecycle.state_at(at.time);
        object.lifecycle.activation_date = self.dates.activation_date;
        object.lifecycle.deactivation_date = self.dates.deactivation_date;
        object.lifecycle.process_start_date = self.dates.process_start_date;
        object.lifecycle.protect_stop_date = self.dates.protect_stop_date;
        if self.withdraws_at(at.time) {
            object.withdrawn_at = at.index;
        }
        put_changed(state, object, at, changes)
    }
}
