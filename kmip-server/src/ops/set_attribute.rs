//! Set Attribute: the one value, added or in the place of the only one there is (2.x).

use kmip::ResponsePayload;
use kmip::ops::set_attribute::{Request, Response};

use super::{Context, Error, Reply};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (found, mut edit) = context.edit(request.unique_identifier.as_ref()).await?;
    let mut attribute = request.attribute.attribute.clone();
    context.complete(&mut attribute);
    edit.set(&attribute)?;
    context.commit(&found, edit).await?;
    let unique_identifier = found.identifier().into();
    Ok(Reply::Payload(ResponsePayload::SetAttribute(Response { unique_identifier })))
}
