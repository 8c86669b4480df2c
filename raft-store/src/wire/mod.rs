//! What peers say to each other, as protobuf messages: the vocabulary of the peer port.
//!
//! Written by hand with `prost`, one struct per message; field numbers are never re-used. `method` lists
//! the calls, `raft` translates openraft's structs, whose own layouts never touch the wire. Log entries
//! travel in the form the codec stores: sealed by their leader, opaque to whoever carries them.

pub(crate) mod method;
pub(crate) mod raft;

use std::fmt;

use prost::Message;

/// Travels with every call, as one binary metadata value: who speaks, to whom, in which lineage.
/// A mismatch is refused before the message is even decoded (CONSISTENCY 10).
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    /// The lineage both belong to, 16 bytes; empty while joining.
    #[prost(bytes = "vec", tag = "1")]
    pub cluster: Vec<u8>,
    /// The caller's node id; 0 while joining.
    #[prost(uint64, tag = "2")]
    pub from: u64,
    /// The node the caller believes it talks to; 0 means whoever answers (joining, asking around).
    #[prost(uint64, tag = "3")]
    pub to: u64,
    /// The caller's boot id; 0 until Raft handed one out.
    #[prost(uint64, tag = "4")]
    pub boot: u64,
    /// Random, one per process start: tells two live processes of one node id apart before either has
    /// a boot id.
    #[prost(fixed64, tag = "5")]
    pub process: u64,
    /// What the caller had on its disk when this process spoke last.
    #[prost(message, optional, tag = "6")]
    pub mark: Option<Mark>,
    /// The realm of that lineage, 16 bytes: two lineages of one realm must not both live.
    #[prost(bytes = "vec", tag = "7")]
    pub realm: Vec<u8>,
    /// The most the caller remembers of the called node's disk: less than that is there no more if the disk
    /// was wiped.
    #[prost(message, optional, tag = "8")]
    pub known: Option<Mark>,
    /// Proof that the caller was let in under this id and its certificate's name, for nodes that have not heard of it
    /// yet: a keyed hash of 32 bytes. Empty while joining.
    #[prost(bytes = "vec", tag = "9")]
    pub let_in: Vec<u8>,
}

/// The durable mark: a disk that shows less than its node once showed is rewound or cloned.
/// Ordered as written: a vote never falls, and the highest entry that was ever last in a log stays on record when the
/// log is cut, so an honest disk never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct Mark {
    /// Term of the flushed vote.
    #[prost(uint64, tag = "1")]
    pub vote_term: u64,
    /// Whom it went to.
    #[prost(uint64, tag = "2")]
    pub vote_node: u64,
    /// Whether that leader is known to be elected.
    #[prost(bool, tag = "3")]
    pub vote_committed: bool,
    /// Term of the last flushed entry.
    #[prost(uint64, tag = "4")]
    pub log_term: u64,
    /// Leader of the last flushed entry.
    #[prost(uint64, tag = "5")]
    pub log_node: u64,
    /// Index of the last flushed entry.
    #[prost(uint64, tag = "6")]
    pub log_index: u64,
}

/// A vote.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Vote {
    /// Term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Candidate or leader.
    #[prost(uint64, tag = "2")]
    pub node: u64,
    /// Granted by a quorum.
    #[prost(bool, tag = "3")]
    pub committed: bool,
}

/// A log id.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct LogId {
    /// Term of the leader that proposed the entry.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// That leader.
    #[prost(uint64, tag = "2")]
    pub node: u64,
    /// Position.
    #[prost(uint64, tag = "3")]
    pub index: u64,
}

/// Entries from the leader; without entries, a heartbeat.
#[derive(Clone, PartialEq, Message)]
pub struct Append {
    /// The leader's vote.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    /// The entry right before the first.
    #[prost(message, optional, tag = "2")]
    pub previous: Option<LogId>,
    /// Entries as the codec stores them.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub entries: Vec<Vec<u8>>,
    /// What a quorum has.
    #[prost(message, optional, tag = "4")]
    pub committed: Option<LogId>,
}

