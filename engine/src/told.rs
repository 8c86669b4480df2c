//! Answers that tell of a withdrawal wait until it holds on every node (CONSISTENCY 3).
//!
//! "Destroyed", "revoked", "suspended" and "denied" are answered long after the command that made it so, by nodes
//! that did not propose it. Whoever hears it may conclude that no node serves the key any more; so the answer
//! passes the barrier of the original effect. What the leader once confirmed costs nothing the next time.

use std::time::Duration;

use model::id::{LogIndex, TenantHandle};
use raft_store::{Holds, Unavailable};

use crate::engine::Engine;
use crate::refused::Refused;
use crate::turn::Turn;

/// Stands for "not committed yet" in objects that a batch has staged: the commit passes its own barrier.
const STAGED: LogIndex = LogIndex(u64::MAX);

/// The latest withdrawal that an answer may tell of; none at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(LogIndex);

impl Told {
    pub fn add(&mut self, withdrawn_at: LogIndex) {
        if withdrawn_at != STAGED {
            self.0 = self.0.max(withdrawn_at);
        }
    }

    /// What there is to wait for, once.
    fn take(&mut self) -> Option<LogIndex> {
        let told = std::mem::take(self).0;
        (told != LogIndex(0)).then_some(told)
    }
}

impl Engine {
    /// Returns once a withdrawal holds on every node.
    ///
    /// # Errors
    /// [`Refused::NotEverywhereYet`], or [`Refused::NotNow`] where no leader says so.
    pub async fn until_everywhere(
        &self,
        withdrawal: LogIndex,
        tenant: Option<TenantHandle>,
    ) -> Result<(), Refused> {
        match Box::pin(self.store.holds(withdrawal, tenant, Duration::MAX)).await? {
            Holds::Since(_) => Ok(()),
            Holds::From(effective_everywhere_at) => {
                Err(Refused::NotEverywhereYet { effective_everywhere_at })
            }
        }
    }

    /// Whether a withdrawal of a tenant holds on every node now, without waiting for it.
    ///
    /// # Errors
    /// No leader says so.
    pub async fn holds(&self, withdrawal: LogIndex, tenant: TenantHandle) -> Result<Holds, Unavailable> {
        self.store.holds(withdrawal, Some(tenant), Duration::ZERO).await
    }
}

impl Turn<'_> {
    /// Waits for the withdrawals that the objects looked at since the last call tell of. Call it before an item
    /// is answered with anything that depends on their state, other than a key or its use.
    ///
    /// # Errors
    /// [`Refused::NotEverywhereYet`], [`Refused::NotNow`]: the item must not be answered as it was going to.
    pub async fn withdrawals_hold(&mut self) -> Result<(), Refused> {
        match self.told.take() {
            Some(withdrawal) => self.engine.until_everywhere(withdrawal, Some(self.tenant.handle)).await,
            None => Ok(()),
        }
    }

    /// The refusal of a whole service or by its policy tells of what was last withdrawn from it.
    pub fn tell_of_policy(&mut self) {
        let withdrawn_at = self.service.withdrawn_at;
        self.told.add(withdrawn_at);
    }

    /// Forgets what the objects looked at would have told: the item's answer tells nothing of it.
    pub fn tell_nothing(&mut self) {
        self.told = Told::default();
    }
}
