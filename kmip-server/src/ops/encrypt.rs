//! Encrypt: with a key that stays here (1.x section 4.29).

use crypto::services::{Cipher, CipherSpec, Finished};
use engine::{Use, Work};
use kmip::ops::encrypt::{Request, Response};
use kmip::{Bytes, CryptographicParameters, DataPlaceholder, Operation, ResponsePayload, UsageMask, Version};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::iv;
use crate::services::key::ServiceKey;
use crate::services::params::{cipher, rsa_encryption, unsupported};
use crate::services::parts::Part;

const OPERATION: u32 = Operation::Encrypt as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let key = context.key_for(request.unique_identifier.as_ref(), Use::Protect, UsageMask::ENCRYPT).await?;
    let data = context.data(request.data.as_ref())?;
    let parameters = key.parameters(request.cryptographic_parameters.as_ref());
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    if key.is_asymmetric() {
        return with_rsa(context, &key, &parameters, part, &data).await;
    }
    let mut response = empty(&key);
    let first = matches!(part, Part::Whole | Part::First);
    let block_bytes;
    match part {
        Part::Whole | Part::First => {
            let spec = cipher(&parameters, key.algorithm)?;
            block_bytes = spec.block_bytes();
            let given = request.iv_counter_nonce.as_deref();
            let iv = iv::choose(context, &key, &parameters, &spec, given).await?;
            let aad = request.additional_data.as_deref().unwrap_or_default();
            let spec = CipherSpec { iv: &iv.bytes, aad, ..spec };
            let mut cipher = begin(context, &key, &spec).await?;
            response.iv_counter_nonce = iv.made.then(|| iv.bytes.clone().into());
            if part == Part::Whole {
                let finished = cipher.finish(&data, None).map_err(Failure::from)?;
                put(&mut response, finished, spec.tag_bytes, context.version, true);
            } else {
                let out = cipher.update(&data).map_err(Failure::from)?;
                response.data = (!out.is_empty()).then(|| out.into());
                let kept = [spec.tag_bytes, block_bytes].map(|bytes| u8::try_from(bytes).unwrap_or(u8::MAX));
                let work = Work::Cipher(cipher);
                let stream = context.turn.begin_stream(OPERATION, Some(&key.found), work, kept.to_vec())?;
                response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
            }
        }
        Part::Next(value) | Part::Last(value) => {
            let mut stream = context.turn.take_stream(OPERATION, Some(&key.found), value)?;
            let Work::Cipher(mut cipher) = stream.work else { return Err(engine::Refused::NoStream.into()) };
            let kept = |at: usize| stream.kept.get(at).map_or(1, |bytes| usize::from(*bytes));
            let tag_bytes = kept(0);
            block_bytes = kept(1);
            if let Part::Last(_) = part {
                let finished = cipher.finish(&data, None).map_err(Failure::from)?;
                put(&mut response, finished, tag_bytes, context.version, false);
            } else {
                let out = cipher.update(&data).map_err(Failure::from)?;
                response.data = (!out.is_empty()).then(|| out.into());
                stream.work = Work::Cipher(cipher);
                response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
            }
        }
    }
    context.charge(&key, data.len(), block_bytes, first).await?;
    context.leave(DataPlaceholder::Encrypt, response.data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Encrypt(response)))
}

fn empty(key: &ServiceKey) -> Response<'static> {
    Response {
        unique_identifier: key.found.identifier().into(),
        data: None,
        iv_counter_nonce: None,
        correlation_value: None,
        tag: None,
    }
}

/// Key bytes exist between these lines alone.
async fn begin(
    context: &mut Context<'_, '_>,
    key: &ServiceKey,
    spec: &CipherSpec<'_>,
) -> Result<Cipher, Error> {
    let bytes = key.bytes(context).await?;
    Ok(Cipher::encrypt(spec, &bytes).map_err(Failure::from)?)
}

/// Before 1.4 there is no field for a tag: it follows the ciphertext.
fn put(
    response: &mut Response<'static>,
    finished: Finished,
    tag_bytes: usize,
    version: Version,
    whole: bool,
) {
    let mut data = finished.data.to_vec();
    if let Some(mut tag) = finished.tag {
        tag.truncate(tag_bytes);
        if version < Version::V1_4 {
            data.extend_from_slice(&tag);
        } else {
            response.tag = Some(tag.into());
        }
    }
    response.data = (whole || !data.is_empty()).then(|| data.into());
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
    let how = rsa_encryption(parameters)?;
    let encrypted = key.public(context).await?.encrypt(&how, data).map_err(Failure::from)?;
    context.charge(key, data.len(), data.len(), true).await?;
    let data = Some(Bytes::from(encrypted));
    context.leave(DataPlaceholder::Encrypt, data.as_ref());
    Ok(Reply::Payload(ResponsePayload::Encrypt(Response { data, ..empty(key) })))
}