/// Answer to [`Append`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Appended {
    /// What came of it.
    #[prost(enumeration = "AppendResult", tag = "1")]
    pub result: i32,
    /// For `Partial`: up to here.
    #[prost(message, optional, tag = "2")]
    pub matching: Option<LogId>,
    /// For `HigherVote`: that vote.
    #[prost(message, optional, tag = "3")]
    pub vote: Option<Vote>,
}

/// See [`Appended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum AppendResult {
    /// Never sent; what a missing field decodes to.
    Unspecified = 0,
    /// All entries are durable.
    Success = 1,
    /// Some are.
    Partial = 2,
    /// The entry before the first is not the follower's.
    Conflict = 3,
    /// The follower knows a higher vote.
    HigherVote = 4,
}

/// Asks for a vote, or whether one would be granted.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct AskVote {
    /// The vote asked for.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    /// The candidate's last entry.
    #[prost(message, optional, tag = "2")]
    pub last: Option<LogId>,
    /// Asked by the leader to take over: its lease is no reason to refuse.
    #[prost(bool, tag = "3")]
    pub transfer: bool,
}

/// Answer to [`AskVote`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct GiveVote {
    /// The voter's vote after the answer.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    /// Whether it is granted.
    #[prost(bool, tag = "2")]
    pub granted: bool,
    /// The voter's last entry.
    #[prost(message, optional, tag = "3")]
    pub last: Option<LogId>,
}

/// One piece of a snapshot. The first carries `begin` and no data, the last carries `end`.
#[derive(Clone, PartialEq, Message)]
pub struct SnapshotPiece {
    /// What this snapshot is.
    #[prost(message, optional, tag = "1")]
    pub begin: Option<SnapshotBegin>,
    /// Bytes, at most [`method::PIECE_BYTES_MAX`].
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    /// Length and checksum of everything.
    #[prost(message, optional, tag = "3")]
    pub end: Option<SnapshotEnd>,
}

/// See [`SnapshotPiece`].
#[derive(Clone, PartialEq, Message)]
pub struct SnapshotBegin {
    /// The leader's vote.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    /// The last entry in the snapshot and the membership in force there, as the codec stores them.
    #[prost(bytes = "vec", tag = "2")]
    pub meta: Vec<u8>,
}

/// See [`SnapshotPiece`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct SnapshotEnd {
    /// Bytes of data.
    #[prost(uint64, tag = "1")]
    pub bytes: u64,
    /// CRC-32C of the data; against a broken transfer, not against an attacker (that is TLS).
    #[prost(fixed32, tag = "2")]
    pub crc: u32,
}

/// Answer to a snapshot: installed, or refused for a higher vote.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct SnapshotTaken {
    /// The receiver's vote.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
}

/// The leader asks a voter to take over.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Transfer {
    /// The leader's vote.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<Vote>,
    /// Who shall lead.
    #[prost(uint64, tag = "2")]
    pub to: u64,
    /// What the successor must have.
    #[prost(message, optional, tag = "3")]
    pub last: Option<LogId>,
}

/// Answer to [`Transfer`]: accepted, or why not.
#[derive(Clone, PartialEq, Message)]
pub struct Transferred {
    /// Set when the vote had changed: expected, then actual.
    #[prost(message, repeated, tag = "1")]
    pub votes: Vec<Vote>,
    /// The log was not flushed that far.
    #[prost(bool, tag = "2")]
    pub not_flushed: bool,
    /// How far it was.
    #[prost(message, optional, tag = "3")]
    pub flushed: Option<LogId>,
}

