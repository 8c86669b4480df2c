//! Log: a line of the client's in this server's log (2.1, 6.1.29).
//!
//! The chained audit record holds the line's hash; the text goes to a stream of its own, escaped, so that
//! no line of a client can pass for one of ours.

use kmip::ResponsePayload;
use kmip::ops::log::{Request, Response};
use sha2::{Digest as _, Sha256};

use super::{Context, Error, Reply};
use crate::failure::Failure;

/// Longest line in bytes: a sentence or two; whoever has more to say keeps a log of their own.
const LINE_BYTES_MAX: usize = 1024;

pub fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let line: &str = &request.log_message;
    if line.len() > LINE_BYTES_MAX {
        return Err(Failure::invalid_field("a Log Message has at most 1024 bytes").into());
    }
    let digest: [u8; 32] = Sha256::digest(line.as_bytes()).into();
    context.identifier = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    tracing::info!(
        target: "keyraft::client_log",
        tenant = %context.turn.tenant().name,
        service = %context.turn.service().name,
        sha256 = %context.identifier,
        line = ?line,
        "logged by a client"
    );
    Ok(Reply::Payload(ResponsePayload::Log(Response::default())))
}
