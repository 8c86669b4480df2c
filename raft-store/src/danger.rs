//! Mistakes that can be put back in, to see that the simulator notices them.
//!
//! Without the feature `danger-planted-bugs`, which no shipped build has, [`has`] is the constant `false` and
//! nothing of this is compiled in. With it, a thread plants one mistake for the nodes that run on it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::lease::clock::BootTime;
use crate::machine::Gen;

/// A mistake inside the store (CONSISTENCY 2, 3, 8, 10, 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The lease begins when the reply arrives.
    StampedAtReply,
    /// Renewals are answered without a quorum round.
    LeaseRead,
    /// The applied index is told before the generation is swapped.
    AppliedBeforeGeneration,
    /// A repeated request is answered from its record, without the barrier of the original.
    BarrierFromRecord,
    /// A new leader acts as if it had led for ever.
    NewLeaderSkipsWait,
    /// A wiped or rewound disk is let in under its old node id.
    IdReuse,
    /// Rows are not counted when they are read back.
    RowsNotCounted,
    /// A barrier forgets who is leaving, or has just left.
    BarrierWithoutRetiring,
    /// A restored state begins its new lineage with the numbers it stands at.
    RestoreWithoutFloors,
}

#[cfg(feature = "danger-planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a mistake for the nodes that run on this thread, or takes it out.
#[cfg(feature = "danger-planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this mistake is planted.
#[cfg(feature = "danger-planted-bugs")]
pub(crate) fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Never, in a build that anybody uses.
#[cfg(not(feature = "danger-planted-bugs"))]
pub(crate) const fn has(_: Bug) -> bool {
    false
}

/// A time after which every lease has run out.
pub(crate) const fn long_before(now: BootTime) -> BootTime {
    const LONG_NS: u64 = 100_000_000_000;
    BootTime::from_nanos(now.as_nanos().saturating_sub(LONG_NS))
}

/// Swaps a generation some time after its index was told.
pub(crate) fn publish_late(current: Arc<ArcSwap<Gen>>, next: Gen) {
    const LATE: Duration = Duration::from_millis(200);
    tokio::spawn(async move {
        tokio::time::sleep(LATE).await;
        if current.load().index < next.index {
            current.store(Arc::new(next));
        }
    });
}