/// A proposal for the leader.
#[derive(Clone, PartialEq, Message)]
pub struct Propose {
    /// Made by the proposing node, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// The command, not yet stamped, as the codec frames it. In the clear, inside mutual TLS: the leader
    /// checks, stamps and seals it.
    #[prost(bytes = "vec", tag = "2")]
    pub command: Vec<u8>,
    /// How long the commit may take, in milliseconds; the barrier has its own bound.
    #[prost(uint64, tag = "3")]
    pub commit_ms: u64,
}

/// Answer to [`Propose`].
#[derive(Clone, PartialEq, Message)]
pub struct ProposalDone {
    /// What came of it.
    #[prost(enumeration = "ProposalResult", tag = "1")]
    pub result: i32,
    /// Index of the entry.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// The answer, as JSON: it names its variants, so a neighbour of another version never misreads it.
    #[prost(bytes = "vec", tag = "3")]
    pub answer: Vec<u8>,
    /// The withdrawal whose barrier passed, or did not yet.
    #[prost(uint64, optional, tag = "4")]
    pub withdrawal: Option<u64>,
    /// Cluster time in milliseconds: since when it holds everywhere or, for `BarrierPending`, from when.
    #[prost(uint64, tag = "5")]
    pub effective_ms: u64,
}

/// See [`ProposalDone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ProposalResult {
    /// Never sent.
    Unspecified = 0,
    /// Applied; a withdrawal passed its barrier.
    Done = 1,
    /// Nothing was proposed: not the leader, or not now.
    NotProposed = 2,
    /// It may or may not take effect.
    Unknown = 3,
    /// Applied; the barrier has not passed.
    BarrierPending = 4,
}

/// Asks the leader for a quorum-confirmed index.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct AskIndex {}

/// Answer to [`AskIndex`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ReadIndex {
    /// Everything committed before the question has at most this index.
    #[prost(uint64, tag = "1")]
    pub index: u64,
}

/// Asks the leader to renew a lease (node and boot stand in the header).
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Renew {
    /// Echoed in the reply.
    #[prost(uint64, tag = "1")]
    pub nonce: u64,
    /// What the node has published.
    #[prost(uint64, tag = "2")]
    pub published: u64,
    /// Its wall clock, milliseconds.
    #[prost(uint64, tag = "3")]
    pub wall_ms: u64,
}

/// Answer to [`Renew`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Renewed {
    /// From the request.
    #[prost(uint64, tag = "1")]
    pub nonce: u64,
    /// The ReadIndex begun after the request arrived.
    #[prost(uint64, tag = "2")]
    pub read_index: u64,
    /// The leader's term.
    #[prost(uint64, tag = "3")]
    pub term: u64,
    /// Cluster time at the leader, milliseconds; 0 when the two clocks disagree.
    #[prost(uint64, tag = "4")]
    pub time_ms: u64,
}

/// The boot in the header ends: it never asks for a lease again.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct GiveUp {}

/// The leader waits until the node has published a withdrawal.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct AskPublished {
    /// Answer once this index is published, or when patience ends.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// Patience in milliseconds.
    #[prost(uint64, tag = "2")]
    pub patience_ms: u64,
}

/// Answer to [`AskPublished`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Published {
    /// The boot that published.
    #[prost(uint64, tag = "1")]
    pub boot: u64,
    /// What it has published; may be less than asked.
    #[prost(uint64, tag = "2")]
    pub index: u64,
}

/// Asks the leader whether a withdrawal is effective on every node.
#[derive(Clone, PartialEq, Message)]
pub struct AskEffective {
    /// The withdrawal's index.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// The tenant it concerns, 4 bytes; empty across tenants.
    #[prost(bytes = "vec", tag = "2")]
    pub tenant: Vec<u8>,
    /// How long to wait for it, in milliseconds.
    #[prost(uint64, tag = "3")]
    pub patience_ms: u64,
}

