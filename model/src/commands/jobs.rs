//! The steps of a job: each names the step it leaves, so that it happens once, whoever proposes it and however
//! often (DESIGN 7: validate, wrap beside, every node proves, switch, drop).

use serde::{Deserialize, Serialize};

use super::l2_version::check_wraps;
use crate::command::{Answer, Apply};
use crate::event::What;
use crate::id::{JobId, L2Version, NodeId, RootHandle, TenantHandle};
use crate::job::{JOBS_MAX, Job, JobKind, PROOFS_MAX, Step};
use crate::refusal::{Limit, Refusal};
use crate::root::{DETAIL_BYTES_MAX, Gate, ROOTS_MAX};
use crate::state::{At, Changes, State};
use crate::tenant::{L2, L2_VERSIONS_MAX, Tenant, WRAPS_MAX, Wrap};
use crate::workflow::Task;

/// Begins a job; a tenant has one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartJob {
    /// The tenant.
    pub tenant: TenantHandle,
    /// Drawn at random by the proposer.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// The roots after it; empty: the platform's.
    pub to: Vec<RootHandle>,
}

/// Leaves [`Step::Validate`], [`Step::Wrap`] or [`Step::Prove`], once what that step is for has been done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceJob {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The job.
    pub id: JobId,
    /// The step it leaves.
    pub from: Step,
    /// What the next step counts up to.
    pub total: u32,
}

/// Wraps of the next versions by every root to be, beside those they have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddWraps {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The job.
    pub id: JobId,
    /// How many versions were done before, oldest first.
    pub first: u32,
    /// For each of the next versions: one wrap by each root to be.
    pub wraps: Vec<Vec<Wrap>>,
}

/// A node has unwrapped the tenant's key by each of the roots to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteProof {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The job.
    pub id: JobId,
    /// The node.
    pub node: NodeId,
}

/// The roots to be become the tenant's. Where a root leaves, new keys come from a version it never wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchRoots {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The job.
    pub id: JobId,
    /// The new version, where a root leaves.
    pub fresh: Option<FreshVersion>,
}

/// A version that only the roots to be have wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshVersion {
    /// The primary's successor.
    pub version: L2Version,
    /// Commitment to the material.
    pub commitment: [u8; 32],
    /// One wrap by each root to be.
    pub wraps: Vec<Wrap>,
}

/// Drops the wraps of roots that left, and ends the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropWraps {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The job.
    pub id: JobId,
}

/// Makes everything as it was before the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollBackJob {
    /// The tenant.
    pub tenant: TenantHandle,
    /// The job.
    pub id: JobId,
    /// Why, in one sentence.
    pub reason: String,
}

impl Apply for StartJob {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let tenant = state.active_tenant(self.tenant)?;
        if state.running_job(self.tenant).is_some() {
            return Err(Refusal::JobRunning);
        }
        if state.job(self.tenant, self.id).is_some() {
            return Err(Refusal::HandleTaken);
        }
        if self.to.len() > ROOTS_MAX {
            return Err(Refusal::LimitReached { what: Limit::Roots, max: ROOTS_MAX as u64 });
        }
        if self.to.iter().any(|root| state.root(self.tenant, *root).is_none()) {
            return Err(Refusal::RootUnknown);
        }
        let twice = self.to.iter().enumerate().any(|(at, root)| self.to[..at].contains(root));
        let nothing_moves = self.kind == JobKind::Migrate && self.to == tenant.roots;
        let other_roots = self.kind == JobKind::Rewrap && self.to != tenant.roots;
        if twice || nothing_moves || other_roots {
            return Err(Refusal::JobPointless);
        }
        if tenant.versions.len() >= L2_VERSIONS_MAX {
            return Err(Refusal::LimitReached { what: Limit::L2Versions, max: L2_VERSIONS_MAX as u64 });
        }
        match self.kind {
            JobKind::Migrate => state.approved(self.tenant, &Task::SwitchRoots(self.to.clone()), at.time),
            JobKind::Rewrap => Ok(()),
        }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        if self.kind == JobKind::Migrate {
            state.use_up_approval(self.tenant, &Task::SwitchRoots(self.to.clone()), at, changes);
        }
        let from = state.tenants[&self.tenant].roots.clone();
        forget_oldest(state, self.tenant, changes);
        let job = Job {
            tenant: self.tenant,
            id: self.id,
            kind: self.kind,
            step: Step::Validate,
            from,
            to: self.to.clone(),
            done: 0,
            total: 0,
            proofs: Vec::new(),
            detail: String::new(),
            started: at.time,
            updated: at.time,
            revision: at.index,
        };
        state.put_job(job, changes);
        changes.tell(Some(self.tenant), What::JobStarted(self.id, self.kind));
        Answer::Job(self.id)
    }
}

