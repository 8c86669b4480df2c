//! The Idempotency-Key header: a repeated request has its effect once.

use axum::http::HeaderMap;
use model::command::IdempotencyKey;
use model::sealer::lp;

use crate::problem::Problem;

/// Longest key in bytes: a UUID or a name fits, an essay does not.
const KEY_BYTES_MAX: usize = 255;

/// The key of a request, if it carries one, scoped to who sends it. `request` is what the request asks for:
/// the same key for something else is refused.
///
/// # Errors
/// If the key is longer than 255 bytes or not ASCII.
pub fn key(headers: &HeaderMap, subject: &str, request: &[&[u8]]) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::bad_request("the Idempotency-Key is not ASCII"))?;
    if text.is_empty() || text.len() > KEY_BYTES_MAX {
        return Err(Problem::bad_request("the Idempotency-Key has 1 to 255 characters"));
    }
    let key =
        crypto::digest::sha256(&[&lp(&[b"keyraft/v1/idempotency", subject.as_bytes(), text.as_bytes()])]);
    Ok(Some(IdempotencyKey { key, request: crypto::digest::sha256(request) }))
}
