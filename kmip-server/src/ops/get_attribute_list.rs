//! Get Attribute List: the names of the attributes an object has.

use kmip::ResponsePayload;
use kmip::ops::get_attribute_list::{Request, Response};

use super::{Context, Error, Reply};
use crate::objects::attributes_of;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let mut names = Vec::new();
    for attribute in attributes_of(&found, context.turn.now()).iter() {
        let name = attribute.name();
        if attribute.is_in(context.version) && !names.contains(&name) {
            names.push(name);
        }
    }
    let unique_identifier = found.uid().to_string().into();
    Ok(Reply::Payload(ResponsePayload::GetAttributeList(Response { unique_identifier, names })))
}
