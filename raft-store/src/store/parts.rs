//! Carries parts of messages between nodes: passes one on to a member, and lets the keeper here answer another's.

use std::time::Duration;

use model::id::NodeId;
use tonic::Status;

use super::inner::Inner;
use crate::parts::{NotAnswered, Part};
use crate::peer::client::Lane;
use crate::peer::gate::Caller;
use crate::raft::network::target;
use crate::wire::PassedPart;
use crate::wire::method::PassPart;

/// A node that does not answer in this time is given up: a client is patient for five seconds or more, and an answer
/// costs its node what any request does.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Parts that are on their way from this node, or being answered here for others, at once: each may hold a request of a
/// megabyte, and an answer of nine where a message was held back to its end. Nobody waits in line behind a node that
/// does not answer.
pub const PARTS_MAX: usize = 64;

impl Inner {
    /// See [`Store::pass_part`](super::Store::pass_part).
    pub async fn pass_part(&self, node: NodeId, part: Part) -> Result<Vec<u8>, NotAnswered> {
        let view = self.raft.view();
        let member = view.member(node).ok_or_else(|| NotAnswered(format!("node {node} is no member")))?;
        let to = target(node, member);
        let full = |_| NotAnswered("too many parts of messages are passed on already".to_owned());
        let _place = self.passing.try_acquire().map_err(full)?;
        let passed = self.peers.call::<PassPart>(&to, Lane::Parts, part.into(), ANSWER_MAX).await;
        passed.map(|answer| answer.response).map_err(|error| NotAnswered(error.to_string()))
    }

    /// Lets the keeper answer.
    pub async fn answer_part_here(&self, from: &Caller, request: PassedPart) -> Result<Vec<u8>, Status> {
        let full = |_| Status::resource_exhausted("too many parts of messages are answered here already");
        let _place = self.answering.try_acquire().map_err(full)?;
        let part = request.read(from.node)?;
        let keeper =
            self.keeper.get().ok_or_else(|| Status::unavailable("this node has only just started"))?;
        keeper.answer(part).await.map_err(|refused| Status::failed_precondition(refused.0))
    }
}
