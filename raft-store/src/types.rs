//! The types Raft carries: what a log entry holds, what applying it answers, how a member is described.
//!
//! A log entry is ciphertext. The leader stamps a command with cluster time, seals it whole, and proposes
//! the result: identity, time and action lie inside the seal, and the seal is bound to the command's id, so
//! a payload moved under another id does not open. Nothing of openraft is ever stored as openraft lays it
//! out; see `codec`.

use std::collections::BTreeMap;
use std::fmt;

use model::command::{Answer, Command};
use model::id::{CommandId, LogIndex};
use model::sealer::{Sealer, Unopenable, lp};
use openraft::{LogId, StoredMembership};
use openraft_rt::deterministic_rng::DeterministicRng;
use serde::{Deserialize, Serialize};

use crate::codec::{self, BadBytes};

openraft::declare_raft_types!(
    /// Everything generic in openraft, decided once.
    pub TypeConfig:
        D = SealedCommand,
        R = Outcome,
        NodeId = u64,
        Node = Member,
        AsyncRuntime = DeterministicRng<openraft::TokioRuntime>,
);

/// Which leader proposed an entry: term and node.
pub type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;
/// Place of an entry in the log.
pub type EntryId = LogId<LeaderId>;
/// A vote as Raft keeps it.
pub type Vote = openraft::impls::Vote<LeaderId>;
/// A log entry.
pub type Entry = openraft::alias::EntryOf<TypeConfig>;
/// What a log entry holds.
pub type EntryPayload = openraft::EntryPayload<SealedCommand, u64, Member>;
/// Voters and learners with their addresses.
pub type Membership = openraft::Membership<u64, Member>;
/// A membership and the entry that brought it.
pub type Members = StoredMembership<LeaderId, u64, Member>;
/// What a snapshot covers.
pub type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;

/// First part of the associated data of log payloads (CONSISTENCY 8).
const LOG_AAD: &[u8] = b"keyraft/v1/aad/log";

/// Largest sealed command in bytes: registered material (256 KiB) and attributes (64 KiB) with room to
/// spare, and small enough that a few fit one message between peers.
pub const SEALED_BYTES_MAX: usize = 1024 * 1024;

/// A command as it lies in the log: sealed under the barrier keyring.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCommand {
    /// Random, made by the proposer; part of the associated data.
    pub id: CommandId,
    /// The sealed, framed [`Command`]; at most [`SEALED_BYTES_MAX`].
    pub sealed: Vec<u8>,
}

impl SealedCommand {
    /// Seals a command the leader has stamped.
    ///
    /// # Errors
    /// [`BadCommand::TooLong`] if it exceeds [`SEALED_BYTES_MAX`]: refuse it before proposing.
    pub fn seal(sealer: &dyn Sealer, command: &Command) -> Result<Self, BadCommand> {
        let id = command.stamp.id;
        let plaintext = codec::encode_command(command)?;
        let sealed = sealer.seal(&Self::aad(sealer, id), &plaintext);
        if sealed.len() > SEALED_BYTES_MAX {
            return Err(BadCommand::TooLong { id, bytes: sealed.len() });
        }
        Ok(Self { id, sealed })
    }

    /// Opens the command again.
    ///
    /// # Errors
    /// [`BadCommand`] names the command and why it cannot be understood here. A node that meets one at
    /// its turn in the log must stop: guessing would diverge.
    pub fn open(&self, sealer: &dyn Sealer) -> Result<Command, BadCommand> {
        let plaintext = sealer
            .open(&Self::aad(sealer, self.id), &self.sealed)
            .map_err(|source| BadCommand::Sealed { id: self.id, source })?;
        let command = codec::decode_command(&plaintext)
            .map_err(|source| BadCommand::Unknown { id: self.id, source })?;
        if command.stamp.id != self.id {
            return Err(BadCommand::OtherId { id: self.id, inside: command.stamp.id });
        }
        Ok(command)
    }

    fn aad(sealer: &dyn Sealer, id: CommandId) -> Vec<u8> {
        lp(&[LOG_AAD, sealer.realm().as_bytes(), id.as_bytes()])
    }
}

impl fmt::Debug for SealedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCommand({}, {} bytes)", self.id, self.sealed.len())
    }
}

impl fmt::Display for SealedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A command this node cannot propose or understand.
#[derive(Debug, thiserror::Error)]
pub enum BadCommand {
    /// Too large to propose.
    #[error("command {id} has {bytes} bytes sealed, more than a log entry may hold")]
    TooLong {
        /// Which command.
        id: CommandId,
        /// Its sealed length.
        bytes: usize,
    },
    /// It could not be framed.
    #[error("the command cannot be encoded")]
    Unencodable(#[from] BadBytes),
    /// It does not open.
    #[error("command {id} does not open")]
    Sealed {
        /// Which command.
        id: CommandId,
        /// Why.
        source: Unopenable,
    },
    /// It opens and is not understood: made by a newer version.
    #[error("command {id} is unknown to this version: upgrade this node")]
    Unknown {
        /// Which command.
        id: CommandId,
        /// Why.
        source: BadBytes,
    },
    /// The id inside is not the id it is sealed under: a defect of the proposer.
    #[error("command {id} says inside that it is {inside}")]
    OtherId {
        /// The id outside.
        id: CommandId,
        /// The id inside.
        inside: CommandId,
    },
}

/// What applying a log entry led to, as the proposer is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Where in the log.
    pub index: LogIndex,
    /// The command's answer; `None` for entries that carry no command.
    pub answer: Option<Answer>,
    /// The withdrawal whose barrier the answer must pass (CONSISTENCY 3).
    pub withdrawal: Option<LogIndex>,
}

/// A member of the cluster as the others find it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// For people: the host or pod name.
    pub name: String,
    /// Host and port of the peer listener.
    pub raft: String,
    /// Host and port of the KMIP listener.
    pub kmip: String,
    /// Host and port of the administration listener.
    pub admin: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.raft)
    }
}

/// Makes the id of an entry from its parts.
#[must_use]
pub fn entry_id(term: u64, node: u64, index: u64) -> EntryId {
    LogId::new(LeaderId { term, node_id: node }, index)
}

/// The members of a membership by node id.
#[must_use]
pub fn members_by_id(members: &Members) -> BTreeMap<u64, Member> {
    members.nodes().map(|(id, member)| (*id, member.clone())).collect()
}
