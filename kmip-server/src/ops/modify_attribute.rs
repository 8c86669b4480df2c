//! Modify Attribute: another value for an attribute the object has.

use kmip::ResponsePayload;
use kmip::ops::modify_attribute::{Request, Response};

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (found, mut edit) = context.edit(request.unique_identifier.as_ref()).await?;
    edit.modify(&request.attribute.attribute, request.current.as_ref(), request.attribute.index)?;
    context.commit(&found, edit).await?;
    let unique_identifier = found.identifier().into();
    let attribute = Some(request.attribute.clone());
    Ok(Reply::Payload(ResponsePayload::ModifyAttribute(Response { unique_identifier, attribute })))
}
