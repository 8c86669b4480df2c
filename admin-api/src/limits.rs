//! How often an address may ask, and how often it may guess: token buckets, judged before anything of a
//! request is read.
//!
//! Pure but for the map: the caller brings the time. An address is a host's: an IPv6 host owns 2⁶⁴ of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses remembered: people and automation. A flood of more makes room by forgetting idle ones.
const ADDRESSES_MAX: usize = 16 * 1024;

/// A bucket: how much it holds, how fast it fills.
#[derive(Clone, Copy, Debug)]
struct Measure {
    holds: u32,
    every: Duration,
}

/// Requests of one address: a page of a browser or a script's burst passes, a flood does not.
const REQUESTS: Measure = Measure { holds: 600, every: Duration::from_millis(5) };
/// Credentials that were wrong: a misconfigured client is told soon, a guesser gets 1,800 an hour.
const GUESSES: Measure = Measure { holds: 30, every: Duration::from_secs(2) };

/// The buckets of all addresses.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: Mutex<HashMap<IpAddr, Buckets>>,
}

#[derive(Debug)]
struct Buckets {
    requests: Bucket,
    guesses: Bucket,
}

/// How many drops are gone, and since when they come back.
#[derive(Debug)]
struct Bucket {
    used: u32,
    since: Instant,
}

/// The address must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// Seconds until one more is allowed.
    pub retry_after_s: u64,
}

impl Limits {
    /// Counts a request.
    ///
    /// # Errors
    /// If the address asks too often, or guessed too often.
    pub fn request(&self, address: IpAddr, now: Instant) -> Result<(), TooMany> {
        self.with(address, now, |buckets| {
            buckets.guesses.room(GUESSES, now)?;
            buckets.requests.take(REQUESTS, now)
        })
    }

    /// Counts a wrong credential.
    pub fn wrong_credential(&self, address: IpAddr, now: Instant) {
        let _ = self.with(address, now, |buckets| buckets.guesses.take(GUESSES, now));
    }

    fn with<T>(&self, address: IpAddr, now: Instant, act: impl FnOnce(&mut Buckets) -> T) -> T {
        let mut all = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host(address);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&host) {
            all.retain(|_, buckets| !buckets.is_idle(now));
            if all.len() >= ADDRESSES_MAX {
                all.clear();
            }
        }
        act(all
            .entry(host)
            .or_insert_with(|| Buckets { requests: Bucket::new(now), guesses: Bucket::new(now) }))
    }
}

impl Buckets {
    fn is_idle(&mut self, now: Instant) -> bool {
        self.requests.refill(REQUESTS, now);
        self.guesses.refill(GUESSES, now);
        self.requests.used == 0 && self.guesses.used == 0
    }
}

impl Bucket {
    const fn new(now: Instant) -> Self {
        Self { used: 0, since: now }
    }

    fn refill(&mut self, measure: Measure, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        let back = u32::try_from(passed.as_micros() / measure.every.as_micros()).unwrap_or(u32::MAX);
        if back >= self.used {
            *self = Self::new(now);
        } else {
            self.used -= back;
            self.since += measure.every * back;
        }
    }

    fn room(&mut self, measure: Measure, now: Instant) -> Result<(), TooMany> {
        self.refill(measure, now);
        if self.used < measure.holds {
            return Ok(());
        }
        Err(TooMany { retry_after_s: measure.every.as_secs().max(1) })
    }

    fn take(&mut self, measure: Measure, now: Instant) -> Result<(), TooMany> {
        self.room(measure, now)?;
        if self.used == 0 {
            self.since = now;
        }
        self.used += 1;
        Ok(())
    }
}

/// What stands for a host: an IPv4 address, or the network of an IPv6 address.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_flood_waits_and_others_do_not() {
        let (limits, now) = (Limits::default(), Instant::now());
        let passed = (0..1000).filter(|_| limits.request(address(1), now).is_ok()).count();
        assert_eq!(passed, 600);
        assert_eq!(limits.request(address(2), now), Ok(()));
        assert_eq!(limits.request(address(1), now), Err(TooMany { retry_after_s: 1 }));
        assert_eq!(limits.request(address(1), now + Duration::from_millis(5)), Ok(()));
    }

    #[test]
    fn guessing_ends_all_requests_of_an_address() {
        let (limits, now) = (Limits::default(), Instant::now());
        for _ in 0..30 {
            assert_eq!(limits.request(address(1), now), Ok(()));
            limits.wrong_credential(address(1), now);
        }
        assert_eq!(limits.request(address(1), now), Err(TooMany { retry_after_s: 2 }));
        assert_eq!(limits.request(address(1), now + Duration::from_secs(2)), Ok(()));
    }

    #[test]
    fn a_host_is_one_however_many_addresses_it_has() {
        let same = |a: &str, b: &str| host(a.parse().expect("one")) == host(b.parse().expect("another"));
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded() {
        let (limits, now) = (Limits::default(), Instant::now());
        for number in 0..40_000_u32 {
            let _ = limits.request(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(limits.buckets.lock().expect("unpoisoned").len() <= ADDRESSES_MAX);
    }
}
