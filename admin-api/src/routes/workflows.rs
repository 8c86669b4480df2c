//! Four eyes: dangerous deeds that one person asks for and others approve.
//!
//! The state machine keeps the rules (`model::workflow`); here people are named, what a deed would hit is shown,
//! and a confirmed one is carried out.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use engine::{Administrator, Engine, Refused};
use model::command::{Action, Answer, IdempotencyKey};
use model::commands::{
    OpenWorkflow, SetApprovals, ShredService, StartJob, StepWorkflow, TerminateTenant, UnlinkTenant,
};
use model::id::{JobId, LogIndex, RootHandle, RootName, TenantHandle, WorkflowId};
use model::job::JobKind;
use model::refusal::Refusal;
use model::sealer::lp;
use model::service::ServiceState;
use model::tenant::Tenant;
use model::time::ClusterTime;
use model::workflow::{Step, Task, Workflow, WorkflowState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::roots::PLATFORM;
use super::services::find_service;
use super::tenants::TenantInPath;
use crate::app::{App, in_path};
use crate::json::Body;
use crate::page::{Asked, page};
use crate::problem::Problem;
use crate::wish::Wish;

/// A workflow to be.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenWorkflowRequest {
    /// `terminate_tenant`, `shred_service`, `set_approvals`, `unlink_tenant` or `switch_roots`.
    task: String,
    /// For `shred_service`: which.
    #[serde(default)]
    service: Option<String>,
    /// For `set_approvals`: how many from then on.
    #[serde(default)]
    approvals: Option<u8>,
    /// For `switch_roots`: the roots to be, or `platform`.
    #[serde(default)]
    roots: Option<Vec<String>>,
    /// Why, for those who are asked.
    reason: String,
    /// Only shows what the deed would hit.
    #[serde(default)]
    dry_run: bool,
}

/// What a deed would hit.
#[derive(Serialize, ToSchema)]
pub struct Impact {
    /// Services whose keys end, or are locked.
    services: Vec<String>,
    /// Recorded objects among them; keys that cost no storage are not counted.
    objects: u64,
    /// Versions of the tenant's key that end.
    versions: usize,
    /// Whether it can be undone.
    reversible: bool,
}

/// One person's word.
#[derive(Serialize, ToSchema)]
pub struct VoteView {
    /// Whose.
    by: String,
    /// Yes or no.
    approves: bool,
    /// When, in seconds since the epoch.
    at: u64,
}

/// A workflow.
#[derive(Serialize, ToSchema)]
pub struct WorkflowView {
    /// Names it; none for a dry run.
    id: Option<String>,
    /// The tenant.
    tenant: String,
    /// What is to be done.
    task: &'static str,
    /// For `shred_service`: which.
    service: Option<String>,
    /// For `set_approvals`: how many from then on.
    approvals: Option<u8>,
    /// For `switch_roots`: the roots to be, or `platform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    roots: Option<Vec<String>>,
    /// Where it is: `initial`, `waiting_approval`, `waiting_confirmation`, `executing`, `successful`, `failed`,
    /// `rejected`, `revoked` or `expired`.
    state: &'static str,
    /// Who asked.
    initiator: String,
    /// Why.
    reason: String,
    /// What the others said.
    votes: Vec<VoteView>,
    /// How many of them must say yes.
    approvals_wanted: u8,
    /// How it ended, for people.
    outcome: String,
    /// What it hits, as things are now.
    impact: Impact,
    /// When it was opened, in seconds since the epoch.
    created: Option<u64>,
    /// When it ends by itself, in seconds since the epoch.
    expires: Option<u64>,
}

/// Workflows.
#[derive(Serialize, ToSchema)]
pub struct WorkflowList {
    /// Newest first.
    items: Vec<WorkflowView>,
    /// `after` of the next page.
    next: Option<String>,
}

/// Which workflows to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    limit: Option<usize>,
    after: Option<String>,
    state: Option<String>,
}

