//! An operator decides whether a node may vote.
//!
//! This is the wish; the leader brings the membership there, step by step, and takes up where another left.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::NodeId;
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetNodeRole {
    /// The node.
    pub node: NodeId,
    /// Whether it may vote, once it has caught up.
    pub voter: bool,
}

impl Apply for SetNodeRole {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let node = self.node;
        match state.departure(node) {
            Some(_) => Err(Refusal::NodeRemoved { node }),
            None if !state.knows_node(node) => Err(Refusal::NodeUnknown),
            None => Ok(()),
        }
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        state.put_voter(self.node, self.voter, changes);
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, Command, Stamp};
    use crate::commands::RetireNode;
    use crate::id::{CommandId, LogIndex};
    use crate::time::ClusterTime;

    #[test]
    fn a_role_is_a_wish_about_a_node_that_stays() {
        let mut state = State::new("eu");
        let mut index = 0;
        let mut apply = |state: &mut State, action: Action| {
            index += 1;
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
            state.apply(LogIndex(index), &Command { stamp, idempotency: None, action }).answer
        };
        let (first, stranger) = (NodeId(1), NodeId(7));
        assert!(state.may_vote(first));
        let demote = |node| Action::from(SetNodeRole { node, voter: false });
        assert_eq!(apply(&mut state, demote(stranger)), Answer::Refused(Refusal::NodeUnknown));
        assert_eq!(apply(&mut state, demote(first)), Answer::Done);
        assert!(!state.may_vote(first));
        assert_eq!(State::from_rows(state.rows()), Ok(state.clone()));
        apply(&mut state, RetireNode { node: first }.into());
        assert_eq!(apply(&mut state, demote(first)), Answer::Refused(Refusal::NodeRemoved { node: first }));
    }
}
