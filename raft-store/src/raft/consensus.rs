//! What the rest of the crate may ask of Raft, without knowing which disk lies below.
//!
//! One object-safe trait, because `Raft` is generic over its state machine and the `Store` is not.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use model::id::NodeId;
use model::sealer::Sealer;
use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};
use openraft::storage::Snapshot;
use openraft::{ChangeMembers, Instant, RaftMetrics, ReadPolicy, ServerState};

use super::watched::Watched;
use crate::machine::{Exported, Exporter, Machine, slowly};
use crate::snapshot::{self, BadSnapshot, SnapshotData, SnapshotWriter};
use crate::storage::disk::Disk;
use crate::storage::{DurableMark, Storage};
use crate::types::{Member, Members, Outcome, SealedCommand, SnapshotMeta, TypeConfig, Vote};
use crate::wire::Mark;

type Raft<D> = openraft::Raft<TypeConfig, Watched<Machine<D>>>;

/// Raft has stopped: a storage error, or a shutdown.
#[derive(Debug, thiserror::Error)]
#[error("this node's raft has stopped: {0}")]
pub(crate) struct Stopped(String);

/// Why a proposal has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Nothing was appended: another node leads, or nobody, or leadership is being handed over.
    #[error("this node does not lead")]
    NotLeader,
    /// It was appended, then dropped here; another leader may have committed it.
    #[error("leadership was lost before the outcome was known")]
    Unknown,
}

/// Why there is no read index.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("this node does not lead")]
    NotLeader,
    #[error("no quorum answered")]
    NoQuorum,
}

/// What a node is in its cluster at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has no part in votes.
    Learner,
    /// It votes and follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
    /// It has stopped: a storage error, a refused disk, or a shutdown.
    Stopped,
}

/// One consistent look at Raft.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub role: Role,
    pub term: u64,
    pub vote: Vote,
    pub leader: Option<NodeId>,
    pub committed: u64,
    pub last_log: u64,
    pub members: Arc<Members>,
    /// For a leader: what each node has of the log.
    pub matched: BTreeMap<NodeId, u64>,
    /// For a leader: how long ago each node acknowledged anything.
    pub heard: BTreeMap<NodeId, Duration>,
}

impl View {
    /// A member by id.
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.membership().get_node(&node.0)
    }

    pub fn has_members(&self) -> bool {
        self.members.nodes().next().is_some()
    }

    /// Voters of the effective configuration; of a joint one, of both halves.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        self.members.membership().voter_ids().map(NodeId).collect()
    }
}

