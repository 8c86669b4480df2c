//! Decrypt: with a key that stays here (1.x section 4.30). In authenticated modes nothing is answered before
//! the tag was checked.

use crypto::services::{Cipher, CipherSpec, Mode};
use engine::{Refused, Use, Work};
use kmip::ops::decrypt::{Request, Response};
use kmip::{Bytes, CryptographicParameters, DataPlaceholder, Operation, ResponsePayload, UsageMask};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::apart;
use crate::services::key::ServiceKey;
use crate::services::params::{cipher, counter_block, rsa_encryption, unsupported};
use crate::services::parts::Part;

const OPERATION: u32 = Operation::Decrypt as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let key = context.key_for(request.unique_identifier.as_ref(), Use::Process, UsageMask::DECRYPT).await?;
    let data = context.data(request.data.as_ref())?;
    let parameters = key.parameters(request.cryptographic_parameters.as_ref());
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    if key.is_asymmetric() {
        return with_rsa(context, &key, &parameters, part, &data).await;
    }
    let tag = request.tag.as_deref();
    let mut response = empty(&key);
    match part {
        Part::Whole => {
            let cipher = begin(context, &key, &parameters, request).await?;
            response.data = Some(cipher.finish(&data, tag).map_err(Failure::from)?.data.into());
        }
        Part::First => {
            let mut cipher = begin(context, &key, &parameters, request).await?;
            let out = cipher.update(&data).map_err(Failure::from)?;
            response.data = (!out.is_empty()).then(|| out.into());
            let kept = tag.unwrap_or_default().to_vec();
            let stream =
                context.turn.begin_stream(OPERATION, Some(&key.found), Work::Cipher(cipher), kept)?;
            response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
        }
        Part::Next(value) | Part::Last(value) => {
            let mut stream = context.turn.take_stream(OPERATION, Some(&key.found), value)?;
            let Work::Cipher(mut cipher) = stream.work else { return Err(Refused::NoStream.into()) };
            if let Some(tag) = tag {
                stream.kept = tag.to_vec();
            }
            let out = if let Part::Last(_) = part {
                let tag = (!stream.kept.is_empty()).then_some(stream.kept.as_slice());
                cipher.finish(&data, tag).map_err(Failure::from)?.data
            } else {
                let out = cipher.update(&data).map_err(Failure::from)?;
                stream.work = Work::Cipher(cipher);
                response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
                out
            };
            response.data = (!out.is_empty()).then(|| out.into());
        }
    }
    context.leave(DataPlaceholder::Decrypt, response.data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Decrypt(response)))
}

fn empty(key: &ServiceKey) -> Response<'static> {
    Response { unique_identifier: key.found.identifier().into(), data: None, correlation_value: None }
}

async fn begin(
    context: &mut Context<'_, '_>,
    key: &ServiceKey,
    parameters: &CryptographicParameters,
    request: &Request<'_>,
) -> Result<Cipher, Error> {
    let spec = cipher(parameters, key.algorithm)?;
    let given = request.iv_counter_nonce.as_deref().unwrap_or_default();
    let iv = match spec.mode {
        Some(Mode::Ctr) if !given.is_empty() => counter_block(parameters, given, spec.block_bytes())?,
        _ => given.to_vec(),
    };
    let aad = request.additional_data.as_deref().unwrap_or_default();
    let bytes = key.bytes(context).await?;
    Ok(Cipher::decrypt(&CipherSpec { iv: &iv, aad, ..spec }, &bytes).map_err(Failure::from)?)
}

async fn with_rsa(
    context: &mut Context<'_, '_>,
    key: &ServiceKey,
    parameters: &CryptographicParameters,
    part: Part<'_>,
    data: &[u8],
) -> Result<Reply, Error> {
    if part != Part::Whole {
        return Err(unsupported("a message for RSA comes in one part").into());
    }
    let private = key.private(context).await?;
    let (parameters, data) = (parameters.clone(), data.to_vec());
    let decrypted = apart(move || {
        let how = rsa_encryption(&parameters)?;
        private.decrypt(&how, &data).map_err(Failure::from)
    })
    .await?;
    let data = Some(Bytes::from(decrypted));
    context.leave(DataPlaceholder::Decrypt, data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Decrypt(Response { data, ..empty(key) })))
}
