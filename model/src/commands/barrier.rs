//! The steps of a rotation of the barrier: each names the term it is about, so that it happens once, whoever
//! proposes it and however often.

use serde::{Deserialize, Serialize};

use crate::barrier::{Barrier, Spreading, TERM_RECORD_BYTES_MAX};
use crate::command::{Answer, Apply};
use crate::event::What;
use crate::id::NodeId;
use crate::job::PROOFS_MAX;
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};

/// A new term begins its way to every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpreadBarrierTerm {
    /// The current term's successor.
    pub term: u32,
    /// Its key, sealed under the current term by the proposer.
    pub record: Vec<u8>,
}

/// A node keeps the new term, wrapped by its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteBarrierTerm {
    /// The term.
    pub term: u32,
    /// The node.
    pub node: NodeId,
}

/// Every node keeps the new term: it seals from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchBarrierTerm {
    /// The term.
    pub term: u32,
}

impl Apply for SpreadBarrierTerm {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let barrier = state.barrier();
        if barrier.spreading.is_some() {
            return Err(Refusal::JobRunning);
        }
        if barrier.current.checked_add(1) != Some(self.term) {
            return Err(Refusal::VersionConflict);
        }
        if self.record.len() > TERM_RECORD_BYTES_MAX {
            return Err(Refusal::LimitReached { what: Limit::Detail, max: TERM_RECORD_BYTES_MAX as u64 });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let (term, record) = (self.term, self.record.clone());
        let spreading = Spreading { term, record, held_by: Vec::new(), started: at.time };
        let barrier = Barrier { spreading: Some(spreading), ..state.barrier().clone() };
        state.put_barrier(barrier, changes);
        changes.tell(None, What::BarrierRotationStarted(term));
        Answer::Done
    }
}

impl Apply for NoteBarrierTerm {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let spreading = on_its_way(state, self.term)?;
        if spreading.held_by.len() >= PROOFS_MAX {
            return Err(Refusal::LimitReached { what: Limit::Nodes, max: PROOFS_MAX as u64 });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        let mut barrier = state.barrier().clone();
        if let Some(spreading) = &mut barrier.spreading
            && !spreading.held_by.contains(&self.node)
        {
            spreading.held_by.push(self.node);
        }
        state.put_barrier(barrier, changes);
        Answer::Done
    }
}

impl Apply for SwitchBarrierTerm {
    /// A node that was let in and is no member yet may have been given the keyring without the new term.
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let spreading = on_its_way(state, self.term)?;
        let kept = |node: NodeId| spreading.held_by.contains(&node) || state.departure(node).is_some();
        let everywhere =
            !spreading.held_by.is_empty() && state.joined_nodes().all(|joined| kept(joined.node));
        if everywhere { Ok(()) } else { Err(Refusal::JobMoved) }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        state.put_barrier(Barrier { current: self.term, since: at.time, spreading: None }, changes);
        changes.tell(None, What::BarrierRotated(self.term));
        Answer::Done
    }
}

fn on_its_way(state: &State, term: u32) -> Result<&Spreading, Refusal> {
    let spreading = state.barrier().spreading.as_ref().filter(|spreading| spreading.term == term);
    spreading.ok_or(Refusal::JobMoved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, Command, Stamp};
    use crate::commands::JoinNode;
    use crate::event::BEGINNING;
    use crate::id::{CommandId, LogIndex};
    use crate::time::ClusterTime;

    fn act(state: &mut State, index: u64, action: impl Into<Action>) -> Answer {
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
        let applied =
            state.apply(LogIndex(index), &Command { stamp, idempotency: None, action: action.into() });
        assert_eq!(State::from_rows(state.rows()).as_ref(), Ok(&*state));
        applied.answer
    }

    #[test]
    fn a_term_seals_once_every_node_keeps_it() {
        let mut state = State::new("eu");
        let refused = |refusal| Answer::Refused(refusal);
        let spread = |term| SpreadBarrierTerm { term, record: vec![7; 116] };
        let note = |node| NoteBarrierTerm { term: 2, node: NodeId(node) };
        assert_eq!(act(&mut state, 1, spread(3)), refused(Refusal::VersionConflict));
        assert_eq!(act(&mut state, 2, note(1)), refused(Refusal::JobMoved));
        assert_eq!(act(&mut state, 3, spread(2)), Answer::Done);
        assert_eq!(act(&mut state, 4, spread(2)), refused(Refusal::JobRunning));
        assert_eq!(act(&mut state, 5, SwitchBarrierTerm { term: 2 }), refused(Refusal::JobMoved));
        assert_eq!(act(&mut state, 6, note(1)), Answer::Done);
        assert_eq!(act(&mut state, 7, note(1)), Answer::Done, "told twice");
        assert!(state.barrier().wanted_from(NodeId(1)).is_none());
        assert!(state.barrier().wanted_from(NodeId(8)).is_some());
        assert_eq!(state.barrier().current, 1, "nobody seals with it yet");
        assert_eq!(act(&mut state, 8, SwitchBarrierTerm { term: 2 }), Answer::Done);
        assert_eq!(act(&mut state, 9, SwitchBarrierTerm { term: 2 }), refused(Refusal::JobMoved));
        let expected = Barrier { current: 2, since: ClusterTime(8), spreading: None };
        assert_eq!(state.barrier(), &expected);
        let told: Vec<What> = state.events_after(BEGINNING).map(|event| event.what.clone()).collect();
        assert_eq!(told, [What::BarrierRotationStarted(2), What::BarrierRotated(2)]);
    }

    #[test]
    fn a_node_that_was_let_in_meanwhile_is_waited_for() {
        let mut state = State::new("eu");
        let token = [9; 32];
        act(&mut state, 1, crate::commands::IssueJoinToken { hash: token, lasts_ms: 60_000 });
        act(&mut state, 2, SpreadBarrierTerm { term: 2, record: Vec::new() });
        act(&mut state, 3, NoteBarrierTerm { term: 2, node: NodeId(1) });
        let join = JoinNode { attempt: [4; 16], name: "node-2".to_owned(), voter: true, token };
        assert_eq!(act(&mut state, 4, join), Answer::Node(NodeId(4)));
        let switch = SwitchBarrierTerm { term: 2 };
        assert_eq!(act(&mut state, 5, switch.clone()), Answer::Refused(Refusal::JobMoved));
        act(&mut state, 6, NoteBarrierTerm { term: 2, node: NodeId(4) });
        assert_eq!(act(&mut state, 7, switch), Answer::Done);
    }
}
