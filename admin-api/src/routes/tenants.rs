//! The lives of tenants.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use engine::{Engine, KeyRotation, NewTenant, Refused};
use model::command::{Action, IdempotencyKey};
use model::commands::{ResumeTenant, SetApprovals, SetTenantLabels, SuspendTenant, TerminateTenant};
use model::id::{TenantHandle, TenantName};
use model::refusal::Refusal;
use model::tenant::{Access, LEASE_MS_DEFAULT, Tenant, TenantState};
use model::time::ClusterTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::effect::Effect;
use crate::app::{App, in_path};
use crate::auth::Caller;
use crate::json::Body;
use crate::page::{Asked, page};
use crate::problem::Problem;
use crate::wish::{Wish, tagged};

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
    /// Whether no new keys are made; it stays so when a lock ends, and only enabling the tenant ends it.
    disabled: bool,
    /// How long hot keys serve on while no root answers, in milliseconds.
    l1_grace_ms: u64,
    /// Between two probes of a root, in milliseconds.
    probe_every_ms: u64,
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
        disabled: tenant.access.is_disabled(),
        l1_grace_ms: tenant.l1_grace_ms,
        probe_every_ms: tenant.probe_every_ms,
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
fn shown(status: StatusCode, tenant: &Tenant, effect: &Effect) -> Response {
    tagged(status, view(tenant, effect), tenant.revision)
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

/// The tenant that a path names, not older than the request.
pub(crate) struct TenantInPath(pub Arc<Tenant>);

impl FromRequestParts<App> for TenantInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let unknown = || Problem::not_found("tenant");
        let name = in_path(parts, app, "tenant").await?;
        let name = TenantName::parse(&name).map_err(|_| unknown())?;
        let generation = app.engine()?.store().read_index().await.map_err(Refused::from)?;
        generation.state.tenant_named(&name).cloned().map(Self).ok_or_else(unknown)
    }
}

impl Wish<TenantInPath> {
    /// The tenant it is about, as it was when the wish came.
    pub fn tenant(&self) -> &Tenant {
        &self.about.0
    }

    /// Proposes what a verb means; answers the tenant as it is then.
    pub async fn act<A: Into<Action>>(
        &self,
        action: impl FnOnce(TenantHandle) -> A,
    ) -> Result<Response, Problem> {
        self.change(action(self.tenant().handle), self.key(&())?).await
    }

    /// Proposes a change; answers the tenant as it is then.
    pub async fn change(
        &self,
        action: impl Into<Action>,
        key: Option<IdempotencyKey>,
    ) -> Result<Response, Problem> {
        let tenant = self.tenant();
        let done =
            self.engine.administer(&self.who, tenant.handle, tenant.name.as_str(), action, key).await?;
        self.shown(done.effective_everywhere_at).await
    }

    /// Answers the tenant as it is after what was done, which withdrew something if it says since when that holds.
    pub async fn shown(&self, effective_everywhere_at: Option<ClusterTime>) -> Result<Response, Problem> {
        let generation = self.engine.store().generation();
        let tenant =
            generation.state.tenant(self.tenant().handle).ok_or_else(|| Problem::not_found("tenant"))?;
        let effect = match effective_everywhere_at {
            Some(at) => Effect::done(at),
            None => effect(&self.engine, tenant).await,
        };
        Ok(shown(StatusCode::OK, tenant, &effect))
    }
}

/// Creates a tenant with its own key hierarchy.
#[utoipa::path(post, path = "/v1/tenants", request_body = CreateTenantRequest, responses(
    (status = 201, body = TenantView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn create(wish: Wish, Body(request): Body<CreateTenantRequest>) -> Result<Response, Problem> {
    let key = wish.key(&request)?;
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
    let tenant = wish.engine.create_tenant(&wish.who, new, key).await?;
    Ok(shown(StatusCode::CREATED, &tenant, &Effect::NOTHING))
}

/// Lists the tenants the caller has a role for, by name.
#[utoipa::path(get, path = "/v1/tenants", params(("limit" = Option<usize>, Query), ("after" = Option<String>, Query),
    ("state" = Option<String>, Query), ("label" = Option<String>, Query)), responses((status = 200, body = TenantList)))]
pub async fn list(
    engine: Arc<Engine>,
    caller: Caller,
    Asked(query): Asked<TenantQuery>,
) -> Result<Json<TenantList>, Problem> {
    let generation = engine.store().read_index().await.map_err(Refused::from)?;
    let theirs = |tenant: &&Arc<Tenant>| caller.sees(&tenant.name) && query.wants(tenant);
    let mut items = Vec::new();
    for tenant in generation.state.tenants().filter(theirs) {
        items.push(view(tenant, &effect(&engine, tenant).await));
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    let (items, next) = page(items.into_iter(), query.limit, |tenant| tenant.name.clone())?;
    Ok(Json(TenantList { items, next }))
}

/// Shows a tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem)))]
pub async fn show(engine: Arc<Engine>, TenantInPath(tenant): TenantInPath) -> Response {
    shown(StatusCode::OK, &tenant, &effect(&engine, &tenant).await)
}

/// Lists the versions of a tenant's key.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/versions", params(("tenant" = String, Path)), responses(
    (status = 200, body = VersionList), (status = 404, body = Problem)))]
pub async fn versions(TenantInPath(tenant): TenantInPath) -> Json<VersionList> {
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
    Json(VersionList { items: items.collect() })
}

/// Changes a tenant's labels or approvals. With `If-Match`, only if the tenant is still as it was read.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}", params(("tenant" = String, Path)),
    request_body = ChangeTenantRequest, responses((status = 200, body = TenantView),
    (status = 409, body = Problem), (status = 412, body = Problem)))]
pub async fn change(
    wish: Wish<TenantInPath>,
    Body(request): Body<ChangeTenantRequest>,
) -> Result<Response, Problem> {
    let (key, if_revision) = (wish.key(&request)?, wish.if_match()?);
    let &Tenant { handle: tenant, revision: now, .. } = wish.tenant();
    let action: Action = match (request.labels, request.approvals) {
        (Some(labels), None) => SetTenantLabels { tenant, labels, if_revision }.into(),
        (None, Some(approvals)) => {
            let (who, name, target) = (&wish.who, "set_approvals", wish.tenant().name.as_str());
            if wish.engine.answered_before(who, name, Some(tenant), target, key).await?.is_some() {
                return wish.shown(None).await;
            }
            if if_revision.is_some_and(|read| read != now) {
                return Err(Refused::from(Refusal::RevisionConflict { now }).into());
            }
            SetApprovals { tenant, approvals }.into()
        }
        _ => return Err(Problem::bad_request("change one thing at a time: labels or approvals")),
    };
    wish.change(action, key).await
}

/// Refuses every answer for the tenant until it is resumed; answered when that holds on every node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:suspend", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem), (status = 504, body = Problem)))]
pub async fn suspend(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    wish.act(|tenant| SuspendTenant { tenant }).await
}

/// Ends a suspension.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:resume", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem)))]
pub async fn resume(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    wish.act(|tenant| ResumeTenant { tenant }).await
}

/// Makes the next version of the tenant's key; older ones keep answering.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:rotate", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn rotate(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    let (key, read) = (wish.key(&())?, wish.if_match()?);
    wish.engine.rotate_l2(&wish.who, wish.tenant().handle, read, key).await?;
    wish.shown(None).await
}

/// Erases the tenant's keys for ever; answered when that holds on every node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:terminate", params(("tenant" = String, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem), (status = 504, body = Problem)))]
pub async fn terminate(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    wish.act(|tenant| TerminateTenant { tenant }).await
}
