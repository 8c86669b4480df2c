//! A new node asks to be let in: its id is the index of this very entry, so that no id is ever given
//! twice (CONSISTENCY 10).
//!
//! The entry alone makes nobody a member; the leader adds the node to the membership afterwards, and can
//! take that up again after any crash, because the row says what was promised.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::NodeId;
use crate::refusal::{Limit, Refusal};
use crate::row::Joined;
use crate::state::{At, Changes, State};

/// Longest node name in bytes: a DNS name (RFC 1035 2.3.4).
pub const NODE_NAME_BYTES_MAX: usize = 253;
/// Nodes that ever joined: far more than a cluster sees, few enough to hold in memory.
pub const JOINED_MAX: usize = 65_536;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinNode {
    /// Drawn at random once per empty data directory: a retry gets the same id, a wiped disk another.
    pub attempt: [u8; 16],
    /// The node's name, from its peer certificate.
    pub name: String,
    /// Whether it may vote, once it has caught up.
    pub voter: bool,
    /// Keyed hash of its join token, which is used up with the first entry of the attempt.
    pub token: [u8; 32],
}

impl Apply for JoinNode {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        Limit::NodeName.check(self.name.len() as u64, 1..=NODE_NAME_BYTES_MAX as u64)?;
        if let Some(known) = state.joined_by(&self.attempt) {
            // The attempt's number is known to its directory alone: it needs no token twice.
            return match state.departure(known.node) {
                Some(_) => Err(Refusal::NodeRemoved { node: known.node }),
                None if known.name != self.name => Err(Refusal::JoinTokenUsed { node: known.node }),
                None => Ok(()),
            };
        }
        let token = state.join_token(&self.token).ok_or(Refusal::JoinTokenUnknown)?;
        if let Some(node) = token.used_by {
            return Err(Refusal::JoinTokenUsed { node });
        }
        if token.expires <= at.time {
            return Err(Refusal::JoinTokenExpired { at: token.expires });
        }
        if state.joined.len() >= JOINED_MAX {
            return Err(Refusal::LimitReached { what: Limit::Nodes, max: JOINED_MAX as u64 });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        if let Some(known) = state.joined_by(&self.attempt) {
            return Answer::Node(known.node);
        }
        let node = NodeId(at.index.0);
        let JoinNode { attempt, name, voter, token } = self.clone();
        state.use_join_token(token, node, changes);
        state.put_joined(Joined { node, attempt, name, voter, joined: at.time }, changes);
        Answer::Node(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Stamp};
    use crate::id::{CommandId, LogIndex};
    use crate::row::JoinToken;
    use crate::time::ClusterTime;

    fn join(state: &mut State, index: u64, attempt: u8) -> Answer {
        let token = [attempt; 32];
        let known = JoinToken { expires: ClusterTime(u64::MAX), used_by: None };
        if state.join_token(&token).is_none() {
            state.put_join_token(token, known, &mut Changes::default());
        }
        let action = JoinNode { attempt: [attempt; 16], name: "node-b".into(), voter: true, token }.into();
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
        state.apply(LogIndex(index), &Command { stamp, idempotency: None, action }).answer
    }

    #[test]
    fn the_id_is_the_index_of_the_first_entry_of_an_attempt() {
        let mut state = State::new("eu");
        assert_eq!(join(&mut state, 7, 1), Answer::Node(NodeId(7)));
        assert_eq!(join(&mut state, 8, 1), Answer::Node(NodeId(7)), "a retry");
        assert_eq!(join(&mut state, 9, 2), Answer::Node(NodeId(9)), "another disk, even of the same name");
        assert_eq!(State::from_rows(state.rows()), Ok(state));
    }

    #[test]
    fn names_are_bounded() {
        let state = State::new("eu");
        let at = At { index: LogIndex(7), time: ClusterTime(0), item: 0 };
        for name in [String::new(), "n".repeat(NODE_NAME_BYTES_MAX + 1)] {
            let refusal =
                JoinNode { attempt: [1; 16], name, voter: false, token: [0; 32] }.check(&state, &at);
            assert_eq!(refusal, Err(Refusal::OutOfRange { what: Limit::NodeName, min: 1, max: 253 }));
        }
    }
}