/// What a task would hit now.
fn impact(engine: &Engine, tenant: &Tenant, task: &Task) -> Impact {
    let generation = engine.store().generation();
    let state = &generation.state;
    let hit = |service: &&Arc<model::service::Service>| match task {
        Task::TerminateTenant | Task::UnlinkTenant => service.state != ServiceState::Shredded,
        Task::ShredService(handle) => service.handle == *handle,
        Task::SetApprovals(_) | Task::SwitchRoots(_) => false,
    };
    let services: Vec<_> = state.services(tenant.handle).filter(hit).collect();
    Impact {
        objects: services.iter().map(|service| state.object_count(tenant.handle, service.handle)).sum(),
        services: services.iter().map(|service| service.name.to_string()).collect(),
        versions: if *task == Task::TerminateTenant { tenant.versions.len() } else { 0 },
        reversible: !matches!(task, Task::TerminateTenant | Task::ShredService(_)),
    }
}

/// The parts of a view that a task says.
#[derive(Default)]
struct TaskView {
    service: Option<String>,
    approvals: Option<u8>,
    roots: Option<Vec<String>>,
}

fn task_view(engine: &Engine, tenant: &Tenant, task: &Task) -> TaskView {
    let generation = engine.store().generation();
    let state = &generation.state;
    match task {
        Task::TerminateTenant | Task::UnlinkTenant => TaskView::default(),
        Task::ShredService(handle) => {
            let service = state.service(tenant.handle, *handle);
            TaskView { service: service.map(|service| service.name.to_string()), ..TaskView::default() }
        }
        Task::SetApprovals(approvals) => TaskView { approvals: Some(*approvals), ..TaskView::default() },
        Task::SwitchRoots(roots) => {
            let name = |root: &RootHandle| {
                let known = state.root(tenant.handle, *root);
                known.map_or_else(|| root.to_string(), |root| root.name.to_string())
            };
            let names =
                if roots.is_empty() { vec![PLATFORM.to_owned()] } else { roots.iter().map(name).collect() };
            TaskView { roots: Some(names), ..TaskView::default() }
        }
    }
}

fn view(engine: &Engine, tenant: &Tenant, workflow: &Workflow) -> WorkflowView {
    let TaskView { service, approvals, roots } = task_view(engine, tenant, &workflow.task);
    let vote = |vote: &model::workflow::Vote| VoteView {
        by: vote.by.clone(),
        approves: vote.approves,
        at: vote.at.as_secs(),
    };
    WorkflowView {
        id: Some(workflow.id.to_string()),
        tenant: tenant.name.to_string(),
        task: workflow.task.as_str(),
        service,
        approvals,
        roots,
        state: workflow.state_at(engine.store().now()).as_str(),
        initiator: workflow.initiator.clone(),
        reason: workflow.reason.clone(),
        votes: workflow.votes.iter().map(vote).collect(),
        approvals_wanted: tenant.approvals,
        outcome: workflow.outcome.clone(),
        impact: impact(engine, tenant, &workflow.task),
        created: Some(workflow.created.as_secs()),
        expires: Some(workflow.expires.as_secs()),
    }
}

/// Lists the workflows of a tenant, newest first.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/workflows", params(("tenant" = String, Path),
    ("limit" = Option<usize>, Query), ("after" = Option<String>, Query), ("state" = Option<String>, Query)),
    responses((status = 200, body = WorkflowList), (status = 404, body = Problem)))]
pub async fn list(
    engine: Arc<Engine>,
    TenantInPath(tenant): TenantInPath,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<WorkflowList>, Problem> {
    let generation = engine.store().generation();
    let mut all: Vec<_> = generation.state.workflows(tenant.handle).collect();
    all.sort_by_key(|workflow| std::cmp::Reverse((workflow.created, workflow.id)));
    let views = all.into_iter().map(|workflow| view(&engine, &tenant, workflow));
    let id = |view: &WorkflowView| view.id.clone().unwrap_or_default();
    let after = query.after.as_ref();
    let mut reached = after.is_none();
    let rest = views.filter(|view| {
        let now = reached;
        reached = reached || after.is_some_and(|after| *after == id(view));
        now
    });
    let wanted = rest.filter(|view| query.state.as_deref().is_none_or(|state| state == view.state));
    let (items, next) = page(wanted, query.limit, id)?;
    Ok(Json(WorkflowList { items, next }))
}

/// Shows a workflow and what it would hit as things are now.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/workflows/{workflow}",
    params(("tenant" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = WorkflowView), (status = 404, body = Problem)))]
