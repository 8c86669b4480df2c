//! Our own flat shapes of what openraft keeps: its structs change their layout between releases.

use std::collections::{BTreeMap, BTreeSet};

use model::id::CommandId;
use model::time::ClusterTime;
use openraft::StoredMembership;
use serde::{Deserialize, Serialize};

use super::frame::{self, BadBytes, Kind};
use crate::journal::{Content, Record};
use crate::types::{
    Entry, EntryId, EntryPayload, LeaderId, Member, Members, Membership, SealedCommand, SnapshotMeta, Vote,
    entry_id,
};

/// Place of an entry: term, node of the leader, index.
#[derive(Serialize, Deserialize)]
struct IdV1 {
    term: u64,
    node: u64,
    index: u64,
}

impl From<EntryId> for IdV1 {
    fn from(id: EntryId) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<IdV1> for EntryId {
    fn from(id: IdV1) -> Self {
        entry_id(id.term, id.node, id.index)
    }
}

#[derive(Serialize, Deserialize)]
struct VoteV1 {
    term: u64,
    node: u64,
    committed: bool,
}

#[derive(Serialize, Deserialize)]
struct MemberV1 {
    id: u64,
    name: String,
    raft: String,
    kmip: String,
    admin: String,
}

#[derive(Serialize, Deserialize)]
struct MembershipV1 {
    configs: Vec<Vec<u64>>,
    members: Vec<MemberV1>,
}

#[derive(Serialize, Deserialize)]
struct StoredMembershipV1 {
    id: Option<IdV1>,
    membership: MembershipV1,
}

#[derive(Serialize, Deserialize)]
enum PayloadV1 {
    Blank,
    Command { id: CommandId, sealed: Vec<u8> },
    Membership(MembershipV1),
}

#[derive(Serialize, Deserialize)]
struct EntryV1 {
    id: IdV1,
    payload: PayloadV1,
}

#[derive(Serialize, Deserialize)]
struct AppliedV1 {
    generation: u64,
    last: Option<IdV1>,
    members: StoredMembershipV1,
}

#[derive(Serialize, Deserialize)]
struct SnapshotV1 {
    last: Option<IdV1>,
    members: StoredMembershipV1,
}

#[derive(Serialize, Deserialize)]
struct JournalV1 {
    id: IdV1,
    time: u64,
    payload: PayloadV1,
    answer: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct TableV1 {
    rows: u64,
    sum: [u8; 32],
}

/// How far the state on this disk has come.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Applied {
    /// Which of the row generations is the living one: an installed snapshot begins a new one.
    pub generation: u64,
    /// The last entry in it.
    pub last: Option<EntryId>,
    /// The last membership in it.
    pub members: Members,
}

/// Count and additive keyed hash of the rows of one (tenant, table): absence has integrity
/// (CONSISTENCY 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Table {
    /// Number of rows.
    pub rows: u64,
    /// Σ `set_hash(key, value)` modulo 2²⁵⁶, big-endian.
    pub sum: [u8; 32],
}

fn flatten(membership: &Membership) -> MembershipV1 {
    let configs = membership.get_joint_config().iter().map(|ids| ids.iter().copied().collect()).collect();
    let member = |(id, member): (&u64, &Member)| MemberV1 {
        id: *id,
        name: member.name.clone(),
        raft: member.raft.clone(),
        kmip: member.kmip.clone(),
        admin: member.admin.clone(),
    };
    MembershipV1 { configs, members: membership.nodes().map(member).collect() }
}

fn unflatten(flat: MembershipV1) -> Result<Membership, BadBytes> {
    if flat.configs.is_empty() && flat.members.is_empty() {
        return Ok(Membership::default());
    }
    let configs: Vec<BTreeSet<u64>> = flat.configs.into_iter().map(|ids| ids.into_iter().collect()).collect();
    let members: BTreeMap<u64, Member> = flat
        .members
        .into_iter()
        .map(|m| (m.id, Member { name: m.name, raft: m.raft, kmip: m.kmip, admin: m.admin }))
        .collect();
    Membership::new(configs, members).map_err(|error| BadBytes::Body { detail: error.to_string() })
}

fn flatten_members(members: &Members) -> StoredMembershipV1 {
    StoredMembershipV1 { id: members.log_id().map(Into::into), membership: flatten(members.membership()) }
}

fn unflatten_members(flat: StoredMembershipV1) -> Result<Members, BadBytes> {
    Ok(StoredMembership::new(flat.id.map(Into::into), unflatten(flat.membership)?))
}

/// Frames a log entry.
///
/// # Errors
/// [`BadBytes::TooLong`] beyond the size of any frame.
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, BadBytes> {
    let payload = match &entry.payload {
        EntryPayload::Blank => PayloadV1::Blank,
        EntryPayload::Normal(command) => {
            PayloadV1::Command { id: command.id, sealed: command.sealed.clone() }
        }
        EntryPayload::Membership(membership) => PayloadV1::Membership(flatten(membership)),
    };
    frame::encode(Kind::Entry, &EntryV1 { id: entry.log_id.into(), payload })
}

