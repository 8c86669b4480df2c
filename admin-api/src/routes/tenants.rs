//! The lives of tenants.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use engine::{Administrator, Engine, KeyRotation, NewTenant, Refused};
use model::command::{Action, IdempotencyKey};
use model::commands::{ResumeTenant, SetApprovals, SetTenantLabels, SuspendTenant, TerminateTenant};
use model::id::{LogIndex, TenantHandle, TenantName};
use model::refusal::Refusal;
use model::tenant::{Access, LEASE_MS_DEFAULT, Tenant, TenantState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::effect::Effect;
use crate::app::App;
use crate::auth::Caller;
use crate::idempotency;
use crate::json::Body;
use crate::page::{Asked, page};
use crate::problem::Problem;

/// Names that people would take for something else than a customer.
const RESERVED_NAMES: [&str; 8] =
    ["admin", "administrator", "all", "any", "keyraft", "operator", "root", "system"];

/// A tenant to be.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenantRequest {
    /// A DNS label, unique for ever.
    name: String,
    /// The cluster's region; another one is refused.
    #[serde(default)]
    region: Option<String>,
    /// Free labels.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Freshness lease in milliseconds, 2000 to 60000.
    #[serde(default)]
    lease_ms: Option<u32>,
    /// Whether services register themselves on first contact.
    #[serde(default = "yes")]
    auto_register: bool,
}

const fn yes() -> bool {
    true
}

/// A change of a tenant: of one thing at a time.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTenantRequest {
    /// The labels it has from then on.
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    /// How many people beside the one who asks must approve dangerous deeds, 0 to 5. To want fewer is one.
    #[serde(default)]
    approvals: Option<u8>,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
pub struct TenantView {
    /// Its name.
    name: String,
    /// Its handle, as it stands in identifiers.
    handle: String,
    /// `active`, `suspended` or `terminated`; `suspending` or `terminating` while a node may still answer.
    state: &'static str,
    /// Since when, or from when on, what was withdrawn holds on every node: seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_everywhere_at: Option<f64>,
    /// What its root of trust is used for: `linked`, `disabled` (no new keys) or `unlinked` (locked).
    access: &'static str,
    /// How long hot keys serve on while no root answers, in milliseconds.
    l1_grace_ms: u64,
    /// Age at which its key is rotated, in milliseconds.
    rotate_after_ms: u64,
    /// Its region.
    region: String,
    /// Its labels.
    labels: BTreeMap<String, String>,
    /// Freshness lease in milliseconds.
    lease_ms: u32,
    /// The longer lease that some node may still apply, until the lower one is in effect everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_lowered_from_ms: Option<u32>,
    /// Whether services register themselves on first contact.
    auto_register: bool,
    /// How many people beside the one who asks must approve dangerous deeds.
    approvals: u8,
    /// The key that makes new keys: `L2-<tenant>-primary`.
    primary: Option<String>,
    /// The version of that key.
    l2_version: Option<u16>,
    /// When it was created, in seconds since the epoch.
    created: u64,
}

/// Tenants.
#[derive(Serialize, ToSchema)]
pub struct TenantList {
    /// By name.
    items: Vec<TenantView>,
    /// `after` of the next page.
    next: Option<String>,
}

/// Which tenants to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantQuery {
    limit: Option<usize>,
    after: Option<String>,
    state: Option<String>,
    /// `key` or `key=value`.
    label: Option<String>,
}

impl TenantQuery {
    fn wants(&self, tenant: &Tenant) -> bool {
        let labelled = |wanted: &str| match wanted.split_once('=') {
            Some((key, value)) => tenant.labels.get(key).is_some_and(|known| known == value),
            None => tenant.labels.contains_key(wanted),
        };
        self.state.as_deref().is_none_or(|state| state == tenant.state.as_str())
            && self.after.as_deref().is_none_or(|after| tenant.name.as_str() > after)
            && self.label.as_deref().is_none_or(labelled)
    }
}

/// One version of a tenant's key.
#[derive(Serialize, ToSchema)]
pub struct VersionView {
    /// `L2-<tenant>-primary`, older ones with their version.
    name: String,
    /// Counts the material.
    version: u16,
    /// Whether it makes new keys.
    primary: bool,
    /// The roots that wrap it.
    roots: Vec<String>,
    /// `L2_internal` under the platform's root, `L2_customer` under one of the tenant's own.
    level: &'static str,
    /// From when on it makes, or made, new keys, in seconds since the epoch.
    effective_time: u64,
    /// When it was made, in seconds since the epoch.
    created: u64,
}

/// Versions of a tenant's key.
#[derive(Serialize, ToSchema)]
pub struct VersionList {
    /// Newest first.
    items: Vec<VersionView>,
}