pub(crate) trait Consensus: Send + Sync + 'static {
    fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<AppendEntriesResponse<TypeConfig>, Stopped>>;
    fn vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, Stopped>>;
    fn pre_vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, Stopped>>;
    fn receive_snapshot(&self) -> io::Result<SnapshotWriter>;
    /// Syncs what was received and reads it whole, off the threads that carry heartbeats; says what it covers.
    fn finish_snapshot(
        &self,
        writer: SnapshotWriter,
        sealer: Arc<dyn Sealer>,
    ) -> BoxFuture<'_, Result<(SnapshotData, SnapshotMeta), BadSnapshot>>;
    fn export(&self) -> BoxFuture<'_, Result<Exported, Stopped>>;
    fn install_snapshot(
        &self,
        vote: Vote,
        meta: SnapshotMeta,
        data: SnapshotData,
    ) -> BoxFuture<'_, Result<SnapshotResponse<TypeConfig>, Stopped>>;
    fn handle_transfer(
        &self,
        request: TransferLeaderRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<openraft::raft::TransferLeaderResponse<TypeConfig>, Stopped>>;

    fn write(&self, command: SealedCommand) -> BoxFuture<'_, Result<Outcome, WriteError>>;
    fn read_index(&self) -> BoxFuture<'_, Result<u64, ReadError>>;
    fn initialize(&self, members: BTreeMap<u64, Member>) -> BoxFuture<'_, Result<(), String>>;
    fn add_learner(&self, node: NodeId, member: Member) -> BoxFuture<'_, Result<(), String>>;
    /// One joint change to exactly these voters; who voted before stays as a learner.
    fn set_voters(&self, voters: BTreeSet<NodeId>) -> BoxFuture<'_, Result<(), String>>;
    /// Learners that are members no longer.
    fn remove(&self, nodes: BTreeSet<NodeId>) -> BoxFuture<'_, Result<(), String>>;
    fn set_members(&self, members: BTreeMap<u64, Member>) -> BoxFuture<'_, Result<(), String>>;

    fn view(&self) -> View;
    fn changed(&self) -> Changed;
    fn may_elect(&self, yes: bool);
    fn elect(&self) -> BoxFuture<'_, ()>;
    fn transfer(&self, to: NodeId) -> BoxFuture<'_, ()>;
    /// Stands for election in place of the leader of this vote, as if it had handed over.
    fn succeed(&self, leader: Vote) -> BoxFuture<'_, ()>;
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// Waits for the next change of [`View`].
pub(crate) struct Changed(WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>);

impl Changed {
    /// False once Raft is gone.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// Raft over one kind of disk.
pub(crate) struct Node<D: Disk> {
    pub id: u64,
    pub raft: Raft<D>,
    pub storage: Arc<Storage<D>>,
}

impl<D: Disk> Consensus for Node<D> {
    fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<AppendEntriesResponse<TypeConfig>, Stopped>> {
        Box::pin(async move { self.raft.append_entries(request).await.map_err(stopped) })
    }

    fn vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, Stopped>> {
        Box::pin(async move { self.raft.vote(request).await.map_err(stopped) })
    }

    fn pre_vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, Stopped>> {
        Box::pin(async move { self.raft.pre_vote(request).await.map_err(stopped) })
    }

    fn receive_snapshot(&self) -> io::Result<SnapshotWriter> {
        self.storage.receive_snapshot()
    }

    fn finish_snapshot(
        &self,
        writer: SnapshotWriter,
        sealer: Arc<dyn Sealer>,
    ) -> BoxFuture<'_, Result<(SnapshotData, SnapshotMeta), BadSnapshot>> {
        Box::pin(slowly::<D, _>(move || {
            let data = writer.finish()?;
            let covers = snapshot::verify(&data, &*sealer)?;
            Ok((data, covers))
        }))
    }

    fn export(&self) -> BoxFuture<'_, Result<Exported, Stopped>> {
        Box::pin(async move {
            let frozen = self.raft.with_state_machine(freeze::<D>).await.map_err(stopped)?;
            frozen.write().await.map_err(stopped)
        })
    }

    fn install_snapshot(
        &self,
        vote: Vote,
        meta: SnapshotMeta,
        data: SnapshotData,
    ) -> BoxFuture<'_, Result<SnapshotResponse<TypeConfig>, Stopped>> {
        let snapshot = Snapshot { meta, snapshot: data };
        Box::pin(async move { self.raft.install_full_snapshot(vote, snapshot).await.map_err(stopped) })
    }

    fn handle_transfer(
        &self,
        request: TransferLeaderRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<openraft::raft::TransferLeaderResponse<TypeConfig>, Stopped>> {
        Box::pin(async move { self.raft.handle_transfer_leader(request).await.map_err(stopped) })
    }

    fn write(&self, command: SealedCommand) -> BoxFuture<'_, Result<Outcome, WriteError>> {
        Box::pin(async move {
            match self.raft.client_write(command).await {
                Ok(done) => Ok(done.data),
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(ForwardToLeader { .. }))) => {
                    Err(WriteError::NotLeader)
                }
                Err(_) => Err(WriteError::Unknown),
            }
        })
    }

    fn read_index(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(async move {
            match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
                Ok(linearizer) => Ok(linearizer.read_log_id().index()),
                Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                    Err(ReadError::NoQuorum)
                }
                Err(_) => Err(ReadError::NotLeader),
            }
        })
    }

    fn initialize(&self, members: BTreeMap<u64, Member>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.raft.initialize(members).await.map_err(|error| error.to_string()) })
    }

    fn add_learner(&self, node: NodeId, member: Member) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let added = self.raft.add_learner(node.0, member, false).await;
            added.map(drop).map_err(|error| error.to_string())
        })
    }

    fn remove(&self, nodes: BTreeSet<NodeId>) -> BoxFuture<'_, Result<(), String>> {
        let change = ChangeMembers::RemoveNodes(nodes.into_iter().map(|node| node.0).collect());
        Box::pin(async move {
            let changed = self.raft.change_membership(change, true).await;
            changed.map(drop).map_err(|error| error.to_string())
        })
    }

    fn set_voters(&self, voters: BTreeSet<NodeId>) -> BoxFuture<'_, Result<(), String>> {
        let change = ChangeMembers::ReplaceAllVoters(voters.into_iter().map(|node| node.0).collect());
        Box::pin(async move {
            let changed = self.raft.change_membership(change, true).await;
            changed.map(drop).map_err(|error| error.to_string())
        })
    }

    fn set_members(&self, members: BTreeMap<u64, Member>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let changed = self.raft.change_membership(ChangeMembers::SetNodes(members), true).await;
            changed.map(drop).map_err(|error| error.to_string())
        })
    }

    fn view(&self) -> View {
        // Cloned at once: a borrowed watch blocks Raft.
        let metrics = self.raft.metrics().borrow_watched().clone();
        view(metrics)
    }

    fn changed(&self) -> Changed {
        let mut metrics = self.raft.metrics();
        // A fresh receiver counts everything before it as unseen.
        let _ = metrics.changed().now_or_never();
        Changed(metrics)
    }

    fn may_elect(&self, yes: bool) {
        self.raft.runtime_config().elect(yes);
    }

    fn elect(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.raft.trigger().elect(true).await) })
    }

    fn transfer(&self, to: NodeId) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.raft.trigger().transfer_leader(to.0).await) })
    }

    fn succeed(&self, leader: Vote) -> BoxFuture<'_, ()> {
        let request = TransferLeaderRequest::new(leader, self.id, None);
        Box::pin(async move { drop(self.raft.handle_transfer_leader(request).await) })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.raft.shutdown().await {
                tracing::error!(%error, "raft did not end in order");
            }
        })
    }
}

