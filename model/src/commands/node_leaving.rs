//! A node leaves for good: first it is retiring, after W_max without membership it is retired.
//!
//! Neither command changes the membership; whoever removes a node proposes `RetireNode` *before* that change,
//! so that no leader ever finds a node gone whose last lease it has never heard of.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::departure::Departure;
use crate::id::NodeId;
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};

/// A node begins to leave. From here on every barrier counts it, whatever the membership says, until it is
/// retired. Saying it twice is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireNode {
    /// Which node.
    pub node: NodeId,
}

/// A retiring node has been out of the membership for so long that its last lease has run out. The leader
/// proposes it; saying it twice is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRetired {
    /// Which node.
    pub node: NodeId,
}

impl Apply for RetireNode {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        if state.knows_node(self.node) { Ok(()) } else { Err(Refusal::NodeUnknown) }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        if state.departure(self.node).is_none() {
            state.put_departure(self.node, Departure::Retiring { since: at.time }, changes);
        }
        Answer::Done
    }
}

impl Apply for NodeRetired {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.departure(self.node).map(drop).ok_or(Refusal::NodeNotRetiring)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        if state.departure(self.node).is_some_and(Departure::is_retiring) {
            state.put_departure(self.node, Departure::Retired { at: at.time }, changes);
        }
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, Command, Stamp};
    use crate::id::{CommandId, LogIndex};
    use crate::time::ClusterTime;

    fn apply(state: &mut State, index: u64, action: impl Into<Action>) -> Answer {
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
        state.apply(LogIndex(index), &Command { stamp, idempotency: None, action: action.into() }).answer
    }

    #[test]
    fn a_node_leaves_in_two_steps_and_never_comes_back() {
        let mut state = State::new("eu");
        let node = NodeId(1);
        assert_eq!(apply(&mut state, 1, NodeRetired { node }), Answer::Refused(Refusal::NodeNotRetiring));
        assert_eq!(apply(&mut state, 2, RetireNode { node }), Answer::Done);
        assert_eq!(state.retiring().collect::<Vec<_>>(), [node]);
        assert_eq!(apply(&mut state, 3, NodeRetired { node }), Answer::Done);
        assert_eq!(state.retiring().count(), 0);
        assert_eq!(apply(&mut state, 4, RetireNode { node }), Answer::Done, "repeating changes nothing");
        assert_eq!(state.departure(node), Some(Departure::Retired { at: ClusterTime(3) }));
        assert_eq!(State::from_rows(state.rows()), Ok(state));
    }

    #[test]
    fn a_node_that_never_joined_cannot_leave() {
        let answer = apply(&mut State::new("eu"), 1, RetireNode { node: NodeId(7) });
        assert_eq!(answer, Answer::Refused(Refusal::NodeUnknown));
    }
}
