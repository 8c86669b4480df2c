//! Working on jobs: what each step of a migration does, when it is rolled back, how nodes prove a root.
//!
//! The leader does the steps; a new leader goes on with the one it finds. A step reads the state, asks roots,
//! and writes one command that names the step it leaves: done twice, the second is refused as moved. Anything
//! a root will not do, and a step that makes no progress for too long, rolls the job back; after the switch
//! nothing is left that could fail.

use std::sync::Arc;
use std::time::Duration;

use keystore::{Action as WhatToDo, RootError};
use model::command::Action;
use model::commands::{AddWraps, AdvanceJob, DropWraps, FreshVersion, NoteProof, RollBackJob, SwitchRoots};
use model::id::{NodeId, TenantHandle};
use model::job::{Job, Step};
use model::refusal::Refusal;
use model::root::DETAIL_BYTES_MAX;
use model::tenant::Tenant;
use raft_store::Gen;

use crate::engine::Engine;
use crate::refused::Refused;
use crate::root_admin::probe;
use crate::rotation;

/// How long a step may go without progress before the job is rolled back: a node restarts in less.
const PATIENCE_MS: u64 = 60_000;
/// How long a root may take for the probe of the first step.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// Versions wrapped with one command: with many roots and long wraps it still is a small log entry.
const VERSIONS_AT_ONCE: usize = 8;

/// Why a step was not left.
enum Stuck {
    /// It may work a moment later.
    Waits(String),
    /// It will not work until somebody acts.
    Fails(String),
    /// Somebody else was faster.
    Moved,
}

impl From<RootError> for Stuck {
    fn from(error: RootError) -> Self {
        match error.action() {
            WhatToDo::RetryWithinLease | WhatToDo::RetryLater => Self::Waits(error.to_string()),
            WhatToDo::CloseNow | WhatToDo::StopAndAlarm | WhatToDo::AskForRepair => {
                Self::Fails(error.to_string())
            }
        }
    }
}

impl From<Refused> for Stuck {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Refused(Refusal::JobMoved | Refusal::JobUnknown) => Self::Moved,
            Refused::Refused(refusal) => Self::Fails(refusal.to_string()),
            other => Self::Waits(other.to_string()),
        }
    }
}

/// Whether this node has yet to show that it can unwrap by the roots to be.
pub(crate) fn wants_proof(job: &Job, node: NodeId) -> bool {
    job.step == Step::Prove && !job.proofs.contains(&node)
}

/// Does the step a tenant's job is at; whether it moved.
pub(crate) async fn step(engine: &Engine, tenant: TenantHandle) -> bool {
    let Ok(generation) = engine.store.read_index().await else { return false };
    let (Some(job), Some(tenant)) = (generation.state.running_job(tenant), generation.state.tenant(tenant))
    else {
        return true;
    };
    let outcome = if tenant.access.is_unlinked() && job.step.can_roll_back() {
        Err(Stuck::Fails("the tenant was unlinked".to_owned()))
    } else {
        engine.work_on(&generation, tenant, job).await
    };
    let waited = engine.store.now().0.saturating_sub(job.updated.0) > PATIENCE_MS;
    match outcome {
        Ok(()) | Err(Stuck::Moved) => true,
        Err(Stuck::Fails(reason)) => engine.give_up(tenant, job, reason).await,
        Err(Stuck::Waits(reason)) if waited => engine.give_up(tenant, job, reason).await,
        Err(Stuck::Waits(reason)) => {
            tracing::info!(tenant = %tenant.name, job = %job.id, step = job.step.as_str(), %reason, "a job waits");
            false
        }
    }
}

/// Shows the cluster that this node unwraps by the roots to be.
pub(crate) async fn prove(engine: &Engine, tenant: TenantHandle) -> bool {
    let generation = engine.store.generation();
    let node = engine.store.identity().node;
    let (Some(job), Some(tenant)) = (generation.state.running_job(tenant), generation.state.tenant(tenant))
    else {
        return true;
    };
    if !wants_proof(job, node) || tenant.access.is_unlinked() {
        return true;
    }
    let Some(primary) = tenant.primary() else { return true };
    match engine.roots.prove(&generation.state, tenant, primary.version, &job.to).await {
        Ok(()) => {
            let proof = NoteProof { tenant: tenant.handle, id: job.id, node };
            engine.take_step(tenant, job, proof).await.is_ok()
        }
        Err(refused) => {
            tracing::warn!(tenant = %tenant.name, job = %job.id, %refused, "this node cannot unwrap by a root to be");
            false
        }
    }
}

