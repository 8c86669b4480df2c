//! Proposals, from any node: to the leader, through its barrier, and back until published here.

use std::sync::Arc;
use std::time::Duration;

use model::command::{Action, Answer, Command, IdempotencyKey, Stamp};
use model::id::LogIndex;
use model::time::ClusterTime;
use tokio::time::Instant;

use super::barriers::length_of;
use super::inner::{Inner, Leader};
use super::lead::{Done, Holds, NotDone};
use crate::codec::encode_command;
use crate::peer::client::{CallError, Lane, Target};
use crate::wire::method::ProposeCommand;
use crate::wire::{ProposalDone, ProposalResult, Propose};

/// Pause between two looks for a leader, at most; a change of leadership wakes earlier.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// On top of a barrier's own bound: the way there and back.
pub(super) const ON_THE_WAY: Duration = Duration::from_secs(1);
/// A proposal that was applied is published here at the next heartbeat or append.
const PUBLISH_MAX: Duration = Duration::from_secs(5);

/// A proposal that took its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Index of its entry; `generation().index` is at least this.
    pub index: LogIndex,
    /// What it led to; a refusal is an answer.
    pub answer: Answer,
    /// The withdrawal this answer lets a caller conclude; it is effective on every node.
    pub withdrawal: Option<LogIndex>,
    /// Since when it is, in cluster time: the moment its barrier was seen to have passed.
    pub effective_everywhere_at: Option<ClusterTime>,
}

/// A proposal without an answer. None of these is a success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was proposed; the same request may be tried again.
    #[error("nothing was proposed: {reason}; try again")]
    Unavailable {
        /// Why.
        reason: &'static str,
    },
    /// The command can never be proposed: too large.
    #[error("the command is too large for a log entry")]
    TooLarge,
    /// It may take effect or not. Look before trying again, or use an idempotency key.
    #[error("the outcome is unknown: it may take effect or not; look before trying again")]
    OutcomeUnknown,
    /// Committed, but some node may still answer with what was withdrawn.
    #[error(
        "committed at {index}, but a node that cannot be reached may still serve until {effective_everywhere_at}"
    )]
    BarrierPending {
        /// Index of its entry.
        index: LogIndex,
        /// What it led to.
        answer: Answer,
        /// In cluster time: from then on it holds everywhere.
        effective_everywhere_at: ClusterTime,
    },
}

impl Inner {
    /// See [`Store::propose`](super::Store::propose).
    pub async fn propose(
        self: &Arc<Self>,
        action: Action,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Proposed, ProposeError> {
        let stamp = Stamp { id: self.command_id(), time: ClusterTime(0) };
        let command = Command { stamp, idempotency, action };
        let done = self.until_done(command).await?;
        if self.published(done.index, PUBLISH_MAX).await.is_err() {
            return Err(ProposeError::OutcomeUnknown);
        }
        let Done { index, answer, withdrawal, holds } = done;
        match holds {
            Holds::From(effective_everywhere_at) => {
                Err(ProposeError::BarrierPending { index, answer, effective_everywhere_at })
            }
            Holds::Since(at) => {
                let effective_everywhere_at = withdrawal.map(|_| at);
                Ok(Proposed { index, answer, withdrawal, effective_everywhere_at })
            }
        }
    }

    /// Tries while nothing was proposed and time is left; a command with an idempotency key also while
    /// the outcome is unknown, because its second effect would be its first.
    async fn until_done(self: &Arc<Self>, command: Command) -> Result<Done, ProposeError> {
        let deadline = Instant::now() + self.settings.propose_deadline;
        let mut unknown = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let reason = match self.propose_once(&command, left).await {
                Ok(done) => return Ok(done),
                Err(NotDone::Bad(_)) => return Err(ProposeError::TooLarge),
                Err(NotDone::Unknown) if command.idempotency.is_none() => {
                    return Err(ProposeError::OutcomeUnknown);
                }
                Err(NotDone::Unknown) => {
                    unknown = true;
                    "the leader was lost"
                }
                Err(NotDone::NotProposed(reason)) => reason,
            };
            if Instant::now() + LOOK_AGAIN >= deadline {
                return Err(if unknown {
                    ProposeError::OutcomeUnknown
                } else {
                    ProposeError::Unavailable { reason }
                });
            }
            self.look_again(LOOK_AGAIN).await;
        }
    }

    async fn propose_once(self: &Arc<Self>, command: &Command, left: Duration) -> Result<Done, NotDone> {
        match self.leader(&self.raft.view()) {
            None => Err(NotDone::NotProposed("no leader is known")),
            Some(Leader::Here) => self.propose_here(command.clone(), left).await,
            Some(Leader::There(target)) => self.propose_there(&target, command, left).await,
        }
    }

    async fn propose_there(
        &self,
        target: &Target,
        command: &Command,
        left: Duration,
    ) -> Result<Done, NotDone> {
        let message = Propose {
            id: command.stamp.id.0.to_vec(),
            command: encode_command(command).map_err(crate::types::BadCommand::from)?,
            commit_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        };
        let barrier = length_of(&self.serving.load().state, command.action.tenant()).wait();
        let within = left + barrier + ON_THE_WAY;
        match self.peers.call::<ProposeCommand>(target, Lane::Requests, message, within).await {
            Ok(reply) => read(reply),
            Err(CallError::NotDone(status)) => {
                tracing::debug!(%status, "the leader did not take a proposal");
                Err(NotDone::NotProposed("the leader is not reached"))
            }
            Err(CallError::Unknown(_) | CallError::TimedOut) => Err(NotDone::Unknown),
        }
    }
}

/// What the leader answered, for the wire.
pub(crate) fn write(done: Result<Done, NotDone>) -> ProposalDone {
    let nothing = |result: ProposalResult| ProposalDone { result: result.into(), ..ProposalDone::default() };
    let done = match done {
        Ok(done) => done,
        Err(NotDone::NotProposed(_) | NotDone::Bad(_)) => return nothing(ProposalResult::NotProposed),
        Err(NotDone::Unknown) => return nothing(ProposalResult::Unknown),
    };
    let Ok(answer) = serde_json::to_vec(&done.answer) else { return nothing(ProposalResult::Unknown) };
    let (result, effective) = match done.holds {
        Holds::Since(at) => (ProposalResult::Done, at),
        Holds::From(at) => (ProposalResult::BarrierPending, at),
    };
    ProposalDone {
        result: result.into(),
        index: done.index.0,
        answer,
        withdrawal: done.withdrawal.map(|index| index.0),
        effective_ms: effective.0,
    }
}

fn read(reply: ProposalDone) -> Result<Done, NotDone> {
    let holds = match reply.result() {
        ProposalResult::Done => Holds::Since(ClusterTime(reply.effective_ms)),
        ProposalResult::BarrierPending => Holds::From(ClusterTime(reply.effective_ms)),
        ProposalResult::NotProposed => return Err(NotDone::NotProposed("the asked node does not lead")),
        ProposalResult::Unknown | ProposalResult::Unspecified => return Err(NotDone::Unknown),
    };
    let answer = serde_json::from_slice(&reply.answer).map_err(|_| NotDone::Unknown)?;
    Ok(Done { index: LogIndex(reply.index), answer, withdrawal: reply.withdrawal.map(LogIndex), holds })
}
