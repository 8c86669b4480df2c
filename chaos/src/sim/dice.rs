//! All chance of a run: one stream, from the seed, for the store's randomness, the clients and the faults.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use raft_store::env::Entropy;

use crate::random::Random;

/// Cheap to clone; clones draw from the same stream.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<Random>>);

impl Dice {
    /// The stream of one part of a run.
    pub fn new(seed: u64, part: u64) -> Self {
        Self(Arc::new(Mutex::new(Random::new(seed, part))))
    }

    /// A number below `bound`, which is above zero.
    pub fn below(&self, bound: usize) -> usize {
        self.with(|random| random.index(bound))
    }

    /// True once in `times`, on average.
    pub fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A time between two, in milliseconds.
    pub fn between_ms(&self, from: u64, to: u64) -> Duration {
        self.with(|random| random.between_ms(from, to))
    }

    /// A time between two, in microseconds.
    pub fn between_us(&self, from: u64, to: u64) -> Duration {
        self.with(|random| Duration::from_micros(from + random.below(to - from + 1)))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entropy for Dice {
    fn fill(&self, out: &mut [u8]) {
        self.with(|random| {
            for eight in out.chunks_mut(8) {
                eight.copy_from_slice(&random.next().to_be_bytes()[..eight.len()]);
            }
        });
    }
}
