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
    let mut stream = None;
    let mut hasher = if let Part::Next(value) | Part::Last(value) = part {
        let mut open = context.turn.take_stream(OPERATION, None, value)?;
        let Work::Hash(hasher) = std::mem::replace(&mut open.work, Work::Message(Vec::new())) else {
            return Err(Refused::NoStream.into());
        };
        stream = Some(open);
        hasher
    } else {
        let named = request.cryptographic_parameters.hashing_algorithm;
        let missing = Failure::new(ResultReason::InvalidField, "the parameters have no Hashing Algorithm");
        Hasher::new(params::hash(named.ok_or(missing)?)?)
    };
    hasher.update(&data);
    let mut response = Response { data: None, correlation_value: None };
    if matches!(part, Part::Whole | Part::Last(_)) {
        response.data = Some(hasher.finish().into());
    } else {
        let work = Work::Hash(hasher);
        let stream = match stream {
            Some(mut open) => {
                open.work = work;
                open
            }
            None => context.turn.begin_stream(OPERATION, None, work, Vec::new())?,
        };
        response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
    }
    context.leave(DataPlaceholder::Hash, response.data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Hash(response)))
}
