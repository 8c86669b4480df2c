//! How long a lease lasts: one length per tenant, chosen from three classes (CONSISTENCY 2).
//!
//! A lease in a node's cell has no length of its own, it stores only when its renewal was sent; every
//! request applies the length of its tenant, *taken from the same generation* as the key's status.
//! Because of that, raising a length needs no wait: a generation that knows the new length also
//! knows every withdrawal that was waited for under the old one. Lowering is a withdrawal itself:
//! until a second command says that it took effect everywhere, barriers use the longer of the two
//! ([`Tenant::barrier_lease_ms`](model::tenant::Tenant::barrier_lease_ms)).

use std::time::Duration;

use super::clock::barrier_wait;

/// The length L of a tenant's lease: 2 to 60 seconds, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseLength(u32);

impl LeaseLength {
    /// Class *strict*, the shortest: below 2 s a fail-over would interrupt derivations.
    pub const STRICT: Self = Self(2_000);
    /// Class *default*.
    pub const DEFAULT: Self = Self(3_000);
    /// The longest of class *relaxed*; every wait of this module is bounded by it.
    pub const RELAXED_MAX: Self = Self(60_000);

    /// A length in milliseconds.
    ///
    /// # Errors
    /// Refuses a length outside 2,000 to 60,000 ms.
    pub fn from_millis(millis: u32) -> Result<Self, BadLeaseLength> {
        let length = Self(millis);
        if (Self::STRICT..=Self::RELAXED_MAX).contains(&length) {
            Ok(length)
        } else {
            Err(BadLeaseLength { millis })
        }
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u32 {
        self.0
    }

    /// The length L on the holder's boot clock.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }

    /// W, how long a leader waits on its own boot clock for leases of this length to run out.
    #[must_use]
    pub fn wait(self) -> Duration {
        barrier_wait(self.duration())
    }
}

/// A length that no class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lease of {millis} ms is outside 2000 to 60000 ms: choose strict (2 s), default (3 s) or relaxed (up to 60 s)"
)]
pub struct BadLeaseLength {
    millis: u32,
}

/// The extremes over all tenants: the shortest sets the pace of renewals, the longest bounds waits
/// across tenants. The state counts them ([`State::lease_ms_bounds`](model::state::State::lease_ms_bounds)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthsInUse {
    /// The smallest that a request is judged by.
    pub shortest: LeaseLength,
    /// The largest that a node may still apply.
    pub longest: LeaseLength,
}

impl LengthsInUse {
    /// How often a node renews: a quarter of the shortest length (CONSISTENCY 2).
    #[must_use]
    pub fn renew_every(&self) -> Duration {
        self.shortest.duration() / 4
    }
}

impl Default for LengthsInUse {
    fn default() -> Self {
        Self { shortest: LeaseLength::DEFAULT, longest: LeaseLength::DEFAULT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u32) -> LeaseLength {
        LeaseLength::from_millis(millis).unwrap()
    }

    #[test]
    fn lengths_outside_the_classes_are_refused() {
        assert!(LeaseLength::from_millis(1_999).is_err());
        assert!(LeaseLength::from_millis(60_001).is_err());
        assert_eq!(millis(2_000), LeaseLength::STRICT);
        assert_eq!(millis(60_000), LeaseLength::RELAXED_MAX);
    }

    #[test]
    fn the_shortest_length_sets_the_pace() {
        let lengths = LengthsInUse { shortest: millis(2_000), longest: millis(30_000) };
        assert_eq!(lengths.renew_every(), Duration::from_millis(500));
    }
}
