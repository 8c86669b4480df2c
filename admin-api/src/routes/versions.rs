//! What is left to re-encrypt: identifiers of older versions of a tenant's key that are still in use.

use std::sync::Arc;

use axum::Json;
use axum::extract::Query;
use engine::Engine;
use model::time::ClusterTime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::tenants::TenantInPath;
use crate::problem::Problem;

/// From when on a use counts.
#[derive(Deserialize, IntoParams)]
pub struct Since {
    /// In seconds since the epoch; without it, since this node started.
    #[serde(default)]
    since: u64,
}

/// An identifier of an older version.
#[derive(Serialize, ToSchema)]
pub struct OlderView {
    /// The identifier.
    identifier: String,
    /// The version its key comes from.
    version: u16,
    /// When it was used last on this node, in seconds since the epoch.
    last_used: u64,
}

/// Identifiers of older versions that were used on this node.
#[derive(Serialize, ToSchema)]
pub struct OlderList {
    /// Each with its version.
    items: Vec<OlderView>,
    /// Whether there were more than are listed.
    more: bool,
    /// The time of this answer, in seconds since the epoch: a later `since`.
    now: u64,
}

/// Lists identifiers of older versions that were used on this node. Each node knows its own: ask all.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/versions/older-in-use", params(("tenant" = String, Path), Since),
    responses((status = 200, body = OlderList), (status = 404, body = Problem)))]
pub async fn older(
    engine: Arc<Engine>,
    TenantInPath(tenant): TenantInPath,
    Query(query): Query<Since>,
) -> Json<OlderList> {
    let primary = tenant.primary().map(|l2| l2.version);
    let used = engine.older().since(tenant.handle, ClusterTime(query.since.saturating_mul(1000)));
    let items = used.identifiers.iter().filter_map(|(uid, last)| {
        let version = uid.header.fields().l2_version;
        let view = OlderView { identifier: uid.to_string(), version: version.0, last_used: last.as_secs() };
        (Some(version) != primary).then_some(view)
    });
    Json(OlderList { items: items.collect(), more: used.more, now: engine.store().now().as_secs() })
}
