//! Get Attribute List: the names of the attributes an object has.

use kmip::ops::get_attribute_list::{Request, Response};
use kmip::{AttributeKind, AttributeName, ObjectType, ResponsePayload};

use super::get_attributes::has_digest;
use super::{Context, Error, Reply};
use crate::attributes::read::attributes_of;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let mut names: Vec<AttributeName> = Vec::new();
    for attribute in attributes_of(&found, context.turn.now()).iter() {
        let name = attribute.name();
        if attribute.is_in(context.version) && !names.contains(&name) {
            names.push(name);
        }
    }
    if has_digest(context, &found) {
        names.push(AttributeName::Standard(AttributeKind::Digest));
        let is_opaque = found.object.object_type == ObjectType::OpaqueObject.value();
        if is_opaque && AttributeKind::OpaqueDataType.is_in(context.version) {
            names.push(AttributeName::Standard(AttributeKind::OpaqueDataType));
        }
    }
    let unique_identifier = found.identifier().into();
    Ok(Reply::Payload(ResponsePayload::GetAttributeList(Response { unique_identifier, names })))
}
