//! MAC: a code under a key that stays here (1.x section 4.33).

use engine::{Use, Work};
use kmip::ops::mac::{Request, Response};
use kmip::{DataPlaceholder, Operation, ResponsePayload, UsageMask};

use super::{Context, Error, Reply};
use crate::services::parts::Part;

const OPERATION: u32 = Operation::Mac as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let named = request.unique_identifier.as_ref();
    let key = context.key_for(named, Use::Protect, UsageMask::MAC_GENERATE).await?;
    let data = context.data(request.data.as_ref())?;
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    let unique_identifier = key.found.identifier().into();
    let mut response = Response { unique_identifier, mac_data: None, correlation_value: None };
    let parameters = request.cryptographic_parameters.as_ref();
    let (stream, mut macer) = key.macer(context, OPERATION, part, parameters).await?;
    macer.update(&data);
    if part.is_last() {
        response.mac_data = Some(macer.finish().into());
    } else {
        let work = Work::Mac(macer);
        let paused = context.pause(OPERATION, Some(&key.found), stream, work, Vec::new())?;
        response.correlation_value = Some(paused);
    }
    context.charge(&key, data.len(), 1, part.is_first()).await?;
    context.leave(DataPlaceholder::MacMacData, response.mac_data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Mac(response)))
}
