//! What this node does when another calls. The gate has proved who it is; here it must also be a member,
//! and for Raft's own calls our disk must have been accepted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use model::id::{LogIndex, NodeId, TenantHandle};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::effects;
use super::inner::Inner;
use super::lead::Holds;
use super::propose;
use crate::codec::decode_command;
use crate::codec::records::decode_snapshot_meta;
use crate::lease::holder::{RenewalRequest, Surrender};
use crate::peer::gate::{Caller, Refused};
use crate::peer::server::Handler;
use crate::raft::consensus::Stopped;
use crate::snapshot::{BadSnapshot, SnapshotData};
use crate::types::SnapshotMeta;
use crate::wire::raft::BadMessage;
use crate::wire::{
    self, AnsweredPart, Append, Appended, AskEffective, AskIndex, AskKeys, AskPublished, AskStatus, AskVote,
    Effective, FoundGone, GiveUp, GiveVote, HandedKeys, Header, Join, LeaderGone, Nothing, PassedPart,
    ProposalDone, Propose, Published, ReadIndex, Renew, Renewed, SnapshotPiece, SnapshotTaken, SteppedDown,
    Transfer, Transferred, Welcome,
};

/// A sender that is silent this long in the middle of a snapshot is gone.
const PIECE_MAX: Duration = Duration::from_secs(10);
/// The longest commit another node may ask us to wait for.
const COMMIT_MAX: Duration = Duration::from_secs(60);
/// The longest another node may ask us to wait for a publication.
const PATIENCE_MAX: Duration = Duration::from_secs(5);

impl From<BadMessage> for Status {
    fn from(error: BadMessage) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

impl From<Stopped> for Status {
    fn from(error: Stopped) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl Inner {
    /// Only members are heard. Until a node finds itself among the members it knows, whoever proved to be a node of
    /// this cluster is: it learns of the members from its leader, entry by entry, and the leader may have joined
    /// after the members that it knows so far.
    fn member(&self, caller: &Caller) -> Result<(), Status> {
        let view = self.raft.view();
        if view.member(self.me()).is_some() && view.member(caller.node).is_none() {
            tracing::warn!(node = %caller.node, name = %caller.name, "not a member: refused on the peer port");
            return Err(Refused::NotAMember { node: caller.node }.into());
        }
        Ok(())
    }

    /// Raft's own calls: from a member, and not before a quorum accepted our disk. A node that was cut off while
    /// others joined hears those as well: its vote may be the one they need, and from nobody else would it learn of
    /// them.
    fn for_raft(&self, caller: &Caller) -> Result<(), Status> {
        if !self.accepted.load(Ordering::Acquire) {
            return Err(Status::unavailable("no quorum has accepted this node's disk yet"));
        }
        if self.comes_to_join(caller) {
            return Ok(());
        }
        self.member(caller)
    }

    /// Whether the caller proved that it was let in, and may be a member that this node has yet to hear of. An id is the
    /// index of the join's entry, and the membership follows later: until then the join alone is known here, or
    /// neither. Who was a member and is not was refused before.
    fn comes_to_join(&self, caller: &Caller) -> bool {
        let known = self.serving.load();
        let joined = || known.state.joined(caller.node).is_some_and(|joined| *joined.name == *caller.name);
        caller.let_in && (caller.node.0 > known.index.0 || joined())
    }

    async fn take_pieces(
        &self,
        pieces: &mut Streaming<SnapshotPiece>,
    ) -> Result<(wire::Vote, SnapshotMeta, SnapshotData), Status> {
        let begin = next(pieces).await?.begin.ok_or(BadMessage::Missing("begin"))?;
        let vote = begin.vote.ok_or(BadMessage::Missing("vote"))?;
        let meta = decode_snapshot_meta(&begin.meta).map_err(BadMessage::from)?;
        let mut writer = self.raft.receive_snapshot().map_err(not_written)?;
        let (mut bytes, mut crc) = (0_u64, 0);
        loop {
            let piece = next(pieces).await?;
            if let Some(end) = piece.end {
                if (end.bytes, end.crc) != (bytes, crc) {
                    return Err(Status::data_loss("the snapshot arrived damaged"));
                }
                // A bad snapshot ends here: given to Raft, it would stop this node.
                let finished = self.raft.finish_snapshot(writer, Arc::clone(&self.sealer)).await;
                let (data, covers) = finished.map_err(refused)?;
                if covers != meta {
                    return Err(Status::data_loss("the snapshot covers something else than announced"));
                }
                return Ok((vote, meta, data));
            }
            writer.write(&piece.data).map_err(not_written)?;
            bytes += piece.data.len() as u64;
            crc = crc32c::crc32c_append(crc, &piece.data);
        }
    }
}

async fn next(pieces: &mut Streaming<SnapshotPiece>) -> Result<SnapshotPiece, Status> {
    let piece = timeout(PIECE_MAX, pieces.message()).await;
    piece
        .map_err(|_| Status::deadline_exceeded("the snapshot stalled"))??
        .ok_or_else(|| Status::data_loss("the snapshot ended before its end"))
}

fn refused(bad: BadSnapshot) -> Status {
    match bad {
        BadSnapshot::File(error) => not_written(error),
        bad => Status::data_loss(format!("the snapshot is refused: {bad}")),
    }
}

fn not_written(error: io::Error) -> Status {
    Status::resource_exhausted(format!("the snapshot cannot be stored: {error}"))
}

impl Handler for Inner {
    fn admit(&self, header: &Header, name: &Arc<str>) -> Result<Caller, Refused> {
        let view = self.raft.view();
        let known = |node| view.member(node).map(|member| member.name.clone());
        let admitted = self.gate.check(header, name, known);
        let credible = !view.has_members() || view.member(NodeId(header.from)).is_some();
        if let (Err(forgotten @ Refused::Forgotten { .. }), true, Some(this)) =
            (&admitted, credible, self.this.upgrade())
        {
            let why = forgotten.to_string();
            tokio::spawn(async move { this.condemn(&why).await });
        }
        let caller = admitted?;
        let node = caller.node;
        if view.member(node).is_none() && self.serving.load().state.departure(node).is_some() {
            return Err(Refused::Removed { node });
        }
        Ok(caller)
    }

