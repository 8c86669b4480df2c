//! MAC: a code under a key that stays here (1.x section 4.33).

use crypto::services::Macer;
use engine::{Refused, Use, Work};
use kmip::ops::mac::{Request, Response};
use kmip::{DataPlaceholder, Operation, ResponsePayload, UsageMask};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::params::mac_algorithm;
use crate::services::parts::Part;

const OPERATION: u32 = Operation::Mac as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let named = request.unique_identifier.as_ref();
    let key = context.key_for(named, Use::Protect, UsageMask::MAC_GENERATE).await?;
    let data = context.data(request.data.as_ref())?;
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    let unique_identifier = key.found.identifier().into();
    let mut response = Response { unique_identifier, mac_data: None, correlation_value: None };
    let first = matches!(part, Part::Whole | Part::First);
    let mut stream = None;
    let mut macer = if let Part::Next(value) | Part::Last(value) = part {
        let mut open = context.turn.take_stream(OPERATION, Some(&key.found), value)?;
        let Work::Mac(macer) = std::mem::replace(&mut open.work, Work::Message(Vec::new())) else {
            return Err(Refused::NoStream.into());
        };
        stream = Some(open);
        macer
    } else {
        let algorithm =
            mac_algorithm(&key.parameters(request.cryptographic_parameters.as_ref()), key.algorithm)?;
        let bytes = key.bytes(context).await?;
        Macer::new(algorithm, &bytes).map_err(Failure::from)?
    };
    macer.update(&data);
    if matches!(part, Part::Whole | Part::Last(_)) {
        response.mac_data = Some(macer.finish().into());
    } else {
        let stream = match stream {
            Some(mut open) => {
                open.work = Work::Mac(macer);
                open
            }
            None => context.turn.begin_stream(OPERATION, Some(&key.found), Work::Mac(macer), Vec::new())?,
        };
        response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
    }
    context.charge(&key, data.len(), 1, first).await?;
    context.leave(DataPlaceholder::MacMacData, response.mac_data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Mac(response)))
}
