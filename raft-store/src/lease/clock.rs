//! Points in time on one node's boot clock, and the error bounds we assume of it.
//!
//! Nothing here reads a clock: the edge reads `CLOCK_BOOTTIME` (never `Instant`, which is
//! `CLOCK_MONOTONIC` and stops in suspend) and passes the value in. A [`BootTime`] means nothing on
//! another machine and is never sent anywhere.
//!
//! **Assumption A1** (CONSISTENCY 1). While real time advances by t, a node's boot clock advances by
//! at least (1 − ρ)·(t − M′) and at most (1 + ρ)·t, with M′ = M/(1 + ρ): it may run a hundredth slow
//! or fast, and may freeze for M′ ≈ 0.99 s in the life of one lease. This is the exact reading under
//! which [`barrier_wait`] suffices: the leader's W takes at least W/(1 + ρ) = L/(1 − ρ) + M′ of real
//! time, and after that any lease of length L, sent before the wait began, has run out.

use std::ops::Add;
use std::time::Duration;

/// ρ, the rate error of a boot clock, in percent. Quartz and NTP slew stay below 0.05 %; the rest is
/// for virtual machines.
pub const RATE_ERROR_PERCENT: u32 = 1;

/// M, how long a clock may stand still unnoticed (a short hypervisor freeze).
pub const MARGIN: Duration = Duration::from_secs(1);

/// A reading of one node's `CLOCK_BOOTTIME`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// A reading of `nanos` nanoseconds since boot.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`, or `None` when `earlier` lies in the future: then one of the two
    /// is not a reading of this boot clock, and the caller must fail closed.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_nanos)
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    /// Saturates at the end of time (584 years after boot), which delays and never hastens.
    fn add(self, length: Duration) -> Self {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// L/(1 − ρ), rounded up: the longest real time that a lease of length L runs on a clock that does
/// not freeze.
#[must_use]
pub fn longest_life(length: Duration) -> Duration {
    scale_up(length, 100, 100 - RATE_ERROR_PERCENT)
}

/// L/(1 − ρ) + M, rounded up: a node that can reach nobody answers its last request within this real
/// time (CONSISTENCY 13).
#[must_use]
pub fn last_serve(length: Duration) -> Duration {
    longest_life(length) + MARGIN
}

/// W = L(1 + ρ)/(1 − ρ) + M, rounded up: how long a leader waits on its own boot clock until every
/// lease of length L requested before has surely run out (CONSISTENCY 3).
#[must_use]
pub fn barrier_wait(length: Duration) -> Duration {
    scale_up(length, 100 + RATE_ERROR_PERCENT, 100 - RATE_ERROR_PERCENT) + MARGIN
}

/// `length · numerator / denominator`, rounded up to the nanosecond.
fn scale_up(length: Duration, numerator: u32, denominator: u32) -> Duration {
    let nanos = length.as_nanos() * u128::from(numerator);
    let nanos = nanos.div_ceil(u128::from(denominator));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_to_the_nanosecond() {
        let nanos = Duration::from_nanos;
        assert_eq!(barrier_wait(Duration::from_secs(2)), nanos(3_040_404_041));
        assert_eq!(barrier_wait(Duration::from_secs(3)), nanos(4_060_606_061));
        assert_eq!(barrier_wait(Duration::from_secs(60)), nanos(62_212_121_213));
        assert_eq!(longest_life(Duration::from_secs(3)), nanos(3_030_303_031));
        assert_eq!(last_serve(Duration::from_secs(3)), nanos(4_030_303_031));
        assert_eq!(longest_life(Duration::from_secs(99)), Duration::from_secs(100), "exact stays exact");
    }

    #[test]
    fn a_leaders_fastest_wait_outlasts_the_slowest_lease() {
        for millis in 2_000..=60_000_u64 {
            let length = Duration::from_millis(millis);
            let real_wait = barrier_wait(length).as_nanos() * 100 / 101;
            let frozen = MARGIN.as_nanos() * 100 / 101;
            let real_life = length.as_nanos() * 100 / 99 + frozen;
            assert!(real_wait >= real_life, "L = {millis} ms");
        }
    }

    #[test]
    fn a_time_from_the_future_has_no_age() {
        let (early, late) = (BootTime::from_nanos(5), BootTime::from_nanos(7));
        assert_eq!(late.since(early), Some(Duration::from_nanos(2)));
        assert_eq!(early.since(late), None);
        assert_eq!(late + Duration::MAX, BootTime::from_nanos(u64::MAX));
    }
}