    fn append(&self, from: Caller, request: Append) -> BoxFuture<'_, Result<Appended, Status>> {
        Box::pin(async move {
            self.for_raft(&from)?;
            Ok(self.raft.append(request.read()?).await?.into())
        })
    }

    fn vote(&self, from: Caller, request: AskVote) -> BoxFuture<'_, Result<GiveVote, Status>> {
        Box::pin(async move {
            self.for_raft(&from)?;
            Ok(self.raft.vote(request.read()?).await?.into())
        })
    }

    fn pre_vote(&self, from: Caller, request: AskVote) -> BoxFuture<'_, Result<GiveVote, Status>> {
        Box::pin(async move {
            self.for_raft(&from)?;
            Ok(self.raft.pre_vote(request.read()?).await?.into())
        })
    }

    fn snapshot(
        &self,
        from: Caller,
        mut pieces: Streaming<SnapshotPiece>,
    ) -> BoxFuture<'_, Result<SnapshotTaken, Status>> {
        Box::pin(async move {
            self.for_raft(&from)?;
            let busy = || Status::resource_exhausted("another snapshot is being received");
            let _slot = self.receiving.try_lock().map_err(|_| busy())?;
            let (vote, meta, data) = self.take_pieces(&mut pieces).await?;
            Ok(self.raft.install_snapshot(vote.into(), meta, data).await?.into())
        })
    }

    fn transfer(&self, from: Caller, request: Transfer) -> BoxFuture<'_, Result<Transferred, Status>> {
        Box::pin(async move {
            self.for_raft(&from)?;
            Ok(self.raft.handle_transfer(request.read()?).await?.into())
        })
    }

    fn propose(&self, from: Caller, request: Propose) -> BoxFuture<'_, Result<ProposalDone, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            let command = decode_command(&request.command).map_err(BadMessage::from)?;
            if command.stamp.id.0[..] != request.id {
                return Err(BadMessage::Missing("id").into());
            }
            let Some(this) = self.this.upgrade() else { return Err(Status::unavailable("stopping")) };
            let within = Duration::from_millis(request.commit_ms).min(COMMIT_MAX);
            // On its own task: a caller that hangs up must not undo a barrier half-way.
            let done = tokio::spawn(async move { this.propose_here(command, within).await }).await;
            Ok(propose::write(done.map_err(|error| Status::internal(error.to_string()))?))
        })
    }

    fn read_index(&self, from: Caller, _: AskIndex) -> BoxFuture<'_, Result<ReadIndex, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            let index = self.read_index_here().await;
            let index = index.map_err(|error| Status::failed_precondition(error.to_string()))?;
            Ok(ReadIndex { index: index.0 })
        })
    }

    fn renew(&self, from: Caller, request: Renew) -> BoxFuture<'_, Result<Renewed, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            let published = LogIndex(request.published);
            let Caller { node, boot, .. } = from;
            let ours_ms = self.around.clock.wall_ms();
            let agreed = self.clocks.compare(node, request.wall_ms, ours_ms, self.now());
            let request = RenewalRequest { node, boot, nonce: request.nonce, published };
            let renewed = self.renew_here(&request).await;
            let (reply, time) = renewed.map_err(|error| Status::failed_precondition(error.to_string()))?;
            Ok(Renewed {
                nonce: reply.nonce,
                read_index: reply.read_index.0,
                term: reply.term,
                // Of two clocks that differ one is wrong: nobody learns the time from the other.
                time_ms: if agreed { time.0 } else { 0 },
            })
        })
    }

    fn surrender(&self, from: Caller, _: GiveUp) -> BoxFuture<'_, Result<Nothing, Status>> {
        Box::pin(async move {
            self.barriers.surrendered(Surrender { node: from.node, boot: from.boot });
            Ok(Nothing {})
        })
    }

    fn published(&self, from: Caller, request: AskPublished) -> BoxFuture<'_, Result<Published, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            let boot = self.gate.boot().ok_or_else(|| Status::failed_precondition("no boot id yet"))?;
            let patience = Duration::from_millis(request.patience_ms).min(PATIENCE_MAX);
            let _ = timeout(patience, self.serving.reached(LogIndex(request.index))).await; // either way
            Ok(Published { boot: boot.0, index: self.serving.load().index.0 })
        })
    }

    fn effective(&self, from: Caller, request: AskEffective) -> BoxFuture<'_, Result<Effective, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            let tenant = match request.tenant[..] {
                [] => None,
                [a, b, c, d] => Some(TenantHandle([a, b, c, d])),
                _ => return Err(BadMessage::Missing("tenant").into()),
            };
            let Some(this) = self.this.upgrade() else { return Err(Status::unavailable("stopping")) };
            let patience = Duration::from_millis(request.patience_ms).min(effects::PATIENCE_MAX);
            let told = this.effective_here(LogIndex(request.index), tenant, patience).await;
            let told = told.ok_or_else(|| Status::failed_precondition("this node does not lead"))?;
            let (everywhere, at) = match told.holds {
                Holds::Since(at) => (true, at),
                Holds::From(at) => (false, at),
            };
            Ok(Effective {
                everywhere,
                effective_ms: at.0,
                length_ms: told.length.as_millis(),
                up_to: told.up_to.0,
            })
        })
    }

    fn status(&self, _: Caller, _: AskStatus) -> BoxFuture<'_, Result<wire::Status, Status>> {
        Box::pin(async move { Ok(self.status().into()) })
    }

    fn hello(&self, from: Caller, _: Nothing) -> BoxFuture<'_, Result<Nothing, Status>> {
        Box::pin(async move {
            tracing::info!(node = %from.node, name = %from.name, "a node shows its disk: accepted");
            Ok(Nothing {})
        })
    }

    fn watch(&self, from: Caller, _: Nothing) -> BoxFuture<'_, Result<Nothing, Status>> {
        Box::pin(async move {
            self.for_raft(&from)?;
            self.be_watched().await;
            Ok(Nothing {})
        })
    }

    fn find_gone(&self, from: Caller, found: LeaderGone) -> BoxFuture<'_, Result<FoundGone, Status>> {
        Box::pin(async move {
            self.for_raft(&from)?;
            if self.finds_gone(&found).await {
                return Ok(FoundGone { last_log: self.raft.view().last_log });
            }
            Err(Status::failed_precondition("the leader is not found gone here"))
        })
    }

    fn step_down(&self, from: Caller, _: Nothing) -> BoxFuture<'_, Result<SteppedDown, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            let left = Inner::step_down(self).await;
            let leader = left.map_err(|error| Status::failed_precondition(error.to_string()))?;
            Ok(SteppedDown { leader: leader.0 })
        })
    }

    fn hand_over(&self, from: Caller, request: AskKeys) -> BoxFuture<'_, Result<HandedKeys, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            Ok(self.hand_over_here(&from, request.read()?).await?.into())
        })
    }

    fn pass_part(&self, from: Caller, request: PassedPart) -> BoxFuture<'_, Result<AnsweredPart, Status>> {
        Box::pin(async move {
            self.member(&from)?;
            Ok(self.answer_part_here(&from, request).await?.into())
        })
    }

    fn join(&self, name: Arc<str>, request: Join) -> BoxFuture<'_, Result<Welcome, Status>> {
        Box::pin(async move {
            let Some(this) = self.this.upgrade() else { return Err(Status::unavailable("stopping")) };
            this.let_in(&name, request).await
        })
    }
}
