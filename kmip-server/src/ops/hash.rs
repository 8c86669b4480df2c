//! Hash: no key, whole or in parts (1.x section 4.37).

use crypto::services::Hasher;
use engine::{Refused, Work};
use kmip::ops::hash::{Request, Response};
use kmip::{DataPlaceholder, Operation, ResponsePayload, ResultReason};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::params;
use crate::services::parts::Part;

const OPERATION: u32 = Operation::Hash as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let data = context.data(request.data.as_ref())?;
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    let (stream, mut hasher) = match context.resume(OPERATION, None, part)? {
        Some((stream, Work::Hash(hasher))) => (Some(stream), hasher),
        Some(_) => return Err(Refused::NoStream.into()),
        None => {
            let none = Failure::new(ResultReason::InvalidMessage, "no parameters say which hash is wanted");
            let named = request.cryptographic_parameters.as_ref().ok_or(none)?.hashing_algorithm;
            let missing = Failure::invalid_field("the parameters have no Hashing Algorithm");
            (None, Hasher::new(params::hash(named.ok_or(missing)?)?))
        }
    };
    hasher.update(&data);
    let mut response = Response { data: None, correlation_value: None };
    if part.is_last() {
        response.data = Some(hasher.finish().into());
    } else {
        let paused = context.pause(OPERATION, None, stream, Work::Hash(hasher), Vec::new())?;
        response.correlation_value = Some(paused);
    }
    context.leave(DataPlaceholder::Hash, response.data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Hash(response)))
}
