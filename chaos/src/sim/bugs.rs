//! Mistakes that once looked harmless, to be put back in: they prove that the invariants see something.
//!
//! Those about serving and about the disk are planted in the simulation's own parts. Those inside the store
//! need its feature `danger-planted-bugs`, which no shipped build has.

/// One mistake (CONSISTENCY 2, 3, 8, 10, 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The lease begins when the reply arrives.
    StampedAtReply,
    /// Renewals are answered without a quorum round: a deposed leader answers too.
    LeaseRead,
    /// The generation is loaded before the lease is captured.
    LookupBeforeCapture,
    /// The last check takes whatever lease is current then.
    SecondCheckAgainstNewer,
    /// The applied index is told before the generation is swapped.
    AppliedBeforeGeneration,
    /// A cache fill inserts although a withdrawal closed its epoch meanwhile.
    UnguardedFill,
    /// A repeated request is answered from its record, without the barrier of the original.
    BarrierFromRecord,
    /// A new leader acts as if it had led for ever.
    NewLeaderSkipsWait,
    /// A sync is reported that never happened.
    AckBeforeSync,
    /// A wiped disk takes part under the old node id.
    IdReuse,
    /// The rows of overrides are lost, and nobody counts rows.
    LostOverride,
    /// Applied rows reach the disk before the log entries they come from.
    ApplyBeforeLog,
    /// An answer leaves before its audit record is durable.
    AnswerBeforeAudit,
    /// A barrier does not wait for a node that is leaving or has left.
    BarrierWithoutRetiring,
    /// A restored backup hands out again what was handed out after it.
    RestoreWithoutFloors,
}

impl Bug {
    /// Those that every build of the simulator can plant.
    pub const OUTSIDE: &[Self] = &[
        Self::LookupBeforeCapture,
        Self::SecondCheckAgainstNewer,
        Self::UnguardedFill,
        Self::AckBeforeSync,
        Self::ApplyBeforeLog,
        Self::AnswerBeforeAudit,
    ];

    /// Those inside the store.
    pub const INSIDE: &[Self] = &[
        Self::StampedAtReply,
        Self::LeaseRead,
        Self::AppliedBeforeGeneration,
        Self::BarrierFromRecord,
        Self::NewLeaderSkipsWait,
        Self::IdReuse,
        Self::LostOverride,
        Self::BarrierWithoutRetiring,
        Self::RestoreWithoutFloors,
    ];

    /// Puts it into the store of this thread's runs, and takes out what was there before.
    #[cfg(feature = "danger-planted-bugs")]
    pub fn plant(bug: Option<Self>) {
        use raft_store::danger::{Bug as Inside, plant};
        plant(bug.and_then(|bug| match bug {
            Self::StampedAtReply => Some(Inside::StampedAtReply),
            Self::LeaseRead => Some(Inside::LeaseRead),
            Self::AppliedBeforeGeneration => Some(Inside::AppliedBeforeGeneration),
            Self::BarrierFromRecord => Some(Inside::BarrierFromRecord),
            Self::NewLeaderSkipsWait => Some(Inside::NewLeaderSkipsWait),
            Self::IdReuse => Some(Inside::IdReuse),
            Self::LostOverride => Some(Inside::RowsNotCounted),
            Self::BarrierWithoutRetiring => Some(Inside::BarrierWithoutRetiring),
            Self::RestoreWithoutFloors => Some(Inside::RestoreWithoutFloors),
            _ => None,
        }));
    }

    /// Without the feature there is nothing inside the store to switch.
    #[cfg(not(feature = "danger-planted-bugs"))]
    pub fn plant(_: Option<Self>) {}
}
