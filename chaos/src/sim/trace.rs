//! Everything that happens in a run, in its order and at its simulated time, as one number: the same for every
//! run of the same seed.
//!
//! What is told: every packet with its way and size, every operation of a client with its outcome, every moment
//! that anybody asked for. Key material and what is sealed differ from run to run, and are of no interest here.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// Clones tell the same trace.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    begun: Option<Instant>,
    hasher: DefaultHasher,
}

impl Trace {
    /// Something happened now. `SIM_LOG=trace=trace` shows all of it, for two runs to be compared.
    pub fn tell(&self, what: &str, who: &str, number: u64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let at = now.duration_since(*inner.begun.get_or_insert(now)).as_nanos();
        tracing::trace!(target: "trace", at, what, who, number);
        inner.hasher.write(&at.to_be_bytes());
        inner.hasher.write(what.as_bytes());
        inner.hasher.write(who.as_bytes());
        inner.hasher.write(&number.to_be_bytes());
    }

    /// What all of it amounts to so far.
    pub fn digest(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hasher.finish()
    }
}
