//! Activate: from Pre-Active to Active.

use kmip::ResponsePayload;
use kmip::ops::activate::{Request, Response};

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let found = context.find_with_state(request.unique_identifier.as_ref()).await?;
    context.turn.activate(&found).await?;
    let response = Response { unique_identifier: found.identifier().into() };
    Ok(Reply::Payload(ResponsePayload::Activate(response)))
}
