//! A service: one consumer of a tenant's keys, named by its certificate.

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, ServiceHandle, ServiceName, TenantHandle};
use crate::time::ClusterTime;

/// Longest sealed seed in bytes: 32 bytes of seed and what the barrier adds, with room.
pub const SEED_BYTES_MAX: usize = 512;

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceState {
    /// Served.
    Active,
    /// Refused until resumed.
    Suspended,
    /// Seed erased, handle retired for ever.
    Shredded,
}

impl ServiceState {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Shredded => "shredded",
        }
    }
}

/// What kind of software a service is; shown to people, never used to authorise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceType {
    /// MongoDB.
    Mongodb,
    /// PostgreSQL.
    Postgresql,
    /// Redis.
    Redis,
    /// A microservice.
    Microservice,
    /// Anything else.
    Other,
}

impl ServiceType {
    /// Every type, in the order shown to people.
    pub const ALL: [Self; 5] =
        [Self::Mongodb, Self::Postgresql, Self::Redis, Self::Microservice, Self::Other];

    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Postgresql => "postgresql",
            Self::Redis => "redis",
            Self::Microservice => "microservice",
            Self::Other => "other",
        }
    }

    /// Reads the word; `None` if it is no type.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What a service's owner decides about its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePolicy {
    /// Whether Create makes keys Active (kind 4) instead of Pre-Active (kind 1). A later change of
    /// the policy changes no key that exists.
    pub auto_activate: bool,
    /// Whether Get still answers for a Deactivated or Compromised key. Databases must read old data,
    /// so it does unless the owner says no.
    pub get_after_revoke: bool,
}

impl ServicePolicy {
    /// Whether putting this policy in the place of any other can turn an allowed answer into a refusal
    /// (CONSISTENCY 3).
    #[must_use]
    pub const fn withdraws(&self) -> bool {
        !self.get_after_revoke
    }
}

impl Default for ServicePolicy {
    fn default() -> Self {
        Self { auto_activate: false, get_after_revoke: true }
    }
}

/// A service's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The tenant it belongs to.
    pub tenant: TenantHandle,
    /// Random, unique in the tenant, never re-used.
    pub handle: ServiceHandle,
    /// Unique in the tenant while not shredded.
    pub name: ServiceName,
    /// Shown to people.
    pub service_type: ServiceType,
    /// Where it is in its life.
    pub state: ServiceState,
    /// What its owner decided.
    pub policy: ServicePolicy,
    /// The seed, sealed by the barrier keyring; `None` once shredded.
    pub seed: Option<Vec<u8>>,
    /// Public commitment to the seed.
    pub seed_commitment: [u8; 32],
    /// When it was registered, in cluster time.
    pub created: ClusterTime,
    /// Log index of the last change.
    pub revision: LogIndex,
    /// Log index of the last withdrawal that concerns the whole service.
    pub withdrawn_at: LogIndex,
}
