//! Server-made IVs for AES-GCM under data keys: the deterministic construction of SP 800-38D 8.2.1.
//!
//! Data keys are used by many nodes that share no counter. The fixed field is a PRF of (key, cluster,
//! boot), the invocation field a counter of this process: an IV never repeats within a boot, and two
//! boots meet only if 56-bit PRF outputs collide *and* their counters do.

use std::sync::atomic::{AtomicU64, Ordering};

use model::id::{BootId, ClusterId};
use model::uid::Header;

use crate::uid::UidKey;

/// End of the 40-bit invocation field: at a million encryptions per second, twelve days.
const COUNTER_END: u64 = 1 << 40;

/// The IVs of one process life, for all keys: one counter costs no memory per key.
pub struct GcmIvSource {
    cluster: ClusterId,
    boot: BootId,
    counter: AtomicU64,
}

impl GcmIvSource {
    /// A source for this boot; the first counter is 1. A boot has exactly one source.
    #[must_use]
    pub fn new(cluster: ClusterId, boot: BootId) -> Self {
        Self { cluster, boot, counter: AtomicU64::new(1) }
    }

    /// The next IV for the key named by `header`, of `key`'s tenant.
    ///
    /// # Errors
    /// [`IvExhausted`] once 2⁴⁰ IVs are spent.
    pub fn next(&self, key: &UidKey, header: &Header) -> Result<[u8; 12], IvExhausted> {
        let counter = self
            .counter
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < COUNTER_END).then_some(n + 1))
            .map_err(|_| IvExhausted)?;
        let mut iv = [0; 12];
        iv[..7].copy_from_slice(&key.gcm_iv_prefix(header, self.cluster, self.boot));
        iv[7..].copy_from_slice(&counter.to_be_bytes()[3..]);
        Ok(iv)
    }
}

/// All IVs of this boot are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all 2^40 IVs of this boot are spent: the node needs a new boot id")]
pub struct IvExhausted;
