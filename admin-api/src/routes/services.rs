//! The services of a tenant.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use engine::{Administrator, Engine};
use model::command::IdempotencyKey;
use model::commands::{ResumeService, ShredService, SuspendService};
use model::id::ServiceName;
use model::service::{Service, ServicePolicy, ServiceType};
use model::tenant::Tenant;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tenants::{body, find};
use crate::app::App;
use crate::auth::Operator;
use crate::idempotency;
use crate::problem::Problem;

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

const fn yes() -> bool {
    true
}

/// A service to be.
#[derive(Debug, Deserialize, ToSchema)]
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
    /// `active`, `suspended` or `shredded`.
    state: &'static str,
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
}

fn view(engine: &Engine, tenant: &Tenant, service: &Service) -> ServiceView {
    ServiceView {
        tenant: tenant.name.to_string(),
        name: service.name.to_string(),
        handle: service.handle.to_string(),
        service_type: service.service_type.as_str(),
        state: service.state.as_str(),
        policy: PolicyView {
            auto_activate: service.policy.auto_activate,
            get_after_revoke: service.policy.get_after_revoke,
        },
        objects: engine.store().generation().state.object_count(tenant.handle, service.handle),
        context_root: engine.service_root(tenant, service).ok().map(|uid| uid.to_string()),
        created: service.created.as_secs(),
    }
}

/// Lists the services of a tenant by name.
#[utoipa::path(get, path = "/v1/tenants/{name}/services", params(("name" = String, Path)), responses(
    (status = 200, body = ServiceList), (status = 404, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    _: Operator,
    Path(name): Path<String>,
) -> Result<Json<ServiceList>, Problem> {
    let engine = app.engine()?;
    let tenant = find(engine, &name).await?;
    let generation = engine.store().generation();
    let mut items: Vec<ServiceView> =
        generation.state.services(tenant.handle).map(|service| view(engine, &tenant, service)).collect();
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(ServiceList { items }))
}

/// Registers a service, or enables a shredded one again with a new seed.
#[utoipa::path(post, path = "/v1/tenants/{name}/services", params(("name" = String, Path)),
    request_body = RegisterServiceRequest, responses((status = 201, body = ServiceView),
    (status = 200, body = ServiceView, description = "it was registered already")))]
pub async fn register(
    State(app): State<App>,
    Operator(who): Operator,
    Path(name): Path<String>,
    request: Result<Json<RegisterServiceRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<ServiceView>), Problem> {
    let request = body(request)?;
    let service_name =
        ServiceName::parse(&request.name).map_err(|error| Problem::bad_request(error.to_string()))?;
    let service_type = ServiceType::parse(&request.service_type)
        .ok_or_else(|| Problem::bad_request("type is mongodb, postgresql, redis, microservice or other"))?;
    let policy = request.policy.map_or_else(ServicePolicy::default, |policy| ServicePolicy {
        auto_activate: policy.auto_activate,
        get_after_revoke: policy.get_after_revoke,
    });
    let engine = app.engine()?;
    let tenant = find(engine, &name).await?;
    let (service, created) =
        engine.add_service(&who, tenant.handle, &service_name, service_type, policy).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view(engine, &tenant, &service))))
}

/// `POST /v1/tenants/{name}/services/{service}:{verb}`: finds the verb.
pub async fn act(
    State(app): State<App>,
    Operator(who): Operator,
    Path((name, target)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ServiceView>, Problem> {
    let (service, verb) = target.split_once(':').ok_or_else(|| Problem::not_found("resource"))?;
    let key =
        idempotency::key(&headers, &who.subject, &[b"POST\n", name.as_bytes(), b"/", target.as_bytes()])?;
    let engine = app.engine()?;
    let tenant = find(engine, &name).await?;
    let known = find_service(engine, &tenant, service)?;
    match verb {
        "suspend" => suspend(engine, &who, &known, key).await?,
        "resume" => resume(engine, &who, &known, key).await?,
        "shred" => shred(engine, &who, &known, key).await?,
        _ => return Err(Problem::not_found("action")),
    }
    let changed = engine.store().generation();
    let changed =
        changed.state.service(known.tenant, known.handle).ok_or_else(|| Problem::not_found("service"))?;
    Ok(Json(view(engine, &tenant, changed)))
}

fn find_service(engine: &Engine, tenant: &Tenant, name: &str) -> Result<std::sync::Arc<Service>, Problem> {
    let name = ServiceName::parse(name).map_err(|_| Problem::not_found("service"))?;
    let generation = engine.store().generation();
    let service = generation.state.service_named(tenant.handle, &name).cloned();
    service.ok_or_else(|| Problem::not_found("service"))
}

/// Refuses every answer for the service until it is resumed; answered when that holds on every node.
#[utoipa::path(post, path = "/v1/tenants/{name}/services/{service}:suspend",
    params(("name" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = ServiceView), (status = 504, body = Problem)))]
pub async fn suspend(
    engine: &Engine,
    who: &Administrator,
    service: &Service,
    key: Option<IdempotencyKey>,
) -> Result<(), Problem> {
    let (tenant, handle) = (service.tenant, service.handle);
    engine
        .administer(who, tenant, service.name.as_str(), SuspendService { tenant, service: handle }, key)
        .await?;
    Ok(())
}

/// Ends a suspension.
#[utoipa::path(post, path = "/v1/tenants/{name}/services/{service}:resume",
    params(("name" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = ServiceView)))]
pub async fn resume(
    engine: &Engine,
    who: &Administrator,
    service: &Service,
    key: Option<IdempotencyKey>,
) -> Result<(), Problem> {
    let (tenant, handle) = (service.tenant, service.handle);
    engine
        .administer(who, tenant, service.name.as_str(), ResumeService { tenant, service: handle }, key)
        .await?;
    Ok(())
}

/// Erases the service's seed: none of its keys can be derived again, on any node.
#[utoipa::path(post, path = "/v1/tenants/{name}/services/{service}:shred",
    params(("name" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = ServiceView), (status = 504, body = Problem)))]
pub async fn shred(
    engine: &Engine,
    who: &Administrator,
    service: &Service,
    key: Option<IdempotencyKey>,
) -> Result<(), Problem> {
    let (tenant, handle) = (service.tenant, service.handle);
    engine
        .administer(who, tenant, service.name.as_str(), ShredService { tenant, service: handle }, key)
        .await?;
    Ok(())
}