pub async fn show(engine: Arc<Engine>, workflow: WorkflowInPath) -> Json<WorkflowView> {
    Json(workflow.view(&engine))
}

/// The workflow that a path names, and its tenant, not older than the request.
pub(crate) struct WorkflowInPath {
    tenant: Arc<Tenant>,
    workflow: Arc<Workflow>,
}

impl WorkflowInPath {
    /// As this node knows it now.
    fn find(engine: &Engine, tenant: TenantHandle, id: WorkflowId) -> Result<Self, Problem> {
        let state = &engine.store().generation().state;
        let found = state.tenant(tenant).zip(state.workflow(tenant, id));
        let (tenant, workflow) = found.ok_or_else(|| Problem::not_found("workflow"))?;
        Ok(Self { tenant: Arc::clone(tenant), workflow: Arc::clone(workflow) })
    }

    fn view(&self, engine: &Engine) -> WorkflowView {
        view(engine, &self.tenant, &self.workflow)
    }
}

impl FromRequestParts<App> for WorkflowInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let TenantInPath(tenant) = TenantInPath::from_request_parts(parts, app).await?;
        let id = in_path(parts, app, "workflow").await?;
        let id = id.parse().map_err(|_| Problem::not_found("workflow"))?;
        Self::find(app.engine()?, tenant.handle, id)
    }
}

/// Drafts a workflow, or with `dry_run` only shows what it would hit.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/workflows", params(("tenant" = String, Path)),
    request_body = OpenWorkflowRequest, responses((status = 201, body = WorkflowView),
    (status = 200, body = WorkflowView, description = "a dry run"), (status = 404, body = Problem)))]
pub async fn open(
    wish: Wish<TenantInPath>,
    Body(request): Body<OpenWorkflowRequest>,
) -> Result<(StatusCode, Json<WorkflowView>), Problem> {
    let (engine, who, tenant) = (&wish.engine, &wish.who, wish.tenant());
    let (handle, name) = (tenant.handle, tenant.name.as_str());
    let key = wish.key(&request)?.filter(|_| !request.dry_run);
    let answer = match engine.answered_before(who, "open_workflow", Some(handle), name, key).await? {
        Some(answer) => answer,
        None => {
            let task = task(engine, tenant, &request)?;
            if request.dry_run {
                return Ok((StatusCode::OK, Json(dry(engine, tenant, &task, who, request.reason))));
            }
            let (id, by) = (WorkflowId(crypto::random::bytes()), who.subject.clone());
            let command = OpenWorkflow { id, tenant: handle, task, reason: request.reason, by };
            engine.administer(who, handle, &id.to_string(), command, key).await?.answer
        }
    };
    let Answer::Workflow(id) = answer else {
        return Err(Refused::Internal { cause: "unexpected_answer" }.into());
    };
    Ok((StatusCode::CREATED, Json(WorkflowInPath::find(engine, handle, id)?.view(engine))))
}

fn task(engine: &Engine, tenant: &Tenant, request: &OpenWorkflowRequest) -> Result<Task, Problem> {
    match (request.task.as_str(), &request.service, request.approvals, &request.roots) {
        ("terminate_tenant", None, None, None) => Ok(Task::TerminateTenant),
        ("unlink_tenant", None, None, None) => Ok(Task::UnlinkTenant),
        ("shred_service", Some(service), None, None) => {
            Ok(Task::ShredService(find_service(engine, tenant, service)?.handle))
        }
        ("set_approvals", None, Some(approvals), None) => Ok(Task::SetApprovals(approvals)),
        ("switch_roots", None, None, Some(roots)) => Ok(Task::SwitchRoots(handles(engine, tenant, roots)?)),
        _ => Err(Problem::bad_request(
            "task is terminate_tenant, unlink_tenant, shred_service with a service, set_approvals with \
             approvals, or switch_roots with roots",
        )),
    }
}

