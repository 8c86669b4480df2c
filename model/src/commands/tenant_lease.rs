//! Gives a tenant another lease length (CONSISTENCY 2).
//!
//! Lowering it is a withdrawal: an answer allowed under the old length may be refused under the new one. The
//! command passes its barrier under the *old* length; then a second one says that it took effect everywhere.
//! Until that, barriers use the longer of the two. Raising takes effect at once.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{LogIndex, TenantHandle};
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};
use crate::tenant::{LEASE_MS_MAX, LEASE_MS_MIN, Lowering, Tenant};

/// Sets the length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTenantLease {
    /// Which tenant.
    pub tenant: TenantHandle,
    /// The length from then on, in milliseconds.
    pub lease_ms: u32,
    /// The revision the caller read, if it insists on it.
    pub if_revision: Option<LogIndex>,
}

/// The barrier of a lowered length has passed: no node applies the old one any more. The leader proposes it;
/// for another lowering than the present one it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTookEffect {
    /// Which tenant.
    pub tenant: TenantHandle,
    /// The command that lowered it.
    pub lowered_at: LogIndex,
}

impl Apply for SetTenantLease {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let tenant = state.living_tenant(self.tenant)?;
        if self.if_revision.is_some_and(|revision| revision != tenant.revision) {
            return Err(Refusal::RevisionConflict { now: tenant.revision });
        }
        check_lease(self.lease_ms)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let tenant = state.tenants[&self.tenant].as_ref().clone();
        let longest = tenant.barrier_lease_ms();
        let lowered = (self.lease_ms < longest).then_some(Lowering { from_ms: longest, at: at.index });
        let changed = Tenant { lease_ms: self.lease_ms, lowered, revision: at.index, ..tenant };
        state.put_tenant(changed, changes);
        Answer::Done
    }
}

impl Apply for LeaseTookEffect {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.tenant(self.tenant).map(drop).ok_or(Refusal::TenantUnknown)
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        let tenant = &state.tenants[&self.tenant];
        if tenant.lowered.is_some_and(|lowered| lowered.at == self.lowered_at) {
            // The revision stays: nothing changed that a caller could have read and insisted on.
            let changed = Tenant { lowered: None, ..tenant.as_ref().clone() };
            state.put_tenant(changed, changes);
        }
        Answer::Done
    }
}

/// A lease is neither so short that a fail-over interrupts derivations, nor longer than any wait is bounded by.
pub(super) fn check_lease(lease_ms: u32) -> Result<(), Refusal> {
    Limit::Lease.check(lease_ms.into(), LEASE_MS_MIN.into()..=LEASE_MS_MAX.into())
}
