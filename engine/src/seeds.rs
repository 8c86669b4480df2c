//! Randomness that clients bring (KMIP RNG Seed): how much of it this node takes, and how often.
//!
//! Nothing rests on a seed. The kernel's generator has a seed of its own; a client's bytes are mixed into it and
//! can make it no worse, so it does not matter who sends them. They are bounded all the same: a service adds
//! [`SEED_BYTES_MAX`] bytes, and no more until it has drawn something, for a seed on top of a seed nobody drew
//! from adds nothing.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use model::id::{ServiceHandle, TenantHandle};

use crate::turn::Turn;

/// Bytes taken of one seed: 128 bits, the strength the generator is asked for at the most.
pub const SEED_BYTES_MAX: usize = 16;
/// Most services that are remembered to have seeded this node and not drawn since; further seeds are not used.
const SEEDED_MAX: usize = 65_536;

/// The services that brought a seed and have not drawn since.
#[derive(Default)]
pub(crate) struct Seeded(Mutex<HashSet<(TenantHandle, ServiceHandle)>>);

impl Seeded {
    /// Whether a seed of the service is to be used now.
    fn enter(&self, service: (TenantHandle, ServiceHandle)) -> bool {
        let mut seeded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seeded.len() < SEEDED_MAX && seeded.insert(service)
    }

    fn leave(&self, service: (TenantHandle, ServiceHandle)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&service);
    }
}

impl Turn<'_> {
    /// Takes a seed from the caller; returns how many of its bytes were used.
    #[must_use]
    pub fn seed(&self, data: &[u8]) -> usize {
        let used = &data[..data.len().min(SEED_BYTES_MAX)];
        if used.is_empty() || !self.engine.seeded.enter(self.caller_handles()) {
            return 0;
        }
        match crypto::random::stir(used) {
            Ok(()) => used.len(),
            Err(error) => {
                tracing::debug!(%error, "the kernel's generator took no seed");
                0
            }
        }
    }

    /// Draws random bytes for the caller.
    pub fn draw(&self, out: &mut [u8]) {
        crypto::random::fill(out);
        self.engine.seeded.leave(self.caller_handles());
    }

    fn caller_handles(&self) -> (TenantHandle, ServiceHandle) {
        (self.tenant.handle, self.service.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_seeds_once_until_it_draws_and_others_are_not_concerned() {
        let (tenant, service) = (TenantHandle([1; 4]), ServiceHandle([2; 4]));
        let seeded = Seeded::default();
        assert!(seeded.enter((tenant, service)));
        assert!(!seeded.enter((tenant, service)));
        assert!(seeded.enter((tenant, ServiceHandle([3; 4]))));
        seeded.leave((tenant, service));
        assert!(seeded.enter((tenant, service)));
    }
}
