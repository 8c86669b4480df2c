//! Membership, carried out: who is let in, and the leader's steps towards what is wished.
//!
//! What is wished is replicated: joins, roles, departures. What is done next is `plan`'s to say; this file
//! looks, asks it, and acts, one change at a time. Every step is taken from what is replicated, so any
//! leader takes up what another left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::command::{Action, Answer, Command, Stamp};
use model::commands::{IssueJoinToken, JoinNode, RetireNode};
use model::id::NodeId;
use model::refusal::Refusal;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use super::inner::{Inner, Leader};
use super::plan::{self, Change, Seen};
use super::{ProposeError, Settings};
use crate::raft::consensus::{Role, View};
use crate::token::{self, JoinToken};
use crate::types::Member;
use crate::wire::{Join, Welcome};

/// How often a leader looks for something to change.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Entries a learner may lack and still count as caught up: what arrives between two heartbeats.
const CAUGHT_UP_WITHIN: u64 = 256;
/// A node that acknowledged nothing for this long is not healthy.
const HEARD_WITHIN: Duration = Duration::from_millis(500);
/// A change takes two commits; one that takes longer is looked at anew.
const CHANGE_MAX: Duration = Duration::from_secs(5);
/// Longest address in bytes: a DNS name and a port.
const ADDRESS_BYTES_MAX: usize = 260;
/// Nodes let in at the same time: each costs two commits, and a flood of wrong tokens a quorum round.
pub(super) const JOINS_MAX: usize = 4;

/// Why a token was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The state's answer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing, or nothing known, was done.
    #[error(transparent)]
    Unanswered(#[from] ProposeError),
}

impl Inner {
    /// See [`Store::join_token`](super::Store::join_token).
    pub async fn join_token(self: &Arc<Self>, lasts: Duration) -> Result<JoinToken, TokenError> {
        let token = JoinToken::draw(self.identity.cluster, &*self.around.entropy);
        let hash = token::hash(token.expose().as_bytes(), self.identity.cluster, &*self.sealer)
            .map_err(|_| Refusal::JoinTokenUnknown)?;
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let issue = Action::from(IssueJoinToken { hash, lasts_ms });
        match self.propose(issue, None).await?.answer {
            Answer::Refused(refusal) => Err(refusal.into()),
            _ => Ok(token),
        }
    }

    /// Lets a node in, or says who can. The token authorises, the certificate names.
    pub async fn let_in(self: &Arc<Self>, name: &str, join: Join) -> Result<Welcome, Status> {
        let hash = token::hash(&join.token, self.identity.cluster, &*self.sealer)
            .map_err(|bad| refused(name, &bad.to_string()))?;
        let busy = || Status::unavailable("other nodes are being let in; try again");
        let _slot = self.joins.try_acquire().map_err(|_| busy())?;
        match self.leader(&self.raft.view()) {
            None => Err(Status::unavailable("no leader is known; try again")),
            Some(Leader::There(leader)) => Ok(Welcome { ask_instead: leader.address, ..Welcome::default() }),
            Some(Leader::Here) => self.let_in_here(name, hash, join).await,
        }
    }