/// Reads a framed log entry.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, BadBytes> {
    let flat: EntryV1 = frame::decode(Kind::Entry, bytes)?;
    let payload = match flat.payload {
        PayloadV1::Blank => EntryPayload::Blank,
        PayloadV1::Command { id, sealed } => EntryPayload::Normal(SealedCommand { id, sealed }),
        PayloadV1::Membership(membership) => EntryPayload::Membership(unflatten(membership)?),
    };
    Ok(Entry { log_id: flat.id.into(), payload })
}

/// Frames a vote.
///
/// # Errors
/// None in practice: a vote has a fixed size.
pub fn encode_vote(vote: &Vote) -> Result<Vec<u8>, BadBytes> {
    let flat = VoteV1 { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed };
    frame::encode(Kind::Vote, &flat)
}

/// Reads a framed vote.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_vote(bytes: &[u8]) -> Result<Vote, BadBytes> {
    let flat: VoteV1 = frame::decode(Kind::Vote, bytes)?;
    Ok(Vote { leader_id: LeaderId { term: flat.term, node_id: flat.node }, committed: flat.committed })
}

/// Frames the id of an entry.
///
/// # Errors
/// None in practice: an id has a fixed size.
pub fn encode_id(id: EntryId) -> Result<Vec<u8>, BadBytes> {
    frame::encode(Kind::EntryId, &IdV1::from(id))
}

/// Reads the framed id of an entry.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_id(bytes: &[u8]) -> Result<EntryId, BadBytes> {
    frame::decode::<IdV1>(Kind::EntryId, bytes).map(Into::into)
}

/// Frames how far the state has come.
///
/// # Errors
/// [`BadBytes::TooLong`] beyond the size of any frame.
pub fn encode_applied(applied: &Applied) -> Result<Vec<u8>, BadBytes> {
    let flat = AppliedV1 {
        generation: applied.generation,
        last: applied.last.map(Into::into),
        members: flatten_members(&applied.members),
    };
    frame::encode(Kind::Applied, &flat)
}

/// Reads how far the state has come.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_applied(bytes: &[u8]) -> Result<Applied, BadBytes> {
    let flat: AppliedV1 = frame::decode(Kind::Applied, bytes)?;
    Ok(Applied {
        generation: flat.generation,
        last: flat.last.map(Into::into),
        members: unflatten_members(flat.members)?,
    })
}

/// Frames what a snapshot covers.
///
/// # Errors
/// [`BadBytes::TooLong`] beyond the size of any frame.
pub fn encode_snapshot_meta(meta: &SnapshotMeta) -> Result<Vec<u8>, BadBytes> {
    let flat = SnapshotV1 {
        last: meta.last_log_id.map(Into::into),
        members: flatten_members(&meta.last_membership),
    };
    frame::encode(Kind::Snapshot, &flat)
}

/// Reads what a snapshot covers.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_snapshot_meta(bytes: &[u8]) -> Result<SnapshotMeta, BadBytes> {
    let flat: SnapshotV1 = frame::decode(Kind::Snapshot, bytes)?;
    Ok(SnapshotMeta {
        last_log_id: flat.last.map(Into::into),
        last_membership: unflatten_members(flat.members)?,
    })
}

/// Frames the integrity record of a table.
///
/// # Errors
/// None in practice: it has a fixed size.
pub fn encode_table(table: &Table) -> Result<Vec<u8>, BadBytes> {
    frame::encode(Kind::Table, &TableV1 { rows: table.rows, sum: table.sum })
}

/// Reads the integrity record of a table.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_table(bytes: &[u8]) -> Result<Table, BadBytes> {
    let flat: TableV1 = frame::decode(Kind::Table, bytes)?;
    Ok(Table { rows: flat.rows, sum: flat.sum })
}

/// Frames a record of the journal.
///
/// # Errors
/// [`BadBytes::TooLong`] beyond the size of any frame.
pub fn encode_journal(record: &Record) -> Result<Vec<u8>, BadBytes> {
    let payload = match &record.content {
        Content::Blank => PayloadV1::Blank,
        Content::Command(command) => PayloadV1::Command { id: command.id, sealed: command.sealed.clone() },
        Content::Members(membership) => PayloadV1::Membership(flatten(membership)),
    };
    let flat = JournalV1 { id: record.id.into(), time: record.time.0, payload, answer: record.answer };
    frame::encode(Kind::Journal, &flat)
}

/// Reads a framed record of the journal.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_journal(bytes: &[u8]) -> Result<Record, BadBytes> {
    let flat: JournalV1 = frame::decode(Kind::Journal, bytes)?;
    let content = match flat.payload {
        PayloadV1::Blank => Content::Blank,
        PayloadV1::Command { id, sealed } => Content::Command(SealedCommand { id, sealed }),
        PayloadV1::Membership(membership) => Content::Members(unflatten(membership)?),
    };
    Ok(Record { id: flat.id.into(), time: ClusterTime(flat.time), content, answer: flat.answer })
}
