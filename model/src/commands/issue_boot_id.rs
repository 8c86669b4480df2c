//! A process start asks for its number: never given twice (CONSISTENCY 10).

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{BootId, NodeId};
use crate::refusal::Refusal;
use crate::row::Booted;
use crate::state::{At, Changes, State};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueBootId {
    /// The node that started.
    pub node: NodeId,
    /// What other nodes seal keys to which they hand over to this process; none: it is handed none.
    pub inbox: Option<[u8; 32]>,
}

impl Apply for IssueBootId {
    fn check(&self, _: &State, _: &At) -> Result<(), Refusal> {
        Ok(())
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        let boot = BootId(state.cluster.last_boot.0 + 1);
        state.cluster.last_boot = boot;
        state.put_boot(self.node, Booted { boot, inbox: self.inbox }, changes);
        Answer::BootId(boot)
    }
}
