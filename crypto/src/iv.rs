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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::service_root;
    use crate::secret::Secret;
    use crate::uid::UidRoot;
    use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
    use model::uid::Kdf;

    #[test]
    fn the_last_iv_is_the_last() {
        let tenant = TenantHandle([1; 4]);
        let root = UidRoot::from_secret(Secret::generate().unwrap(), Realm([0; 16]));
        let key = root.tenant_key(tenant).unwrap();
        let header = service_root(Kdf::Hkdf, tenant, ServiceHandle([2; 4]), L2Version(1));
        let counter = AtomicU64::new(COUNTER_END - 1);
        let source = GcmIvSource { counter, ..GcmIvSource::new(ClusterId([3; 16]), BootId(4)) };
        assert_eq!(source.next(&key, &header).unwrap()[7..], [0xff; 5]);
        assert_eq!(source.next(&key, &header), Err(IvExhausted));
        assert_eq!(source.next(&key, &header), Err(IvExhausted), "and stays so");

        // Another boot has another fixed field, so its counters may repeat.
        let prefix = |boot| key.gcm_iv_prefix(&header, ClusterId([3; 16]), BootId(boot));
        assert_ne!(prefix(4), prefix(5));
    }
}
