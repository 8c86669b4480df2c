//! Roots of trust: the tenants' own ones, tested before they are kept, and the switch that locks a tenant.
//!
//! A configuration goes in and never comes out: it may hold credentials.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use engine::{Described, Engine, RootPolicy};
use keystore::{Credentials, Report, RootConfig};
use model::commands::{DisableTenant, EnableTenant, UnlinkTenant};
use model::id::{RootHandle, RootName};
use model::job::JobKind;
use model::root::{Gate, L1, L1State, PROBE_EVERY_MS_MAX, Root, WhichRoot};
use model::tenant::Tenant;
use model::time::ClusterTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::jobs::{self, JobView};
use super::tenants::TenantInPath;
use crate::app::{App, in_path};
use crate::json::Body;
use crate::problem::{Problem, seconds};
use crate::wish::{Wish, tagged};

/// The name under which the platform's root stands among a tenant's.
pub(super) const PLATFORM: &str = "platform";
/// A change of roots reaches the last node within this, or the answer says that it has not yet.
const EVERYWHERE_MAX: Duration = Duration::from_secs(5);

/// A root to test.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestRootRequest {
    /// Which key, where: `provider`, and what belongs to that provider.
    #[schema(value_type = Object)]
    config: RootConfig,
    /// What proves us there: `kind`, and the texts of that kind. Never given back.
    #[serde(default)]
    #[schema(value_type = Object)]
    credentials: serde_json::Value,
}

/// A root to keep.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigureRootRequest {
    /// A DNS label, unique in the tenant; not `platform`.
    name: String,
    /// Which key, where: `provider`, and what belongs to that provider.
    #[schema(value_type = Object)]
    config: RootConfig,
    /// What proves us there: `kind`, and the texts of that kind. Never given back.
    #[serde(default)]
    #[schema(value_type = Object)]
    credentials: serde_json::Value,
}

/// What proves us to a root from now on.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RootCredentialsRequest {
    /// What proves us there: `kind`, and the texts of that kind. Never given back.
    #[schema(value_type = Object)]
    credentials: serde_json::Value,
}

impl fmt::Debug for RootCredentialsRequest {
    /// Never the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootCredentialsRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for TestRootRequest {
    /// Never the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRootRequest").field("config", &self.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for ConfigureRootRequest {
    /// Never the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ConfigureRootRequest");
        shown.field("name", &self.name).field("config", &self.config).finish_non_exhaustive()
    }
}

/// What a tenant decides about all its roots.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RootPolicyRequest {
    /// How long hot keys serve on while no root answers, in milliseconds; at most a day.
    l1_grace_ms: u64,
    /// Between two probes of a root, in milliseconds: 2000 to 20000, and the latter unless given. A root that says
    /// no closes its tenant within that and 12 s.
    #[serde(default = "seldom")]
    probe_every_ms: u64,
    /// Age at which the tenant's key is rotated, in milliseconds; at least a day.
    rotate_after_ms: u64,
}

/// The decision, and how far it has come.
#[derive(Serialize, ToSchema)]
pub struct RootPolicyView {
    /// As asked for.
    #[serde(flatten)]
    policy: RootPolicyRequest,
    /// When the last node came to know of it; absent if one has not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_everywhere_at: Option<f64>,
}

fn seldom() -> u64 {
    PROBE_EVERY_MS_MAX
}

/// A root of a tenant.
#[derive(Serialize, ToSchema)]
pub struct RootView {
    /// Its name; `platform` for the platform's own.
    name: String,
    /// Its provider.
    provider: String,
    /// The immutable key reference.
    key: String,
    /// Which key, where; credentials are never shown.
    #[schema(value_type = Option<Object>)]
    config: Option<RootConfig>,
    /// Whether it wraps the tenant's keys.
    in_use: bool,
    /// `inactive`, `active` or `error`.
    state: &'static str,
    /// `enabled`, `disabled`, `forbidden`, `unreachable`, `pending_deletion`, `deleted`, `unknown`, `refused`;
    /// absent before the first probe.
    key_state: Option<&'static str>,
    /// Its own words when something is wrong.
    detail: String,
    /// Since when it has been in this state, in seconds since the epoch.
    since: Option<u64>,
    /// When the last probe that succeeded began, in seconds since the epoch.
    ok_at: Option<u64>,
    /// Without an answer, hot keys serve until then, in seconds since the epoch.
    serves_until: Option<u64>,
    /// When it was configured, in seconds since the epoch.
    created: Option<u64>,
    /// When the last node came to know of a change just made; absent if one has not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_everywhere_at: Option<f64>,
}

/// Roots.
#[derive(Serialize, ToSchema)]
pub struct RootList {
    /// The platform's first, if it is in use.
    items: Vec<RootView>,
}

