//! Carries keys between nodes: asks a member, and answers one that proved which process it is.

use std::time::Duration;

use model::id::NodeId;
use tonic::Status;

use super::inner::Inner;
use crate::handover::{Asker, Handed, NotHanded, Wish};
use crate::peer::client::Lane;
use crate::peer::gate::Caller;
use crate::raft::network::target;
use crate::wire::method::HandOver;

/// A node that does not answer in this time is passed over: a client waits. An answer costs its giver the sealing
/// of some keys and one record of its audit log.
const ANSWER_MAX: Duration = Duration::from_millis(500);

impl Inner {
    /// See [`Store::others`](super::Store::others).
    pub fn others(&self) -> Vec<NodeId> {
        let view = self.raft.view();
        let members = view.members.membership().nodes().map(|(id, _)| NodeId(*id));
        let mut others: Vec<NodeId> = members.filter(|node| *node != self.me()).collect();
        others.sort_unstable();
        let after = others.partition_point(|node| *node < self.me());
        others.rotate_left(after);
        others
    }

    /// See [`Store::ask_for_keys`](super::Store::ask_for_keys).
    pub async fn ask_for_keys(&self, node: NodeId, wish: Wish) -> Result<Handed, NotHanded> {
        let view = self.raft.view();
        let member = view.member(node).ok_or_else(|| NotHanded(format!("node {node} is no member")))?;
        let to = target(node, member);
        let asked = self.peers.call::<HandOver>(&to, Lane::Requests, wish.into(), ANSWER_MAX).await;
        let answer = asked.map_err(|error| NotHanded(error.to_string()))?;
        answer.read().map_err(|error| NotHanded(format!("node {node}: {error}")))
    }

    /// Lets the giver judge. What it seals to is taken from the replicated state, never from the caller.
    pub async fn hand_over_here(&self, from: &Caller, wish: Wish) -> Result<Handed, Status> {
        let giver = self.giver.get().ok_or_else(|| Status::unavailable("this node has only just started"))?;
        let booted = self.serving.load().state.booted(from.node).filter(|booted| booted.boot == from.boot);
        let inbox = booted.and_then(|booted| booted.inbox).ok_or_else(|| {
            Status::failed_precondition(format!(
                "process {} of node {} is not known here",
                from.boot, from.node
            ))
        })?;
        let asker = Asker { node: from.node, boot: from.boot, inbox };
        giver.give(asker, wish).await.map_err(|refused| Status::failed_precondition(refused.0))
    }
}
