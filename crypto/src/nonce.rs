//! Hedged nonces for identifiers: unique even if the kernel's randomness fails or repeats.
//!
//! nonce = HMAC-SHA-256(hedge key, boot_id ‖ counter ‖ 32 random bytes)[..12]. Two nonces differ when
//! the hedge key, the boot, the counter or the randomness does; a snapshot of a machine that wakes
//! twice still has fresh randomness, and a stuck generator still has the counter.

use std::sync::atomic::{AtomicU64, Ordering};

use model::id::BootId;

use crate::arena::ArenaError;
use crate::secret::Secret;
use crate::{kdf, random};

/// The nonces of one process life. Make a new one when the boot or the machine's generation changes.
pub struct NonceSource {
    hedge_key: Secret,
    boot: BootId,
    counter: AtomicU64,
}

impl NonceSource {
    /// A source with a fresh hedge key.
    ///
    /// # Errors
    /// [`ArenaError`].
    pub fn new(boot: BootId) -> Result<Self, ArenaError> {
        Ok(Self { hedge_key: Secret::generate()?, boot, counter: AtomicU64::new(0) })
    }

    /// The next nonce.
    #[must_use]
    pub fn next(&self) -> [u8; 12] {
        self.hedged(&random::bytes())
    }

    fn hedged(&self, random: &[u8; 32]) -> [u8; 12] {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let parts: [&[u8]; 3] = [&self.boot.0.to_be_bytes(), &counter.to_be_bytes(), random];
        let mac = self.hedge_key.with(|key| kdf::mac(key, &parts));
        mac[..12].try_into().expect("twelve of 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ_although_the_randomness_repeats() {
        let source = NonceSource::new(BootId(7)).unwrap();
        let nonces: std::collections::BTreeSet<_> = (0..10_000).map(|_| source.hedged(&[0; 32])).collect();
        assert_eq!(nonces.len(), 10_000);
    }

    #[test]
    fn nonces_differ_although_boot_and_counter_repeat() {
        let nonces = [7, 7].map(|boot| NonceSource::new(BootId(boot)).unwrap().hedged(&[0; 32]));
        assert_ne!(nonces[0], nonces[1], "the hedge keys differ");
        let source = NonceSource::new(BootId(7)).unwrap();
        assert_ne!(source.next(), source.next());
    }
}
