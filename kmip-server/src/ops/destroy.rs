//! Destroy: no node answers with the key once this is answered.

use kmip::ResponsePayload;
use kmip::ops::destroy::{Request, Response};

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let found = context.find(request.unique_identifier.as_ref()).await?;
    context.turn.destroy(&found).await?;
    let response = Response { unique_identifier: found.identifier().into() };
    Ok(Reply::Payload(ResponsePayload::Destroy(response)))
}