/// Roots by name; none stands for the platform's, which stands alone.
fn handles(engine: &Engine, tenant: &Tenant, names: &[String]) -> Result<Vec<RootHandle>, Problem> {
    let generation = engine.store().generation();
    let handle = |name: &String| {
        let name = RootName::parse(name).map_err(|_| Problem::not_found("root"))?;
        let root = generation.state.root_named(tenant.handle, &name);
        root.map(|root| root.handle).ok_or_else(|| Problem::not_found("root"))
    };
    match names {
        [] => Err(Problem::bad_request("name the roots to be, or platform")),
        [platform] if platform == PLATFORM => Ok(Vec::new()),
        names => names.iter().map(handle).collect(),
    }
}

fn dry(engine: &Engine, tenant: &Tenant, task: &Task, who: &Administrator, reason: String) -> WorkflowView {
    let TaskView { service, approvals, roots } = task_view(engine, tenant, task);
    WorkflowView {
        id: None,
        tenant: tenant.name.to_string(),
        task: task.as_str(),
        service,
        approvals,
        roots,
        state: WorkflowState::Initial.as_str(),
        initiator: who.subject.clone(),
        reason,
        votes: Vec::new(),
        approvals_wanted: tenant.approvals,
        outcome: String::new(),
        impact: impact(engine, tenant, task),
        created: None,
        expires: None,
    }
}

impl Wish<WorkflowInPath> {
    /// Takes a step; the wish is then about the workflow as it has become.
    async fn take(&mut self, step: Step, key: Option<IdempotencyKey>) -> Result<(), Problem> {
        let Workflow { id, tenant, .. } = *self.about.workflow;
        let command = StepWorkflow { tenant, id, step, by: self.who.subject.clone() };
        self.engine.administer(&self.who, tenant, &id.to_string(), command, key).await?;
        self.about = WorkflowInPath::find(&self.engine, tenant, id)?;
        Ok(())
    }

    /// Takes a step; answers the workflow as it is then.
    async fn step(mut self, step: Step, key: Option<IdempotencyKey>) -> Result<Json<WorkflowView>, Problem> {
        self.take(step, key).await?;
        Ok(Json(self.about.view(&self.engine)))
    }

    /// Takes the step that a request asks for; repeated, it is taken once.
    async fn asked(self, step: Step) -> Result<Json<WorkflowView>, Problem> {
        let key = self.key(&())?;
        self.step(step, key).await
    }

    /// Whether this very request has been answered before; the wish is then about the workflow as it is by now.
    async fn repeated(&mut self, key: Option<IdempotencyKey>) -> Result<bool, Problem> {
        let Workflow { id, tenant, .. } = *self.about.workflow;
        let (who, name) = (&self.who, "step_workflow");
        let before = self.engine.answered_before(who, name, Some(tenant), &id.to_string(), key).await?;
        self.about = WorkflowInPath::find(&self.engine, tenant, id)?;
        Ok(before.is_some())
    }

    /// Whether it is confirmed, and nobody has said yet how it went.
    fn is_under_way(&self) -> bool {
        self.about.workflow.state_at(self.engine.store().now()).is_under_way()
    }

    /// What is left of what was approved, as this node knows it now.
    fn left(&self) -> Left {
        let (workflow, store) = (&self.about.workflow, self.engine.store());
        let begun = store.generation().state.job(workflow.tenant, job_of(workflow)).is_some();
        left(workflow, begun, store.now())
    }

    /// Does what is left; repeated, it is answered as it was first.
    async fn execute(&self) -> Result<(), Refused> {
        let WorkflowInPath { tenant, workflow } = &self.about;
        match self.left() {
            Left::Deed(action) => {
                let (name, key) = (tenant.name.as_str(), own_key(workflow, "deed"));
                self.engine.administer(&self.who, tenant.handle, name, action, Some(key)).await.map(drop)
            }
            Left::Barrier(at) => self.engine.until_everywhere(at, Some(tenant.handle)).await,
            Left::Nothing => Ok(()),
        }
    }

