//! Export (1.4, 4.40): the object and all its attributes, for another server to import.

use kmip::ops::export::Request;

use super::get_attributes::all_attributes;
use super::{Context, Error, Reply};
use crate::keys::fetch::{Ask, fetch};
use crate::objects::object_type;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let ask = Ask {
        format: request.key_format_type,
        wrap_type: request.key_wrap_type,
        compression: request.key_compression_type,
        wrapping: request.key_wrapping_specification.as_deref(),
    };
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let material = fetch(context, &found, ask).await?;
    let attributes = all_attributes(context, &found).await;
    Ok(Reply::Exported { uid: found.identifier(), object_type: object_type(&found)?, attributes, material })
}
