//! The lease as every request sees it: two numbers in atomics, written by one holder.
//!
//! A request (CONSISTENCY 2), after its whole frame arrived:
//! 1. [`LeaseCell::capture`], and only *then*
//! 2. loads the generation once; its index is at least the captured read index;
//! 3. reads the boot clock and [`LeaseCell::check`]s the captured lease with the length of its tenant
//!    *from that generation*, then derives;
//! 4. after the audit fsync, right before the socket write, reads the boot clock and checks the
//!    *captured* lease again. If it ran out, the request starts over at 1 or withholds its answer;
//!    capturing a newer lease for an older generation is what the type is here to discourage.
//!
//! Why two separate atomics are enough. Both only grow (`fetch_max`), and the holder writes the read
//! index first, both with release, after the generation was published. A reader that acquires `sent`
//! therefore sees a generation that covers it, and a read index that is this lease's or a later one,
//! whose generation is published as well. "Closed" is the largest value of `sent`: it wins against
//! any race with a renewal and nothing can undo it.

use model::id::LogIndex;

use super::class::LeaseLength;
use super::clock::BootTime;

#[cfg(feature = "loom")]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(feature = "loom"))]
use std::sync::atomic::{AtomicU64, Ordering};

/// No lease yet. A boot clock that reads zero is no lease either: closed is the safe side.
const NONE: u64 = 0;
/// No lease ever again in this process.
const CLOSED: u64 = u64::MAX;

/// The current lease of this process. Cheap to read: two loads to capture, one to check.
#[derive(Debug)]
pub struct LeaseCell {
    /// Boot time in nanoseconds at which the renewal was *sent*, [`NONE`] or [`CLOSED`]. Only grows.
    sent: AtomicU64,
    /// The read index that came back. Only grows.
    read_index: AtomicU64,
}

/// A lease captured by one request, for that request alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    sent: BootTime,
    read_index: LogIndex,
}

impl Lease {
    /// The own boot clock when the renewal was sent.
    #[must_use]
    pub const fn sent(self) -> BootTime {
        self.sent
    }

    /// A generation loaded after the capture has at least this index; assert it.
    #[must_use]
    pub const fn read_index(self) -> LogIndex {
        self.read_index
    }
}

/// Why local state may not answer. Both mean: retryable error, this node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// No renewal succeeded yet, or the process surrendered its lease or dropped it.
    #[error("this node holds no lease: retry, or use another node")]
    NoLease,
    /// The lease ran out.
    #[error("the lease of this node ran out: retry, or use another node")]
    Expired,
    /// The clock reads earlier than the lease: it was read before the capture, or it jumped back.
    #[error("the boot clock reads earlier than the lease: read it after the capture")]
    ClockBeforeLease,
}

impl LeaseCell {
    /// A cell without a lease. The only writer is its [`Holder`](super::holder::Holder).
    #[must_use]
    pub(super) fn new() -> Self {
        Self { sent: AtomicU64::new(NONE), read_index: AtomicU64::new(0) }
    }

    /// Captures the lease a request runs under. Call it before anything else is looked up.
    ///
    /// # Errors
    /// [`Stale::NoLease`]. Whether the lease is still good says [`Self::check`].
    pub fn capture(&self) -> Result<Lease, Stale> {
        let sent = self.sent.load(Ordering::Acquire);
        if sent == NONE || sent == CLOSED {
            return Err(Stale::NoLease);
        }
        let read_index = LogIndex(self.read_index.load(Ordering::Acquire));
        Ok(Lease { sent: BootTime::from_nanos(sent), read_index })
    }

    /// Checks a captured lease against its tenant's length: `now − sent < length`, and not closed.
    /// `now` must be read after the capture.
    ///
    /// # Errors
    /// Says why the lease does not allow an answer.
    pub fn check(&self, lease: Lease, length: LeaseLength, now: BootTime) -> Result<(), Stale> {
        if self.sent.load(Ordering::Acquire) == CLOSED {
            return Err(Stale::NoLease);
        }
        let age = now.since(lease.sent).ok_or(Stale::ClockBeforeLease)?;
        if age < length.duration() { Ok(()) } else { Err(Stale::Expired) }
    }

    /// What is left of the current lease for a tenant of this length; zero when there is none. For
    /// readiness and the metric `keyraft_lease_remaining_seconds`, never to authorise.
    #[must_use]
    pub fn remaining(&self, length: LeaseLength, now: BootTime) -> std::time::Duration {
        let age = self.capture().ok().and_then(|lease| now.since(lease.sent));
        age.and_then(|age| length.duration().checked_sub(age)).unwrap_or_default()
    }

