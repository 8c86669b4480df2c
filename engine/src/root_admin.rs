//! What owners do to the roots of their tenants: test, configure, remove; the kill switch and its end. New credentials
//! of a root: `root_credentials`.

use std::sync::Arc;
use std::time::Duration;

use keystore::{Health, Problem, Report, RootError, RootKeystore, Who};
use model::command::{Answer, IdempotencyKey};
use model::commands::{ConfigureRoot, RelinkTenant, RemoveRoot, SetRootPolicy, StartJob};
use model::id::{JobId, LogIndex, RootHandle, RootName, TenantHandle};
use model::job::{Job, JobKind};
use model::refusal::Refusal;
use model::root::Root;
use model::tenant::Tenant;

use crate::admin::{Administered, Administrator};
use crate::described::Described;
use crate::engine::{DRAWS_MAX, Engine};
use crate::refused::Refused;
use crate::root_tests::Place;
use crate::roots::silent;

/// What a tenant decides about all its roots; all in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootPolicy {
    /// How long hot keys outlive the silence of roots.
    pub l1_grace_ms: u64,
    /// Between two probes of a root.
    pub probe_every_ms: u64,
    /// Age at which the tenant's key is rotated.
    pub rotate_after_ms: u64,
}

impl Engine {
    /// Tests a root: opens it, has it wrap and unwrap random bytes, asks what it says of its key and what we
    /// may do there. Nothing is kept; ends within 30 s.
    ///
    /// # Errors
    /// [`Refused::Unaudited`]; [`Refused::NotNow`] if as many are being tested here as may be at once. That the root
    /// does not work is no error but the report.
    pub async fn test_root(
        &self,
        who: &Administrator,
        tenant: &Tenant,
        described: &Described,
    ) -> Result<Report, Refused> {
        let place = match self.root_tests.begin(tenant.handle) {
            Ok(place) => place,
            Err(full) => {
                let target = tenant.name.as_str();
                self.note_admin(who, "test_root", Some(tenant.handle), target, Err(&full)).await?;
                return Err(full);
            }
        };
        self.test_root_in(&place, who, tenant, described).await
    }

    /// As [`Engine::test_root`], in a place that is taken, and kept for what follows the test.
    ///
    /// # Errors
    /// [`Refused::Unaudited`].
    pub(crate) async fn test_root_in(
        &self,
        _place: &Place<'_>,
        who: &Administrator,
        tenant: &Tenant,
        described: &Described,
    ) -> Result<Report, Refused> {
        let mut report = self.roots.test(described).await;
        if report.l1_ref.as_deref() == Some(self.roots.platform().l1_ref()) {
            report.passed = false;
            report.problem = Some(Problem::of(&RootError::Misconfigured {
                root: self.platform_root(),
                who: Who::KeyOwner,
                missing: "this is the platform's own key".to_owned(),
                fix: "name a key of your own".to_owned(),
            }));
        }
        let failed = (!report.passed).then(|| not_passed(&report));
        self.note_admin(
            who,
            "test_root",
            Some(tenant.handle),
            tenant.name.as_str(),
            failed.as_ref().map_or(Ok(None), Err),
        )
        .await?;
        Ok(report)
    }

