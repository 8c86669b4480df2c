//! Archive: the object stays, and answers nothing until it is recovered (1.4, 4.22).

use kmip::ResponsePayload;
use kmip::ops::archive::{Request, Response};

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let found = context.find(request.unique_identifier.as_ref()).await?;
    context.turn.archive(&found).await?;
    let response = Response { unique_identifier: found.identifier().into() };
    Ok(Reply::Payload(ResponsePayload::Archive(response)))
}
