//! Get Attributes: those named, silently without the unknown or unset ones; all, if none is named.

use kmip::ResponsePayload;
use kmip::ops::get_attributes::{Request, Response};

use super::{Context, Error, Reply};
use crate::objects::attributes_of;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let mut attributes = attributes_of(&found, context.turn.now());
    attributes.0.retain(|one| one.attribute.is_in(context.version));
    if !request.names.is_empty() {
        attributes.0.retain(|one| request.names.contains(&one.attribute.name()));
    }
    let unique_identifier = found.uid().to_string().into();
    Ok(Reply::Payload(ResponsePayload::GetAttributes(Response { unique_identifier, attributes })))
}
