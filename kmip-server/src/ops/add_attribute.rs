//! Add Attribute: one more value of an attribute the object may have.

use kmip::ops::add_attribute::{Request, Response};
use kmip::{Attribute, IndexedAttribute, ResponsePayload};

use super::{Context, Error, Reply};
use crate::attributes::{usage, usage_limits};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (found, mut edit) = context.edit(request.unique_identifier.as_ref()).await?;
    let mut attribute = request.attribute.attribute.clone();
    context.complete(&mut attribute);
    let index = edit.add(&attribute)?;
    context.commit(&found, edit).await?;
    let shown = match attribute {
        Attribute::UsageLimits(limits) => Attribute::UsageLimits(usage_limits(usage(&limits)?)),
        other => other,
    };
    let index = (index > 0).then_some(index);
    Ok(Reply::Payload(ResponsePayload::AddAttribute(Response {
        unique_identifier: found.identifier().into(),
        attribute: Some(IndexedAttribute { index, attribute: shown }),
    })))
}
