//! Registers a service, and sets its policy.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{LogIndex, ServiceHandle, ServiceName, TenantHandle};
use crate::refusal::{Limit, Refusal};
use crate::service::{SEED_BYTES_MAX, Service, ServicePolicy, ServiceState, ServiceType};
use crate::state::{At, Changes, State};

/// Insert-if-absent by (tenant, name): the losing proposer of a race uses the stored handle and seed
/// (CONSISTENCY 6). A shredded service is refused until an administrator re-enables the identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterService {
    /// The tenant.
    pub tenant: TenantHandle,
    /// Drawn at random by the proposer; kept only if the name is new.
    pub handle: ServiceHandle,
    /// From the certificate, or from an administrator.
    pub name: ServiceName,
    /// Shown to people.
    pub service_type: ServiceType,
    /// What its owner decided.
    pub policy: ServicePolicy,
    /// The seed, sealed by the barrier keyring.
    pub seed: Vec<u8>,
    /// Commitment to the seed.
    pub seed_commitment: [u8; 32],
    /// An administrator enables a shredded identity again, with a new handle and seed.
    pub reenable: bool,
}

impl Apply for RegisterService {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.active_tenant(self.tenant)?;
        if self.seed.len() > SEED_BYTES_MAX {
            return Err(Refusal::LimitReached { what: Limit::SeedBytes, max: SEED_BYTES_MAX as u64 });
        }
        match state.service_named(self.tenant, &self.name) {
            Some(known) if known.state == ServiceState::Shredded && !self.reenable => {
                Err(Refusal::ServiceShredded { at: known.withdrawn_at })
            }
            Some(known) if known.state != ServiceState::Shredded => Ok(()),
            _ if state.service(self.tenant, self.handle).is_some() => Err(Refusal::HandleTaken),
            _ => Ok(()),
        }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        if let Some(known) = state.service_named(self.tenant, &self.name)
            && known.state != ServiceState::Shredded
        {
            return Answer::Service { handle: known.handle, created: false };
        }
        let service = Service {
            tenant: self.tenant,
            handle: self.handle,
            name: self.name.clone(),
            service_type: self.service_type,
            state: ServiceState::Active,
            policy: self.policy,
            seed: Some(self.seed.clone()),
            seed_commitment: self.seed_commitment,
            created: at.time,
            revision: at.index,
            withdrawn_at: LogIndex(0),
        };
        state.put_service(service, changes);
        Answer::Service { handle: self.handle, created: true }
    }
}

/// Replaces a service's policy. Keys that exist keep what their identifier says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetServicePolicy {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The service.
    pub service: ServiceHandle,
    /// The policy from then on.
    pub policy: ServicePolicy,
    /// The revision the caller read, if it insists on it.
    pub if_revision: Option<LogIndex>,
}

impl Apply for SetServicePolicy {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let service = state.living_service(self.tenant, self.service)?;
        if self.if_revision.is_some_and(|revision| revision != service.revision) {
            return Err(Refusal::RevisionConflict { now: service.revision });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut service = state.services[&(self.tenant, self.service)].as_ref().clone();
        (service.policy, service.revision) = (self.policy, at.index);
        if self.policy.withdraws() {
            service.withdrawn_at = at.index;
        }
        state.put_service(service, changes);
        Answer::Done
    }
}
