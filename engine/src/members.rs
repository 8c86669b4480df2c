//! What operators do to the nodes of the cluster. Every action leaves an audit record before its answer.
//!
//! Nothing here waits until the membership is as wished: the leader brings it there, and whoever asked can
//! look at any time.

use std::time::Duration;

use model::command::{Action, IdempotencyKey};
use model::commands::{RetireNode, SetNodeRole};
use model::id::NodeId;
use raft_store::{ClusterStatus, JoinToken, StepDownError, TokenError, Unsafe};

use crate::admin::Administrator;
use crate::engine::Engine;
use crate::refused::Refused;

/// Why a change of the membership was not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBegun {
    /// It would cost the cluster more than the operator accepted.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// The replacement would not take over at once.
    #[error("node {node} does not stand ready: it must be a learner that answers and has caught up")]
    NotReady {
        /// The replacement.
        node: NodeId,
    },
    /// Leadership stayed where it was.
    #[error(transparent)]
    StepDown(#[from] StepDownError),
    /// As for every other action.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl NotBegun {
    fn cause(&self) -> &'static str {
        match self {
            Self::Unsafe(_) => "unsafe",
            Self::NotReady { .. } => "not_ready",
            Self::StepDown(_) => "not_handed_over",
            Self::Refused(refused) => refused.cause(),
        }
    }
}

impl Engine {
    /// A token that lets one node in, once, for so long.
    ///
    /// # Errors
    /// [`NotBegun::Refused`]: a life out of bounds, too many tokens, no leader.
    pub async fn make_join_token(&self, who: &Administrator, lasts: Duration) -> Result<JoinToken, NotBegun> {
        let made = self.store.join_token(lasts).await.map_err(|error| match error {
            TokenError::Refused(refusal) => NotBegun::from(Refused::from(refusal)),
            TokenError::Unanswered(error) => NotBegun::from(Refused::from(error)),
        });
        self.note_operator(who, "issue_join_token", "", made.as_ref().err()).await?;
        made
    }

    /// Decides whether a node may vote. A voter ceases to only where that costs nothing, or what is accepted.
    ///
    /// # Errors
    /// [`NotBegun`] says what it would cost, or what the state said.
    pub async fn set_node_role(
        &self,
        who: &Administrator,
        node: NodeId,
        voter: bool,
        accept_lower_tolerance: bool,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(), NotBegun> {
        if self.changed_before(who, "set_node_role", node, idempotency).await? {
            return Ok(());
        }
        let judged = if voter {
            Ok(())
        } else {
            self.store.cluster_status().await.may_go(node, accept_lower_tolerance)
        };
        self.change_node(who, node, judged.map_err(NotBegun::from), SetNodeRole { node, voter }, idempotency)
            .await
    }

    /// Removes a node for good; its id is never given again.
    ///
    /// # Errors
    /// [`NotBegun`] says what it would cost, or what the state said.
    pub async fn remove_node(
        &self,
        who: &Administrator,
        node: NodeId,
        accept_lower_tolerance: bool,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(), NotBegun> {
        if self.changed_before(who, "retire_node", node, idempotency).await? {
            return Ok(());
        }
        let judged = self.store.cluster_status().await.may_go(node, accept_lower_tolerance);
        self.change_node(who, node, judged.map_err(NotBegun::from), RetireNode { node }, idempotency).await
    }

    /// Removes a node and lets another vote in its place, by one joint change.
    ///
    /// # Errors
    /// [`NotBegun::NotReady`] if the other would not take over at once; else as [`Engine::remove_node`].
    pub async fn replace_node(
        &self,
        who: &Administrator,
        node: NodeId,
        by: NodeId,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(), NotBegun> {
        if self.changed_before(who, "retire_node", node, idempotency).await? {
            return Ok(());
        }
        let status = self.store.cluster_status().await;
        if !stands_ready(&status, by) {
            let not_ready = NotBegun::NotReady { node: by };
            self.note_operator(who, "retire_node", &node.to_string(), Some(&not_ready)).await?;
            return Err(not_ready);
        }
        self.change_node(who, by, Ok(()), SetNodeRole { node: by, voter: true }, None).await?;
        let judged = self.store.cluster_status().await.may_go(node, false);
        self.change_node(who, node, judged.map_err(NotBegun::from), RetireNode { node }, idempotency).await
    }

    /// Makes the leader hand leadership over; returns who leads now.
    ///
    /// # Errors
    /// [`NotBegun::StepDown`] says why not; writes go on in every case.
    pub async fn step_down(&self, who: &Administrator) -> Result<NodeId, NotBegun> {
        let left = self.store.step_down().await.map_err(NotBegun::from);
        self.note_operator(who, "step_down", "", left.as_ref().err()).await?;
        left
    }

    /// Whether this very request has changed the node already: what the cluster survives by now says nothing about it.
    async fn changed_before(
        &self,
        who: &Administrator,
        name: &'static str,
        node: NodeId,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<bool, Refused> {
        let answer = self.answered_before(who, name, None, &node.to_string(), idempotency).await?;
        Ok(answer.is_some())
    }

    async fn change_node(
        &self,
        who: &Administrator,
        node: NodeId,
        judged: Result<(), NotBegun>,
        action: impl Into<Action>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(), NotBegun> {
        let action = action.into();
        let name = action.name();
        let outcome = match judged {
            Ok(()) => self.propose_about_node(action, idempotency).await.map_err(NotBegun::from),
            Err(refused) => Err(refused),
        };
        self.note_operator(who, name, &node.to_string(), outcome.as_ref().err()).await?;
        outcome
    }

    async fn propose_about_node(
        &self,
        action: Action,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(), Refused> {
        match self.store.propose(action, idempotency).await?.answer {
            model::command::Answer::Refused(refusal) => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    async fn note_operator(
        &self,
        who: &Administrator,
        name: &'static str,
        target: &str,
        refused: Option<&NotBegun>,
    ) -> Result<(), Refused> {
        self.note_action(Some(who), name, None, target, &who.subject, refused.map(NotBegun::cause)).await
    }
}

/// Whether a learner would take a voter's place at once, were it allowed to.
fn stands_ready(status: &ClusterStatus, node: NodeId) -> bool {
    let member = status.nodes.iter().find(|member| member.status.node == node);
    member.is_some_and(|member| {
        let allowed = raft_store::MemberStatus { may_vote: true, ..member.clone() };
        status.stands_ready(&allowed)
    })
}
