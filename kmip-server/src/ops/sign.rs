//! Sign: with a private key that stays here (1.x section 4.31).

use engine::Use;
use kmip::ops::sign::{Request, Response};
use kmip::{DataPlaceholder, Operation, ResponsePayload, UsageMask};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::apart;
use crate::services::parts::Part;
use crate::services::signature::{self, Begun, Wanted};

const OPERATION: u32 = Operation::Sign as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let key = context.key_for(request.unique_identifier.as_ref(), Use::Protect, UsageMask::SIGN).await?;
    let data = context.data(request.data.as_ref())?;
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    let unique_identifier = key.found.identifier().into();
    let mut response = Response { unique_identifier, signature_data: None, correlation_value: None };
    let private = key.private(context).await?;
    let kind = private.kind().map_err(Failure::from)?;
    let resumed = context.resume(OPERATION, Some(&key.found), part)?;
    let given = key.parameters(request.cryptographic_parameters.as_ref());
    let begun = Begun::of(given, resumed.as_ref().map(|(stream, _)| stream))?;
    let wanted = Wanted::of(&begun.parameters)?;
    let (stream, mut work) = match resumed {
        Some((stream, work)) => (Some(stream), work),
        None => (None, signature::begin(wanted, kind)),
    };
    signature::update(&mut work, &data)?;
    if part.is_last() {
        let digested = request.digested_data.as_deref();
        let scheme = wanted.scheme(kind, digested.map(<[u8]>::len))?;
        let made = signature::finish(work)?;
        let made = digested.map_or(made, |digest| digest.to_vec().into());
        let signed = apart(move || private.sign(&scheme, &made)).await?;
        response.signature_data = Some(signed.into());
    } else {
        let paused = context.pause(OPERATION, Some(&key.found), stream, work, begun.to_bytes())?;
        response.correlation_value = Some(paused);
    }
    context.charge(&key, data.len(), 1, part.is_first()).await?;
    context.leave(DataPlaceholder::SignSignatureData, response.signature_data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Sign(response)))
}
