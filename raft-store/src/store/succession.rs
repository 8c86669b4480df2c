//! Learns at once that the leader's process has ended, where its silence would take half a second to prove it.
//!
//! A process that was killed leaves its calls broken and its port refused: nothing of it can send another
//! heartbeat. Each voter keeps a call open at the leader; when it breaks and the port refuses, the voter asks
//! the others whether they find the same, and with a quorum of them stands for election as after a planned
//! transfer: voters need not wait out the lease of a leader that is gone. Who hears of a longer log leaves it to
//! that voter: a vote asked for in vain begins a term without a leader, which only silence ends. A leader that is
//! merely slow, paused or cut off refuses nothing, and is waited for as ever.
//!
//! Nothing about safety hangs on the verdict. It is an election like any other, won by a majority of votes
//! and a log that has everything; no read and no lease of ours trusts a leader's lease (CONSISTENCY 2).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use model::id::NodeId;
use tokio::time::{sleep, timeout};

use super::inner::{Inner, Leader};
use crate::peer::client::{CallError, Lane, Target};
use crate::raft::consensus::{Role, View};
use crate::raft::network::target;
use crate::wire::method::{FindGone, WatchLeader};
use crate::wire::{LeaderGone, Nothing};

/// How long a leader holds the call: a node that is gone without a reset is noticed by its silence long before.
const WATCH_MAX: Duration = Duration::from_secs(10);
/// On top of it, for the way.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// Between two calls, so that a leader that answers at once is not asked in a loop.
const PAUSE: Duration = Duration::from_millis(50);
/// A refusal takes one round trip; without one in this time there is none.
const REFUSAL_MAX: Duration = Duration::from_millis(100);
/// The others look for themselves; who does not answer in this time does not agree.
const AGREE_MAX: Duration = Duration::from_millis(200);
/// The voters stand one after the other, so that the first is elected before the next begins.
const TURN: Duration = Duration::from_millis(40);

impl Inner {
    /// Watches whoever leads, as long as the node lives.
    pub async fn watch_leader(self: Arc<Self>) {
        loop {
            let view = self.raft.view();
            match self.leader(&view) {
                Some(Leader::There(leader)) if view.voters().contains(&self.me()) => {
                    let found_gone = tokio::select! {
                        ended = self.ended(&leader) => ended,
                        () = self.another_is_known(leader.node, view.term) => false,
                    };
                    if found_gone {
                        self.stand(&view, &leader).await;
                    }
                }
                _ => self.something_changes().await,
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether the leader's process is found to have ended; otherwise it answered, or said nothing.
    async fn ended(&self, leader: &Target) -> bool {
        let held = self.peers.call::<WatchLeader>(leader, Lane::Beat, Nothing {}, WATCH_MAX + ON_THE_WAY);
        match held.await {
            Ok(_) | Err(CallError::TimedOut) => false,
            Err(CallError::NotDone(_) | CallError::Unknown(_)) => {
                self.peers.refuses(leader, REFUSAL_MAX).await
            }
        }
    }

    /// Stands for election in turn, if the others find the leader gone as well.
    async fn stand(&self, before: &View, leader: &Target) {
        let mut others = before.voters();
        others.remove(&leader.node);
        let turn = others.iter().rev().position(|node| *node == self.me()).unwrap_or_default();
        sleep(TURN * u32::try_from(turn).unwrap_or(u32::MAX)).await;
        others.remove(&self.me());
        if !self.still_led_by(leader.node, before.term) {
            return;
        }
        let Some(longest) = self.others_agree(before, leader, &others).await else { return };
        let own = self.raft.view().last_log;
        // Its leader is gone, so no log grows; within one term the longer log is the newer one.
        if longest > own {
            tracing::info!(leader = %leader.node, own, longest, "the leader's process has ended: another stands");
            return;
        }
        tracing::warn!(leader = %leader.node, term = before.term, "the leader's process has ended: standing");
        self.raft.succeed(before.vote).await;
    }

    /// The longest log among the others that find the leader gone, if they are a quorum with this node.
    async fn others_agree(&self, view: &View, leader: &Target, others: &BTreeSet<NodeId>) -> Option<u64> {
        let found = LeaderGone { term: view.term, leader: leader.node.0 };
        let asking = others.iter().filter_map(|node| {
            let to = target(*node, view.member(*node)?);
            Some(async move { self.peers.call::<FindGone>(&to, Lane::Beat, found, AGREE_MAX).await.ok() })
        });
        let agreed: Vec<u64> =
            join_all(asking).await.into_iter().flatten().map(|found| found.last_log).collect();
        (agreed.len() + 1 > view.voters().len() / 2).then(|| agreed.into_iter().max().unwrap_or(0))
    }

    /// Another voter found the leader gone: whether this node finds the same.
    pub async fn finds_gone(&self, found: &LeaderGone) -> bool {
        let (view, node) = (self.raft.view(), NodeId(found.leader));
        if view.term != found.term || view.leader != Some(node) {
            return false;
        }
        match view.member(node) {
            Some(member) => self.peers.refuses(&target(node, member), REFUSAL_MAX).await,
            None => false,
        }
    }

    /// Holds the call of a voter that watches this leader.
    pub async fn be_watched(&self) {
        let leads = async {
            let mut changed = self.raft.changed();
            while self.raft.view().role == Role::Leader && changed.changed().await {}
        };
        let _ = timeout(WATCH_MAX, leads).await; // it leads on: the voter calls again
    }

    fn still_led_by(&self, leader: NodeId, term: u64) -> bool {
        let view = self.raft.view();
        view.term == term && view.leader == Some(leader)
    }

    async fn another_is_known(&self, leader: NodeId, term: u64) {
        let mut changed = self.raft.changed();
        while self.still_led_by(leader, term) {
            if !changed.changed().await {
                return std::future::pending().await; // the node stops, and this task with it
            }
        }
    }

    async fn something_changes(&self) {
        if !self.raft.changed().changed().await {
            std::future::pending::<()>().await;
        }
    }
}