fn view(tenant: &Tenant, effect: &Effect) -> TenantView {
    let state = match tenant.state {
        TenantState::Suspended if !effect.holds => "suspending",
        TenantState::Terminated if !effect.holds => "terminating",
        state => state.as_str(),
    };
    TenantView {
        name: tenant.name.to_string(),
        handle: tenant.handle.to_string(),
        state,
        effective_everywhere_at: effect.seconds(),
        access: tenant.access.as_str(),
        l1_grace_ms: tenant.l1_grace_ms,
        rotate_after_ms: tenant.rotate_after_ms,
        region: tenant.region.clone(),
        labels: tenant.labels.clone(),
        lease_ms: tenant.lease_ms,
        lease_lowered_from_ms: tenant.lowered.map(|lowered| lowered.from_ms),
        auto_register: tenant.auto_register,
        approvals: tenant.approvals,
        primary: tenant.primary().map(|l2| tenant.l2_name(l2.version)),
        l2_version: tenant.primary().map(|l2| l2.version.0),
        created: tenant.created.as_secs(),
    }
}

/// A tenant with its entity tag.
pub(super) fn tagged(status: StatusCode, tenant: &Tenant, effect: &Effect) -> Response {
    let mut response = (status, Json(view(tenant, effect))).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", tenant.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// How far the withdrawal of a tenant has come; there is none while it is active.
async fn effect(engine: &Engine, tenant: &Tenant) -> Effect {
    match tenant.state {
        TenantState::Active if tenant.access != Access::Open => {
            Effect::of(engine, tenant.withdrawn_at, tenant.handle).await
        }
        TenantState::Active => Effect::NOTHING,
        TenantState::Suspended | TenantState::Quarantined | TenantState::Terminated => {
            Effect::of(engine, tenant.withdrawn_at, tenant.handle).await
        }
    }
}

/// A tenant as it is now, not older than the request.
pub(super) async fn shown(engine: &Engine, name: &str) -> Result<Response, Problem> {
    let tenant = find(engine, name).await?;
    Ok(tagged(StatusCode::OK, &tenant, &effect(engine, &tenant).await))
}

/// A tenant by name, not older than the request.
pub(super) async fn find(engine: &Engine, name: &str) -> Result<Arc<Tenant>, Problem> {
    let name = TenantName::parse(name).map_err(|_| Problem::not_found("tenant"))?;
    let generation = engine.store().read_index().await.map_err(Refused::from)?;
    generation.state.tenant_named(&name).cloned().ok_or_else(|| Problem::not_found("tenant"))
}

/// Creates a tenant with its own key hierarchy.
#[utoipa::path(post, path = "/v1/tenants", request_body = CreateTenantRequest, responses(
    (status = 201, body = TenantView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<CreateTenantRequest>,
) -> Result<Response, Problem> {
    let who = &caller.administrator;
    let bytes = serde_json::to_vec(&request).unwrap_or_default();
    let key = idempotency::key(&headers, &who.subject, &[b"POST /v1/tenants\n", &bytes])?;
    let name = TenantName::parse(&request.name).map_err(|error| Problem::bad_request(error.to_string()))?;
    if RESERVED_NAMES.contains(&name.as_str()) {
        return Err(Problem::bad_request(format!(
            "the name {name} is reserved: it would be mistaken for a role"
        )));
    }
    let new = NewTenant {
        name,
        region: request.region,
        labels: request.labels,
        lease_ms: request.lease_ms.unwrap_or(LEASE_MS_DEFAULT),
        auto_register: request.auto_register,
    };
    let tenant = app.engine()?.create_tenant(who, new, key).await?;
    Ok(tagged(StatusCode::CREATED, &tenant, &Effect::NOTHING))
}

/// Lists the tenants the caller has a role for, by name.
#[utoipa::path(get, path = "/v1/tenants", params(("limit" = Option<usize>, Query), ("after" = Option<String>, Query),
    ("state" = Option<String>, Query), ("label" = Option<String>, Query)), responses((status = 200, body = TenantList)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<TenantQuery>,
) -> Result<Json<TenantList>, Problem> {
    let engine = app.engine()?;
    let generation = engine.store().read_index().await.map_err(Refused::from)?;
    let theirs = |tenant: &&Arc<Tenant>| caller.sees(&tenant.name) && query.wants(tenant);
    let mut items = Vec::new();
    for tenant in generation.state.tenants().filter(theirs) {
        items.push(view(tenant, &effect(engine, tenant).await));
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    let (items, next) = page(items.into_iter(), query.limit, |tenant| tenant.name.clone())?;
    Ok(Json(TenantList { items, next }))
}

/// Shows a tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem)))]
pub async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    shown(app.engine()?, &name).await
}

/// Lists the versions of a tenant's key.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/versions", params(("tenant" = String, Path)), responses(
    (status = 200, body = VersionList), (status = 404, body = Problem)))]
