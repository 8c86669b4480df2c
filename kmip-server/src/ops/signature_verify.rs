//! Signature Verify: with a public key or a certificate (1.x section 4.32). What is no signature at all is
//! not valid, and no error.

use engine::Use;
use kmip::ops::signature_verify::{Request, Response};
use kmip::{Operation, ResponsePayload, ResultReason, UsageMask, ValidityIndicator};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::parts::Part;
use crate::services::signature::{self, Begun, Wanted};

const OPERATION: u32 = Operation::SignatureVerify as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let key = context.key_for(request.unique_identifier.as_ref(), Use::Process, UsageMask::VERIFY).await?;
    let data = context.data(request.data.as_ref())?;
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    let unique_identifier = key.found.identifier().into();
    let mut response =
        Response { unique_identifier, validity_indicator: None, data: None, correlation_value: None };
    let public = key.public(context).await?;
    let kind = public.kind().map_err(Failure::from)?;
    let resumed = context.resume(OPERATION, Some(&key.found), part)?;
    let given = key.parameters(request.cryptographic_parameters.as_ref());
    let mut begun = Begun::of(given, resumed.as_ref().map(|(stream, _)| stream))?;
    let wanted = Wanted::of(&begun.parameters)?;
    let (stream, mut work) = match resumed {
        Some((stream, work)) => (Some(stream), work),
        None => (None, signature::begin(wanted, kind)),
    };
    signature::update(&mut work, &data)?;
    // The signature may come with any part; the last one said counts.
    if let Some(signature) = &request.signature_data {
        begun.signature = signature.to_vec();
    }
    if part.is_last() {
        if begun.signature.is_empty() {
            return Err(
                Failure::new(ResultReason::InvalidMessage, "the signature to verify is missing").into()
            );
        }
        let digested = request.digested_data.as_deref();
        let scheme = wanted.scheme(kind, digested.map(<[u8]>::len))?;
        let made = signature::finish(work)?;
        let valid =
            public.verify(&scheme, digested.unwrap_or(&made), &begun.signature).map_err(Failure::from)?;
        response.validity_indicator =
            Some(if valid { ValidityIndicator::Valid } else { ValidityIndicator::Invalid });
    } else {
        response.correlation_value =
            Some(context.pause(OPERATION, Some(&key.found), stream, work, begun.to_bytes())?);
    }
    Ok(Reply::Payload(ResponsePayload::SignatureVerify(response)))
}
