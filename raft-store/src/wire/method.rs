//! The calls of the peer port: one row each, with its path, its messages and its bounds.

use super::{
    AnsweredPart, Append, Appended, AskEffective, AskIndex, AskKeys, AskPublished, AskStatus, AskVote,
    Effective, FoundGone, GiveUp, GiveVote, HandedKeys, Join, LeaderGone, Nothing, PassedPart, ProposalDone,
    Propose, Published, ReadIndex, Renew, Renewed, SnapshotPiece, SnapshotTaken, Status, SteppedDown,
    Transfer, Transferred, Welcome,
};

/// Bytes of one message: an append carries at most 64 entries of at most 1 MiB sealed, but is cut by
/// bytes long before; the longest message is the answer to the last part of a KMIP message that was held back to
/// its end: 8 MiB of what was held, 1 MiB of that part, and the frame. Room for that, and for nobody's bomb.
pub(crate) const MESSAGE_BYTES_MAX: usize = (9 << 20) + (64 << 10);
/// Bytes of snapshot data in one piece: large enough to stream, small enough to interleave.
pub(crate) const PIECE_BYTES_MAX: usize = 256 << 10;
/// The metadata key of [`super::Header`].
pub(crate) const HEADER_KEY: &str = "keyraft-peer-bin";

/// A call with one request and one reply.
pub(crate) trait Method: Send + Sync + 'static {
    type Request: prost::Message + Default + 'static;
    type Reply: prost::Message + Default + 'static;
    const PATH: &'static str;
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident: $request:ident => $reply:ident;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;
            impl Method for $name {
                type Request = $request;
                type Reply = $reply;
                const PATH: &'static str = concat!("/keyraft.peer.v1.Peer/", stringify!($name));
            }
        )*
    };
}

methods! {
    /// Replication and heartbeats.
    AppendEntries: Append => Appended;
    /// A real election.
    RequestVote: AskVote => GiveVote;
    /// A question that changes nothing.
    PreVote: AskVote => GiveVote;
    /// A snapshot; the request is a stream of pieces.
    InstallSnapshot: SnapshotPiece => SnapshotTaken;
    /// The leader hands over.
    TransferLeader: Transfer => Transferred;
    /// A proposal from a node that does not lead.
    ProposeCommand: Propose => ProposalDone;
    /// A linearizable read.
    GetReadIndex: AskIndex => ReadIndex;
    /// A lease.
    RenewLease: Renew => Renewed;
    /// A process ends and gives its leases up.
    Surrender: GiveUp => Nothing;
    /// A leader's barrier asks what is published.
    AwaitPublished: AskPublished => Published;
    /// Whether a withdrawal holds everywhere.
    AwaitEffective: AskEffective => Effective;
    /// What a node says of itself.
    GetStatus: AskStatus => Status;
    /// A new node.
    JoinCluster: Join => Welcome;
    /// A voter waits for the end of the leader.
    WatchLeader: Nothing => Nothing;
    /// A voter found the leader's process ended; an error is a no.
    FindGone: LeaderGone => FoundGone;
    /// An operator wants another leader.
    StepDown: Nothing => SteppedDown;
    /// A node that cannot unwrap a tenant's keys asks for them.
    HandOver: AskKeys => HandedKeys;
    /// A part of a message goes to the node that began it.
    PassPart: PassedPart => AnsweredPart;
    /// A restarted node shows its header, to learn whether its disk is accepted.
    Hello: Nothing => Nothing;
}
