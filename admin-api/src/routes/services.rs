//! The services of a tenant.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use engine::Engine;
use model::command::{Action, IdempotencyKey};
use model::commands::{ResumeService, SetServicePolicy, ShredService, SuspendService};
use model::id::{ServiceHandle, ServiceName, TenantHandle};
use model::service::{Service, ServicePolicy, ServiceState, ServiceType};
use model::tenant::Tenant;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::effect::Effect;
use super::tenants::TenantInPath;
use crate::app::{App, in_path};
use crate::json::Body;
use crate::page::{Asked, page};
use crate::problem::Problem;
use crate::wish::{Wish, tagged};

/// What a service's owner decides about its keys.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyView {
    /// Keys are Active from creation.
    #[serde(default)]
    auto_activate: bool,
    /// Get still answers for a revoked key.
    #[serde(default = "yes")]
    get_after_revoke: bool,
}

impl From<PolicyView> for ServicePolicy {
    fn from(view: PolicyView) -> Self {
        Self { auto_activate: view.auto_activate, get_after_revoke: view.get_after_revoke }
    }
}

impl From<ServicePolicy> for PolicyView {
    fn from(policy: ServicePolicy) -> Self {
        Self { auto_activate: policy.auto_activate, get_after_revoke: policy.get_after_revoke }
    }
}

const fn yes() -> bool {
    true
}

/// A service to be.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterServiceRequest {
    /// The name its certificate carries: a DNS label.
    name: String,
    /// `mongodb`, `postgresql`, `redis`, `microservice` or `other`; never used to authorise.
    #[serde(rename = "type", default = "other")]
    service_type: String,
    /// What its owner decides.
    #[serde(default)]
    policy: Option<PolicyView>,
}

fn other() -> String {
    "other".to_owned()
}

/// A service.
#[derive(Serialize, ToSchema)]
pub struct ServiceView {
    /// Its tenant.
    tenant: String,
    /// Its name.
    name: String,
    /// Its handle, as it stands in identifiers.
    handle: String,
    /// Its type.
    #[serde(rename = "type")]
    service_type: &'static str,
    /// `active`, `suspended` or `shredded`; `suspending` or `shredding` while a node may still answer.
    state: &'static str,
    /// Since when, or from when on, what was withdrawn holds on every node: seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_everywhere_at: Option<f64>,
    /// What its owner decided.
    policy: PolicyView,
    /// Objects with a row of their own.
    objects: u64,
    /// The identifier of its root: Derive Key by HKDF from it gives context keys, for clients that cannot
    /// keep identifiers. It is no secret, and Get is refused.
    context_root: Option<String>,
    /// When it was registered, in seconds since the epoch.
    created: u64,
}

/// Services.
#[derive(Serialize, ToSchema)]
pub struct ServiceList {
    /// By name.
    items: Vec<ServiceView>,
    /// `after` of the next page.
    next: Option<String>,
}

/// Which services to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceQuery {
    limit: Option<usize>,
    after: Option<String>,
    state: Option<String>,
}

/// A service, as it may be told now.
async fn shown(engine: &Engine, tenant: &Tenant, service: &Service) -> ServiceView {
    let effect = match service.state {
        ServiceState::Active => Effect::NOTHING,
        ServiceState::Suspended | ServiceState::Shredded => {
            Effect::of(engine, service.withdrawn_at, tenant.handle).await
        }
    };
    view(engine, tenant, service, &effect)
}

/// A service, with what is known of its last withdrawal.
fn view(engine: &Engine, tenant: &Tenant, service: &Service, effect: &Effect) -> ServiceView {
    let state = match service.state {
        ServiceState::Suspended if !effect.holds => "suspending",
        ServiceState::Shredded if !effect.holds => "shredding",
        state => state.as_str(),
    };
    ServiceView {
        tenant: tenant.name.to_string(),
        name: service.name.to_string(),
        handle: service.handle.to_string(),
        service_type: service.service_type.as_str(),
        state,
        effective_everywhere_at: effect.seconds(),
        policy: service.policy.into(),
        objects: engine.store().generation().state.object_count(tenant.handle, service.handle),
        context_root: engine.service_root(tenant, service).ok().map(|uid| uid.to_string()),
        created: service.created.as_secs(),
    }
}

/// Lists the services of a tenant by name.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/services", params(("tenant" = String, Path),
    ("limit" = Option<usize>, Query), ("after" = Option<String>, Query), ("state" = Option<String>, Query)),
    responses((status = 200, body = ServiceList), (status = 404, body = Problem)))]
pub async fn list(
    engine: Arc<Engine>,
    TenantInPath(tenant): TenantInPath,
    Asked(query): Asked<ServiceQuery>,
) -> Result<Json<ServiceList>, Problem> {
    let generation = engine.store().generation();
    let wanted = generation.state.services(tenant.handle).filter(|service| {
        query.after.as_deref().is_none_or(|after| service.name.as_str() > after)
            && query.state.as_deref().is_none_or(|state| state == service.state.as_str())
    });
    let mut items = Vec::new();
    for service in wanted {
        items.push(shown(&engine, &tenant, service).await);
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    let (items, next) = page(items.into_iter(), query.limit, |service| service.name.clone())?;
    Ok(Json(ServiceList { items, next }))
}

/// Registers a service, or enables a shredded one again with a new seed.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/services", params(("tenant" = String, Path)),
    request_body = RegisterServiceRequest, responses((status = 201, body = ServiceView),
    (status = 200, body = ServiceView, description = "it was registered already")))]