fn view(engine: &Engine, tenant: &Tenant, root: Option<&Root>) -> RootView {
    let generation = engine.store().generation();
    let which: WhichRoot = root.map(|root| (root.tenant, root.handle));
    let l1 = generation.state.l1(which);
    let in_use = match root {
        Some(root) => tenant.roots.contains(&root.handle),
        None => tenant.roots.is_empty(),
    };
    let key = root.map_or_else(|| engine.platform_root(), |root| root.l1_ref.clone());
    RootView {
        name: root.map_or(PLATFORM.to_owned(), |root| root.name.to_string()),
        provider: key.split(':').next().unwrap_or_default().to_owned(),
        key,
        config: root.and_then(|root| engine.root_config(root)),
        in_use,
        state: word(in_use, l1),
        key_state: l1.map(|l1| l1.state.as_str()),
        detail: l1.map(|l1| l1.detail.clone()).unwrap_or_default(),
        since: l1.map(|l1| l1.since.as_secs()),
        ok_at: l1.map(|l1| l1.ok_at.as_secs()),
        serves_until: l1.and_then(|l1| countdown(tenant, l1, engine.store().now())),
        created: root.map(|root| root.created.as_secs()),
        applied_everywhere_at: None,
    }
}

/// The three states people are shown.
fn word(in_use: bool, l1: Option<&Arc<L1>>) -> &'static str {
    match l1.map(|l1| l1.state) {
        _ if !in_use => "inactive",
        None | Some(L1State::Enabled) => "active",
        Some(_) => "error",
    }
}

fn countdown(tenant: &Tenant, l1: &L1, now: ClusterTime) -> Option<u64> {
    match l1.gate(tenant.l1_grace_ms, now) {
        Gate::Grace { until } => Some(until.as_secs()),
        Gate::Open | Gate::Closed { .. } => None,
    }
}

/// Lists the roots of a tenant, with their health.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/roots", params(("tenant" = String, Path)), responses(
    (status = 200, body = RootList), (status = 404, body = Problem)))]
pub async fn list(engine: Arc<Engine>, TenantInPath(tenant): TenantInPath) -> Json<RootList> {
    let generation = engine.store().generation();
    let platform = tenant.roots.is_empty().then(|| view(&engine, &tenant, None));
    let own = generation.state.roots(tenant.handle).map(|root| view(&engine, &tenant, Some(root)));
    Json(RootList { items: platform.into_iter().chain(own).collect() })
}

/// Shows a root of a tenant. Its entity tag is what `If-Match` brings back when its credentials are replaced.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/roots/{root}",
    params(("tenant" = String, Path), ("root" = String, Path)), responses(
    (status = 200, body = RootView), (status = 404, body = Problem)))]
pub async fn show(engine: Arc<Engine>, RootInPath { tenant, root }: RootInPath) -> Response {
    let view = view(&engine, &tenant, root.as_deref());
    match root {
        Some(root) => tagged(StatusCode::OK, view, root.revision),
        None => Json(view).into_response(),
    }
}

/// Tests a root: wraps and unwraps random bytes, asks for permissions and evidence. Nothing is kept; the
/// report says who must do what when it does not pass.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/roots:test", params(("tenant" = String, Path)),
    request_body = TestRootRequest, responses((status = 200, body = serde_json::Value), (status = 400, body = Problem)))]
pub async fn test(
    wish: Wish<TenantInPath>,
    Body(request): Body<TestRootRequest>,
) -> Result<Json<Report>, Problem> {
    let described = described(request.config, &request.credentials)?;
    Ok(Json(wish.engine.test_root(&wish.who, wish.tenant(), &described).await?))
}

/// Keeps a root that passes its test. It wraps nothing until the tenant is switched to it.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/roots", params(("tenant" = String, Path)),
    request_body = ConfigureRootRequest, responses((status = 201, body = RootView),
    (status = 409, body = Problem), (status = 502, body = Problem)))]
pub async fn configure(
    wish: Wish<TenantInPath>,
    Body(request): Body<ConfigureRootRequest>,
) -> Result<Response, Problem> {
    let (engine, tenant, key) = (&wish.engine, wish.tenant(), wish.key(&request)?);
    let root_name =
        RootName::parse(&request.name).map_err(|error| Problem::bad_request(error.to_string()))?;
    if root_name.as_str() == PLATFORM {
        return Err(Problem::bad_request("the name platform stands for the platform's own root"));
    }
    let described = described(request.config, &request.credentials)?;
    let root = engine.configure_root(&wish.who, tenant, &root_name, &described, key).await?;
    let everywhere = engine.applied_everywhere_at(root.revision, EVERYWHERE_MAX).await;
    let mut view = view(engine, tenant, Some(&root));
    view.applied_everywhere_at = seconds(everywhere);
    Ok(tagged(StatusCode::CREATED, view, root.revision))
}