    /// Ends every lease of this process, captured ones included, for ever: surrender, a VM
    /// generation change, a log that says this node was removed. Callable from any thread.
    pub fn close(&self) {
        self.sent.fetch_max(CLOSED, Ordering::SeqCst);
    }

    /// Stores a renewed lease. The caller has seen a generation of at least `read_index` published.
    pub(super) fn store(&self, sent: BootTime, read_index: LogIndex) {
        assert!(sent.as_nanos() < CLOSED, "the last nanosecond means closed");
        self.read_index.fetch_max(read_index.0, Ordering::Release);
        self.sent.fetch_max(sent.as_nanos(), Ordering::Release);
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use std::time::Duration;

    const LENGTH: LeaseLength = LeaseLength::DEFAULT;

    fn at(millis: u64) -> BootTime {
        BootTime::from_nanos(millis * 1_000_000)
    }

    fn renewed(millis: u64) -> LeaseCell {
        let cell = LeaseCell::new();
        cell.store(at(millis), LogIndex(7));
        cell
    }

    #[test]
    fn a_new_cell_allows_nothing() {
        assert_eq!(LeaseCell::new().capture(), Err(Stale::NoLease));
        assert_eq!(LeaseCell::new().remaining(LENGTH, at(1)), Duration::ZERO);
    }

    #[test]
    fn a_lease_ends_exactly_at_its_length() {
        let cell = renewed(1_000);
        let lease = cell.capture().unwrap();
        assert_eq!(lease.read_index(), LogIndex(7));
        assert_eq!(cell.check(lease, LENGTH, at(3_999)), Ok(()));
        assert_eq!(cell.check(lease, LENGTH, at(4_000)), Err(Stale::Expired));
        assert_eq!(cell.check(lease, LeaseLength::STRICT, at(3_000)), Err(Stale::Expired));
        assert_eq!(cell.remaining(LENGTH, at(3_000)), Duration::from_secs(1));
    }

    #[test]
    fn a_newer_lease_does_not_extend_a_captured_one() {
        let cell = renewed(1_000);
        let captured = cell.capture().unwrap();
        cell.store(at(3_900), LogIndex(9));
        assert_eq!(cell.check(captured, LENGTH, at(4_000)), Err(Stale::Expired));
        assert_eq!(cell.check(cell.capture().unwrap(), LENGTH, at(4_000)), Ok(()));
    }

    #[test]
    fn a_late_reply_never_takes_a_lease_back() {
        let cell = renewed(1_000);
        cell.store(at(500), LogIndex(3));
        assert_eq!(cell.capture().unwrap(), renewed(1_000).capture().unwrap());
    }

    #[test]
    fn closing_ends_captured_leases_and_cannot_be_undone() {
        let cell = renewed(1_000);
        let captured = cell.capture().unwrap();
        cell.close();
        cell.store(at(2_000), LogIndex(9));
        assert_eq!(cell.capture(), Err(Stale::NoLease));
        assert_eq!(cell.check(captured, LENGTH, at(1_001)), Err(Stale::NoLease));
    }

    #[test]
    fn a_clock_that_reads_before_the_lease_fails_closed() {
        let cell = renewed(1_000);
        let lease = cell.capture().unwrap();
        assert_eq!(cell.check(lease, LENGTH, at(999)), Err(Stale::ClockBeforeLease));
    }
}

#[cfg(all(test, feature = "loom"))]
mod interleavings {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Publish, then store; meanwhile a request captures, then loads: it never meets a lease whose
    /// generation it cannot see.
    #[test]
    fn a_captured_lease_is_covered_by_the_generation_loaded_after_it() {
        loom::model(|| {
            let cell = Arc::new(LeaseCell::new());
            let generation = Arc::new(AtomicU64::new(0));
            let writer = thread::spawn({
                let (cell, generation) = (cell.clone(), generation.clone());
                move || {
                    for index in [3, 5] {
                        generation.store(index, Ordering::Relaxed);
                        cell.store(BootTime::from_nanos(index * 10), LogIndex(index));
                    }
                }
            });
            if let Ok(lease) = cell.capture() {
                let loaded = generation.load(Ordering::Relaxed);
                assert!(loaded >= lease.read_index().0, "read index");
                assert!(loaded * 10 >= lease.sent().as_nanos(), "sent");
            }
            writer.join().unwrap();
        });
    }

    /// A renewal that races with a close loses.
    #[test]
    fn closing_wins_every_race() {
        loom::model(|| {
            let cell = Arc::new(LeaseCell::new());
            let renewal = thread::spawn({
                let cell = cell.clone();
                move || cell.store(BootTime::from_nanos(10), LogIndex(1))
            });
            cell.close();
            assert_eq!(cell.capture(), Err(Stale::NoLease));
            renewal.join().unwrap();
            assert_eq!(cell.capture(), Err(Stale::NoLease));
        });
    }
}
