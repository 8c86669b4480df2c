//! Handing over and going away: a planned end costs nobody a request (CONSISTENCY 3 and 10).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use model::id::NodeId;
use tokio::time::{Instant, timeout};

use super::inner::{Inner, Leader};
use super::start::CLOSE_MAX;
use crate::peer::client::Lane;
use crate::raft::config::HEARTBEAT_MS;
use crate::raft::consensus::{Role, View};
use crate::raft::network::target;
use crate::wire::method::{StepDown, Surrender};
use crate::wire::{GiveUp, Nothing, SteppedDown};

/// A successor that does not lead after this is not coming: anyone may be elected then.
const TRANSFER_MAX: Duration = Duration::from_secs(1);
/// How long the leader waits for a voter that has everything, before it gives up handing over.
const SUCCESSOR_MAX: Duration = Duration::from_millis(500);
/// A node that does not take our surrender in this time costs the next withdrawal a wait, nothing else.
const SURRENDER_MAX: Duration = Duration::from_millis(300);

/// Why leadership was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepDownError {
    /// Nobody leads, or nobody is known to.
    #[error("no leader is known")]
    NoLeader,
    /// The leader was asked and did not, or said so too late.
    #[error("node {leader} leads and did not hand over; see its log, then try again")]
    NotHeard {
        /// The leader.
        leader: NodeId,
    },
    /// There is nothing to hand over.
    #[error("this node does not lead")]
    NotLeader,
    /// Nobody could take over at once.
    #[error("no other voter has the whole log and answers heartbeats")]
    NoSuccessor,
    /// The successor was asked and did not lead in time; an election is on.
    #[error("node {asked} did not take over in time: an election decides")]
    NotTaken {
        /// Who was asked.
        asked: NodeId,
    },
}

impl Inner {
    /// Hands leadership to a voter that acknowledged within a heartbeat and has our last entry. From the
    /// moment it begins, this node proposes nothing more in its term.
    pub async fn step_down(&self) -> Result<NodeId, StepDownError> {
        self.step_down_to(None).await
    }

    /// [`Inner::step_down`] to one of these alone.
    pub(super) async fn step_down_to(
        &self,
        heirs: Option<&BTreeSet<NodeId>>,
    ) -> Result<NodeId, StepDownError> {
        let View { role, term, .. } = self.raft.view();
        if role != Role::Leader {
            return Err(StepDownError::NotLeader);
        }
        if self.handed_over.swap(term, Ordering::AcqRel) == term {
            // Somebody else hands over already: one attempt is enough, and only it may be taken back.
            let led = timeout(SUCCESSOR_MAX + TRANSFER_MAX, self.another_leads(term)).await;
            return led.map_err(|_| StepDownError::NoSuccessor);
        }
        let Some(successor) = self.successor(heirs).await else {
            self.handed_over.store(0, Ordering::Release); // nothing was begun: this node leads on
            return Err(StepDownError::NoSuccessor);
        };
        self.raft.transfer(successor).await;
        if let Ok(leader) = timeout(TRANSFER_MAX, self.another_leads(term)).await {
            return Ok(leader);
        }
        self.raft.elect().await; // whoever wins, a new term begins
        Err(StepDownError::NotTaken { asked: successor })
    }

    /// Steps down here, or asks the leader to.
    pub async fn make_leader_step_down(&self) -> Result<NodeId, StepDownError> {
        let view = self.raft.view();
        let leader = match self.leader(&view) {
            None => return Err(StepDownError::NoLeader),
            Some(Leader::Here) => return self.step_down().await,
            Some(Leader::There(leader)) => leader,
        };
        let within = SUCCESSOR_MAX + TRANSFER_MAX * 2;
        match self.peers.call::<StepDown>(&leader, Lane::Requests, Nothing {}, within).await {
            Ok(SteppedDown { leader }) => Ok(NodeId(leader)),
            Err(error) => {
                tracing::warn!(leader = %leader.node, %error, "the leader did not hand over");
                Err(StepDownError::NotHeard { leader: leader.node })
            }
        }
    }

    async fn successor(&self, heirs: Option<&BTreeSet<NodeId>>) -> Option<NodeId> {
        let deadline = Instant::now() + SUCCESSOR_MAX;
        loop {
            let view = self.raft.view();
            let fit = fit_to_lead(&view, self.me(), heirs);
            if fit.is_some() || Instant::now() >= deadline {
                return fit;
            }
            self.look_again(Duration::from_millis(HEARTBEAT_MS / 4)).await;
        }
    }

    async fn another_leads(&self, term: u64) -> NodeId {
        let mut changed = self.raft.changed();
        loop {
            let view = self.raft.view();
            match view.leader {
                Some(leader) if leader != self.me() && view.term > term => return leader,
                _ if changed.changed().await => {}
                _ => std::future::pending().await, // the node stops: whoever waits has set itself a time
            }
        }
    }

    /// The way out after SIGTERM, once the last response is written.
    pub async fn leave(self: &Arc<Self>) {
        self.surrender.notify_one();
        let _ = timeout(SURRENDER_MAX, self.surrendered.notified()).await;
        match self.step_down().await {
            Ok(successor) => tracing::info!(%successor, "leadership handed over"),
            Err(StepDownError::NotLeader) => {}
            Err(error) => tracing::warn!(%error, "leaving without handing over"),
        }
        // Whatever became of the wait above: what others are told holds from here on.
        self.lease().close();
        self.tell_surrender().await;
        self.raft.shutdown().await;
        self.stop.send_replace(true);
        let _ = timeout(2 * CLOSE_MAX, self.closed.notified()).await; // bounded there as well
    }

    /// Tells every member: whoever leads next needs not wait for this process.
    pub(super) async fn tell_surrender(&self) {
        if self.gate.boot().is_none() {
            return;
        }
        let view = self.raft.view();
        let others: BTreeSet<_> = view.members.membership().nodes().map(|(id, _)| NodeId(*id)).collect();
        let telling = others.into_iter().filter(|node| *node != self.me()).filter_map(|node| {
            let to = target(node, view.member(node)?);
            Some(async move {
                if let Err(error) =
                    self.peers.call::<Surrender>(&to, Lane::Requests, GiveUp {}, SURRENDER_MAX).await
                {
                    tracing::debug!(%node, %error, "the surrender was not heard");
                }
            })
        });
        join_all(telling).await;
    }
}

/// The voter heard of last among those that have everything, and are among the heirs if these are chosen.
fn fit_to_lead(view: &View, me: NodeId, heirs: Option<&BTreeSet<NodeId>>) -> Option<NodeId> {
    // Heard of counts from when the acknowledged heartbeat was sent: one interval, and the way back.
    let recently = Duration::from_millis(2 * HEARTBEAT_MS);
    view.voters()
        .into_iter()
        .filter(|node| *node != me && heirs.is_none_or(|heirs| heirs.contains(node)))
        .filter(|node| view.matched.get(node).is_some_and(|at| *at >= view.last_log))
        .filter_map(|node| Some((*view.heard.get(&node).filter(|ago| **ago < recently)?, node)))
        .min()
        .map(|(_, node)| node)
}
