//! What a leader finishes that a command began: a lowered lease is marked effective once its barrier has passed
//! (CONSISTENCY 2), a node that left is retired once its last lease has run out (CONSISTENCY 3).
//!
//! Both are taken from the replicated state at every look, so any leader takes up what another left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::commands::{LeaseTookEffect, NodeRetired};
use model::id::{LogIndex, NodeId, TenantHandle};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::inner::Inner;
use super::lead::Holds;
use crate::lease::class::LeaseLength;
use crate::lease::clock::BootTime;
use crate::raft::consensus::Role;

/// How often to look when nothing was applied meanwhile: what failed is then tried again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At least this long between two looks: thousands of commands a second need none of their own.
const REST: Duration = Duration::from_millis(5);

/// A lowering: the tenant, and the command that lowered its lease.
type Lowering = (TenantHandle, LogIndex);

impl Inner {
    /// Looks after both, as long as the node lives.
    pub async fn run_settling(self: Arc<Self>) {
        let mut applied = self.serving.applied();
        let mut under_way: BTreeSet<Lowering> = BTreeSet::new();
        let mut lowering: JoinSet<Lowering> = JoinSet::new();
        let mut absent: BTreeMap<NodeId, BootTime> = BTreeMap::new();
        loop {
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { return },
                Some(ended) = lowering.join_next() => drop(ended.map(|one| under_way.remove(&one))),
                () = sleep(LOOK_EVERY) => {}
            }
            sleep(REST).await;
            let leads = self.raft.view().role == Role::Leader;
            for one in self.serving.load().state.lowerings().filter(|_| leads) {
                if under_way.insert(one) {
                    lowering.spawn(Arc::clone(&self).settle_lowering(one));
                }
            }
            for node in self.long_gone(&mut absent).into_iter().filter(|_| leads) {
                match self.propose(NodeRetired { node }.into(), None).await {
                    Ok(_) => tracing::info!(%node, "its last lease has run out: the node is retired"),
                    Err(error) => tracing::debug!(%node, %error, "not retired yet"),
                }
            }
        }
    }

    async fn settle_lowering(self: Arc<Self>, (tenant, lowered_at): Lowering) -> Lowering {
        let holds = self.pass_barrier(lowered_at, Some(tenant), Duration::MAX).await;
        let told = match holds {
            Holds::Since(_) => self.propose(LeaseTookEffect { tenant, lowered_at }.into(), None).await,
            Holds::From(_) => return (tenant, lowered_at), // a later look tries again
        };
        match told {
            Ok(_) => tracing::info!(%tenant, "the tenant's lower lease is in effect on every node"),
            Err(error) => tracing::debug!(%tenant, %error, "the lower lease is not marked yet"),
        }
        (tenant, lowered_at)
    }

    /// Retiring nodes that this process has seen outside the applied membership for W_max: every lease was
    /// granted before they left it, so it has run out.
    fn long_gone(&self, absent: &mut BTreeMap<NodeId, BootTime>) -> Vec<NodeId> {
        let generation = self.serving.load();
        let gone: BTreeSet<_> =
            generation.state.retiring().filter(|node| !self.barriers.is_member(*node)).collect();
        absent.retain(|node, _| gone.contains(node));
        let now = self.now(); // after the membership was read: a wait never begins too early
        for node in gone {
            absent.entry(node).or_insert(now);
        }
        let over = |since: &BootTime| *since + LeaseLength::RELAXED_MAX.wait() <= now;
        absent.iter().filter(|(_, since)| over(since)).map(|(node, _)| *node).collect()
    }
}
