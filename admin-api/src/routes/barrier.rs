//! The barrier, which seals everything that nodes store: its terms, and its rotation.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use engine::{BarrierStatus, Engine};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::wish::Wish;

/// The barrier's terms.
#[derive(Serialize, ToSchema)]
pub struct BarrierView {
    /// The term that seals.
    term: u32,
    /// Since when, in seconds since the epoch; 0 for the one a realm begins with.
    since: u64,
    /// The rotation under way.
    rotation: Option<BarrierRotation>,
}

/// A term on its way to every node.
#[derive(Serialize, ToSchema)]
pub struct BarrierRotation {
    /// The term that will seal.
    term: u32,
    /// When the rotation began, in seconds since the epoch.
    started: u64,
    /// Nodes that keep it.
    kept_by: Vec<u64>,
    /// Members that do not yet, by name. One that will not come back must be removed.
    waits_for: Vec<String>,
}

fn view(status: BarrierStatus) -> BarrierView {
    let BarrierStatus { barrier, missing } = status;
    let rotation = barrier.spreading.map(|spreading| BarrierRotation {
        term: spreading.term,
        started: spreading.started.as_secs(),
        kept_by: spreading.held_by.iter().map(|node| node.0).collect(),
        waits_for: missing,
    });
    BarrierView { term: barrier.current, since: barrier.since.as_secs(), rotation }
}

/// Shows the barrier's terms, and how far its rotation is.
#[utoipa::path(get, path = "/v1/barrier", responses((status = 200, body = BarrierView)))]
pub async fn show(engine: Arc<Engine>) -> Json<BarrierView> {
    Json(view(engine.barrier_status().await))
}

/// Begins a rotation of the barrier: a new key that every node keeps before any of them seals with it.
#[utoipa::path(post, path = "/v1/barrier:rotate", responses(
    (status = 202, body = BarrierView), (status = 409, body = Problem)))]
pub async fn rotate(wish: Wish) -> Result<(StatusCode, Json<BarrierView>), Problem> {
    let rotation = wish.engine.rotate_barrier(&wish.who, wish.key(&())?).await?;
    Ok((StatusCode::ACCEPTED, Json(view(rotation))))
}