impl Apply for AdvanceJob {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let tenant = state.active_tenant(self.tenant)?;
        let job = at_step(state, self.tenant, self.id, self.from)?;
        let ready = match self.from {
            Step::Validate => true,
            Step::Wrap => usize::try_from(job.done) == Ok(tenant.versions.len()),
            Step::Prove => !job.proofs.is_empty(),
            Step::Switch | Step::Drop | Step::Succeeded | Step::RolledBack => false,
        };
        if ready { Ok(()) } else { Err(Refusal::JobMoved) }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let step = match self.from {
            Step::Validate => Step::Wrap,
            Step::Wrap => Step::Prove,
            _ => Step::Switch,
        };
        change_job(state, self.tenant, self.id, at, changes, |job| {
            (job.step, job.done, job.total) = (step, 0, self.total);
        });
        Answer::Done
    }
}

impl Apply for AddWraps {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let tenant = state.active_tenant(self.tenant)?;
        let job = at_step(state, self.tenant, self.id, Step::Wrap)?;
        let (first, count) = (self.first as usize, self.wraps.len());
        if job.done != self.first || count == 0 || first + count > tenant.versions.len() {
            return Err(Refusal::JobMoved);
        }
        for (l2, wraps) in tenant.versions[first..].iter().zip(&self.wraps) {
            if !wrapped_by_all(state, self.tenant, &job.to, wraps) {
                return Err(Refusal::JobMoved);
            }
            check_wraps(wraps)?;
            if beside(l2, wraps).len() > WRAPS_MAX {
                return Err(Refusal::LimitReached { what: Limit::Wraps, max: WRAPS_MAX as u64 });
            }
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut tenant = state.tenants[&self.tenant].as_ref().clone();
        for (l2, wraps) in tenant.versions[self.first as usize..].iter_mut().zip(&self.wraps) {
            l2.wraps = beside(l2, wraps);
        }
        tenant.revision = at.index;
        state.put_tenant(tenant, changes);
        let more = u32::try_from(self.wraps.len()).unwrap_or(u32::MAX);
        change_job(state, self.tenant, self.id, at, changes, |job| job.done = job.done.saturating_add(more));
        Answer::Done
    }
}

impl Apply for NoteProof {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let job = at_step(state, self.tenant, self.id, Step::Prove)?;
        if job.proofs.len() >= PROOFS_MAX {
            return Err(Refusal::LimitReached { what: Limit::Nodes, max: PROOFS_MAX as u64 });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        change_job(state, self.tenant, self.id, at, changes, |job| {
            if !job.proofs.contains(&self.node) {
                job.proofs.push(self.node);
            }
            job.done = u32::try_from(job.proofs.len()).unwrap_or(u32::MAX);
        });
        Answer::Done
    }
}

impl Apply for SwitchRoots {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let tenant = state.active_tenant(self.tenant)?;
        let job = at_step(state, self.tenant, self.id, Step::Switch)?;
        if job.to.is_empty() && platform_is_closed(state, tenant, at) {
            return Err(Refusal::RootClosed);
        }
        let Some(fresh) = &self.fresh else {
            return if job.drops_a_root() { Err(Refusal::VersionConflict) } else { Ok(()) };
        };
        if tenant.next_version() != Some(fresh.version) {
            return Err(Refusal::VersionConflict);
        }
        if !wrapped_by_all(state, self.tenant, &job.to, &fresh.wraps) {
            return Err(Refusal::JobMoved);
        }
        check_wraps(&fresh.wraps)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let job = Job::clone(&state.jobs[&(self.tenant, self.id)]);
        let mut tenant = state.tenants[&self.tenant].as_ref().clone();
        if let Some(fresh) = &self.fresh {
            tenant.versions.push(L2 {
                version: fresh.version,
                commitment: fresh.commitment,
                wraps: fresh.wraps.clone(),
                created: at.time,
            });
        }
        (tenant.roots, tenant.revision) = (job.to.clone(), at.index);
        let name = |root: &RootHandle| state.root(self.tenant, *root).map(|root| root.name.clone());
        changes.tell(Some(self.tenant), What::RootsSwitched(job.to.iter().filter_map(name).collect()));
        if let Some(fresh) = &self.fresh {
            changes.tell(Some(self.tenant), What::KeyRotation(fresh.version, tenant.level()));
        }
        state.put_tenant(tenant, changes);
        for root in job.to.iter().filter(|root| !job.from.contains(root)) {
            // What an earlier use of the root left behind: every node has just proved better.
            state.forget_l1(Some((self.tenant, *root)), changes);
        }
        let step = if job.drops_a_root() { Step::Drop } else { Step::Succeeded };
        change_job(state, self.tenant, self.id, at, changes, |job| job.step = step);
        Answer::Done
    }
}

impl Apply for DropWraps {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant)?;
        at_step(state, self.tenant, self.id, Step::Drop).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let to = state.jobs[&(self.tenant, self.id)].to.clone();
        keep_wraps_of(state, self.tenant, &to, at, changes);
        change_job(state, self.tenant, self.id, at, changes, |job| job.step = Step::Succeeded);
        Answer::Done
    }
}

