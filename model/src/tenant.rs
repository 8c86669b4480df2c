//! A tenant: one isolated key hierarchy, its L2 versions and how they are wrapped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{L2Version, LogIndex, RootHandle, TenantHandle, TenantName};
use crate::time::ClusterTime;

/// Default freshness lease in milliseconds (CONSISTENCY 2: strict 2 s, default 3 s, relaxed to 60 s).
pub const LEASE_MS_DEFAULT: u32 = 3_000;
/// Shortest lease a tenant may ask for: below it a fail-over would interrupt derivations.
pub const LEASE_MS_MIN: u32 = 2_000;
/// Longest lease a tenant may ask for.
pub const LEASE_MS_MAX: u32 = 60_000;

/// Most labels a tenant carries, and the longest key or value in bytes: labels are for people and
/// selectors, not for data.
pub const LABELS_MAX: usize = 32;
/// Longest label key or value in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// Most L2 versions kept: at one rotation a day for a decade there is still room.
pub const L2_VERSIONS_MAX: usize = 4_096;
/// Most wraps of one L2 version: several customer roots in several regions, no more.
pub const WRAPS_MAX: usize = 16;
/// Longest wrap in bytes: the largest a provider returns (RSA-4096, or a cloud envelope), with room.
pub const WRAP_BYTES_MAX: usize = 8 * 1024;

/// Where a tenant is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TenantState {
    /// Served.
    Active,
    /// Every answer is refused until it is resumed.
    Suspended,
    /// All wraps erased; the name and handle stay taken for ever.
    Terminated,
    /// Suspended by a restore that could not know whether the nodes before it still serve; resumed by an
    /// operator who knows.
    Quarantined,
}

impl TenantState {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Terminated => "terminated",
            Self::Quarantined => "quarantined",
        }
    }
}

/// A lease was lowered, and nobody has said yet that it took effect everywhere (CONSISTENCY 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lowering {
    /// The longest length that a node may still apply, in milliseconds.
    pub from_ms: u32,
    /// The command that lowered it last: its barrier is the one to pass.
    pub at: LogIndex,
}

/// What the tenant's owner allows its root to be used for (DESIGN 4, levels of stopping). It stands beside
/// [`TenantState`]: resuming a suspended tenant links nothing again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Keys are made and given.
    Open,
    /// Existing keys are given, no new ones are made.
    ReadOnly,
    /// Total lock: nothing is given, and no key of the tenant is in any node's memory.
    Unlinked,
    /// The same, of a tenant that was read-only before, and will be again.
    UnlinkedReadOnly,
}

impl Access {
    /// Whether the tenant is locked.
    #[must_use]
    pub const fn is_unlinked(self) -> bool {
        match self {
            Self::Unlinked | Self::UnlinkedReadOnly => true,
            Self::Open | Self::ReadOnly => false,
        }
    }

    /// Whether no new keys are made; of a locked tenant, whether none will be once the lock has ended.
    #[must_use]
    pub const fn is_disabled(self) -> bool {
        match self {
            Self::ReadOnly | Self::UnlinkedReadOnly => true,
            Self::Open | Self::Unlinked => false,
        }
    }

    /// What the lock makes of it. Whether new keys are made is decided beside.
    #[must_use]
    pub const fn unlinked(self) -> Self {
        match self {
            Self::Open | Self::Unlinked => Self::Unlinked,
            Self::ReadOnly | Self::UnlinkedReadOnly => Self::UnlinkedReadOnly,
        }
    }

    /// What is left when the lock ends: what was decided before it.
    #[must_use]
    pub const fn linked(self) -> Self {
        match self {
            Self::Open | Self::Unlinked => Self::Open,
            Self::ReadOnly | Self::UnlinkedReadOnly => Self::ReadOnly,
        }
    }

    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "linked",
            Self::ReadOnly => "disabled",
            Self::Unlinked | Self::UnlinkedReadOnly => "unlinked",
        }
    }
}

/// Whose root wraps an L2 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// The platform's.
    Internal,
    /// One of the tenant's own.
    Customer,
}

impl Level {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "L2_internal",
            Self::Customer => "L2_customer",
        }
    }
}

