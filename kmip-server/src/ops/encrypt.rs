//! Encrypt: with a key that stays here (1.x section 4.29).

use crypto::services::{Cipher, CipherSpec, Finished, Mode};
use engine::{Use, Work};
use kmip::ops::encrypt::{Request, Response};
use kmip::{Bytes, CryptographicParameters, Operation, ResponsePayload, ResultReason, UsageMask, Version};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::services::key::ServiceKey;
use crate::services::params::{cipher, counter_block, rsa_encryption, unsupported};
use crate::services::parts::{Part, bytes};

const OPERATION: u32 = Operation::Encrypt as u32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let key = context.key_for(request.unique_identifier.as_ref(), Use::Protect, UsageMask::ENCRYPT).await?;
    let data = bytes(request.data.as_ref())?;
    let parameters = key.parameters(request.cryptographic_parameters.as_ref());
    let part = Part::of(request.correlation_value.as_ref(), request.init_indicator, request.final_indicator)?;
    if key.is_asymmetric() {
        return with_rsa(context, &key, &parameters, part, data).await;
    }
    let spec = cipher(&parameters, key.algorithm)?;
    let mut response = empty(&key);
    let first = matches!(part, Part::Whole | Part::First);
    match part {
        Part::Whole | Part::First => {
            let (iv, made) = iv(context, &key, &parameters, &spec, request.iv_counter_nonce.as_deref())?;
            let aad = request.additional_data.as_deref().unwrap_or_default();
            let spec = CipherSpec { iv: &iv, aad, ..spec };
            let mut cipher = begin(context, &key, &spec).await?;
            if made {
                response.iv_counter_nonce = Some(iv.clone().into());
            }
            if part == Part::Whole {
                let finished = cipher.finish(data, None).map_err(Failure::from)?;
                put(&mut response, finished, spec.tag_bytes, context.version, true);
            } else {
                let out = cipher.update(data).map_err(Failure::from)?;
                response.data = (!out.is_empty()).then(|| out.into());
                let kept = vec![u8::try_from(spec.tag_bytes).unwrap_or(16)];
                let work = Work::Cipher(cipher);
                let stream = context.turn.begin_stream(OPERATION, Some(&key.found), work, kept)?;
                response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
            }
        }
        Part::Next(value) | Part::Last(value) => {
            let mut stream = context.turn.take_stream(OPERATION, Some(&key.found), value)?;
            let Work::Cipher(mut cipher) = stream.work else { return Err(engine::Refused::NoStream.into()) };
            if let Part::Last(_) = part {
                let finished = cipher.finish(data, None).map_err(Failure::from)?;
                let tag_bytes = stream.kept.first().map_or(16, |bytes| usize::from(*bytes));
                put(&mut response, finished, tag_bytes, context.version, false);
            } else {
                let out = cipher.update(data).map_err(Failure::from)?;
                response.data = (!out.is_empty()).then(|| out.into());
                stream.work = Work::Cipher(cipher);
                response.correlation_value = Some(context.turn.keep_stream(stream)?.into());
            }
        }
    }
    context.charge(&key, data.len(), spec.block_bytes(), first).await?;
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

/// The message's IV, and whether the server made it.
///
/// In authenticated modes one repeated IV gives the key of the authentication away, so a key has one
/// source of them: a derived key takes the server's, unless it was made with Random IV = false; a
/// registered key takes the client's, unless Random IV is set.
fn iv(
    context: &Context<'_, '_>,
    key: &ServiceKey,
    parameters: &CryptographicParameters,
    spec: &CipherSpec<'_>,
    given: Option<&[u8]>,
) -> Result<(Vec<u8>, bool), Error> {
    let wanted = spec.iv_bytes();
    if wanted == 0 {
        return Ok((Vec::new(), false));
    }
    let random = parameters.random_iv == Some(true);
    if spec.is_authenticated() && given.is_some() && (key.takes_server_iv() || random) {
        let message = "this key takes the server's IV in authenticated modes; leave IV/Counter/Nonce out";
        return Err(Failure::new(ResultReason::PermissionDenied, message).into());
    }
    match given {
        Some(given) if spec.mode == Some(Mode::Ctr) => {
            Ok((counter_block(parameters, given, spec.block_bytes())?, false))
        }
        Some(given) => Ok((given.to_vec(), false)),
        // A tweak is the data's place on a disk, and a client that makes its own IVs has forgotten one.
        None if spec.mode == Some(Mode::Xts) => Ok((Vec::new(), false)),
        None if spec.is_authenticated() && !random && !key.takes_server_iv() => Ok((Vec::new(), false)),
        None if wanted == 12 => Ok((context.turn.server_iv(&key.found)?.to_vec(), true)),
        None => {
            let mut iv = vec![0; wanted];
            crypto::random::fill(&mut iv);
            Ok((iv, true))
        }
    }
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
    Ok(Reply::Payload(ResponsePayload::Encrypt(Response { data, ..empty(key) })))
}
