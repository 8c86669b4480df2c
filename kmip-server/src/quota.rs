//! How much of one node a tenant may use: batch items a second, over all its connections.
//!
//! Off unless the node's settings say otherwise. What is over the quota is refused before anything is looked up, so
//! that a tenant that floods the node costs its neighbours no more than the reading of its requests.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kmip::{ResultReason, Version};
use model::id::TenantName;

use crate::failure::Failure;

/// What a tenant may send at once after a pause, in time: a second's worth.
const BURST_NS: u64 = 1_000_000_000;
/// Quotas of tenants without a connection are forgotten when there are so many.
const TENANTS_MAX: usize = 4_096;

/// The quotas of all tenants on this node.
pub struct Quotas {
    item_ns: u64,
    begun: Instant,
    tenants: Mutex<HashMap<TenantName, Arc<Quota>>>,
}

/// What one tenant has used.
pub struct Quota {
    item_ns: u64,
    begun: Instant,
    /// When all that was admitted so far is paid for, in nanoseconds since `begun`.
    paid_ns: AtomicU64,
    /// Whether the last message was refused.
    over: AtomicBool,
}

/// A message over the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// After how long to try again.
    pub wait: Duration,
    /// Whether the message before was still admitted: this one is put on record, those that follow are not, so that
    /// nobody fills the log by being refused.
    pub first: bool,
}

impl Quotas {
    /// `items_per_s` for every tenant alike.
    #[must_use]
    pub fn new(items_per_s: NonZeroU32) -> Self {
        let item_ns = u64::from(1_000_000_000 / items_per_s.get()).max(1);
        Self { item_ns, begun: Instant::now(), tenants: Mutex::default() }
    }

    /// The quota of a tenant, for the life of a connection.
    #[must_use]
    pub fn of(&self, tenant: &TenantName) -> Arc<Quota> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(quota) = tenants.get(tenant) {
            return Arc::clone(quota);
        }
        if tenants.len() >= TENANTS_MAX {
            tenants.retain(|_, quota| Arc::strong_count(quota) > 1);
        }
        let quota = Quota {
            item_ns: self.item_ns,
            begun: self.begun,
            paid_ns: AtomicU64::new(0),
            over: AtomicBool::new(false),
        };
        Arc::clone(tenants.entry(tenant.clone()).or_insert(Arc::new(quota)))
    }
}

impl Quota {
    /// Admits a message of so many items now.
    ///
    /// # Errors
    /// [`Over`].
    pub fn admit(&self, items: usize) -> Result<(), Over> {
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let admitted = self.admit_at(items, now);
        // Read first: a line that every request writes to is one that all threads wait for.
        let was_over = self.over.load(Relaxed);
        if was_over != admitted.is_err() {
            self.over.store(!was_over, Relaxed);
        }
        admitted.map_err(|wait| Over { wait, first: !was_over })
    }

    fn admit_at(&self, items: usize, now: u64) -> Result<(), Duration> {
        let cost = (items as u64).saturating_mul(self.item_ns);
        let admitted = self.paid_ns.fetch_update(Relaxed, Relaxed, |paid| {
            let from = paid.max(now);
            (from - now < BURST_NS).then(|| from.saturating_add(cost))
        });
        let over = |paid: u64| Duration::from_nanos(paid.saturating_sub(now).saturating_sub(BURST_NS) + 1);
        admitted.map(drop).map_err(over)
    }
}

/// What a tenant over its quota is told.
#[must_use]
pub fn refusal(wait: Duration, version: Version) -> Failure {
    let reason =
        if version.is_v2() { ResultReason::ServerLimitExceeded } else { ResultReason::GeneralFailure };
    let wait_ms = wait.as_millis() + 1;
    let message =
        format!("the tenant's quota of requests on this node is used up; try again in {wait_ms} ms");
    Failure { reason, message: message.into(), cause: "over_quota", retryable: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_admitted_at_once_and_no_more_than_the_rate_after_it() {
        let quotas = Quotas::new(NonZeroU32::new(100).unwrap());
        let quota = quotas.of(&TenantName::parse("acme").unwrap());
        let admitted = |now_ms: u64, tries: usize| {
            (0..tries).filter(|_| quota.admit_at(1, now_ms * 1_000_000).is_ok()).count()
        };
        assert_eq!(admitted(0, 1_000), 100);
        assert_eq!(admitted(500, 1_000), 50);
        assert_eq!(admitted(10_000, 1_000), 100, "a pause saves up a second and no more");
        let wait = quota.admit_at(1, 10_000_000_000).unwrap_err();
        assert!(quota.admit_at(1, 10_000_000_000 + u64::try_from(wait.as_nanos()).unwrap()).is_ok());
    }

    #[test]
    fn a_batch_costs_its_items_and_tenants_do_not_share() {
        let quotas = Quotas::new(NonZeroU32::new(10).unwrap());
        let (one, other) = ["one", "other"].map(|name| quotas.of(&TenantName::parse(name).unwrap())).into();
        assert!(one.admit_at(30, 0).is_ok(), "a message is admitted or refused whole");
        assert!(one.admit_at(1, 0).unwrap_err() >= Duration::from_secs(2));
        assert!(other.admit_at(1, 0).is_ok());
        assert!(
            Arc::ptr_eq(&one, &quotas.of(&TenantName::parse("one").unwrap())),
            "however many connections"
        );
    }
}
