//! Room on the disk: a node that has little proposes nothing more, and lets another lead (CONSISTENCY 8).
//!
//! A full disk stops a node; a leader should not come so far. Followers go on: what others propose is for
//! their disks to bear, and derivations write nothing but audit records.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::inner::Inner;
use crate::raft::consensus::Role;

/// Says how many bytes are free where the data lies; `None` if that is not known.
pub type FreeSpace = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// How often a node looks. The heaviest writes fill some tens of megabytes in that time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A leader with little room hands over once in this time: where all have little, leadership must not wander.
const HAND_OVER_EVERY: Duration = Duration::from_secs(60);

impl Inner {
    /// Looks at the disk as long as the node runs.
    pub async fn watch_space(&self) {
        let mut handed_over: Option<Instant> = None;
        loop {
            if let Some(free) = (self.free_space)() {
                self.judge_space(free);
                let due = handed_over.is_none_or(|at| at.elapsed() >= HAND_OVER_EVERY);
                if self.disk_low() && due && self.raft.view().role == Role::Leader {
                    handed_over = Some(Instant::now());
                    let successor = self.step_down().await;
                    tracing::warn!(?successor, "this node's disk is nearly full: another should lead");
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether there is so little room that this node proposes nothing.
    pub fn disk_low(&self) -> bool {
        self.disk_low.load(Ordering::Acquire)
    }

    fn judge_space(&self, free: u64) {
        let (was, mark) = (self.disk_low(), self.settings.low_water_bytes);
        let low = is_low(was, free, mark);
        if low && !was {
            tracing::error!(free, mark, "the disk is nearly full: this node refuses proposals; make room");
        }
        if was && !low {
            tracing::info!(free, "there is room on the disk again");
        }
        self.disk_low.store(low, Ordering::Release);
    }
}

/// Once low, a quarter more must be free before it is well again: a value at the mark must not flicker.
fn is_low(was: bool, free: u64, mark: u64) -> bool {
    free < if was { mark.saturating_add(mark / 4) } else { mark }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_at_the_mark_does_not_flicker() {
        assert!(!is_low(false, 100, 100));
        assert!(is_low(false, 99, 100));
        assert!(is_low(true, 124, 100));
        assert!(!is_low(true, 125, 100));
        assert!(!is_low(false, 0, 0), "no mark, no judgement");
    }
}
