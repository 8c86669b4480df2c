//! Date-Times as ISO 8601 writes them: `2026-11-22T03:45:00+00:00`, in the proleptic Gregorian calendar.

use std::fmt;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Microseconds since 1970, from a date with or without a fraction and a zone (none means UTC).
pub(super) fn parse(text: &str) -> Option<i128> {
    let (date, time) = text.split_once(['T', 't'])?;
    let (negative, date) = match date.strip_prefix('-') {
        Some(date) => (true, date),
        None => (false, date),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4..=12)?;
    let (month, day) = (number(parts.next()?, 2..=2)?, number(parts.next()?, 2..=2)?);
    if parts.next().is_some() {
        return None;
    }
    let year = if negative { -year } else { year };
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let (of_day, fraction) = of_day(clock)?;
    let seconds =
        i128::from(days(year, month, day)) * i128::from(DAY_S) + i128::from(of_day - zone_seconds(zone)?);
    Some(seconds * 1_000_000 + i128::from(fraction))
}

/// Seconds and microseconds of `HH:MM:SS[.fraction]`.
fn of_day(clock: &str) -> Option<(i64, i64)> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let microseconds = format!("{fraction:0<6}");
    let mut parts = clock.split(':').map(|part| number(part, 2..=2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second, microseconds.get(..6)?.parse().ok()?))
}

/// Seconds east of Greenwich.
fn zone_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None => return Some(0),
        Some('Z' | 'z') => return (zone.len() == 1).then_some(0),
        Some('+') => 1,
        _ => -1,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours, 2..=2)?, number(minutes, 2..=2)?);
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A number of so many digits and nothing else.
fn number(digits: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let plain = lengths.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970, by years that begin in March, so that the leap day ends one (H. Hinnant, "chrono-
/// Compatible Low-Level Date Algorithms").
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Prints seconds since 1970, with microseconds where there are any to tell.
pub(super) struct Iso {
    seconds: i64,
    microseconds: Option<u32>,
}

impl Iso {
    /// A Date-Time.
    pub(super) const fn seconds(seconds: i64) -> Self {
        Self { seconds, microseconds: None }
    }

    /// A Date-Time Extended.
    pub(super) const fn microseconds(microseconds: i64) -> Self {
        let fraction = microseconds.rem_euclid(1_000_000);
        Self { seconds: microseconds.div_euclid(1_000_000), microseconds: Some(fraction as u32) }
    }
}

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, of_day) = (self.seconds.div_euclid(DAY_S), self.seconds.rem_euclid(DAY_S));
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_of_year = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
        let month = if month_of_year < 10 { month_of_year + 3 } else { month_of_year - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let sign = if year < 0 { "-" } else { "" };
        write!(f, "{sign}{:04}-{month:02}-{day:02}T", year.unsigned_abs())?;
        write!(f, "{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)?;
        if let Some(microseconds) = self.microseconds {
            write!(f, ".{microseconds:06}")?;
        }
        f.write_str("+00:00")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, seconds: i64) {
        assert_eq!(parse(text), Some(i128::from(seconds) * 1_000_000), "{text}");
    }

    #[test]
    fn dates_are_read_with_and_without_a_zone() {
        check("1970-01-01T00:00:00+00:00", 0);
        check("1970-01-01T00:00:00Z", 0);
        check("2001-01-01T10:00:00+10:00", 978_307_200);
        check("2000-02-29T23:59:59", 951_868_799);
        check("1969-12-31T23:59:59-00:00", -1);
        check("2026-11-22T03:45:00-05:30", 1_795_338_900);
        assert_eq!(parse("1970-01-01T00:00:01.25Z"), Some(1_250_000));
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "T",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T00:60:00Z",
            "2026-11-22T00:00:60Z",
            "26-11-22T00:00:00Z",
            "2026-11-22T00:00Z",
            "2026-11-22T00:00:00+1",
            "2026-11-22T00:00:00+15:00",
            "2026-11-22T00:00:00.Z",
            "+2026-11-22T00:00:00Z",
            "2026-11-22T00:00:00Zulu",
            "9999999999999-01-01T00:00:00Z",
            "2026-1-1T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_date_leads_back() {
        let edges =
            [0, -1, 1, 951_782_400, 4_102_444_800, -62_135_596_800, -62_198_755_200, i64::MAX, i64::MIN];
        let spread = (-5_000..5_000).map(|step| step * 86_399 * 37);
        for seconds in edges.into_iter().chain(spread) {
            let text = Iso::seconds(seconds).to_string();
            assert_eq!(parse(&text), Some(i128::from(seconds) * 1_000_000), "{text}");
        }
        for microseconds in [0, -1, 1_500_000, i64::MAX, i64::MIN] {
            let text = Iso::microseconds(microseconds).to_string();
            assert_eq!(parse(&text), Some(i128::from(microseconds)), "{text}");
        }
        assert_eq!(Iso::seconds(1_795_319_100).to_string(), "2026-11-22T03:45:00+00:00");
    }
}
