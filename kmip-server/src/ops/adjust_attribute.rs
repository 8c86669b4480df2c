//! Adjust Attribute: count up, count down, negate (2.x).

use kmip::ResponsePayload;
use kmip::ops::adjust_attribute::{Request, Response};

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (found, mut edit) = context.edit(request.unique_identifier.as_ref()).await?;
    edit.adjust(&request.attribute, request.adjustment_type, request.adjustment_value.as_ref())?;
    context.commit(&found, edit).await?;
    let unique_identifier = found.identifier().into();
    Ok(Reply::Payload(ResponsePayload::AdjustAttribute(Response { unique_identifier })))
}
