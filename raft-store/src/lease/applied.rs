//! When this leader applied what: the beginning of every wait.
//!
//! A wait for withdrawal I begins at the own apply of I, or, for an I older than the own term, at the
//! apply of the own no-op. Both are kept as one short history of checkpoints; a checkpoint's time is
//! that of the *last* entry it covers, so rounding only makes a wait longer.

use std::collections::VecDeque;
use std::time::Duration;

use model::id::LogIndex;

use super::clock::BootTime;
use super::members::is_forgotten;

/// Entries applied within this time share a checkpoint: waits are seconds, so nobody notices, and
/// a minute of history is at most 6,300 checkpoints.
const GRAIN: Duration = Duration::from_millis(10);

/// Checkpoints of one term, in index order.
#[derive(Debug, Default)]
pub(super) struct History {
    checkpoints: VecDeque<Checkpoint>,
}

#[derive(Debug)]
struct Checkpoint {
    index: LogIndex,
    begun: BootTime,
    ended: BootTime,
}

impl History {
    /// Everything up to `index` was applied by `now`.
    pub fn push(&mut self, index: LogIndex, now: BootTime) {
        match self.checkpoints.back_mut() {
            Some(last) if index <= last.index => {}
            Some(last) if now < last.begun + GRAIN => (last.index, last.ended) = (index, last.ended.max(now)),
            _ => self.checkpoints.push_back(Checkpoint { index, begun: now, ended: now }),
        }
        // The first one left answers for everything before it.
        while self.checkpoints.get(1).is_some_and(|second| is_forgotten(second.ended, now)) {
            self.checkpoints.pop_front();
        }
    }

    /// When the wait for withdrawal `index` began; `None` before this leader applied it.
    pub fn began(&self, index: LogIndex) -> Option<BootTime> {
        let at = self.checkpoints.partition_point(|checkpoint| checkpoint.index < index);
        self.checkpoints.get(at).map(|checkpoint| checkpoint.ended)
    }

    /// The last withdrawal whose wait is over.
    pub fn waited_out(&self, wait: Duration, now: BootTime) -> Option<LogIndex> {
        let over = self.checkpoints.partition_point(|checkpoint| checkpoint.ended + wait <= now);
        over.checked_sub(1).map(|last| self.checkpoints[last].index)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    fn at(millis: u64) -> BootTime {
        BootTime::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_wait_begins_at_the_first_checkpoint_that_covers_the_index() {
        let mut history = History::default();
        history.push(LogIndex(10), at(100)); // the no-op
        history.push(LogIndex(12), at(200));
        assert_eq!(history.began(LogIndex(3)), Some(at(100)), "older than the term");
        assert_eq!(history.began(LogIndex(11)), Some(at(200)));
        assert_eq!(history.began(LogIndex(13)), None);
        let second = Duration::from_secs(1);
        assert_eq!(history.waited_out(second, at(1_099)), None);
        assert_eq!(history.waited_out(second, at(1_100)), Some(LogIndex(10)));
        assert_eq!(history.waited_out(second, at(1_200)), Some(LogIndex(12)));
    }

    #[test]
    fn rounding_only_lengthens_a_wait_and_never_beyond_the_grain() {
        let mut history = History::default();
        for millis in 0..1_000 {
            history.push(LogIndex(millis), at(millis));
        }
        for millis in 0..1_000 {
            let began = history.began(LogIndex(millis)).unwrap();
            assert!(began >= at(millis) && began < at(millis) + GRAIN);
            let over = history.waited_out(Duration::from_secs(5), at(millis) + Duration::from_secs(5));
            assert!(over <= Some(LogIndex(millis)), "{over:?} was not waited for long enough");
        }
        assert!(history.checkpoints.len() <= 100);
    }

    #[test]
    fn a_busy_year_keeps_a_minute_of_history() {
        let mut history = History::default();
        for step in 0..200_000 {
            history.push(LogIndex(step), at(step * 10));
        }
        assert!(history.checkpoints.len() <= 6_300, "{}", history.checkpoints.len());
        assert!(history.began(LogIndex(0)).unwrap() <= at(1_999_990 - 62_000));
    }
}
