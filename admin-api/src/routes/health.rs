//! Whether the node lives and may serve; metrics; the OpenAPI document.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::router::openapi;

/// The process runs. Never depends on a quorum: restarting a node does not bring one back.
#[utoipa::path(get, path = "/livez", responses((status = 200, description = "the process runs")))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// The node may answer KMIP requests: its lease is valid and its audit log works.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "the node may serve"),
    (status = 503, description = "it may not now", body = Problem)))]
pub async fn readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.is_ready() { Ok("ok\n") } else { Err(Problem::starting()) }
}

/// Health in the form that platforms ask for.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `UP`, or `OUT_OF_SERVICE` while the node may not serve.
    status: &'static str,
}

/// Health in the form that platforms ask for.
#[utoipa::path(get, path = "/health", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn health(State(app): State<App>) -> impl IntoResponse {
    if app.is_ready() {
        (StatusCode::OK, Json(Health { status: "UP" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "OUT_OF_SERVICE" }))
    }
}

/// The same under the path that management probes ask.
#[utoipa::path(get, path = "/management/health", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn management_health(app: State<App>) -> impl IntoResponse {
    health(app).await
}

/// Metrics as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "OpenMetrics text")))]
pub async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media)], app.metrics())
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, description = "this document")))]
pub async fn openapi_document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}

/// Who the caller is to this cluster.
#[derive(Serialize, ToSchema)]
pub struct WhoAmI {
    /// The name that stands in records of what the caller does.
    subject: String,
    /// The roles, and what for.
    grants: Vec<GrantView>,
}

/// A role.
#[derive(Serialize, ToSchema)]
pub struct GrantView {
    /// `platform_operator`, `tenant_administrator`, `key_administrator` or `auditor`.
    role: &'static str,
    /// The tenant it is for; none means the whole platform.
    tenant: Option<String>,
}

/// Who the caller is to this cluster.
#[utoipa::path(get, path = "/v1/whoami", responses((status = 200, body = WhoAmI)))]
pub async fn whoami(caller: Caller) -> Json<WhoAmI> {
    let grants = caller.grants.all();
    let grants = grants
        .map(|(tenant, role)| GrantView { role: role.as_str(), tenant: tenant.map(ToString::to_string) });
    Json(WhoAmI { grants: grants.collect(), subject: caller.administrator.subject })
}
