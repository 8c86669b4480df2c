//! What a tenant's services keep: recorded objects, and how much there is of everything. Never a key.

use std::sync::Arc;

use axum::Json;
use engine::Engine;
use model::object::Object;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::services::find_service;
use super::tenants::TenantInPath;
use crate::page::{Asked, page};
use crate::problem::Problem;

/// An object with a record of its own. Keys that cost no storage have none: their lives stand in the audit log.
#[derive(Serialize, ToSchema)]
pub struct ObjectView {
    /// Its identifier, as KMIP clients know it.
    identifier: String,
    /// The service that owns it.
    service: String,
    /// KMIP Object Type, by number.
    object_type: u32,
    /// `Pre-Active`, `Active`, `Deactivated`, `Compromised`, `Destroyed` or `Destroyed Compromised`.
    state: &'static str,
    /// Its names.
    names: Vec<String>,
    /// When it was made, in seconds since the epoch.
    created: u64,
    /// When anything about it last changed.
    changed: u64,
}

/// Objects.
#[derive(Serialize, ToSchema)]
pub struct ObjectList {
    /// Newest first.
    items: Vec<ObjectView>,
    /// `after` of the next page.
    next: Option<String>,
}

/// Which objects to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectQuery {
    limit: Option<usize>,
    after: Option<String>,
    service: Option<String>,
    state: Option<String>,
}

/// Lists the recorded objects of a tenant, newest first.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/objects", params(("tenant" = String, Path),
    ("limit" = Option<usize>, Query), ("after" = Option<String>, Query), ("service" = Option<String>, Query),
    ("state" = Option<String>, Query)), responses((status = 200, body = ObjectList), (status = 404, body = Problem)))]
pub async fn list(
    engine: Arc<Engine>,
    TenantInPath(tenant): TenantInPath,
    Asked(query): Asked<ObjectQuery>,
) -> Result<Json<ObjectList>, Problem> {
    let service = query.service.as_deref().map(|name| find_service(&engine, &tenant, name)).transpose()?;
    let generation = engine.store().generation();
    let (state, now) = (&generation.state, engine.store().now());
    let after = query.after.as_deref();
    let after = after
        .map(|uid| model::uid::Uid::parse(uid).ok_or_else(|| Problem::bad_request("after is no identifier")));
    let after =
        after.transpose()?.and_then(|uid| state.object(tenant.handle, &uid)).map(|object| object.place);
    let of = |object: &Object| object.lifecycle.state_at(now).as_str();
    let wanted = state
        .objects(tenant.handle)
        .filter(|object| after.is_none_or(|after| object.place < after))
        .filter(|object| service.as_ref().is_none_or(|service| service.handle == object.service()))
        .filter(|object| query.state.as_deref().is_none_or(|wanted| wanted == of(object)));
    let views = wanted.map(|object| ObjectView {
        identifier: object.uid.to_string(),
        service: state
            .service(tenant.handle, object.service())
            .map_or_else(String::new, |service| service.name.to_string()),
        object_type: object.object_type,
        state: of(object),
        names: object.names.iter().map(|name| name.value.clone()).collect(),
        created: object.lifecycle.initial_date,
        changed: object.lifecycle.last_change_date,
    });
    let (items, next) = page(views, query.limit, |view| view.identifier.clone())?;
    Ok(Json(ObjectList { items, next }))
}

/// How much of everything a tenant has.
#[derive(Serialize, ToSchema)]
pub struct UsageView {
    /// The tenant.
    tenant: String,
    /// Services by state.
    services: std::collections::BTreeMap<&'static str, u64>,
    /// Recorded objects by service.
    objects: std::collections::BTreeMap<String, u64>,
    /// Versions of the tenant's key.
    versions: usize,
    /// Workflows that have not ended.
    open_workflows: u64,
}

/// How much of everything a tenant has.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/usage", params(("tenant" = String, Path)),
    responses((status = 200, body = UsageView), (status = 404, body = Problem)))]
pub async fn usage(engine: Arc<Engine>, TenantInPath(tenant): TenantInPath) -> Json<UsageView> {
    let generation = engine.store().generation();
    let (state, now) = (&generation.state, engine.store().now());
    let mut services = std::collections::BTreeMap::new();
    let mut objects = std::collections::BTreeMap::new();
    for service in state.services(tenant.handle) {
        *services.entry(service.state.as_str()).or_insert(0) += 1;
        *objects.entry(service.name.to_string()).or_insert(0) +=
            state.object_count(tenant.handle, service.handle);
    }
    let open = state.workflows(tenant.handle).filter(|workflow| !workflow.state_at(now).has_ended());
    Json(UsageView {
        tenant: tenant.name.to_string(),
        services,
        objects,
        versions: tenant.versions.len(),
        open_workflows: open.count() as u64,
    })
}
