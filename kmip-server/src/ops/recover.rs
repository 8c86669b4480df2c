//! Recover: an archived object answers again (1.4, 4.23).

use kmip::ResponsePayload;
use kmip::ops::recover::{Request, Response};

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let found = context.find(request.unique_identifier.as_ref()).await?;
    context.turn.recover(&found).await?;
    let response = Response { unique_identifier: found.identifier().into() };
    Ok(Reply::Payload(ResponsePayload::Recover(response)))
}
