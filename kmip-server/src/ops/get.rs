//! Get: the object itself. A derived key that is wanted as it is, is derived straight into the response.

use engine::Found;
use kmip::ResultReason;
use kmip::ops::get::Request;
use model::uid::Kind;

use super::{Context, Error, Reply};
use crate::dispatch::algorithm_of;
use crate::failure::Failure;
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
    let reply = match direct(context, &found, ask).await? {
        Some(reply) => reply,
        None => {
            let material = Box::pin(fetch(context, &found, ask)).await?;
            Reply::Stored { uid: found.identifier(), object_type: object_type(&found)?, material }
        }
    };
    context.served(&found).await?;
    Ok(reply)
}

/// A derived key without wishes, in the shortest way there is.
async fn direct(context: &mut Context<'_, '_>, found: &Found, ask: Ask<'_>) -> Result<Option<Reply>, Error> {
    let fields = found.fields();
    if fields.kind == Kind::Registered
        || fields.algorithm == 0
        || !ask.is_plain()
        || !found.object.attributes.is_empty()
    {
        return Ok(None);
    }
    context.turn.may_get(found)?;
    let unknown = Failure::new(ResultReason::GeneralFailure, "the key's algorithm is unknown here");
    let algorithm = algorithm_of(fields.algorithm).ok_or(unknown.clone())?;
    let bits = engine::length_bits(&fields).ok_or(unknown)?;
    let key = context.turn.derived_key(found).await?;
    Ok(Some(Reply::Key { uid: context.turn.text_of(found.uid()), algorithm, bits, key }))
}