/// The root that a path names, and its tenant, not older than the request.
pub(crate) struct RootInPath {
    tenant: Arc<Tenant>,
    /// `None` for the platform's.
    root: Option<Arc<Root>>,
}

impl FromRequestParts<App> for RootInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let TenantInPath(tenant) = TenantInPath::from_request_parts(parts, app).await?;
        let root = named(app.engine()?, &tenant, &in_path(parts, app, "root").await?)?;
        Ok(Self { tenant, root })
    }
}

/// The name of a root that a path has, and its tenant: the root is gone when a request that removed it is repeated.
pub(crate) struct RootToRemove {
    tenant: Arc<Tenant>,
    name: String,
}

impl FromRequestParts<App> for RootToRemove {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let TenantInPath(tenant) = TenantInPath::from_request_parts(parts, app).await?;
        Ok(Self { tenant, name: in_path(parts, app, "root").await? })
    }
}

impl Wish<RootInPath> {
    /// Begins the job that makes these roots the tenant's.
    async fn migrate(&self, to: Vec<RootHandle>) -> Result<Response, Problem> {
        jobs::begin(self, &self.about.tenant, JobKind::Migrate, to).await
    }
}

/// Replaces the credentials of a root, in use or not, once the new ones have opened its key and what it wrapped; if
/// they do not, nothing is changed. With `If-Match`, only if the root is still as it was read.
#[utoipa::path(put, path = "/v1/tenants/{tenant}/roots/{root}/credentials",
    params(("tenant" = String, Path), ("root" = String, Path)), request_body = RootCredentialsRequest, responses(
    (status = 200, body = RootView), (status = 400, body = Problem), (status = 412, body = Problem),
    (status = 502, body = Problem)))]
pub async fn credentials(
    wish: Wish<RootInPath>,
    Body(request): Body<RootCredentialsRequest>,
) -> Result<Response, Problem> {
    let (engine, RootInPath { tenant, root }) = (&wish.engine, &wish.about);
    let (key, read) = (wish.key(&request)?, wish.if_match()?);
    let Some(root) = root else {
        return Err(Problem::bad_request(
            "the platform's root has its credentials in every node's configuration",
        ));
    };
    let credentials = parsed(&request.credentials)?;
    let root = engine.replace_root_credentials(&wish.who, tenant, root, credentials, read, key).await?;
    let everywhere = engine.applied_everywhere_at(root.revision, EVERYWHERE_MAX).await;
    // Now no node speaks by the earlier ones, and what it says stands.
    engine.hear_root(&root).await;
    let mut view = view(engine, tenant, Some(&root));
    view.applied_everywhere_at = seconds(everywhere);
    Ok(tagged(StatusCode::OK, view, root.revision))
}

/// Makes this root the tenant's only one, by a job; `platform` goes back to the platform's.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/roots/{root}:switch",
    params(("tenant" = String, Path), ("root" = String, Path)), responses(
    (status = 202, body = JobView), (status = 409, body = Problem)))]
pub async fn switch(wish: Wish<RootInPath>) -> Result<Response, Problem> {
    wish.migrate(wish.about.root.iter().map(|root| root.handle).collect()).await
}

/// Adds this root to those of the tenant, by a job: any one of them unwraps.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/roots/{root}:activate",
    params(("tenant" = String, Path), ("root" = String, Path)), responses(
    (status = 202, body = JobView), (status = 409, body = Problem)))]
pub async fn activate(wish: Wish<RootInPath>) -> Result<Response, Problem> {
    let Some(root) = &wish.about.root else {
        return Err(Problem::bad_request("the platform's root stands alone: switch to it"));
    };
    wish.migrate(wish.about.tenant.roots.iter().copied().chain([root.handle]).collect()).await
}

/// Takes this root from those of the tenant, by a job; the last one gives way to the platform's.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/roots/{root}:deactivate",
    params(("tenant" = String, Path), ("root" = String, Path)), responses(
    (status = 202, body = JobView), (status = 409, body = Problem)))]
pub async fn deactivate(wish: Wish<RootInPath>) -> Result<Response, Problem> {
    let leaves = wish.about.root.as_ref().map(|root| root.handle);
    let stay = wish.about.tenant.roots.iter().copied().filter(|other| Some(*other) != leaves);
    wish.migrate(stay.collect()).await
}

/// Forgets a root that wraps nothing, with its configuration.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/roots/{root}:remove",
    params(("tenant" = String, Path), ("root" = String, Path)), responses(
    (status = 204), (status = 409, body = Problem)))]
