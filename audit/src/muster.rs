//! How a commit waits for company.
//!
//! Under load a commit costs much the same for one request as for a hundred. So the audit thread waits until
//! as many requests are there as it has answered at once: clients that send their next request after each answer
//! then share one commit. The request that makes them complete ends the wait, and time does if one stays away.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Where requests and the audit thread meet.
#[derive(Debug, Default)]
pub(crate) struct Muster {
    /// So many jobs in the queue end the wait; zero while nobody waits.
    wanted: AtomicUsize,
    /// The audit thread.
    waiting: OnceLock<Thread>,
}

impl Muster {
    /// The audit thread's wait: until `wanted` jobs are in the queue, by what `queued` says, or `longest` is
    /// over.
    pub(crate) fn wait(&self, wanted: usize, longest: Duration, queued: impl Fn() -> usize) {
        self.waiting.get_or_init(thread::current);
        let until = Instant::now() + longest;
        self.wanted.store(wanted, SeqCst);
        // Whoever came before the line above has not seen it, and is counted here.
        while queued() < wanted && self.wanted.load(SeqCst) != 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        self.wanted.store(0, SeqCst);
    }

    /// A request has put its job into the queue, where there are `queued` now.
    pub(crate) fn arrived(&self, queued: impl FnOnce() -> usize) {
        let wanted = self.wanted.load(SeqCst);
        let complete = wanted != 0 && queued() >= wanted;
        // Of several that find it complete, one wakes the thread.
        if complete && self.wanted.swap(0, SeqCst) != 0 {
            self.waiting.get().expect("whoever wants has said who it is").unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Longer than any test: who waits for it was not woken.
    const FOR_EVER: Duration = Duration::from_secs(3600);

    #[test]
    fn the_last_to_arrive_ends_the_wait() {
        let (muster, queue) = (Arc::new(Muster::default()), Arc::new(AtomicUsize::new(0)));
        for round in 1..200 {
            queue.store(0, SeqCst);
            let arrive = {
                let (muster, queue) = (Arc::clone(&muster), Arc::clone(&queue));
                move || {
                    queue.fetch_add(1, SeqCst);
                    muster.arrived(|| queue.load(SeqCst));
                }
            };
            let others: Vec<_> = (0..3).map(|_| thread::spawn(arrive.clone())).collect();
            muster.wait(3, FOR_EVER, || queue.load(SeqCst));
            assert_eq!(queue.load(SeqCst), 3, "in round {round}");
            for other in others {
                other.join().unwrap();
            }
        }
    }

    #[test]
    fn nobody_waits_for_who_is_there_or_stays_away() {
        let muster = Muster::default();
        muster.arrived(|| 7);
        muster.wait(2, FOR_EVER, || 2);
        muster.wait(2, Duration::from_millis(1), || 1);
        assert_eq!(muster.wanted.load(SeqCst), 0);
    }
}