    /// What its deed came to, where the state refused it now. It has been done all the same where somebody else was
    /// quicker, by the same approval.
    async fn ended(&mut self, refusal: &Refusal) -> Result<Step, Problem> {
        let Workflow { id, tenant, .. } = *self.about.workflow;
        self.about = WorkflowInPath::find(&self.engine, tenant, id)?;
        if matches!(self.left(), Left::Deed(_)) {
            return Ok(outcome(refusal));
        }
        self.execute().await?;
        Ok(Step::Succeed)
    }
}

/// What is left to do of a workflow that its initiator has confirmed.
#[derive(Debug, PartialEq)]
enum Left {
    /// Its deed.
    Deed(Action),
    /// The withdrawal of this entry, which was its deed, is to hold on every node.
    Barrier(LogIndex),
    /// To say that it was done.
    Nothing,
}

/// See [`Left`]; `begun` is whether there is a job of the workflow's own. What was done is not done again: it may have
/// been undone since, and the same people's yes does not count for a second time.
fn left(workflow: &Workflow, begun: bool, now: ClusterTime) -> Left {
    let deed = deed(workflow);
    if workflow.state != WorkflowState::Settling && !begun {
        return Left::Deed(deed);
    }
    // Nothing has changed the workflow since its deed did.
    if deed.withdraws(now) { Left::Barrier(workflow.revision) } else { Left::Nothing }
}

fn deed(workflow: &Workflow) -> Action {
    let tenant = workflow.tenant;
    match &workflow.task {
        Task::TerminateTenant => TerminateTenant { tenant }.into(),
        Task::ShredService(service) => ShredService { tenant, service: *service }.into(),
        Task::SetApprovals(approvals) => SetApprovals { tenant, approvals: *approvals }.into(),
        Task::UnlinkTenant => UnlinkTenant { tenant }.into(),
        Task::SwitchRoots(to) => {
            StartJob { tenant, id: job_of(workflow), kind: JobKind::Migrate, to: to.clone() }.into()
        }
    }
}

/// The job that a workflow begins bears its name.
fn job_of(workflow: &Workflow) -> JobId {
    let [a, b, c, d, e, f, g, h, ..] = workflow.id.0;
    JobId([a, b, c, d, e, f, g, h])
}

/// How a workflow ends whose deed the state has refused. What has ended by other means has ended.
fn outcome(refusal: &Refusal) -> Step {
    match refusal {
        Refusal::TenantTerminated { .. } | Refusal::ServiceShredded { .. } => Step::Succeed,
        refusal => Step::Fail(refusal.to_string()),
    }
}

/// What comes of a workflow bears its name: it is done once, however often and on whatever node it is asked for.
fn own_key(workflow: &Workflow, what: &str) -> IdempotencyKey {
    let (tenant, id) = (workflow.tenant.as_bytes(), workflow.id.as_bytes());
    let key = crypto::digest::sha256(&[&lp(&[b"keyraft/v1/workflow", what.as_bytes(), tenant, id])]);
    IdempotencyKey { key, request: key }
}

/// Asks the others; only its initiator may.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/workflows/{workflow}:submit",
    params(("tenant" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = WorkflowView), (status = 409, body = Problem)))]
pub async fn submit(wish: Wish<WorkflowInPath>) -> Result<Json<WorkflowView>, Problem> {
    wish.asked(Step::Submit).await
}