/// A tenant's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Random, never re-used.
    pub handle: TenantHandle,
    /// Unique in the cluster for ever.
    pub name: TenantName,
    /// The region it lives in; a cluster of another region refuses it.
    pub region: String,
    /// Free labels for people and selectors.
    pub labels: BTreeMap<String, String>,
    /// Where it is in its life.
    pub state: TenantState,
    /// What its root may be used for.
    pub access: Access,
    /// Its own roots, by which every new L2 version is wrapped; any one unwraps. Empty: the platform's root.
    pub roots: Vec<RootHandle>,
    /// How long hot keys serve on while no root answers, in milliseconds.
    pub l1_grace_ms: u64,
    /// Between two probes of each of its roots, in milliseconds.
    pub probe_every_ms: u64,
    /// Age at which the primary L2 version is replaced, in milliseconds.
    pub rotate_after_ms: u64,
    /// Freshness lease in milliseconds: what a request checks its captured lease against.
    pub lease_ms: u32,
    /// A lowering of the lease that some node may not apply yet.
    pub lowered: Option<Lowering>,
    /// Whether services register themselves on first contact.
    pub auto_register: bool,
    /// Every L2 version, oldest first; the last one makes new keys. Empty once terminated.
    pub versions: Vec<L2>,
    /// The least version the next L2 may have: above whatever a lineage before this one may have made.
    pub l2_floor: L2Version,
    /// When it was created, in cluster time.
    pub created: ClusterTime,
    /// Log index of the last change: the entity tag of the administration interface.
    pub revision: LogIndex,
    /// Log index of the last withdrawal that concerns the whole tenant.
    pub withdrawn_at: LogIndex,
    /// How many people beside the one who asks must approve dangerous deeds; 0 for none.
    pub approvals: u8,
}

impl Tenant {
    /// What a barrier waits for: the longest lease that a node may still apply, in milliseconds.
    #[must_use]
    pub fn barrier_lease_ms(&self) -> u32 {
        self.lowered.map_or(self.lease_ms, |lowered| lowered.from_ms.max(self.lease_ms))
    }

    /// Whose key the tenant's L2 is, while it has the roots it has.
    #[must_use]
    pub fn level(&self) -> Level {
        if self.roots.is_empty() { Level::Internal } else { Level::Customer }
    }

    /// The L2 version that makes new keys, while there is one.
    #[must_use]
    pub fn primary(&self) -> Option<&L2> {
        self.versions.last()
    }

    /// The version the next L2 will have; `None` once versions are used up.
    #[must_use]
    pub fn next_version(&self) -> Option<L2Version> {
        let next = self.primary().map_or(Some(L2Version(1)), |primary| primary.version.next())?;
        Some(next.max(self.l2_floor))
    }

    /// The L2 of one version.
    #[must_use]
    pub fn version(&self, version: L2Version) -> Option<&L2> {
        let at = self.versions.binary_search_by_key(&version, |l2| l2.version).ok()?;
        self.versions.get(at)
    }

    /// The name under which an L2 version shows in every interface (DESIGN 4):
    /// `L2-<tenant>-primary`, older versions `L2-<tenant>-primary-v<n>`.
    #[must_use]
    pub fn l2_name(&self, version: L2Version) -> String {
        match self.primary() {
            Some(primary) if primary.version == version => format!("L2-{}-primary", self.name),
            _ => format!("L2-{}-primary-v{version}", self.name),
        }
    }
}

/// One version of a tenant's L2 key: public facts and wraps, never the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L2 {
    /// Counts the material.
    pub version: L2Version,
    /// Public commitment to the material, checked in constant time at every unwrap.
    pub commitment: [u8; 32],
    /// The wraps of this same material; any one of them unwraps.
    pub wraps: Vec<Wrap>,
    /// When it was made, in cluster time.
    pub created: ClusterTime,
}

/// One wrapping of an L2 version by one root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrap {
    /// Counts the wrappings of the same material.
    pub revision: u32,
    /// `<provider>:<immutable key id incl. version>`; never taken from editable configuration.
    pub l1_ref: String,
    /// What the root returned.
    pub wrapped: Vec<u8>,
}
