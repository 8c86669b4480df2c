//! Cluster time: the only clock that decides anything (CONSISTENCY 5).
//!
//! The leader stamps each proposal; `apply` takes the maximum, so cluster time never goes back. Dates of
//! keys, expiry of idempotency keys and grace periods are judged on it and on nothing else.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, in cluster time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ClusterTime(pub u64);

impl ClusterTime {
    /// Whole seconds since the epoch: the resolution of KMIP Date-Time.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time and `ms` milliseconds more.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl std::fmt::Display for ClusterTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