pub async fn register(
    wish: Wish<TenantInPath>,
    Body(request): Body<RegisterServiceRequest>,
) -> Result<Response, Problem> {
    let key = wish.key(&request)?;
    let service_name =
        ServiceName::parse(&request.name).map_err(|error| Problem::bad_request(error.to_string()))?;
    let service_type = ServiceType::parse(&request.service_type)
        .ok_or_else(|| Problem::bad_request("type is mongodb, postgresql, redis, microservice or other"))?;
    let policy = request.policy.map_or_else(ServicePolicy::default, ServicePolicy::from);
    let (engine, tenant) = (&wish.engine, wish.tenant());
    let (service, created) =
        engine.add_service(&wish.who, tenant.handle, &service_name, service_type, policy, key).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(tagged(status, shown(engine, tenant, &service).await, service.revision))
}

/// Shows a service.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/services/{service}",
    params(("tenant" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = ServiceView), (status = 404, body = Problem)))]
pub async fn show(engine: Arc<Engine>, ServiceInPath { tenant, service }: ServiceInPath) -> Response {
    tagged(StatusCode::OK, shown(&engine, &tenant, &service).await, service.revision)
}

/// A change of a service.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPolicyRequest {
    /// What its owner decides from then on.
    policy: PolicyView,
}

/// Replaces a service's policy; keys that exist keep what their identifier says. With `If-Match`, only if the
/// service is still as it was read.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}/services/{service}",
    params(("tenant" = String, Path), ("service" = String, Path)), request_body = SetPolicyRequest,
    responses((status = 200, body = ServiceView), (status = 412, body = Problem), (status = 504, body = Problem)))]
pub async fn set_policy(
    wish: Wish<ServiceInPath>,
    Body(request): Body<SetPolicyRequest>,
) -> Result<Response, Problem> {
    let (key, if_revision) = (wish.key(&request)?, wish.if_match()?);
    let (tenant, service) = (wish.about.tenant.handle, wish.about.service.handle);
    wish.change(SetServicePolicy { tenant, service, policy: request.policy.into(), if_revision }, key).await
}

/// The service that a path names, and its tenant, not older than the request.
pub(crate) struct ServiceInPath {
    tenant: Arc<Tenant>,
    service: Arc<Service>,
}

impl FromRequestParts<App> for ServiceInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let TenantInPath(tenant) = TenantInPath::from_request_parts(parts, app).await?;
        let service = find_service(app.engine()?, &tenant, &in_path(parts, app, "service").await?)?;
        Ok(Self { tenant, service })
    }
}

/// A service of a tenant by name.
pub(super) fn find_service(engine: &Engine, tenant: &Tenant, name: &str) -> Result<Arc<Service>, Problem> {
    let name = ServiceName::parse(name).map_err(|_| Problem::not_found("service"))?;
    let generation = engine.store().generation();
    let service = generation.state.service_named(tenant.handle, &name).cloned();
    service.ok_or_else(|| Problem::not_found("service"))
}

impl Wish<ServiceInPath> {
    /// Proposes what a verb means; answers the service as it is then.
    async fn act<A: Into<Action>>(
        &self,
        action: impl FnOnce(TenantHandle, ServiceHandle) -> A,
    ) -> Result<Response, Problem> {
        let ServiceInPath { tenant, service } = &self.about;
        self.change(action(tenant.handle, service.handle), self.key(&())?).await
    }

    /// Proposes a change; answers the service as it is then.
    async fn change(
        &self,
        action: impl Into<Action>,
        key: Option<IdempotencyKey>,
    ) -> Result<Response, Problem> {
        let (engine, ServiceInPath { tenant, service }) = (&self.engine, &self.about);
        let done = engine.administer(&self.who, tenant.handle, service.name.as_str(), action, key).await?;
        let generation = engine.store().generation();
        let service = generation.state.service(tenant.handle, service.handle);
        let service = service.ok_or_else(|| Problem::not_found("service"))?;
        let view = match done.effective_everywhere_at {
            Some(at) => view(engine, tenant, service, &Effect::done(at)),
            None => shown(engine, tenant, service).await,
        };
        Ok(tagged(StatusCode::OK, view, service.revision))
    }
}

/// Refuses every answer for the service until it is resumed; answered when that holds on every node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/services/{service}:suspend",
    params(("tenant" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = ServiceView), (status = 504, body = Problem)))]
pub async fn suspend(wish: Wish<ServiceInPath>) -> Result<Response, Problem> {
    wish.act(|tenant, service| SuspendService { tenant, service }).await
}

/// Ends a suspension.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/services/{service}:resume",
    params(("tenant" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = ServiceView)))]
pub async fn resume(wish: Wish<ServiceInPath>) -> Result<Response, Problem> {
    wish.act(|tenant, service| ResumeService { tenant, service }).await
}

/// Erases the service's seed: none of its keys can be derived again, on any node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/services/{service}:shred",
    params(("tenant" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = ServiceView), (status = 504, body = Problem)))]
pub async fn shred(wish: Wish<ServiceInPath>) -> Result<Response, Problem> {
    wish.act(|tenant, service| ShredService { tenant, service }).await
}
