//! A tenant's own roots of trust, what is known of each root's health, and whether a tenant may be served.
//!
//! A root's configuration is kept sealed by the barrier keyring: it may hold credentials, and nothing here or
//! above ever gives it back. Evidence about a root is stamped before the probe that brought it, in cluster
//! time (CONSISTENCY 13), so that every node counts the same grace down to the same moment.

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, NodeId, RootHandle, RootName, TenantHandle};
use crate::time::ClusterTime;

/// Roots a tenant may have configured: two regions with two keys each, one set in use and one to come.
pub const ROOTS_MAX: usize = 8;
/// Longest sealed configuration in bytes: an endpoint, a certificate chain with its key, a token.
pub const ROOT_SETTINGS_BYTES_MAX: usize = 32 * 1024;
/// Longest key reference in bytes, as `crypto` binds it.
pub const L1_REF_BYTES_MAX: usize = 1_024;
/// Longest text about a root or a job: one sentence of a provider.
pub const DETAIL_BYTES_MAX: usize = 512;

/// How long hot keys serve on without an answer of the root, unless the tenant says otherwise.
pub const L1_GRACE_MS_DEFAULT: u64 = 60 * 60 * 1000;
/// Longest grace a tenant may choose: after a day the owner of the key must be heard.
pub const L1_GRACE_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Between two probes of a tenant's roots, unless the tenant says otherwise, and at most: with the jitter, a missed
/// turn, the time-out, the write and a refusal that waits to be contradicted it stays below the 32 s in which a no must
/// close every connected node.
pub const PROBE_EVERY_MS_MAX: u64 = 20_000;
/// At least: a probe may take as long.
pub const PROBE_EVERY_MS_MIN: u64 = 2_000;
/// How long the refusal of one node waits to be contradicted before it closes: the others look every second, and a
/// probe ends within two.
pub const REFUSED_MS: u64 = 4_000;
/// Age at which a tenant's key is rotated, unless the tenant says otherwise.
pub const ROTATE_AFTER_MS_DEFAULT: u64 = 90 * 24 * 60 * 60 * 1000;
/// Youngest age at which a key may be rotated by itself: versions are kept for ever, and there is room for
/// a decade of them.
pub const ROTATE_AFTER_MS_MIN: u64 = 24 * 60 * 60 * 1000;

/// A root of trust of a tenant's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The tenant it belongs to.
    pub tenant: TenantHandle,
    /// Random, unique in the tenant.
    pub handle: RootHandle,
    /// Unique in the tenant while the root is configured.
    pub name: RootName,
    /// Name of its provider.
    pub provider: String,
    /// The immutable key reference the root itself told when it was tested.
    pub l1_ref: String,
    /// What it takes to reach it, sealed by the barrier keyring. Never shown.
    pub settings: Vec<u8>,
    /// When it was configured, in cluster time.
    pub created: ClusterTime,
    /// Log index of the last change.
    pub revision: LogIndex,
}

/// Which root some evidence is about: a tenant's own, or (`None`) the platform's for all other tenants.
pub type WhichRoot = Option<(TenantHandle, RootHandle)>;

/// What a root last said of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum L1State {
    /// It wraps and unwraps.
    Enabled,
    /// Its owner switched it off.
    Disabled,
    /// We may no longer use it.
    Forbidden,
    /// No answer: says nothing about the key.
    Unreachable,
    /// Its owner ordered its deletion.
    PendingDeletion,
    /// It is gone.
    Deleted,
    /// It answered something that says nothing about the key.
    Unknown,
    /// It refused one node, for a reason that may be that node's own: its clock, its identity. The others are asked.
    Refused,
    /// Its token refused the PIN that the root is described with. Nobody tries that one again, since tokens lock after
    /// a few: it stands until the credentials are replaced, whoever may still be logged in.
    PinRefused,
}

impl L1State {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Forbidden | Self::PinRefused => "forbidden",
            Self::Unreachable => "unreachable",
            Self::PendingDeletion => "pending_deletion",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }

    /// Whether the owner of the key has ended our use of it: the cluster closes at once. A missing or
    /// meaningless answer never does, and what one node was refused only once no other contradicts it.
    #[must_use]
    pub const fn is_withdrawn(self) -> bool {
        match self {
            Self::Disabled | Self::Forbidden | Self::PinRefused | Self::PendingDeletion | Self::Deleted => {
                true
            }
            Self::Enabled | Self::Unreachable | Self::Unknown | Self::Refused => false,
        }
    }

    /// What is known of a root of which this was known, after this answer: a no stands until the root is heard
    /// again, and silence takes nothing back, not even a doubt.
    const fn after(self, known: Self) -> Self {
        match self {
            Self::Unreachable | Self::Unknown if matches!(known, Self::Refused) => known,
            Self::Unreachable | Self::Unknown | Self::Refused if known.is_withdrawn() => known,
            answer => answer,
        }
    }
}

/// What is known of a root's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1 {
    /// What it last said.
    pub state: L1State,
    /// When the newest probe that succeeded began; the grace counts from here.
    pub ok_at: ClusterTime,
    /// When the newest probe of all began.
    pub probed_at: ClusterTime,
    /// When the cluster was told of it: what was told and purged by then is known to have been.
    pub noted_at: ClusterTime,
    /// Since when it has been in this state.
    pub since: ClusterTime,
    /// The node that probed last; while it is refused, the node that was.
    pub by: NodeId,
    /// The root's own words; empty when all is well.
    pub detail: String,
    /// Log index of the evidence that closed it last; 0 if none did.
    pub closed_at: LogIndex,
}