/// This moment of a state machine, between two of its steps.
fn freeze<D: Disk>(watched: &mut Watched<Machine<D>>) -> BoxFuture<'_, Exporter<D>> {
    Box::pin(async move { watched.machine.exporter() })
}

/// A durable mark as peers compare it.
pub(crate) fn mark(durable: DurableMark) -> Mark {
    let mut mark = Mark::default();
    if let Some(vote) = durable.vote {
        let leader = vote.leader_id();
        (mark.vote_term, mark.vote_node) = (leader.term, leader.node_id);
        mark.vote_committed = vote.is_committed();
    }
    if let Some(last) = durable.last {
        (mark.log_term, mark.log_node) = (last.leader_id.term, last.leader_id.node_id);
        mark.log_index = last.index;
    }
    mark
}

fn stopped<E: std::error::Error>(error: E) -> Stopped {
    Stopped(error.to_string())
}

fn view(metrics: RaftMetrics<TypeConfig>) -> View {
    let role = match metrics.state {
        _ if metrics.running_state.is_err() => Role::Stopped,
        ServerState::Learner => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
        ServerState::Shutdown => Role::Stopped,
    };
    let matched = metrics.replication.unwrap_or_default();
    let heard = metrics.heartbeat.unwrap_or_default();
    View {
        role,
        term: metrics.current_term,
        vote: metrics.vote,
        leader: metrics.current_leader.map(NodeId),
        committed: metrics.cluster_committed.map_or(0, |id| id.index),
        last_log: metrics.last_log_index.unwrap_or(0),
        members: metrics.membership_config,
        matched: matched.into_iter().map(|(id, at)| (NodeId(id), at.map_or(0, |at| at.index))).collect(),
        heard: heard.into_iter().filter_map(|(id, at)| Some((NodeId(id), at?.elapsed()))).collect(),
    }
}