    async fn let_in_here(
        self: &Arc<Self>,
        name: &str,
        token: [u8; 32],
        join: Join,
    ) -> Result<Welcome, Status> {
        let Join { attempt, peer_address: raft, kmip_address: kmip, admin_address: admin, voter, .. } = join;
        if [&raft, &kmip, &admin].iter().any(|address| address.len() > ADDRESS_BYTES_MAX) {
            return Err(Status::invalid_argument("an address is too long"));
        }
        let attempt = attempt.try_into().map_err(|_| Status::invalid_argument("an attempt has 16 bytes"))?;
        let entry = JoinNode { attempt, name: name.to_owned(), voter, token };
        // A wrong token is refused before it costs a log entry, and judged by all that is committed.
        let generation = self.read_index().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let stamp = Stamp { id: self.command_id(), time: self.stamp() };
        let command = Command { stamp, idempotency: None, action: entry.clone().into() };
        generation.state.check(&command).map_err(|no| refused(name, &no.to_string()))?;
        let proposed = self.propose(entry.into(), None).await;
        let node = match proposed.map_err(|error| Status::unavailable(error.to_string()))?.answer {
            Answer::Node(node) => node,
            Answer::Refused(refusal) => return Err(refused(name, &refusal.to_string())),
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

    /// Brings the membership, step by step, to what is wished. Runs as long as the node.
    pub async fn run_membership(self: Arc<Self>) {
        let mut watch = Watch::default();
        loop {
            sleep(LOOK_EVERY).await;
            self.watch_clock();
            let view = self.raft.view();
            self.peers.retain(|target| view.member(target.node).is_some_and(|m| m.raft == target.address));
            if view.role != Role::Leader {
                watch = Watch { left: watch.left, ..Watch::default() };
                self.leave_if_told(&mut watch).await;
                continue;
            }
            if self.clocks.are_off(&view.voters(), self.now()) {
                let handed_over = self.step_down().await;
                tracing::error!(?handed_over, "this node's clock is off a quorum's: it must not lead");
                continue;
            }
            watch.look(&view, &self.settings);
            self.give_up_learners(&watch, &view).await;
            if let Some(change) = plan::next(&self.seen(&watch, &view)) {
                self.change(change).await;
            }
            self.activate_format(&mut watch, &view).await;
        }
    }

    /// See [`Store::failure_tolerance`](super::Store::failure_tolerance).
    pub fn failure_tolerance(&self) -> Option<i32> {
        let view = self.raft.view();
        let voters = view.voters();
        let alive = voters.iter().filter(|node| **node == self.me() || is_alive(&view, **node)).count();
        let count = |nodes: usize| i32::try_from(nodes).unwrap_or(i32::MAX);
        (view.role == Role::Leader).then(|| count(alive) - count(voters.len() / 2 + 1))
    }

    /// What `plan` decides on.
    fn seen(&self, watch: &Watch, view: &View) -> Seen {
        let state = &self.serving.load().state;
        let members: BTreeSet<NodeId> =
            view.members.membership().nodes().map(|(id, _)| NodeId(*id)).collect();
        let configurations = view.members.membership().get_joint_config();
        let half = |half: Option<&BTreeSet<u64>>| half.into_iter().flatten().copied().map(NodeId).collect();
        Seen {
            me: self.me(),
            voters: half(configurations.last()),
            old_voters: half(configurations.first()),
            wanted: self.settings.voters,
            leaving: members.iter().copied().filter(|node| state.departure(*node).is_some()).collect(),
            may_vote: members.iter().copied().filter(|node| state.may_vote(*node)).collect(),
            alive: members
                .iter()
                .copied()
                .filter(|node| *node == self.me() || is_alive(view, *node))
                .collect(),
            ready: watch.ready(self.settings.stabilisation),
            given_up: watch.silent_for(self.settings.dead_voter_after),
            members,
        }
    }

    async fn change(self: &Arc<Self>, change: Change) {
        tracing::info!(?change, "the membership changes");
        let changing = async {
            match change.clone() {
                Change::StepDown(to) => {
                    self.step_down_to(Some(&to)).await.map(drop).map_err(|error| error.to_string())
                }
                Change::Voters(voters) => self.raft.set_voters(voters).await,
                Change::Remove(nodes) => self.raft.remove(nodes).await,
            }
        };
        match timeout(CHANGE_MAX, changing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(?change, %error, "the membership does not change"),
            Err(_) => tracing::warn!(?change, "the membership did not change in time"),
        }
    }

    /// Learners that are dead for too long leave.
    async fn give_up_learners(self: &Arc<Self>, watch: &Watch, view: &View) {
        let state = self.serving.load().state.clone();
        let voters = view.voters();
        let silent = watch.silent_for(self.settings.dead_learner_after);
        for node in
            silent.into_iter().filter(|node| !voters.contains(node) && state.departure(*node).is_none())
        {
            tracing::warn!(%node, "a learner was silent for too long: it is removed");
            self.note(RetireNode { node }).await;
        }
    }

    /// Proposes something nobody waits for; what failed is tried again at the next look.
    pub(super) async fn note(self: &Arc<Self>, action: impl Into<Action>) {
        let action = action.into();
        let name = action.name();
        match self.propose(action, None).await {
            Ok(done) => tracing::info!(name, answer = ?done.answer, "done about the membership"),
            Err(error) => tracing::warn!(name, %error, "not done about the membership"),
        }
    }

    /// A node that is to leave gives its leases up by itself, so that no withdrawal waits for it.
    async fn leave_if_told(&self, watch: &mut Watch) {
        if watch.left || self.serving.load().state.departure(self.me()).is_none() {
            return;
        }
        tracing::warn!("this node was removed from the cluster: it serves no longer; wipe it to join again");
        watch.left = true;
        self.surrender.notify_one();
        self.lease().close();
        self.tell_surrender().await;
    }
}

/// A join that must not be tried again as it is.
fn refused(name: &str, why: &str) -> Status {
    tracing::warn!(%name, %why, "a node was not let in");
    Status::permission_denied(why)
}

fn is_alive(view: &View, node: NodeId) -> bool {
    view.heard.get(&node).is_some_and(|ago| *ago < HEARD_WITHIN)
}

/// What only time tells a leader; it begins anew with every leader.
#[derive(Default)]
pub(super) struct Watch {
    /// Learners that are caught up and healthy, since when.
    fit_since: BTreeMap<NodeId, Instant>,
    /// Members, and when they were heard of last; from the first look on, where they never were.
    heard_at: BTreeMap<NodeId, Instant>,
    /// Since when all members report a newer format version.
    pub format_since: Option<Instant>,
    /// When the members were asked for it last.
    pub format_asked: Option<Instant>,
    /// This node has given its leases up because it was removed.
    left: bool,
}

impl Watch {
    fn look(&mut self, view: &View, settings: &Settings) {
        let now = Instant::now();
        let members: BTreeSet<NodeId> =
            view.members.membership().nodes().map(|(id, _)| NodeId(*id)).collect();
        self.heard_at.retain(|node, _| members.contains(node));
        for node in &members {
            let seen = self.heard_at.entry(*node).or_insert(now);
            if let Some(ago) = view.heard.get(node) {
                *seen = (*seen).max(now.checked_sub(*ago).unwrap_or(now));
            }
            if view.leader == Some(*node) {
                *seen = now;
            }
        }
        let voters = view.voters();
        let caught_up =
            |node: &NodeId| view.matched.get(node).is_some_and(|at| at + CAUGHT_UP_WITHIN >= view.last_log);
        let fit = |node: &NodeId| !voters.contains(node) && caught_up(node) && is_alive(view, *node);
        let fit: BTreeSet<NodeId> = members.into_iter().filter(fit).collect();
        self.fit_since.retain(|node, _| fit.contains(node));
        for node in fit {
            self.fit_since.entry(node).or_insert(now);
        }
        tracing::trace!(stabilisation = ?settings.stabilisation, fit = ?self.fit_since, "learners");
    }

    fn ready(&self, stabilisation: Duration) -> BTreeSet<NodeId> {
        let stable = |since: &Instant| since.elapsed() >= stabilisation;
        self.fit_since.iter().filter(|(_, since)| stable(since)).map(|(node, _)| *node).collect()
    }

    fn silent_for(&self, limit: Option<Duration>) -> BTreeSet<NodeId> {
        let Some(limit) = limit else { return BTreeSet::new() };
        let silent = |heard: &Instant| heard.elapsed() >= limit;
        self.heard_at.iter().filter(|(_, heard)| silent(heard)).map(|(node, _)| *node).collect()
    }
}