/// Whether a tenant's root allows its keys to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// A root answers, or none was asked yet.
    Open,
    /// No root answers; hot keys serve until this moment.
    Grace {
        /// When the tenant closes unless a root answers before.
        until: ClusterTime,
    },
    /// The owner of the key ended its use, or the grace is over.
    Closed {
        /// What the root said.
        state: L1State,
        /// When it closed.
        since: ClusterTime,
        /// The withdrawal a caller may conclude from it; 0 for a grace that ran out.
        at: LogIndex,
    },
}

impl L1 {
    /// What is known after a node had this answer. Two nodes that were refused are one no: what is one node's own
    /// trouble is not another's too.
    #[must_use]
    pub fn after(&self, by: NodeId, answer: L1State) -> L1State {
        match (self.state, answer) {
            (L1State::Refused, L1State::Refused) if by != self.by => L1State::Forbidden,
            (known, answer) => answer.after(known),
        }
    }

    /// Until when a refusal waits to be contradicted; `None` if none does.
    #[must_use]
    pub fn doubted_until(&self) -> Option<ClusterTime> {
        (self.state == L1State::Refused).then(|| self.since.plus_ms(REFUSED_MS))
    }

    /// What this root alone allows a tenant with this grace at a moment. A refusal that nobody contradicts closes by
    /// itself, whoever else is silent: it may well be the owner's no.
    #[must_use]
    pub fn gate(&self, grace_ms: u64, now: ClusterTime) -> Gate {
        if self.state.is_withdrawn() {
            return Gate::Closed { state: self.state, since: self.since, at: self.closed_at };
        }
        let grace_ends = self.ok_at.plus_ms(grace_ms);
        let (until, closed) = match self.doubted_until() {
            Some(until) if until < grace_ends => (until, L1State::Forbidden),
            _ => (grace_ends, self.state),
        };
        match self.state {
            L1State::Enabled => Gate::Open,
            _ if now < until => Gate::Grace { until },
            _ => Gate::Closed { state: closed, since: until, at: LogIndex(0) },
        }
    }
}

impl Gate {
    /// The better of two: any one root serves.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open, _) | (_, Self::Open) => Self::Open,
            (Self::Grace { until: a }, Self::Grace { until: b }) => Self::Grace { until: a.max(b) },
            (Self::Grace { until }, _) | (_, Self::Grace { until }) => Self::Grace { until },
            (Self::Closed { since: a, .. }, Self::Closed { since: b, .. }) => {
                // All are closed since the last of them closed.
                if a >= b { self } else { other }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> ClusterTime {
        ClusterTime(ms)
    }

    fn root(state: L1State) -> L1 {
        L1 {
            state,
            ok_at: at(1_000),
            probed_at: at(5_000),
            noted_at: at(5_000),
            since: at(5_000),
            by: NodeId(1),
            detail: String::new(),
            closed_at: LogIndex(9),
        }
    }

    #[test]
    fn no_answer_counts_down_and_a_no_closes_at_once() {
        assert_eq!(root(L1State::Enabled).gate(10, at(9_000)), Gate::Open);
        for state in [L1State::Unreachable, L1State::Unknown] {
            assert_eq!(root(state).gate(8_000, at(8_999)), Gate::Grace { until: at(9_000) });
            let closed = Gate::Closed { state, since: at(9_000), at: LogIndex(0) };
            assert_eq!(root(state).gate(8_000, at(9_000)), closed);
        }
        for state in [L1State::Disabled, L1State::Forbidden, L1State::PendingDeletion, L1State::Deleted] {
            let closed = Gate::Closed { state, since: at(5_000), at: LogIndex(9) };
            assert_eq!(root(state).gate(u64::MAX, at(5_001)), closed);
        }
    }

    #[test]
    fn a_refusal_closes_when_it_is_confirmed_or_nobody_contradicts_it() {
        use L1State::{Deleted, Disabled, Enabled, Forbidden, Refused, Unknown, Unreachable};
        let (one, other) = (NodeId(1), NodeId(2));
        let refused = root(Refused);
        assert_eq!(refused.after(one, Refused), Refused, "the same node's word twice is one word");
        assert_eq!(refused.after(other, Refused), Forbidden);
        assert_eq!(refused.after(other, Disabled), Disabled);
        for by in [one, other] {
            assert_eq!(refused.after(by, Enabled), Enabled, "it is contradicted");
            assert_eq!((refused.after(by, Unreachable), refused.after(by, Unknown)), (Refused, Refused));
        }
        for no in [Forbidden, Disabled, Deleted] {
            assert_eq!(root(no).after(other, Refused), no, "a no stands");
        }
        assert_eq!(root(Enabled).after(one, Refused), Refused);
        assert_eq!(root(Unreachable).after(one, Refused), Refused);

        let until = at(5_000 + REFUSED_MS);
        assert_eq!(refused.gate(3_600_000, at(until.0 - 1)), Gate::Grace { until });
        let closed = Gate::Closed { state: Forbidden, since: until, at: LogIndex(0) };
        assert_eq!(refused.gate(3_600_000, until), closed);
        let over = Gate::Closed { state: Refused, since: at(6_000), at: LogIndex(0) };
        assert_eq!(refused.gate(5_000, at(6_000)), over, "it prolongs no grace");
    }

    #[test]
    fn any_one_root_serves() {
        let closed = |since| Gate::Closed { state: L1State::Deleted, since: at(since), at: LogIndex(1) };
        let grace = |until| Gate::Grace { until: at(until) };
        assert_eq!(closed(1).or(Gate::Open), Gate::Open);
        assert_eq!(grace(4).or(closed(1)), grace(4));
        assert_eq!(grace(4).or(grace(6)), grace(6));
        assert_eq!(closed(1).or(closed(3)), closed(3));
    }
}
