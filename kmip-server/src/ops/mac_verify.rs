//! MAC Verify: whether a code is a key's over the data (1.x section 4.34).

use engine::{Use, Work};
use kmip::ops::mac_verify::{Request, Response};
use kmip::{Operation, ResponsePayload, ResultReason, UsageMask, ValidityIndicator};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::parts::Part;

const OPERATION: u32 = Operation::MacVerify as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let named = request.unique_identifier.as_ref();
    let key = context.key_for(named, Use::Process, UsageMask::MAC_VERIFY).await?;
    let data = context.data(request.data.as_ref())?;
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    let parameters = request.cryptographic_parameters.as_ref();
    let (stream, mut macer) = key.macer(context, OPERATION, part, parameters).await?;
    macer.update(&data);
    // The code may come with any part; the last one said counts.
    let kept = stream.as_ref().map(|open| open.kept.clone()).unwrap_or_default();
    let code = request.mac_data.as_ref().map_or(kept, |code| code.to_vec());
    let unique_identifier = key.found.identifier().into();
    let mut response = Response { unique_identifier, validity_indicator: None, correlation_value: None };
    if part.is_last() {
        if code.is_empty() {
            return Err(Failure::new(ResultReason::InvalidMessage, "the MAC to verify is missing").into());
        }
        let valid = macer.verify(&code);
        response.validity_indicator =
            Some(if valid { ValidityIndicator::Valid } else { ValidityIndicator::Invalid });
    } else {
        let work = Work::Mac(macer);
        response.correlation_value = Some(context.pause(OPERATION, Some(&key.found), stream, work, code)?);
    }
    Ok(Reply::Payload(ResponsePayload::MacVerify(response)))
}