    /// Keeps a root's configuration, sealed, once it has passed its test. It wraps nothing yet.
    ///
    /// # Errors
    /// [`Refused::RootUnfit`] or [`Refused::KeyUnavailable`] if it did not pass; [`Refused::Refused`] with the
    /// state's reason.
    pub async fn configure_root(
        &self,
        who: &Administrator,
        tenant: &Tenant,
        name: &RootName,
        described: &Described,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Arc<Root>, Refused> {
        let (action, target) = ("configure_root", name.as_str());
        let before = self.answered_before(who, action, Some(tenant.handle), target, idempotency).await?;
        if let Some(answer) = before {
            return self.root_of(tenant.handle, &answer);
        }
        let report = self.test_root(who, tenant, described).await?;
        let l1_ref = report.l1_ref.clone().filter(|_| report.passed).ok_or_else(|| not_passed(&report))?;
        let settings = described.to_bytes();
        for _ in 0..DRAWS_MAX {
            let handle = RootHandle(crypto::random::bytes());
            let command = ConfigureRoot {
                tenant: tenant.handle,
                handle,
                name: name.clone(),
                provider: report.provider.to_owned(),
                l1_ref: l1_ref.clone(),
                settings: self.hot.keyring().seal_root_settings(tenant.handle, handle, &settings),
            };
            match self.administer(who, tenant.handle, name.as_str(), command, idempotency).await {
                Err(Refused::Refused(Refusal::HandleTaken)) => {}
                Err(refused) => return Err(refused),
                Ok(Administered { answer, .. }) => return self.root_of(tenant.handle, &answer),
            }
        }
        Err(Refused::Internal { cause: "no_free_handle" })
    }

    /// The root that an answer names, as this node knows it. It may be gone by the time the answer is given again.
    pub(crate) fn root_of(&self, tenant: TenantHandle, answer: &Answer) -> Result<Arc<Root>, Refused> {
        let Answer::Root(handle) = answer else {
            return Err(Refused::Internal { cause: "unexpected_answer" });
        };
        let generation = self.store.generation();
        let root = generation.state.root(tenant, *handle).cloned();
        root.ok_or(Refused::Refused(Refusal::RootUnknown))
    }

    /// Forgets a root that wraps nothing.
    ///
    /// # Errors
    /// [`Refused::Refused`] with the state's reason.
    pub async fn remove_root(
        &self,
        who: &Administrator,
        root: &Root,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(), Refused> {
        let command = RemoveRoot { tenant: root.tenant, root: root.handle };
        self.administer(who, root.tenant, root.name.as_str(), command, idempotency).await.map(drop)
    }

    /// Decides about all roots of a tenant. Returns the log index of the decision.
    ///
    /// # Errors
    /// [`Refused::Refused`] with the state's reason.
    pub async fn set_root_policy(
        &self,
        who: &Administrator,
        tenant: &Tenant,
        policy: RootPolicy,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<LogIndex, Refused> {
        let RootPolicy { l1_grace_ms, probe_every_ms, rotate_after_ms } = policy;
        let command = SetRootPolicy { tenant: tenant.handle, l1_grace_ms, probe_every_ms, rotate_after_ms };
        let done = self.administer(who, tenant.handle, tenant.name.as_str(), command, idempotency).await?;
        Ok(done.index)
    }

    /// Ends the lock, once a root of the tenant has unwrapped its key here.
    ///
    /// # Errors
    /// [`Refused::KeyUnavailable`] with what the root said; [`Refused::Refused`] with the state's reason.
    pub async fn relink_tenant(
        &self,
        who: &Administrator,
        tenant: &Tenant,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(), Refused> {
        let (name, target) = ("relink_tenant", tenant.name.as_str());
        if self.answered_before(who, name, Some(tenant.handle), target, idempotency).await?.is_some() {
            return Ok(());
        }
        if tenant.access.is_unlinked()
            && let Some(primary) = tenant.primary()
        {
            let generation = self.store.generation();
            let unwrapped = self.roots.unwrap_l2(&generation.state, tenant, primary.version).await;
            if let Err(refused) = unwrapped.map_err(Refused::from) {
                self.note_admin(who, name, Some(tenant.handle), target, Err(&refused)).await?;
                return Err(refused);
            }
        }
        let command = RelinkTenant { tenant: tenant.handle };
        self.administer(who, tenant.handle, target, command, idempotency).await.map(drop)
    }

    /// Begins a job that makes these roots the tenant's (none: the platform's), or wraps anew by the same.
    ///
    /// # Errors
    /// [`Refused::Refused`] with the state's reason; one job runs at a time.
    pub async fn start_job(
        &self,
        who: &Administrator,
        tenant: &Tenant,
        kind: JobKind,
        to: Vec<RootHandle>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Arc<Job>, Refused> {
        let id = JobId(crypto::random::bytes());
        let command = StartJob { tenant: tenant.handle, id, kind, to };
        let done = self.administer(who, tenant.handle, tenant.name.as_str(), command, idempotency).await?;
        let Answer::Job(id) = done.answer else {
            return Err(Refused::Internal { cause: "unexpected_answer" });
        };
        self.job(tenant.handle, id).ok_or(Refused::Internal { cause: "job_not_published" })
    }

    /// A job, as this node knows it.
    #[must_use]
    pub fn job(&self, tenant: TenantHandle, id: JobId) -> Option<Arc<Job>> {
        self.store.generation().state.job(tenant, id).cloned()
    }
}

/// Why a root is not kept: it cannot be used as it was described, or it did not answer as it should.
pub(crate) fn not_passed(report: &Report) -> Refused {
    let Some(problem) = &report.problem else {
        return Refused::KeyUnavailable { reason: "the root did not pass its test".to_owned() };
    };
    let reason = format!("{}; {}: {}", problem.cause, problem.who, problem.next_step);
    match problem.code {
        RootError::MISCONFIGURED => Refused::RootUnfit { reason },
        _ => Refused::KeyUnavailable { reason },
    }
}

/// A probe that ends within a time of ours, whatever the provider's time-outs are.
pub(crate) async fn probe(root: &dyn RootKeystore, within: Duration) -> Result<Health, RootError> {
    match tokio::time::timeout(within, root.probe()).await {
        Ok(answer) => answer,
        Err(_) => Err(silent(root.l1_ref(), within)),
    }
}
