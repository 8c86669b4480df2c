//! Suspends, resumes and shreds a service.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{ServiceHandle, TenantHandle};
use crate::refusal::Refusal;
use crate::service::{Service, ServiceState};
use crate::state::{At, Changes, Effect, State};
use crate::workflow::Task;

/// Refuses every answer for the service until it is resumed. Suspending twice is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendService {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The service.
    pub service: ServiceHandle,
}

/// Ends a suspension. Resuming a service that is served is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeService {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The service.
    pub service: ServiceHandle,
}

/// Erases the seed: no key of the service can be derived again, and its handle is retired for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShredService {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The service.
    pub service: ServiceHandle,
}

impl Apply for SuspendService {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_service(self.tenant, self.service).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        withdraw(state, self.tenant, self.service, ServiceState::Suspended, at, changes);
        Answer::Done
    }
}

impl Apply for ResumeService {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_service(self.tenant, self.service).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let service = state.services[&(self.tenant, self.service)].as_ref().clone();
        state.put_service(Service { state: ServiceState::Active, revision: at.index, ..service }, changes);
        Answer::Done
    }
}

impl Apply for ShredService {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        state.living_service(self.tenant, self.service)?;
        state.approved(self.tenant, &Task::ShredService(self.service), at.time)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        state.use_up_approval(self.tenant, &Task::ShredService(self.service), at, changes);
        withdraw(state, self.tenant, self.service, ServiceState::Shredded, at, changes);
        Answer::Done
    }
}

fn withdraw(
    state: &mut State,
    tenant: TenantHandle,
    handle: ServiceHandle,
    to: ServiceState,
    at: &At,
    changes: &mut Changes,
) {
    let mut service = state.services[&(tenant, handle)].as_ref().clone();
    service.state = to;
    service.revision = at.index;
    service.withdrawn_at = at.index;
    if to == ServiceState::Shredded {
        service.seed = None;
    }
    state.put_service(service, changes);
    changes.effects.push(Effect::PurgeService(tenant, handle));
}
