//! Moments in the names of backups.

use std::time::{SystemTime, UNIX_EPOCH};

use model::time::utc;

/// Now, in seconds since the epoch.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// `20261122T051000Z`: in UTC, fit for names, in the order of time.
#[must_use]
pub fn compact(seconds: u64) -> String {
    utc(seconds).replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_fit_names() {
        assert_eq!(compact(1_795_324_200), "20261122T051000Z");
    }
}
