//! The two clocks of a simulated machine. Both follow tokio's paused clock, the boot clock from its own
//! beginning and at its own rate, up to a hundredth slow or fast: what the lease is built to bear.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use raft_store::env::Clock;
use raft_store::lease::clock::{BootTime, RATE_ERROR_PERCENT};
use tokio::time::Instant;

use super::dice::Dice;

/// Some day in 2027.
const WALL_START_MS: i64 = 1_800_000_000_000;

/// Both clocks of one machine; they outlive its processes.
pub struct SimClock {
    born: Instant,
    offset: Duration,
    rate_permille: u32,
    /// How far the wall clock is ahead, in milliseconds.
    ahead_ms: AtomicI64,
}

impl SimClock {
    /// A machine that booted some hours ago.
    pub fn new(dice: &Dice) -> Self {
        let error = RATE_ERROR_PERCENT * 10;
        let rate = 1_000 - error + u32::try_from(dice.below(2 * error as usize + 1)).unwrap_or(error);
        Self {
            born: Instant::now(),
            offset: dice.between_ms(1_000_000, 100_000_000),
            rate_permille: rate,
            ahead_ms: AtomicI64::new(0),
        }
    }

    /// Sets the wall clock this far ahead of the true time, or behind.
    pub fn set_wall_ahead_ms(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn boot(&self) -> BootTime {
        let elapsed = self.born.elapsed() * self.rate_permille / 1_000;
        BootTime::from_nanos(u64::try_from((self.offset + elapsed).as_nanos()).unwrap_or(u64::MAX))
    }

    fn wall_ms(&self) -> u64 {
        let elapsed = i64::try_from(self.born.elapsed().as_millis()).unwrap_or(i64::MAX);
        u64::try_from(WALL_START_MS + elapsed + self.ahead_ms.load(Ordering::Relaxed)).unwrap_or(0)
    }
}