/// Says yes; its initiator may not, and nobody twice.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/workflows/{workflow}:approve",
    params(("tenant" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = WorkflowView), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn approve(wish: Wish<WorkflowInPath>) -> Result<Json<WorkflowView>, Problem> {
    wish.asked(Step::Approve).await
}

/// Says no, which ends it.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/workflows/{workflow}:reject",
    params(("tenant" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = WorkflowView), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn reject(wish: Wish<WorkflowInPath>) -> Result<Json<WorkflowView>, Problem> {
    wish.asked(Step::Reject).await
}

/// Takes it back; only its initiator may.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/workflows/{workflow}:revoke",
    params(("tenant" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = WorkflowView), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn revoke(wish: Wish<WorkflowInPath>) -> Result<Json<WorkflowView>, Problem> {
    wish.asked(Step::Revoke).await
}

/// Confirms an approved workflow and carries it out; only its initiator may. Repeated after an unknown outcome, it
/// finishes what was begun.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/workflows/{workflow}:confirm",
    params(("tenant" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = WorkflowView), (status = 403, body = Problem), (status = 409, body = Problem),
    (status = 504, body = Problem)))]
pub async fn confirm(mut wish: Wish<WorkflowInPath>) -> Result<Json<WorkflowView>, Problem> {
    // The request's key is for its word alone. The end has a name of its own: whoever finishes what was confirmed, and
    // under whatever key, it ends once, and is answered so.
    let (key, end) = (wish.key(&())?, own_key(&wish.about.workflow, "end"));
    let own = wish.about.workflow.initiator == wish.who.subject;
    let repeated = wish.repeated(key).await? || own && wish.repeated(Some(end)).await?;
    let was_confirmed = repeated || own && wish.is_under_way();
    if !was_confirmed {
        wish.take(Step::Confirm, key).await?;
    }
    if !wish.is_under_way() {
        return Ok(Json(wish.about.view(&wish.engine)));
    }
    let ended = match wish.execute().await {
        Ok(()) => Step::Succeed,
        Err(Refused::Refused(refusal)) => wish.ended(&refusal).await?,
        // Not known, or not everywhere yet: it stays under way until somebody asks again.
        Err(other) => return Err(other.into()),
    };
    wish.step(ended, Some(end)).await
}

#[cfg(test)]
mod tests {
    use model::id::ServiceHandle;

    use super::*;

    fn workflow(tenant: u8, id: u8) -> Workflow {
        Workflow {
            id: WorkflowId([id; 16]),
            tenant: TenantHandle([tenant; 4]),
            task: Task::UnlinkTenant,
            reason: String::new(),
            initiator: "ann".to_owned(),
            votes: Vec::new(),
            state: WorkflowState::Executing,
            outcome: String::new(),
            created: ClusterTime(0),
            expires: ClusterTime(1),
            revision: LogIndex(7),
        }
    }

    #[test]
    fn a_deed_has_one_name_and_no_two_workflows_share_it() {
        let key = own_key(&workflow(1, 1), "deed");
        let settling = Workflow { state: WorkflowState::Settling, ..workflow(1, 1) };
        assert_eq!(own_key(&settling, "deed"), key);
        let others = [(workflow(1, 2), "deed"), (workflow(2, 1), "deed"), (workflow(1, 1), "end")];
        for (other, what) in others {
            assert_ne!(own_key(&other, what), key);
        }
    }

    #[test]
    fn a_deed_that_was_done_is_waited_for_and_not_done_again() {
        let (root, service) = (RootHandle([3; 4]), ServiceHandle([4; 4]));
        let barrier = || Left::Barrier(LogIndex(7));
        for (task, done) in [
            (Task::TerminateTenant, barrier()),
            (Task::ShredService(service), barrier()),
            (Task::UnlinkTenant, barrier()),
            (Task::SetApprovals(0), Left::Nothing),
            (Task::SwitchRoots(vec![root]), Left::Nothing),
        ] {
            let executing = Workflow { task, ..workflow(1, 1) };
            let now = ClusterTime(0);
            assert_eq!(left(&executing, false, now), Left::Deed(deed(&executing)), "{:?}", executing.task);
            let settling = Workflow { state: WorkflowState::Settling, ..executing };
            assert_eq!(left(&settling, false, now), done, "{:?}", settling.task);
        }
    }

    #[test]
    fn a_move_whose_job_is_there_has_begun() {
        let moves = Workflow { task: Task::SwitchRoots(Vec::new()), ..workflow(1, 1) };
        assert_eq!(left(&moves, true, ClusterTime(0)), Left::Nothing);
    }

    #[test]
    fn what_has_ended_by_other_means_has_not_failed() {
        let wanted = Refusal::ApprovalWanted { wanted: 1 };
        assert_eq!(outcome(&wanted), Step::Fail(wanted.to_string()));
        assert_eq!(outcome(&Refusal::TenantTerminated { at: LogIndex(3) }), Step::Succeed);
    }
}