/// Answer to [`AskEffective`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Effective {
    /// Whether it is.
    #[prost(bool, tag = "1")]
    pub everywhere: bool,
    /// Cluster time in milliseconds: since when it is, or from when it will be.
    #[prost(uint64, tag = "2")]
    pub effective_ms: u64,
    /// The lease length that was waited for, in milliseconds.
    #[prost(uint32, tag = "3")]
    pub length_ms: u32,
    /// Every withdrawal of tenants with that length up to here is effective everywhere.
    #[prost(uint64, tag = "4")]
    pub up_to: u64,
}

/// Nothing to say.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Nothing {}

/// A voter found that the leader's process has ended.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct LeaderGone {
    /// The term it led.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Which node it is.
    #[prost(uint64, tag = "2")]
    pub leader: u64,
}

/// Answer to [`LeaderGone`]: this voter finds the same.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct FoundGone {
    /// Index of its last log entry.
    #[prost(uint64, tag = "1")]
    pub last_log: u64,
}

/// Answer to a request to step down.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct SteppedDown {
    /// Who leads now.
    #[prost(uint64, tag = "1")]
    pub leader: u64,
}

/// Asks for [`Status`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct AskStatus {}

/// What a node says of itself.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// Node id.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// Node name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// `Role` as a number.
    #[prost(uint32, tag = "3")]
    pub role: u32,
    /// Current term.
    #[prost(uint64, tag = "4")]
    pub term: u64,
    /// Leader, 0 if unknown.
    #[prost(uint64, tag = "5")]
    pub leader: u64,
    /// Published index.
    #[prost(uint64, tag = "6")]
    pub applied: u64,
    /// Entries known to be committed and not yet published.
    #[prost(uint64, tag = "7")]
    pub lag: u64,
    /// What is left of the lease, milliseconds.
    #[prost(uint64, tag = "8")]
    pub lease_remaining_ms: u64,
    /// Whether it answers requests.
    #[prost(bool, tag = "9")]
    pub ready: bool,
    /// Where peers reach it.
    #[prost(string, tag = "10")]
    pub peer_address: String,
    /// Where KMIP clients reach it.
    #[prost(string, tag = "11")]
    pub kmip_address: String,
    /// Where administrators reach it.
    #[prost(string, tag = "12")]
    pub admin_address: String,
    /// Version of its binary.
    #[prost(string, tag = "13")]
    pub version: String,
    /// Whether it notices that a hypervisor stopped it.
    #[prost(bool, tag = "14")]
    pub notices_pauses: bool,
    /// The highest replicated format version its binary knows.
    #[prost(uint32, tag = "15")]
    pub format: u32,
    /// When the first of its certificates expires, seconds since the Unix epoch; 0 if unknown.
    #[prost(uint64, tag = "16")]
    pub certificates_expire_s: u64,
    /// Keys it handed to other nodes since it started.
    #[prost(uint64, tag = "17")]
    pub keys_given: u64,
    /// Keys it took over from other nodes since it started.
    #[prost(uint64, tag = "18")]
    pub keys_taken: u64,
}

/// A new node asks to be let in.
#[derive(Clone, PartialEq, Message)]
pub struct Join {
    /// The join token's text; the cluster keeps its keyed hash.
    #[prost(bytes = "vec", tag = "1")]
    pub token: Vec<u8>,
    /// Made once per empty data directory, 16 bytes: the same attempt gets the same node id.
    #[prost(bytes = "vec", tag = "2")]
    pub attempt: Vec<u8>,
    /// Where peers will reach it.
    #[prost(string, tag = "3")]
    pub peer_address: String,
    /// Where KMIP clients will reach it.
    #[prost(string, tag = "4")]
    pub kmip_address: String,
    /// Where administrators will reach it.
    #[prost(string, tag = "5")]
    pub admin_address: String,
    /// Whether it may become a voter.
    #[prost(bool, tag = "6")]
    pub voter: bool,
}

