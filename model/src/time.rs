//! Cluster time: the only clock that decides anything (CONSISTENCY 5).
//!
//! The leader stamps each proposal; `apply` takes the maximum, so cluster time never goes back. Dates of
//! keys, expiry of idempotency keys and grace periods are judged on it and on nothing else. For people it is
//! written in UTC, as RFC 3339 does.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, in cluster time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ClusterTime(pub u64);

impl ClusterTime {
    /// Whole seconds since the epoch: the resolution of KMIP Date-Time.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time and `ms` milliseconds more.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// `2026-11-22T05:10:00.250Z`
impl std::fmt::Display for ClusterTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}Z", calendar(self.as_secs()), self.0 % 1000)
    }
}

/// Seconds since the Unix epoch for people: `2026-11-22T05:10:00Z`.
#[must_use]
pub fn utc(seconds: u64) -> String {
    format!("{}Z", calendar(seconds))
}

fn calendar(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// The date of a day since the epoch, in the Gregorian calendar: years are counted from March, so that a
/// leap day ends one, and in eras of 400 years, which all have the same days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_a_calendar_says() {
        let check = |seconds, expected| assert_eq!(utc(seconds), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_709_251_199, "2024-02-29T23:59:59Z");
        check(1_795_324_200, "2026-11-22T05:10:00Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        assert_eq!(ClusterTime(1_795_324_200_250).to_string(), "2026-11-22T05:10:00.250Z");
        assert!(ClusterTime(u64::MAX).to_string().ends_with('Z'), "no time is too late to be said");
    }
}
