//! How long nodes serve a tenant without hearing of the cluster (CONSISTENCY 2).

use axum::response::Response;
use model::commands::SetTenantLease;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tenants::{TenantInPath, TenantView};
use crate::json::Body;
use crate::problem::Problem;
use crate::wish::Wish;

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
pub async fn set(wish: Wish<TenantInPath>, Body(request): Body<LeaseRequest>) -> Result<Response, Problem> {
    let (key, if_revision) = (wish.key(&request)?, wish.if_match()?);
    let tenant = wish.tenant().handle;
    wish.change(SetTenantLease { tenant, lease_ms: request.lease_ms, if_revision }, key).await
}
