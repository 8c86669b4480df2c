//! Managed objects that have a row: recorded, registered, or an override of an ephemeral key.
//!
//! Attributes that the state machine does not judge are opaque bytes here: their vocabulary is KMIP's
//! and lives in `kmip`.

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, ServiceHandle};
use crate::refusal::Refusal;
use crate::state::At;
use crate::time::ClusterTime;
use crate::uid::{Kind, Uid};

/// Most names of one object; one is usual, a handful happens.
pub const NAMES_MAX: usize = 32;
/// Longest name in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Longest identifier a client may choose at Import, in bytes: C clients allot 128.
pub const ALIAS_BYTES_MAX: usize = 128;
/// Most bytes of opaque attributes of one object.
pub const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
/// Largest wrapped material in bytes: certificates and opaque objects fit, files do not.
pub const MATERIAL_BYTES_MAX: usize = 256 * 1024;

/// A key's state, after NIST SP 800-57 part 1 and KMIP (numbers of the KMIP State enumeration).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u32)]
pub enum KeyState {
    /// Made, not yet to be used.
    PreActive = 1,
    /// In use.
    Active = 2,
    /// No longer to be used to protect.
    Deactivated = 3,
    /// Known or suspected to be known by others.
    Compromised = 4,
    /// Key, salt and digest are gone; metadata stays for its owner.
    Destroyed = 5,
    /// Destroyed after a compromise.
    DestroyedCompromised = 6,
}

impl KeyState {
    /// Whether the key is gone.
    #[must_use]
    pub const fn is_destroyed(self) -> bool {
        matches!(self, Self::Destroyed | Self::DestroyedCompromised)
    }

    /// The name in the KMIP specification.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreActive => "Pre-Active",
            Self::Active => "Active",
            Self::Deactivated => "Deactivated",
            Self::Compromised => "Compromised",
            Self::Destroyed => "Destroyed",
            Self::DestroyedCompromised => "Destroyed Compromised",
        }
    }
}

/// How much cryptographic protection a key may still give (KMIP Usage Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// KMIP Usage Limits Unit: 1 bytes, 2 objects, 3 blocks, 4 operations.
    pub unit: u32,
    /// What was granted in all.
    pub total: u64,
    /// What is left of it.
    pub left: u64,
}

/// Why a key was revoked (KMIP Revocation Reason).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// KMIP Revocation Reason Code.
    pub code: u32,
    /// The caller's words, if any.
    pub message: Option<String>,
}

/// State and dates of a key; all dates in seconds since the epoch, judged on cluster time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// The state as last changed by a request; [`Lifecycle::state_at`] adds what dates bring.
    pub state: KeyState,
    /// When the object was made.
    pub initial_date: u64,
    /// When it becomes, or became, Active.
    pub activation_date: Option<u64>,
    /// When it becomes, or became, Deactivated.
    pub deactivation_date: Option<u64>,
    /// When it was destroyed.
    pub destroy_date: Option<u64>,
    /// When a compromise was reported.
    pub compromise_date: Option<u64>,
    /// When a compromise is believed to have happened.
    pub compromise_occurrence_date: Option<u64>,
    /// From when on it may process (decrypt).
    pub process_start_date: Option<u64>,
    /// From when on it may not protect (encrypt).
    pub protect_stop_date: Option<u64>,
    /// When it was archived; `None` while it is on-line.
    pub archive_date: Option<u64>,
    /// When anything about the object last changed.
    pub last_change_date: u64,
    /// Why it was revoked.
    pub revocation: Option<Revocation>,
}

impl Lifecycle {
    /// A fresh object's lifecycle: Pre-Active until its activation date has come, see
    /// [`Lifecycle::state_at`].
    #[must_use]
    pub fn new(initial_date: u64, activation_date: Option<u64>) -> Self {
        Self {
            state: KeyState::PreActive,
            initial_date,
            activation_date,
            deactivation_date: None,
            destroy_date: None,
            compromise_date: None,
            compromise_occurrence_date: None,
            process_start_date: None,
            protect_stop_date: None,
            archive_date: None,
            last_change_date: initial_date,
            revocation: None,
        }
    }

    /// The state at a moment of cluster time: dates that have come take effect by themselves.
    #[must_use]
    pub fn state_at(&self, now: ClusterTime) -> KeyState {
        let come = |date: Option<u64>| date.is_some_and(|date| date <= now.as_secs());
        match self.state {
            KeyState::PreActive if come(self.activation_date) && come(self.deactivation_date) => {
                KeyState::Deactivated
            }
            KeyState::PreActive if come(self.activation_date) => KeyState::Active,
            KeyState::Active if come(self.deactivation_date) => KeyState::Deactivated,
            state => state,
        }
    }
}

