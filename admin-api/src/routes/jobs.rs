//! Jobs on tenants: what runs, how far it is, why it was rolled back.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use engine::Engine;
use model::id::{JobId, RootHandle};
use model::job::{Job, JobKind};
use model::state::State;
use model::tenant::Tenant;
use serde::Serialize;
use utoipa::ToSchema;

use super::roots::PLATFORM;
use super::tenants::TenantInPath;
use crate::app::{App, in_path};
use crate::problem::{Problem, seconds};
use crate::wish::Wish;

/// A job on a tenant.
#[derive(Serialize, ToSchema)]
pub struct JobView {
    /// Names it.
    id: String,
    /// `migrate` or `rewrap`.
    kind: &'static str,
    /// `running`, `succeeded` or `rolled back`.
    state: &'static str,
    /// `validate`, `wrap`, `prove`, `switch`, `drop`, then `succeeded` or `rolled back`.
    step: &'static str,
    /// Versions wrapped, or nodes that proved, of `total`.
    done: u32,
    /// What `done` counts up to in this step.
    total: u32,
    /// The roots before it.
    from: Vec<String>,
    /// The roots after it.
    to: Vec<String>,
    /// Nodes that have unwrapped by the roots to be.
    proved_by: Vec<u64>,
    /// Why it was rolled back.
    detail: String,
    /// When it began, in seconds since the epoch.
    started: u64,
    /// When it last moved, in seconds since the epoch.
    updated: u64,
    /// Of a job that ended: since when every node serves by what it left, in seconds since the epoch; absent while
    /// one does not yet, or nobody has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_everywhere_at: Option<f64>,
}

/// Jobs.
#[derive(Serialize, ToSchema)]
pub struct JobList {
    /// Newest first.
    items: Vec<JobView>,
}

pub(super) fn view(engine: &Engine, state: &State, job: &Job) -> JobView {
    let everywhere = (!job.step.is_running()).then(|| engine.known_everywhere_at(job.revision)).flatten();
    let name = |root: &RootHandle| {
        state.root(job.tenant, *root).map_or_else(|| root.to_string(), |root| root.name.to_string())
    };
    let names = |roots: &[RootHandle]| match roots {
        [] => vec![PLATFORM.to_owned()],
        roots => roots.iter().map(name).collect(),
    };
    JobView {
        id: job.id.to_string(),
        kind: job.kind.as_str(),
        state: if job.step.is_running() { "running" } else { job.step.as_str() },
        step: job.step.as_str(),
        done: job.done,
        total: job.total,
        from: names(&job.from),
        to: names(&job.to),
        proved_by: job.proofs.iter().map(|node| node.0).collect(),
        detail: job.detail.clone(),
        started: job.started.as_secs(),
        updated: job.updated.as_secs(),
        applied_everywhere_at: seconds(everywhere),
    }
}

/// Lists the jobs of a tenant that are remembered.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/jobs", params(("tenant" = String, Path)), responses(
    (status = 200, body = JobList), (status = 404, body = Problem)))]
pub async fn list(engine: Arc<Engine>, TenantInPath(tenant): TenantInPath) -> Json<JobList> {
    let generation = engine.store().generation();
    let mut jobs: Vec<_> = generation.state.jobs_of(tenant.handle).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse((job.started, job.revision)));
    Json(JobList { items: jobs.into_iter().map(|job| view(&engine, &generation.state, job)).collect() })
}

/// Shows a job of a tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/jobs/{job}",
    params(("tenant" = String, Path), ("job" = String, Path)), responses(
    (status = 200, body = JobView), (status = 404, body = Problem)))]
pub async fn show(engine: Arc<Engine>, JobInPath(job): JobInPath) -> Json<JobView> {
    if !job.step.is_running() {
        engine.applied_everywhere_at(job.revision, Duration::ZERO).await;
    }
    Json(view(&engine, &engine.store().generation().state, &job))
}

/// The job that a path names, not older than the request.
pub(crate) struct JobInPath(Arc<Job>);

impl FromRequestParts<App> for JobInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let unknown = || Problem::not_found("job");
        let TenantInPath(tenant) = TenantInPath::from_request_parts(parts, app).await?;
        let id: JobId = in_path(parts, app, "job").await?.parse().map_err(|_| unknown())?;
        app.engine()?.job(tenant.handle, id).map(Self).ok_or_else(unknown)
    }
}

/// Has the tenant's roots wrap every version of its key anew, by a job: after the key in a root was rotated.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:rewrap", params(("tenant" = String, Path)), responses(
    (status = 202, body = JobView), (status = 409, body = Problem)))]
pub async fn rewrap(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    let tenant = wish.tenant();
    begin(&wish, tenant, JobKind::Rewrap, tenant.roots.clone()).await
}

/// Begins a job on a tenant, at whose end its keys are wrapped by `to` alone.
pub(super) async fn begin<T>(
    wish: &Wish<T>,
    tenant: &Tenant,
    kind: JobKind,
    to: Vec<RootHandle>,
) -> Result<Response, Problem> {
    let job = wish.engine.start_job(&wish.who, tenant, kind, to, wish.key(&())?).await?;
    let generation = wish.engine.store().generation();
    Ok((StatusCode::ACCEPTED, Json(view(&wish.engine, &generation.state, &job))).into_response())
}
