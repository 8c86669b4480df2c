//! How long nodes serve a tenant without hearing of the cluster (CONSISTENCY 2).

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::commands::SetTenantLease;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::effect::Effect;
use super::tenants::{TenantView, find, if_match, tagged};
use crate::app::App;
use crate::auth::Caller;
use crate::idempotency;
use crate::json::Body;
use crate::problem::Problem;

/// The freshness lease of a tenant.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// 2000 (strict) to 60000 (relaxed) milliseconds; the default is 3000.
    lease_ms: u32,
}

/// Sets the lease of a tenant. A lower one is answered once no node applies the longer one any more. With `If-Match`,
/// only if the tenant is still as it was read.
#[utoipa::path(put, path = "/v1/tenants/{tenant}/lease", params(("tenant" = String, Path)),
    request_body = LeaseRequest, responses((status = 200, body = TenantView), (status = 412, body = Problem),
    (status = 422, body = Problem), (status = 504, body = Problem)))]
pub async fn set(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(request): Body<LeaseRequest>,
) -> Result<Response, Problem> {
    let who = &caller.administrator;
    let if_revision = if_match(&headers)?;
    let bytes = serde_json::to_vec(&request).unwrap_or_default();
    let key = idempotency::key(&headers, &who.subject, &[b"PUT lease\n", name.as_bytes(), b"\n", &bytes])?;
    let engine = app.engine()?;
    let tenant = find(engine, &name).await?;
    let command = SetTenantLease { tenant: tenant.handle, lease_ms: request.lease_ms, if_revision };
    let done = engine.administer(who, tenant.handle, &name, command, key).await?;
    let effect = Effect::done(done.effective_everywhere_at);
    Ok(tagged(StatusCode::OK, &*find(engine, &name).await?, &effect))
}
