//! How openraft reaches other nodes: its requests become calls on the peer port.
//!
//! A node that cannot be reached is an error in every method, `pre_vote` included: openraft's default
//! would count silence as a vote.

use std::error::Error;
use std::io;
use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use model::id::NodeId;
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes};

use crate::codec::records::encode_snapshot_meta;
use crate::peer::client::{CallError, Lane, Peers, Target};
use crate::snapshot::SnapshotData;
use crate::types::{Member, TypeConfig};
use crate::wire::method::{AppendEntries, PIECE_BYTES_MAX, PreVote, RequestVote, TransferLeader};
use crate::wire::{Append, AskVote, SnapshotBegin, SnapshotEnd, SnapshotPiece, Transfer};

/// Sealed bytes per append: half of what a message may hold, so that one large entry more still fits.
const APPEND_BYTES_MAX: usize = 4 << 20;

/// Makes a connection to each member.
pub(crate) struct Network {
    pub me: NodeId,
    pub peers: Arc<Peers>,
}

/// One member, for one purpose.
pub(crate) struct ToNode {
    me: u64,
    target: Target,
    lane: Lane,
    peers: Arc<Peers>,
}

impl Network {
    fn to(&self, node: u64, member: &Member, lane: Lane) -> ToNode {
        let target = target(NodeId(node), member);
        ToNode { me: self.me.0, target, lane, peers: Arc::clone(&self.peers) }
    }
}

/// Where a member is called.
pub(crate) fn target(node: NodeId, member: &Member) -> Target {
    Target { node, name: member.name.clone(), address: member.raft.clone() }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = ToNode;

    async fn new_client(&mut self, node: u64, member: &Member) -> ToNode {
        self.to(node, member, Lane::Append)
    }

    async fn new_heartbeat_client(&mut self, node: u64, member: &Member) -> ToNode {
        self.to(node, member, Lane::Beat)
    }

    async fn new_snapshot_client(&mut self, node: u64, member: &Member) -> ToNode {
        self.to(node, member, Lane::Snapshot)
    }
}

impl RaftNetworkV2<TypeConfig> for ToNode {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        mut request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let sent = cut(&mut request);
        let message = Append::new(&request).map_err(|error| unreachable_error(&error))?;
        let reply =
            self.peers.call::<AppendEntries>(&self.target, self.lane, message, option.soft_ttl()).await;
        let reply = self.answered(RPCTypes::AppendEntries, &option, reply)?;
        let reply = reply.read().map_err(|error| network_error(&error))?;
        match (reply, sent) {
            (AppendEntriesResponse::Success, Some(last)) => {
                Ok(AppendEntriesResponse::PartialSuccess(Some(last)))
            }
            (reply, _) => Ok(reply),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let ask = AskVote::from(&request);
        let reply = self.peers.call::<RequestVote>(&self.target, Lane::Beat, ask, option.soft_ttl()).await;
        self.answered(RPCTypes::Vote, &option, reply)?.read().map_err(|error| network_error(&error))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let ask = AskVote::from(&request);
        let reply = self.peers.call::<PreVote>(&self.target, Lane::Beat, ask, option.soft_ttl()).await;
        self.answered(RPCTypes::Vote, &option, reply)?.read().map_err(|error| network_error(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<TypeConfig>,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let meta = encode_snapshot_meta(&snapshot.meta).map_err(|error| unreachable_error(&error))?;
        let begin = SnapshotPiece {
            begin: Some(SnapshotBegin { vote: Some(vote.into()), meta }),
            ..SnapshotPiece::default()
        };
        let pieces = futures::stream::iter([begin]).chain(pieces(snapshot.snapshot));
        let reply = tokio::select! {
            closed = cancel => return Err(closed.into()),
            reply = self.peers.send_snapshot(&self.target, pieces, option.hard_ttl()) => reply,
        };
        let reply = self.answered(RPCTypes::InstallSnapshot, &option, reply)?;
        reply.read().map_err(|error| network_error(&error).into())
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let wanted = request.last_log_id().copied();
        let ask = Transfer::from(&request);
        let reply = self.peers.call::<TransferLeader>(&self.target, Lane::Beat, ask, option.soft_ttl()).await;
        Ok(self.answered(RPCTypes::TransferLeader, &option, reply)?.read(wanted))
    }
}

impl ToNode {
    /// Whatever failed is tried again after a pause: openraft repeats a `NetworkError` at once, and a
    /// refusal that lasts would become a loop.
    fn answered<T>(
        &self,
        action: RPCTypes,
        option: &RPCOption,
        reply: Result<T, CallError>,
    ) -> Result<T, RPCError<TypeConfig>> {
        reply.map_err(|error| match error {
            CallError::NotDone(_) | CallError::Unknown(_) => {
                tracing::debug!(node = %self.target.node, ?action, %error, "a call to a peer failed");
                unreachable_error(&error)
            }
            CallError::TimedOut => RPCError::Timeout(Timeout {
                action,
                id: self.me,
                target: self.target.node.0,
                timeout: option.soft_ttl(),
            }),
        })
    }
}

/// Cuts an append to [`APPEND_BYTES_MAX`]; the last entry that stays, if any had to go.
fn cut(request: &mut AppendEntriesRequest<TypeConfig>) -> Option<crate::types::EntryId> {
    let mut bytes = 0;
    let over = request.entries.iter().position(|entry| {
        bytes += match &entry.payload {
            openraft::EntryPayload::Normal(command) => command.sealed.len(),
            openraft::EntryPayload::Blank | openraft::EntryPayload::Membership(_) => 0,
        };
        bytes > APPEND_BYTES_MAX
    })?;
    request.entries.truncate(over.max(1));
    request.entries.last().map(|entry| entry.log_id)
}

/// The data of a snapshot, then its length and checksum. A read error ends the stream without an end:
/// the receiver refuses it.
fn pieces(data: SnapshotData) -> impl Stream<Item = SnapshotPiece> + Send + 'static {
    struct Reading {
        data: SnapshotData,
        offset: u64,
        crc: u32,
        done: bool,
    }
    let start = Reading { data, offset: 0, crc: 0, done: false };
    futures::stream::unfold(start, |mut reading| async move {
        if reading.done {
            return None;
        }
        if reading.offset >= reading.data.len() {
            reading.done = true;
            let end = SnapshotEnd { bytes: reading.offset, crc: reading.crc };
            return Some((SnapshotPiece { end: Some(end), ..SnapshotPiece::default() }, reading));
        }
        let bytes = match reading.data.read_at(reading.offset, PIECE_BYTES_MAX) {
            Ok(bytes) if !bytes.is_empty() => bytes,
            Ok(_) => return stopped(&io::ErrorKind::UnexpectedEof.into()),
            Err(error) => return stopped(&error),
        };
        reading.offset += bytes.len() as u64;
        reading.crc = crc32c::crc32c_append(reading.crc, &bytes);
        Some((SnapshotPiece { data: bytes, ..SnapshotPiece::default() }, reading))
    })
}

fn stopped<T>(error: &io::Error) -> Option<T> {
    tracing::error!(%error, "a snapshot cannot be read: its transfer stops");
    None
}

fn unreachable_error<E: Error + 'static>(error: &E) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(error))
}

fn network_error<E: Error + 'static>(error: &E) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::new(error))
}
