//! Every route, in one table; the OpenAPI document is generated from the same handlers.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use utoipa::OpenApi;

use crate::app::App;
use crate::problem::Problem;
use crate::routes::{cluster, health, kmip, services, tenants};
use crate::server::Door;

/// Largest request body in bytes: a tenant with all its labels fits many times.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// All routes of a listener. KMIP is on the operator port alone: the other asks for no certificate.
pub(crate) fn router(app: App, door: &Door) -> Router {
    let kmip = match door {
        Door::Public => Router::new(),
        Door::Operator { .. } => Router::new().route("/kmip", post(kmip::exchange)),
    };
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/health", get(health::health))
        .route("/management/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .route("/v1/openapi.json", get(health::openapi_document))
        .route("/v1/cluster", get(cluster::show))
        .route("/v1/tenants", get(tenants::list).post(tenants::create))
        .route("/v1/tenants/{target}", get(tenants::show).patch(tenants::label).post(tenants::act))
        .route("/v1/tenants/{name}/versions", get(tenants::versions))
        .route("/v1/tenants/{name}/services", get(services::list).post(services::register))
        .route("/v1/tenants/{name}/services/{target}", post(services::act))
        .merge(kmip)
        .fallback(|| async { Problem::not_found("resource") })
        .method_not_allowed_fallback(|| async {
            let detail = "the resource does not have this method";
            let next = "see /v1/openapi.json";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Problem::new(status, "method-not-allowed", "Method not allowed", detail, next)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::map_response(harden))
        .with_state(app)
}

/// Headers of every answer: nothing is cached, sniffed, framed or leaked by a referrer.
async fn harden(response: Response) -> Response {
    let mut response = response.into_response();
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ];
    for (name, value) in fixed {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The description of the interface.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "keyraft administration",
        description = "Tenants, services and nodes of a keyraft cluster."
    ),
    paths(
        health::livez,
        health::readyz,
        health::health,
        cluster::show,
        tenants::list,
        tenants::create,
        tenants::show,
        tenants::label,
        tenants::suspend,
        tenants::resume,
        tenants::rotate,
        tenants::terminate,
        tenants::versions,
        services::list,
        services::register,
        services::suspend,
        services::resume,
        services::shred,
    ),
    components(schemas(Problem))
)]
struct Description;

/// The OpenAPI document as JSON.
#[must_use]
pub fn openapi() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default()
}