impl Apply for RollBackJob {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant)?;
        let job = state.job(self.tenant, self.id).ok_or(Refusal::JobUnknown)?;
        if !job.step.can_roll_back() {
            return Err(Refusal::JobMoved);
        }
        if self.reason.len() > DETAIL_BYTES_MAX {
            return Err(Refusal::LimitReached { what: Limit::Detail, max: DETAIL_BYTES_MAX as u64 });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let from = state.jobs[&(self.tenant, self.id)].from.clone();
        keep_wraps_of(state, self.tenant, &from, at, changes);
        change_job(state, self.tenant, self.id, at, changes, |job| {
            job.step = Step::RolledBack;
            job.detail.clone_from(&self.reason);
        });
        Answer::Done
    }
}

fn at_step(state: &State, tenant: TenantHandle, id: JobId, step: Step) -> Result<&Job, Refusal> {
    let job = state.job(tenant, id).ok_or(Refusal::JobUnknown)?;
    if job.step == step { Ok(job) } else { Err(Refusal::JobMoved) }
}

fn change_job(
    state: &mut State,
    tenant: TenantHandle,
    id: JobId,
    at: &At,
    changes: &mut Changes,
    change: impl FnOnce(&mut Job),
) {
    let mut job = Job::clone(&state.jobs[&(tenant, id)]);
    let before = job.step;
    change(&mut job);
    (job.updated, job.revision) = (at.time, at.index);
    if job.step != before {
        let moved = match job.step {
            Step::Succeeded => What::JobFinished(id, job.kind),
            Step::RolledBack => What::JobRolledBack(id, job.kind),
            step => What::JobMoved(id, step),
        };
        changes.tell(Some(tenant), moved);
    }
    state.put_job(job, changes);
}

fn platform_is_closed(state: &State, tenant: &Tenant, at: &At) -> bool {
    state.l1(None).is_some_and(|l1| matches!(l1.gate(tenant.l1_grace_ms, at.time), Gate::Closed { .. }))
}

/// Whether a wrap was made by one of these roots; an empty list stands for the platform's root, which is
/// the one that is none of the tenant's own.
fn is_of(state: &State, tenant: TenantHandle, roots: &[RootHandle], wrap: &Wrap) -> bool {
    let mut own = state.roots(tenant);
    if roots.is_empty() {
        return own.all(|root| root.l1_ref != wrap.l1_ref);
    }
    own.any(|root| roots.contains(&root.handle) && root.l1_ref == wrap.l1_ref)
}

/// Exactly one wrap by each of these roots.
fn wrapped_by_all(state: &State, tenant: TenantHandle, roots: &[RootHandle], wraps: &[Wrap]) -> bool {
    let distinct = wraps.iter().enumerate().all(|(at, wrap)| {
        is_of(state, tenant, roots, wrap) && wraps[..at].iter().all(|other| other.l1_ref != wrap.l1_ref)
    });
    distinct && wraps.len() == roots.len().max(1)
}

/// Whether each of a tenant's roots made one of these wraps, and no other root any.
pub(super) fn wrapped_by_its_roots(state: &State, tenant: &Tenant, wraps: &[Wrap]) -> bool {
    if tenant.roots.is_empty() {
        return wraps.iter().all(|wrap| is_of(state, tenant.handle, &[], wrap));
    }
    wrapped_by_all(state, tenant.handle, &tenant.roots, wraps)
}

/// The wraps a version has, those by the same root replaced.
fn beside(l2: &L2, wraps: &[Wrap]) -> Vec<Wrap> {
    let replaced = |old: &&Wrap| wraps.iter().any(|new| new.l1_ref == old.l1_ref);
    l2.wraps.iter().filter(|old| !replaced(old)).chain(wraps).cloned().collect()
}

/// Drops every wrap that none of these roots made. A version never loses its last wrap: what a job adds
/// it adds to every version before any is dropped.
fn keep_wraps_of(
    state: &mut State,
    handle: TenantHandle,
    roots: &[RootHandle],
    at: &At,
    changes: &mut Changes,
) {
    let tenant = state.tenants[&handle].as_ref().clone();
    let mut versions = tenant.versions.clone();
    for l2 in &mut versions {
        l2.wraps.retain(|wrap| is_of(state, handle, roots, wrap));
        assert!(!l2.wraps.is_empty(), "a version keeps a wrap by a root of its tenant");
    }
    state.put_tenant(Tenant { versions, revision: at.index, ..tenant }, changes);
}

/// Makes room for one more job of a tenant.
fn forget_oldest(state: &mut State, tenant: TenantHandle, changes: &mut Changes) {
    if state.jobs_of(tenant).count() < JOBS_MAX {
        return;
    }
    let oldest = state.jobs_of(tenant).filter(|job| !job.step.is_running()).min_by_key(|job| job.revision);
    if let Some(id) = oldest.map(|job| job.id) {
        state.remove_job(tenant, id, changes);
    }
}