pub async fn versions(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<VersionList>, Problem> {
    let tenant = find(app.engine()?, &name).await?;
    let primary = tenant.primary().map(|l2| l2.version);
    let items = tenant.versions.iter().rev().map(|l2| VersionView {
        name: tenant.l2_name(l2.version),
        version: l2.version.0,
        primary: primary == Some(l2.version),
        roots: l2.wraps.iter().map(|wrap| wrap.l1_ref.clone()).collect(),
        level: KeyRotation::of(&tenant, l2).level.as_str(),
        effective_time: l2.created.as_secs(),
        created: l2.created.as_secs(),
    });
    Ok(Json(VersionList { items: items.collect() }))
}

/// Changes a tenant's labels or approvals. With `If-Match`, only if the tenant is still as it was read.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}", params(("tenant" = String, Path)),
    request_body = ChangeTenantRequest, responses((status = 200, body = TenantView),
    (status = 409, body = Problem), (status = 412, body = Problem)))]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(request): Body<ChangeTenantRequest>,
) -> Result<Response, Problem> {
    let who = &caller.administrator;
    let engine = app.engine()?;
    let tenant = find(engine, &name).await?;
    let if_revision = if_match(&headers)?;
    let bytes = serde_json::to_vec(&request).unwrap_or_default();
    let key = idempotency::key(&headers, &who.subject, &[b"PATCH\n", name.as_bytes(), &bytes])?;
    let handle = tenant.handle;
    let action: Action = match (request.labels, request.approvals) {
        (Some(labels), None) => SetTenantLabels { tenant: handle, labels, if_revision }.into(),
        (None, Some(_)) if if_revision.is_some_and(|read| read != tenant.revision) => {
            return Err(Refused::from(Refusal::RevisionConflict { now: tenant.revision }).into());
        }
        (None, Some(approvals)) => SetApprovals { tenant: handle, approvals }.into(),
        _ => return Err(Problem::bad_request("change one thing at a time: labels or approvals")),
    };
    engine.administer(who, handle, &name, action, key).await?;
    shown(engine, &name).await
}

/// The revision the caller insists on.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<LogIndex>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
    number
        .map(|number| Some(LogIndex(number)))
        .ok_or_else(|| Problem::bad_request("If-Match is not an entity tag"))
}

/// A request for a verb.
pub(super) struct Wish<'a> {
    pub app: &'a App,
    pub who: &'a Administrator,
    pub name: &'a str,
    pub verb: &'a str,
    pub headers: &'a HeaderMap,
}

impl Wish<'_> {
    /// The idempotency key, the tenant, and the engine to ask.
    pub async fn read(&self) -> Result<(&Engine, Arc<Tenant>, Option<IdempotencyKey>), Problem> {
        let request: [&[u8]; 4] = [b"POST\n", self.name.as_bytes(), b":", self.verb.as_bytes()];
        let key = idempotency::key(self.headers, &self.who.subject, &request)?;
        let engine = self.app.engine()?;
        Ok((engine, find(engine, self.name).await?, key))
    }

    /// Proposes what the verb means; answers the tenant as it is then.
    pub async fn act<A: Into<Action>>(
        &self,
        action: impl FnOnce(TenantHandle) -> A,
    ) -> Result<Response, Problem> {
        let (engine, tenant, key) = self.read().await?;
        let done = engine.administer(self.who, tenant.handle, self.name, action(tenant.handle), key).await?;
        let effect = Effect::done(done.effective_everywhere_at);
        Ok(tagged(StatusCode::OK, &*find(engine, self.name).await?, &effect))
    }
}

/// Refuses every answer for the tenant until it is resumed; answered when that holds on every node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:suspend", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem), (status = 504, body = Problem)))]
pub async fn suspend(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wish =
        Wish { app: &app, who: &caller.administrator, name: &name, verb: "suspend", headers: &headers };
    wish.act(|tenant| SuspendTenant { tenant }).await
}

/// Ends a suspension.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:resume", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem)))]
pub async fn resume(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wish = Wish { app: &app, who: &caller.administrator, name: &name, verb: "resume", headers: &headers };
    wish.act(|tenant| ResumeTenant { tenant }).await
}

/// Makes the next version of the tenant's key; older ones keep answering.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:rotate", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wish = Wish { app: &app, who: &caller.administrator, name: &name, verb: "rotate", headers: &headers };
    let (engine, tenant, key) = wish.read().await?;
    engine.rotate_l2(&caller.administrator, tenant.handle, if_match(&headers)?, key).await?;
    shown(engine, &name).await
}

/// Erases the tenant's keys for ever; answered when that holds on every node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:terminate", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem), (status = 504, body = Problem)))]
pub async fn terminate(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wish =
        Wish { app: &app, who: &caller.administrator, name: &name, verb: "terminate", headers: &headers };
    wish.act(|tenant| TerminateTenant { tenant }).await
}
