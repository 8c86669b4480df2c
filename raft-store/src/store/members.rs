//! Membership: new nodes come in as learners; those that may vote become voters in one joint change.
//!
//! The number of voters stays odd: an even number tolerates no more failures and needs one more answer.
//! Every step is taken from what is replicated, so any leader takes up what another left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::command::Answer;
use model::commands::JoinNode;
use model::id::NodeId;
use subtle::ConstantTimeEq;
use tokio::time::{Instant, sleep};
use tonic::Status;

use super::inner::{Inner, Leader};
use crate::raft::consensus::{Role, View};
use crate::types::Member;
use crate::wire::{Join, Welcome};

/// How often a leader looks for learners to promote.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Entries a learner may lack and still count as caught up: what arrives between two heartbeats.
const CAUGHT_UP_WITHIN: u64 = 256;
/// A learner that acknowledged nothing for this long is not healthy.
const HEARD_WITHIN: Duration = Duration::from_millis(500);
/// Longest address in bytes: a DNS name and a port.
const ADDRESS_BYTES_MAX: usize = 260;

impl Inner {
    /// Lets a node in, or says who can. The token authorises, the certificate names.
    pub async fn let_in(self: &Arc<Self>, name: &str, join: Join) -> Result<Welcome, Status> {
        let token = &self.settings.join_token;
        if token.is_empty() || !bool::from(token.as_slice().ct_eq(&join.token)) {
            tracing::warn!(%name, "a node with a wrong join token was refused");
            return Err(Status::permission_denied(
                "the join token is wrong, or this cluster takes nobody in",
            ));
        }
        match self.leader(&self.raft.view()) {
            None => Err(Status::unavailable("no leader is known; try again")),
            Some(Leader::There(leader)) => Ok(Welcome { ask_instead: leader.address, ..Welcome::default() }),
            Some(Leader::Here) => self.let_in_here(name, join).await,
        }
    }

    async fn let_in_here(self: &Arc<Self>, name: &str, join: Join) -> Result<Welcome, Status> {
        let Join { attempt, peer_address: raft, kmip_address: kmip, admin_address: admin, voter, .. } = join;
        if [&raft, &kmip, &admin].iter().any(|address| address.len() > ADDRESS_BYTES_MAX) {
            return Err(Status::invalid_argument("an address is too long"));
        }
        let attempt = attempt.try_into().map_err(|_| Status::invalid_argument("an attempt has 16 bytes"))?;
        let entry = JoinNode { attempt, name: name.to_owned(), voter };
        let proposed = self.propose(entry.into(), None).await;
        let node = match proposed.map_err(|error| Status::unavailable(error.to_string()))?.answer {
            Answer::Node(node) => node,
            Answer::Refused(refusal) => return Err(Status::failed_precondition(refusal.to_string())),
            other => return Err(Status::internal(format!("unexpected answer {other:?}"))),
        };
        let member = Member { name: name.to_owned(), raft, kmip, admin };
        self.add(node, member).await?;
        tracing::info!(%name, %node, "let in");
        Ok(Welcome {
            ask_instead: String::new(),
            realm: self.identity.realm.0.to_vec(),
            cluster: self.identity.cluster.0.to_vec(),
            node: node.0,
            keyring: (self.settings.keyring)(),
            region: self.serving.load().state.cluster().region.clone(),
        })
    }

    /// Adds a learner, or gives a member that moved its new addresses.
    async fn add(&self, node: NodeId, member: Member) -> Result<(), Status> {
        let changed = match self.raft.view().member(node) {
            Some(known) if *known == member => Ok(()),
            Some(_) => self.raft.set_members(BTreeMap::from([(node.0, member)])).await,
            None => self.raft.add_learner(node, member).await,
        };
        changed.map_err(Status::unavailable)
    }

    /// Promotes learners while this node leads. Runs as long as the node.
    pub async fn run_membership(self: Arc<Self>) {
        let mut fit_since: BTreeMap<NodeId, Instant> = BTreeMap::new();
        loop {
            sleep(LOOK_EVERY).await;
            let view = self.raft.view();
            self.peers.retain(|target| view.member(target.node).is_some_and(|m| m.raft == target.address));
            if view.role != Role::Leader {
                fit_since.clear();
                continue;
            }
            if self.clocks.are_off(&view.voters(), self.now()) {
                let handed_over = self.step_down().await;
                tracing::error!(?handed_over, "this node's clock is off a quorum's: it must not lead");
                continue;
            }
            let fit = self.fit_to_vote(&view);
            fit_since.retain(|node, _| fit.contains(node));
            for node in fit {
                fit_since.entry(node).or_insert_with(Instant::now);
            }
            let stable = |since: &Instant| since.elapsed() >= self.settings.stabilisation;
            let ready: Vec<NodeId> =
                fit_since.iter().filter(|(_, since)| stable(since)).map(|(node, _)| *node).collect();
            let promoted = to_promote(view.voters().len(), &ready, self.settings.voters);
            if !promoted.is_empty() {
                match self.raft.promote(promoted.clone()).await {
                    Ok(()) => tracing::info!(nodes = ?promoted, "promoted to voters"),
                    Err(error) => tracing::warn!(nodes = ?promoted, %error, "not promoted"),
                }
            }
        }
    }

    /// Learners that may vote, have caught up and answer.
    fn fit_to_vote(&self, view: &View) -> BTreeSet<NodeId> {
        let (voters, state) = (view.voters(), &self.serving.load().state);
        let fit = |node: &NodeId| {
            state.joined(*node).is_some_and(|joined| joined.voter)
                && view.matched.get(node).is_some_and(|at| at + CAUGHT_UP_WITHIN >= view.last_log)
                && view.heard.get(node).is_some_and(|ago| *ago < HEARD_WITHIN)
        };
        let nodes = view.members.membership().nodes().map(|(id, _)| NodeId(*id));
        nodes.filter(|node| !voters.contains(node)).filter(fit).collect()
    }
}

/// As many of those ready as bring the voters to the largest odd number up to `wanted`.
fn to_promote(voters: usize, ready: &[NodeId], wanted: usize) -> BTreeSet<NodeId> {
    let reachable = (voters + ready.len()).min(wanted);
    let odd = if reachable.is_multiple_of(2) { reachable.saturating_sub(1) } else { reachable };
    ready.iter().copied().take(odd.saturating_sub(voters)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_grow_from_one_odd_number_to_the_next() {
        let check = |voters, ready: &[u64], wanted, expected: &[u64]| {
            let ready: Vec<_> = ready.iter().map(|id| NodeId(*id)).collect();
            let expected: BTreeSet<_> = expected.iter().map(|id| NodeId(*id)).collect();
            assert_eq!(to_promote(voters, &ready, wanted), expected, "{voters} {ready:?} {wanted}");
        };
        check(1, &[], 3, &[]);
        check(1, &[4], 3, &[]);
        check(1, &[4, 6], 3, &[4, 6]);
        check(1, &[4, 6, 8], 3, &[4, 6]);
        check(1, &[4, 6, 8, 9], 5, &[4, 6, 8, 9]);
        check(3, &[8], 5, &[]);
        check(3, &[8, 9], 3, &[]);
        check(2, &[8], 3, &[8]);
    }
}