/// Answer to [`Join`].
#[derive(Clone, PartialEq, Message)]
pub struct Welcome {
    /// Set when the asked node does not lead: where the leader is reached. Nothing else is set then.
    #[prost(string, tag = "1")]
    pub ask_instead: String,
    /// The realm, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub realm: Vec<u8>,
    /// The lineage, 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub cluster: Vec<u8>,
    /// The new node's id: the log index of its join entry.
    #[prost(uint64, tag = "4")]
    pub node: u64,
    /// The sealed barrier keyring, opaque here.
    #[prost(bytes = "vec", tag = "5")]
    pub keyring: Vec<u8>,
    /// The region of the cluster.
    #[prost(string, tag = "6")]
    pub region: String,
}

/// Which key of a tenant.
#[derive(Clone, PartialEq, Message)]
pub struct KeyPlace {
    /// The service, 4 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub service: Vec<u8>,
    /// The version of its tenant's L2.
    #[prost(uint32, tag = "2")]
    pub l2_version: u32,
    /// The number of the derivation function.
    #[prost(uint32, tag = "3")]
    pub kdf: u32,
}

/// A node that cannot unwrap a tenant's keys asks another for them.
#[derive(Clone, PartialEq, Message)]
pub struct AskKeys {
    /// The tenant, 4 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub tenant: Vec<u8>,
    /// This key alone.
    #[prost(message, optional, tag = "2")]
    pub only: Option<KeyPlace>,
    /// Otherwise as many as fit, in order, beginning after this one.
    #[prost(message, optional, tag = "3")]
    pub after: Option<KeyPlace>,
}

/// A part of a message, passed on to the node that holds what its earlier parts left behind.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct PassedPart {
    /// The caller's tenant, by name.
    #[prost(string, tag = "1")]
    pub tenant: String,
    /// The calling service, by name.
    #[prost(string, tag = "2")]
    pub service: String,
    /// What its certificate says it is.
    #[prost(string, tag = "3")]
    pub service_type: String,
    /// SHA-256 of the certificate, 32 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub certificate: Vec<u8>,
    /// The names by which the certificate may be denied, as people write them.
    #[prost(string, repeated, tag = "5")]
    pub names: Vec<String>,
    /// Address and port of the client.
    #[prost(string, tag = "6")]
    pub address: String,
    /// A KMIP request message of one item.
    #[prost(bytes = "vec", tag = "7")]
    pub request: Vec<u8>,
}

/// Answer to [`PassedPart`].
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct AnsweredPart {
    /// The KMIP response message.
    #[prost(bytes = "vec", tag = "1")]
    pub response: Vec<u8>,
}

/// Without the request, which may hold plaintext.
impl fmt::Debug for PassedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, service, names, address, request, .. } = self;
        write!(f, "a part of {} bytes of {tenant}/{service} ({names:?}) at {address}", request.len())
    }
}

/// Without the response, which may hold plaintext.
impl fmt::Debug for AnsweredPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an answer of {} bytes to a part", self.response.len())
    }
}

/// A key, sealed to the process that asked.
#[derive(Clone, PartialEq, Message)]
pub struct HandedKey {
    /// Which.
    #[prost(message, optional, tag = "1")]
    pub place: Option<KeyPlace>,
    /// The encapsulated key, 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub enc: Vec<u8>,
    /// The key, sealed.
    #[prost(bytes = "vec", tag = "3")]
    pub sealed: Vec<u8>,
}

/// Answer to [`AskKeys`].
#[derive(Clone, PartialEq, Message)]
pub struct HandedKeys {
    /// When the tenant's root was last heard to allow its keys: cluster time, milliseconds.
    #[prost(uint64, tag = "1")]
    pub heard_ms: u64,
    /// Nothing, if nothing of it is held.
    #[prost(message, repeated, tag = "2")]
    pub keys: Vec<HandedKey>,
    /// Whether there are more after these.
    #[prost(bool, tag = "3")]
    pub more: bool,
}
