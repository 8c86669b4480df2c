//! A join token: lets one node in, once, until a moment of cluster time.
//!
//! The state holds a keyed hash alone; the token itself is with whoever asked for it. Used and expired
//! tokens are remembered for a while, so that a node that brings one is told which of the two it is.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::refusal::{Limit, Refusal};
use crate::row::JoinToken;
use crate::state::{At, Changes, State};

/// Longest life of a token: a week covers a planned extension, and a forgotten file is worth nothing after it.
pub const JOIN_TOKEN_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Tokens remembered at a time: more than a cluster gets nodes in a week.
pub const JOIN_TOKENS_MAX: usize = 1_024;
/// How long a token is remembered after its end.
const REMEMBERED_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Tokens forgotten per command: an apply touches a bounded number of rows.
const FORGET_MAX: usize = 8;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueJoinToken {
    /// Keyed hash of the token.
    pub hash: [u8; 32],
    /// How long it lasts, in milliseconds of cluster time.
    pub lasts_ms: u64,
}

impl Apply for IssueJoinToken {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        Limit::JoinTokenTime.check(self.lasts_ms, 1..=JOIN_TOKEN_MS_MAX)?;
        if state.join_token(&self.hash).is_some() {
            return Err(Refusal::HandleTaken);
        }
        if state.join_tokens.len() - forgotten(state, at).len() >= JOIN_TOKENS_MAX {
            return Err(Refusal::LimitReached { what: Limit::JoinTokens, max: JOIN_TOKENS_MAX as u64 });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        for hash in forgotten(state, at) {
            state.remove_join_token(&hash, changes);
        }
        let token = JoinToken { expires: at.time.plus_ms(self.lasts_ms), used_by: None };
        state.put_join_token(self.hash, token, changes);
        Answer::Done
    }
}

/// Tokens whose end is long past, the first few.
fn forgotten(state: &State, at: &At) -> Vec<[u8; 32]> {
    let over = |token: &JoinToken| token.expires.plus_ms(REMEMBERED_MS) < at.time;
    let all = state.join_tokens.iter().filter(|(_, token)| over(token));
    all.map(|(hash, _)| *hash).take(FORGET_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, Command, Stamp};
    use crate::commands::JoinNode;
    use crate::id::{CommandId, LogIndex, NodeId};
    use crate::time::ClusterTime;

    fn apply(state: &mut State, index: u64, time: u64, action: impl Into<Action>) -> Answer {
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(time) };
        let command = Command { stamp, idempotency: None, action: action.into() };
        state.apply(LogIndex(index), &command).answer
    }

    fn join(attempt: u8, token: u8) -> JoinNode {
        JoinNode { attempt: [attempt; 16], name: "node-b".into(), voter: true, token: [token; 32] }
    }

    #[test]
    fn a_token_lets_one_node_in_until_it_expires() {
        let mut state = State::new("eu");
        let issue = IssueJoinToken { hash: [1; 32], lasts_ms: 1_000 };
        assert_eq!(apply(&mut state, 1, 5_000, join(1, 1)), Answer::Refused(Refusal::JoinTokenUnknown));
        assert_eq!(apply(&mut state, 2, 5_000, issue.clone()), Answer::Done);
        assert_eq!(apply(&mut state, 3, 5_000, issue), Answer::Refused(Refusal::HandleTaken));
        assert_eq!(apply(&mut state, 4, 5_999, join(1, 1)), Answer::Node(NodeId(4)));
        assert_eq!(apply(&mut state, 5, 9_000, join(1, 1)), Answer::Node(NodeId(4)), "a retry, however late");
        let used = Refusal::JoinTokenUsed { node: NodeId(4) };
        assert_eq!(apply(&mut state, 6, 5_999, join(2, 1)), Answer::Refused(used), "another directory");

        let issue = IssueJoinToken { hash: [2; 32], lasts_ms: 1_000 };
        assert_eq!(apply(&mut state, 7, 10_000, issue), Answer::Done);
        let expired = Refusal::JoinTokenExpired { at: ClusterTime(11_000) };
        assert_eq!(apply(&mut state, 8, 11_000, join(3, 2)), Answer::Refused(expired));
        assert_eq!(State::from_rows(state.rows()), Ok(state));
    }

    #[test]
    fn tokens_are_bounded_in_time_and_number() {
        let mut state = State::new("eu");
        for lasts_ms in [0, JOIN_TOKEN_MS_MAX + 1] {
            let refused = apply(&mut state, 1, 0, IssueJoinToken { hash: [0; 32], lasts_ms });
            let bounds = Refusal::OutOfRange { what: Limit::JoinTokenTime, min: 1, max: JOIN_TOKEN_MS_MAX };
            assert_eq!(refused, Answer::Refused(bounds));
        }
        let issue = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
            IssueJoinToken { hash, lasts_ms: 1_000 }
        };
        for number in 0..JOIN_TOKENS_MAX {
            assert_eq!(apply(&mut state, 1 + number as u64, 1_000, issue(number)), Answer::Done);
        }
        let full = apply(&mut state, 2_000, 1_000, issue(5_000));
        let max = JOIN_TOKENS_MAX as u64;
        assert_eq!(full, Answer::Refused(Refusal::LimitReached { what: Limit::JoinTokens, max }));
        let later = 2_000 + REMEMBERED_MS + 1;
        assert_eq!(apply(&mut state, 2_001, later, issue(5_000)), Answer::Done, "the old ones make room");
        assert_eq!(state.join_tokens.len(), JOIN_TOKENS_MAX - FORGET_MAX + 1);
        assert_eq!(State::from_rows(state.rows()), Ok(state));
    }
}