impl Engine {
    async fn work_on(&self, generation: &Gen, tenant: &Arc<Tenant>, job: &Arc<Job>) -> Result<(), Stuck> {
        match job.step {
            Step::Validate => self.validate(generation, tenant, job).await,
            Step::Wrap => self.wrap_beside(generation, tenant, job).await,
            Step::Prove => self.count_proofs(tenant, job).await,
            Step::Switch => self.switch(generation, tenant, job).await,
            Step::Drop => {
                let drop = DropWraps { tenant: tenant.handle, id: job.id };
                self.take_step(tenant, job, drop).await
            }
            Step::Succeeded | Step::RolledBack => Err(Stuck::Moved),
        }
    }

    async fn validate(&self, generation: &Gen, tenant: &Tenant, job: &Job) -> Result<(), Stuck> {
        if job.to.is_empty() {
            probe(self.roots.platform().as_ref(), PROBE_MAX).await?;
        }
        for handle in &job.to {
            let configured = generation.state.root(tenant.handle, *handle).ok_or(Stuck::Moved)?;
            let root = self.roots.root(&generation.state, Some(configured)).await?;
            probe(root.as_ref(), PROBE_MAX).await?;
        }
        self.leave(tenant, job, tenant.versions.len()).await
    }

    async fn wrap_beside(&self, generation: &Gen, tenant: &Tenant, job: &Job) -> Result<(), Stuck> {
        let left = tenant.versions.get(job.done as usize..).unwrap_or_default();
        if left.is_empty() {
            let nodes = self.store.cluster_status().await.nodes.len();
            return self.leave(tenant, job, nodes).await;
        }
        let mut wraps = Vec::new();
        for l2 in left.iter().take(VERSIONS_AT_ONCE) {
            let key =
                self.roots.unwrap_l2(&generation.state, tenant, l2.version).await.map_err(Refused::from)?;
            let revision = l2.wraps.iter().map(|wrap| wrap.revision).max().unwrap_or(0).saturating_add(1);
            let made =
                self.roots.wrap_l2(&generation.state, tenant.handle, &job.to, l2.version, &key, revision);
            wraps.push(made.await?);
        }
        let add = AddWraps { tenant: tenant.handle, id: job.id, first: job.done, wraps };
        self.take_step(tenant, job, add).await
    }

    async fn count_proofs(&self, tenant: &Tenant, job: &Job) -> Result<(), Stuck> {
        let cluster = self.store.cluster_status().await;
        let missing: Vec<&str> = cluster
            .nodes
            .iter()
            .filter(|node| !job.proofs.contains(&node.status.node))
            .map(|node| node.status.name.as_str())
            .collect();
        if missing.is_empty() {
            return self.leave(tenant, job, 0).await;
        }
        Err(Stuck::Waits(format!("not unwrapped by the new root yet: {}", missing.join(", "))))
    }

    async fn switch(&self, generation: &Gen, tenant: &Tenant, job: &Job) -> Result<(), Stuck> {
        let fresh = if job.drops_a_root() {
            let version = tenant.next_version().ok_or(Refused::Refused(Refusal::VersionConflict))?;
            let made = self.roots.make_l2(&generation.state, tenant.handle, &job.to, version).await?;
            Some(FreshVersion { version, commitment: made.0.0, wraps: made.1 })
        } else {
            None
        };
        let rotates = fresh.is_some();
        self.take_step(tenant, job, SwitchRoots { tenant: tenant.handle, id: job.id, fresh }).await?;
        if rotates {
            rotation::announce(self, tenant.handle);
        }
        Ok(())
    }

    async fn leave(&self, tenant: &Tenant, job: &Job, total: usize) -> Result<(), Stuck> {
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let advance = AdvanceJob { tenant: tenant.handle, id: job.id, from: job.step, total };
        self.take_step(tenant, job, advance).await
    }

    async fn give_up(&self, tenant: &Tenant, job: &Job, mut reason: String) -> bool {
        if !job.step.can_roll_back() {
            return false;
        }
        let mut end = reason.len().min(DETAIL_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        tracing::warn!(tenant = %tenant.name, job = %job.id, step = job.step.as_str(), %reason, "a job is rolled back");
        let back = RollBackJob { tenant: tenant.handle, id: job.id, reason };
        self.take_step(tenant, job, back).await.is_ok()
    }

    /// Proposes a step and records it.
    async fn take_step(&self, tenant: &Tenant, job: &Job, step: impl Into<Action>) -> Result<(), Stuck> {
        let target = format!("job {} of {}: {}", job.id, tenant.name, job.step.as_str());
        Ok(self.act_alone(Some(tenant.handle), &target, step).await?)
    }
}
