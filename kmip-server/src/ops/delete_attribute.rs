//! Delete Attribute: one value, or in 2.x all values, of an attribute fewer.

use kmip::ResponsePayload;
use kmip::ops::delete_attribute::{Request, Response};

use super::{Context, Error, Reply};
use crate::failure::Failure;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (found, mut edit) = context.edit(request.unique_identifier.as_ref()).await?;
    let current = request.current.as_ref();
    let name = match (current, &request.name) {
        (Some(current), _) => current.name(),
        (None, Some(name)) => name.clone(),
        (None, None) => return Err(Failure::invalid_field("no attribute is named").into()),
    };
    let gone = edit.delete(&name, current, request.index, context.version.is_v2())?;
    context.commit(&found, edit).await?;
    let unique_identifier = found.identifier().into();
    let attribute = Some(gone);
    Ok(Reply::Payload(ResponsePayload::DeleteAttribute(Response { unique_identifier, attribute })))
}
