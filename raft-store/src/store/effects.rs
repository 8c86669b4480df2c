//! Whether a withdrawal holds on every node: what a node must know before it answers "destroyed", "revoked" or
//! "suspended" from its own state, although the withdrawal is long published here (CONSISTENCY 3).
//!
//! The leader's barrier decides; what it once said stays true, so that only the first such answer after a
//! withdrawal costs a question. What is remembered is one index for each lease length: all withdrawals of tenants
//! with that length, up to there, are effective.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::id::{LogIndex, TenantHandle};
use model::time::ClusterTime;
use tokio::time::{Instant, timeout_at};

use super::Unavailable;
use super::barriers::{GIVE_UP_AFTER, length_of};
use super::inner::{Inner, Leader};
use super::lead::Holds;
use super::propose::ON_THE_WAY;
use crate::lease::class::LeaseLength;
use crate::peer::client::Lane;
use crate::wire::AskEffective;
use crate::wire::method::AwaitEffective;

/// The longest anybody waits for a withdrawal: the longest lease has run out by then.
pub(super) const PATIENCE_MAX: Duration = Duration::from_secs(65);
/// A fail-over fits in, on top of the caller's patience.
const LEADER_MAX: Duration = Duration::from_secs(2);
/// Pause between attempts while nobody leads.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Up to which index withdrawals are known to be effective, by lease length. It only grows.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    known: Mutex<BTreeMap<LeaseLength, LogIndex>>,
}

impl Effects {
    fn covers(&self, length: LeaseLength, withdrawal: LogIndex) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&length).is_some_and(|up_to| withdrawal <= *up_to)
    }

    fn learn(&self, length: LeaseLength, up_to: LogIndex) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let index = known.entry(length).or_default();
        *index = (*index).max(up_to);
    }
}

/// What the leader says of a withdrawal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub holds: Holds,
    /// The length that was waited for, and up to where all of its withdrawals are effective.
    pub length: LeaseLength,
    pub up_to: LogIndex,
}

impl Inner {
    /// Whether the leader is known to have said so before.
    pub fn known_effective(&self, withdrawal: LogIndex, tenant: Option<TenantHandle>) -> bool {
        let length = length_of(&self.serving.load().state, tenant);
        self.effects.covers(length, withdrawal)
    }

    /// See [`Store::holds`](super::Store::holds).
    pub async fn effective(
        self: Arc<Self>,
        withdrawal: LogIndex,
        tenant: Option<TenantHandle>,
        patience: Duration,
    ) -> Result<Holds, Unavailable> {
        // A leader waits no longer than a barrier may take; one that is silent longer is none.
        let barrier = length_of(&self.serving.load().state, tenant).wait() + GIVE_UP_AFTER;
        let patience = patience.min(barrier);
        let deadline = Instant::now() + patience + LEADER_MAX;
        let asking = async {
            loop {
                if let Some(told) = self.ask_effective(withdrawal, tenant, patience).await {
                    self.effects.learn(told.length, told.up_to);
                    return told.holds;
                }
                self.look_again(LOOK_AGAIN).await;
            }
        };
        let told = timeout_at(deadline, asking).await;
        told.map_err(|_| Unavailable { reason: "no leader says whether the withdrawal holds everywhere" })
    }

    async fn ask_effective(
        self: &Arc<Self>,
        withdrawal: LogIndex,
        tenant: Option<TenantHandle>,
        patience: Duration,
    ) -> Option<Told> {
        let target = match self.leader(&self.raft.view())? {
            Leader::Here => return self.effective_here(withdrawal, tenant, patience).await,
            Leader::There(target) => target,
        };
        let ask = AskEffective {
            index: withdrawal.0,
            tenant: tenant.map(|tenant| tenant.0.to_vec()).unwrap_or_default(),
            patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
        };
        let within = patience + ON_THE_WAY;
        let reply = self.peers.call::<AwaitEffective>(&target, Lane::Requests, ask, within).await.ok()?;
        let at = ClusterTime(reply.effective_ms);
        Some(Told {
            holds: if reply.everywhere { Holds::Since(at) } else { Holds::From(at) },
            length: LeaseLength::from_millis(reply.length_ms).ok()?,
            up_to: LogIndex(reply.up_to),
        })
    }

    /// The leader's own answer; `None` from a node that does not lead, or stopped leading meanwhile.
    pub async fn effective_here(
        self: &Arc<Self>,
        withdrawal: LogIndex,
        tenant: Option<TenantHandle>,
        patience: Duration,
    ) -> Option<Told> {
        let view = self.raft.view();
        let Some(Leader::Here) = self.leader(&view) else { return None };
        // Whoever asks has published it; this node may lag behind for a moment.
        self.published(withdrawal, patience + LEADER_MAX).await.ok()?;
        let length = length_of(&self.serving.load().state, tenant);
        if self.barriers.effective_index(length) < withdrawal {
            let holds = self.pass_barrier(withdrawal, tenant, patience).await;
            if let Holds::From(_) = holds {
                let leads_on = self.raft.view().term == view.term;
                return leads_on.then_some(Told { holds, length, up_to: LogIndex(0) });
            }
        }
        let up_to = self.barriers.effective_index(length);
        Some(Told { holds: Holds::Since(self.stamp()), length, up_to: up_to.max(withdrawal) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_one_length_says_nothing_of_another() {
        let effects = Effects::default();
        assert!(!effects.covers(LeaseLength::DEFAULT, LogIndex(1)));
        effects.learn(LeaseLength::DEFAULT, LogIndex(7));
        effects.learn(LeaseLength::DEFAULT, LogIndex(3));
        assert!(effects.covers(LeaseLength::DEFAULT, LogIndex(7)), "what was known stays known");
        assert!(!effects.covers(LeaseLength::DEFAULT, LogIndex(8)));
        assert!(!effects.covers(LeaseLength::RELAXED_MAX, LogIndex(1)));
    }
}