/// What PyKMIP's classes call an object that its user gave no name: it names nothing, so any number of
/// objects may bear it.
const PLACEHOLDER_NAMES: [&str; 7] = [
    "Symmetric Key",
    "Public Key",
    "Private Key",
    "Split Key",
    "Secret Data",
    "Opaque Object",
    "X.509 Certificate",
];

/// A name of an object, unique in its tenant among objects that are not destroyed, unless it is a
/// placeholder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The text.
    pub value: String,
    /// KMIP Name Type: 1 uninterpreted text, 2 URI.
    pub name_type: u32,
}

impl Name {
    /// Whether it is what a client's library puts where its user gave no name.
    #[must_use]
    pub fn is_placeholder(value: &str) -> bool {
        PLACEHOLDER_NAMES.contains(&value)
    }
}

/// An attribute the state machine keeps and does not judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAttribute {
    /// KMIP attribute name, such as `Contact Information` or `x-Product`.
    pub name: String,
    /// Attribute Index among the attributes of this name.
    pub index: u32,
    /// The value in the version-independent TTLV form that `kmip` writes.
    pub value: Vec<u8>,
}

/// What stands behind the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// An ephemeral key (kinds 1, 4, 5) about which something was decided.
    Override,
    /// A recorded derived key (kind 2).
    Derived {
        /// Enters the derivation; erasing it shreds this one key.
        salt: [u8; 32],
    },
    /// Exact material (kind 3), wrapped.
    Material {
        /// Counts replacements of the material.
        revision: u32,
        /// Enters the derivation of the root that wraps it; erasing it shreds the material.
        salt: [u8; 32],
        /// The `KRW1` record.
        record: Vec<u8>,
    },
    /// Destroyed: nothing is left to derive or unwrap.
    Erased,
}

/// Where an object first appeared: Locate lists newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Log index of the entry that made the row.
    pub index: LogIndex,
    /// Position within that entry.
    pub item: u16,
}

/// The row of a managed object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its identifier.
    pub uid: Uid,
    /// KMIP Object Type.
    pub object_type: u32,
    /// Where it first appeared.
    pub place: Place,
    /// What stands behind the row.
    pub body: Body,
    /// State and dates.
    pub lifecycle: Lifecycle,
    /// Whether no Get has served it yet (KMIP Fresh); ephemeral keys never say so.
    pub fresh: bool,
    /// What it may still protect; `None` means without limit.
    pub usage: Option<Usage>,
    /// Log index at which that limit was set: what nodes leased of an earlier one is void.
    pub usage_since: LogIndex,
    /// The identifier its owner chose at Import, unique in the service among objects that are not destroyed.
    pub alias: Option<String>,
    /// Names.
    pub names: Vec<Name>,
    /// Everything else, by name and index.
    pub attributes: Vec<StoredAttribute>,
    /// Log index of the last change.
    pub revision: LogIndex,
    /// Log index of the last withdrawal that concerns it; 0 if there was none.
    pub withdrawn_at: LogIndex,
}

/// KMIP Object Type of a Symmetric Key: every ephemeral key is one.
pub const SYMMETRIC_KEY: u32 = 2;

impl Object {
    /// The owning service.
    #[must_use]
    pub fn service(&self) -> ServiceHandle {
        self.uid.header.fields().service
    }

    /// Whether nothing changed since the proposer read the row, other than by an earlier action of the very
    /// same entry, which the proposer wrote itself.
    pub(crate) fn is_as_read(&self, if_revision: LogIndex, at: &At) -> Result<(), Refusal> {
        if self.revision == if_revision || self.revision == at.index {
            return Ok(());
        }
        Err(Refusal::RevisionConflict { now: self.revision })
    }

    /// An ephemeral key as its identifier says it is, before anything was decided about it.
    #[must_use]
    pub fn ephemeral(uid: Uid, place: Place) -> Self {
        Self {
            uid,
            object_type: SYMMETRIC_KEY,
            place,
            body: Body::Override,
            lifecycle: ephemeral_lifecycle(&uid),
            fresh: false,
            usage: None,
            usage_since: LogIndex(0),
            alias: None,
            names: Vec::new(),
            attributes: Vec::new(),
            revision: LogIndex(0),
            withdrawn_at: LogIndex(0),
        }
    }
}

/// The lifecycle an ephemeral identifier states: kinds 4 and 5 are Active from creation. Their creation
/// time is informational and never compared with a clock (CONSISTENCY 5), so the state is set outright.
#[must_use]
pub fn ephemeral_lifecycle(uid: &Uid) -> Lifecycle {
    let fields = uid.header.fields();
    let created = u64::from(fields.created_s);
    let active = matches!(fields.kind, Kind::EphemeralActive | Kind::Context);
    Lifecycle {
        state: if active { KeyState::Active } else { KeyState::PreActive },
        ..Lifecycle::new(created, active.then_some(created))
    }
}
