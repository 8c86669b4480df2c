//! How long a lease lasts: one length per tenant, chosen from three classes (CONSISTENCY 2).
//!
//! A lease in a node's cell has no length of its own, it stores only when its renewal was sent; every
//! request applies the length of its tenant, *taken from the same generation* as the key's status.
//! Because of that, raising a length needs no wait: a generation that knows the new length also
//! knows every withdrawal that was waited for under the old one. Lowering is a withdrawal itself:
//! until a second command says that it took effect everywhere, barriers use the longer of the two.

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

/// A tenant's lease length while it may be changing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLease {
    current: LeaseLength,
    lowered_from: Option<LeaseLength>,
}

impl TenantLease {
    /// A length that is in effect everywhere.
    #[must_use]
    pub const fn new(length: LeaseLength) -> Self {
        Self { current: length, lowered_from: None }
    }

    /// Sets another length. `true` says that it is lower than what some node may still apply: the
    /// command is a withdrawal, and after its barrier a second command calls [`Self::took_effect`].
    pub fn set(&mut self, length: LeaseLength) -> bool {
        let longest = self.for_barrier();
        self.current = length;
        self.lowered_from = (length < longest).then_some(longest);
        self.lowered_from.is_some()
    }

    /// The barrier of the lowering completed: no node applies the old length any more.
    pub fn took_effect(&mut self) {
        self.lowered_from = None;
    }

    /// What a request checks its captured lease against.
    #[must_use]
    pub const fn for_request(&self) -> LeaseLength {
        self.current
    }

    /// What a barrier must wait for: the longest length that a node may still apply.
    #[must_use]
    pub fn for_barrier(&self) -> LeaseLength {
        self.lowered_from.map_or(self.current, |old| old.max(self.current))
    }
}

impl Default for TenantLease {
    fn default() -> Self {
        Self::new(LeaseLength::DEFAULT)
    }
}

/// The extremes over all tenants: the shortest sets the pace of renewals, the longest bounds waits
/// across tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthsInUse {
    /// The smallest [`TenantLease::for_request`].
    pub shortest: LeaseLength,
    /// The largest [`TenantLease::for_barrier`].
    pub longest: LeaseLength,
}

impl LengthsInUse {
    /// The extremes of `leases`; a cluster without tenants uses the default length.
    pub fn of<'a>(leases: impl IntoIterator<Item = &'a TenantLease>) -> Self {
        leases
            .into_iter()
            .map(|lease| Self { shortest: lease.for_request(), longest: lease.for_barrier() })
            .reduce(|a, b| Self { shortest: a.shortest.min(b.shortest), longest: a.longest.max(b.longest) })
            .unwrap_or_default()
    }

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
    fn lowering_waits_under_the_old_length_until_marked_effective() {
        let mut lease = TenantLease::new(millis(60_000));
        assert!(lease.set(millis(2_000)));
        assert_eq!(lease.for_request(), millis(2_000));
        assert_eq!(lease.for_barrier(), millis(60_000));
        assert!(lease.set(millis(5_000)), "a second change before the mark keeps the longest");
        assert_eq!(lease.for_barrier(), millis(60_000));
        lease.took_effect();
        assert_eq!(lease.for_barrier(), millis(5_000));
    }

    #[test]
    fn raising_takes_effect_at_once() {
        let mut lease = TenantLease::default();
        assert!(!lease.set(millis(10_000)));
        assert_eq!(lease.for_barrier(), millis(10_000));
        assert!(!lease.set(millis(10_000)), "setting the same length withdraws nothing");
    }

    #[test]
    fn extremes_count_lengths_that_are_still_being_lowered() {
        let mut lowering = TenantLease::new(millis(30_000));
        lowering.set(millis(2_000));
        let lengths = LengthsInUse::of(&[TenantLease::default(), lowering]);
        assert_eq!(lengths, LengthsInUse { shortest: millis(2_000), longest: millis(30_000) });
        assert_eq!(lengths.renew_every(), Duration::from_millis(500));
        assert_eq!(LengthsInUse::of([]), LengthsInUse::default());
    }
}