pub async fn remove(wish: Wish<RootToRemove>) -> Result<Response, Problem> {
    let (engine, key, RootToRemove { tenant, name }) = (&wish.engine, wish.key(&())?, &wish.about);
    let before = engine.answered_before(&wish.who, "remove_root", Some(tenant.handle), name, key).await?;
    if before.is_none() {
        let Some(root) = named(engine, tenant, name)? else {
            return Err(Problem::bad_request("the platform's root is not a tenant's to remove"));
        };
        engine.remove_root(&wish.who, &root, key).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Decides how long hot keys outlive the silence of the tenant's roots, and when its key is rotated by age.
#[utoipa::path(put, path = "/v1/tenants/{tenant}/root-policy", params(("tenant" = String, Path)),
    request_body = RootPolicyRequest, responses((status = 200, body = RootPolicyView), (status = 422, body = Problem)))]
pub async fn policy(
    wish: Wish<TenantInPath>,
    Body(request): Body<RootPolicyRequest>,
) -> Result<Json<RootPolicyView>, Problem> {
    let key = wish.key(&request)?;
    let RootPolicyRequest { l1_grace_ms, probe_every_ms, rotate_after_ms } = request;
    let policy = RootPolicy { l1_grace_ms, probe_every_ms, rotate_after_ms };
    let decided = wish.engine.set_root_policy(&wish.who, wish.tenant(), policy, key).await?;
    let everywhere = wish.engine.applied_everywhere_at(decided, EVERYWHERE_MAX).await;
    Ok(Json(RootPolicyView { policy: request, applied_everywhere_at: seconds(everywhere) }))
}

/// The kill switch: answered when no node gives the tenant's keys or holds one of them.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:unlink", params(("tenant" = String, Path)), responses(
    (status = 200, body = super::tenants::TenantView), (status = 504, body = Problem)))]
pub async fn unlink(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    wish.act(|tenant| UnlinkTenant { tenant }).await
}

/// Ends the lock, once a root of the tenant unwraps its key.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:relink", params(("tenant" = String, Path)), responses(
    (status = 200, body = super::tenants::TenantView), (status = 502, body = Problem)))]
pub async fn relink(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    wish.engine.relink_tenant(&wish.who, wish.tenant(), wish.key(&())?).await?;
    wish.shown(None).await
}

/// Read-only: existing keys are given, no new ones are made; answered when that holds on every node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:disable", params(("tenant" = String, Path)), responses(
    (status = 200, body = super::tenants::TenantView), (status = 504, body = Problem)))]
pub async fn disable(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    wish.act(|tenant| DisableTenant { tenant }).await
}

/// New keys are made again.
#[utoipa::path(post, path = "/v1/tenants/{tenant}:enable", params(("tenant" = String, Path)), responses(
    (status = 200, body = super::tenants::TenantView), (status = 409, body = Problem)))]
pub async fn enable(wish: Wish<TenantInPath>) -> Result<Response, Problem> {
    wish.act(|tenant| EnableTenant { tenant }).await
}

/// A root by name; `None` for the platform's.
fn named(engine: &Engine, tenant: &Tenant, name: &str) -> Result<Option<Arc<Root>>, Problem> {
    if name == PLATFORM {
        return Ok(None);
    }
    let name = RootName::parse(name).map_err(|_| Problem::not_found("root"))?;
    let generation = engine.store().generation();
    let root = generation.state.root_named(tenant.handle, &name).cloned();
    root.map(Some).ok_or_else(|| Problem::not_found("root"))
}

fn described(config: RootConfig, credentials: &serde_json::Value) -> Result<Described, Problem> {
    let credentials = match credentials {
        serde_json::Value::Null => Credentials::default(),
        given => parsed(given)?,
    };
    Ok(Described { config, credentials })
}

fn parsed(credentials: &serde_json::Value) -> Result<Credentials, Problem> {
    let bytes = zeroize::Zeroizing::new(serde_json::to_vec(credentials).unwrap_or_default());
    Credentials::from_json(&bytes).map_err(|error| Problem::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_print_no_credentials() {
        let body = json!({
            "config": {"provider": "transit", "address": "https://bao.example.com:8200", "key": "keyraft"},
            "credentials": {"kind": "token", "token": "s.do-not-print"},
        });
        let replace: RootCredentialsRequest =
            serde_json::from_value(json!({ "credentials": body["credentials"] })).expect("a request");
        assert!(!format!("{replace:?}").contains("do-not-print"), "{replace:?}");
        let mut named = body.clone();
        named["name"] = json!("frankfurt");
        let test: TestRootRequest = serde_json::from_value(body).expect("a request");
        let configure: ConfigureRootRequest = serde_json::from_value(named).expect("a request");
        for text in [format!("{test:?}"), format!("{configure:?}")] {
            assert!(text.contains("bao.example.com"), "{text}");
            assert!(!text.contains("do-not-print"), "{text}");
        }
        assert!(format!("{configure:?}").contains("frankfurt"));
    }
}
