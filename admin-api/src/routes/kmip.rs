//! KMIP over HTTPS (HTTPS profile): one message in, one message out.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use crate::app::App;
use crate::guest::{Unwelcome, Visit};
use crate::problem::Problem;
use crate::server::Peer;

/// From the end of the header to the end of the body: as long as a message may take on the KMIP port.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers a KMIP message in the encoding its Content-Type names.
pub async fn exchange(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let guest = app.kmip()?;
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bytes_max = guest.body_bytes_max(media_type).ok_or_else(unsupported_media_type)?;
    let body = timeout(BODY_TIMEOUT, to_bytes(body, bytes_max)).await.map_err(|_| Problem::too_slow())?;
    let body = body.map_err(|_| Problem::too_large(bytes_max))?;
    let visit = Visit { chain: &peer.chain, address: peer.address, media_type, body: &body };
    let mut answer = guest.answer(visit).await.map_err(|Unwelcome(detail)| {
        let next = "use the certificate of a service that one of the node's client authorities issued";
        Problem::new(StatusCode::FORBIDDEN, "no-service", "Not a service", detail, next)
    })?;
    // The process wipes whatever it frees, the server's buffers included.
    let bytes = std::mem::take(&mut *answer.body);
    Ok(([(header::CONTENT_TYPE, answer.media_type)], bytes).into_response())
}

fn unsupported_media_type() -> Problem {
    let detail = "the Content-Type names no encoding of KMIP";
    let next = "send application/octet-stream (TTLV), text/xml or application/json";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported-media-type", "Unsupported media type", detail, next)
}
