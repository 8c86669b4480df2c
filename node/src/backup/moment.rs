//! Moments for people: UTC, as RFC 3339 writes it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in seconds since the epoch.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// `2026-11-22T05:10:00Z`
#[must_use]
pub fn text(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `20261122T051000Z`: the same, fit for names, in the order of time.
#[must_use]
pub fn compact(seconds: u64) -> String {
    text(seconds).replace(['-', ':'], "")
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
    fn moments_read_as_a_calendar_says() {
        let check = |seconds, expected| assert_eq!(text(seconds), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_709_251_199, "2024-02-29T23:59:59Z");
        check(1_795_324_200, "2026-11-22T05:10:00Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        assert_eq!(compact(1_795_324_200), "20261122T051000Z");
    }
}
