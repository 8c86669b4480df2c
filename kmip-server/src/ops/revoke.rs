//! Revoke: to Deactivated, or, for a compromise, to Compromised.

use kmip::ResponsePayload;
use kmip::ops::revoke::{Request, Response};
use model::object::Revocation;

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let found = context.find_with_state(request.unique_identifier.as_ref()).await?;
    let reason = Revocation { code: request.reason.code.value(), message: request.reason.message.clone() };
    let occurred = request.compromise_occurrence_date.and_then(|date| u64::try_from(date.0).ok());
    context.turn.revoke(&found, reason, occurred).await?;
    let response = Response { unique_identifier: found.identifier().into() };
    Ok(Reply::Payload(ResponsePayload::Revoke(response)))
}
