//! Join Split Key (1.4, 4.39): the key behind enough of its parts, as a new object.

use crypto::split::Part;
use kmip::ops::join_split_key::{Request, Response};
use kmip::{
    Attribute, Key, KeyBlock, ManagedObject, ObjectType, OpaqueObject, RawEnumeration, ResponsePayload,
    ResultReason, SecretData, SecretDataType, SplitKey, SplitKeyMethod, UniqueIdentifier,
};
use zeroize::Zeroizing;

use super::create_split_key::{count, key_bytes, method, refused};
use super::{Context, Error, Reply};
use crate::attributes::wanted::untyped;
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::Stored;
use crate::keys::convert::raw_bytes;
use crate::keys::fetch::{Ask, fetch};
use crate::keys::new::registration;
use crate::services::apart;

/// Most parts one request may name.
const PARTS_MAX: usize = 128;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    if request.unique_identifiers.len() > PARTS_MAX {
        return Err(Failure::invalid_field("a key is joined of at most 128 parts").into());
    }
    let mut stored = Vec::with_capacity(request.unique_identifiers.len());
    for named in &request.unique_identifiers {
        stored.push(part(context, named).await?);
    }
    let parts = stored.iter().map(|one| split_key(one)).collect::<Result<Vec<_>, _>>()?;
    let (key, block) = joined(&parts).await?;
    let own = request.attributes.as_ref().map(|own| untyped(own, &[request.object_type]));
    let mut wanted = context.wanted(own.as_deref()).await?;
    let object = object(request, key, &block)?;
    wanted.add_if_absent(Attribute::KeyFormatType(block.key_format_type));
    if let Some(algorithm) = block.cryptographic_algorithm {
        wanted.add_if_absent(Attribute::CryptographicAlgorithm(algorithm));
    }
    if let Some(bits) = block.cryptographic_length {
        wanted.add_if_absent(Attribute::CryptographicLength(bits));
    }
    let uid = context.turn.registered_uid()?;
    let registration = registration(context, uid, &object, wanted).await?;
    context.turn.commit(vec![registration]).await?;
    let text = uid.to_string();
    context.made(&text);
    let response = Response { unique_identifier: text.into(), attributes: None };
    Ok(Reply::Payload(ResponsePayload::JoinSplitKey(response)))
}

async fn part(context: &mut Context<'_, '_>, named: &UniqueIdentifier<'_>) -> Result<Stored, Error> {
    let found = context.find(Some(named)).await?;
    fetch(context, &found, Ask::default()).await
}

fn split_key(stored: &[u8]) -> Result<SplitKey<'_>, Failure> {
    match read_stored(stored)? {
        ManagedObject::SplitKey(part) => Ok(part),
        _ => Err(Failure::new(ResultReason::IllegalOperation, "only split keys are joined")),
    }
}

/// The key, and the Key Block of a part, which says what key it is.
async fn joined<'p>(parts: &[SplitKey<'p>]) -> Result<(Zeroizing<Vec<u8>>, KeyBlock<'p>), Failure> {
    let first = parts.first().ok_or(Failure::invalid_field("no part is named"))?;
    let alike = parts.iter().all(|part| {
        part.method == first.method
            && part.threshold == first.threshold
            && part.parts == first.parts
            && part.prime_field_size == first.prime_field_size
    });
    if !alike {
        return Err(Failure::new(ResultReason::CryptographicFailure, "the parts do not belong together"));
    }
    let absent =
        Failure::new(ResultReason::CryptographicFailure, "a part's value is wrapped or not kept here");
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let bytes = part.key_block.as_ref().and_then(raw_bytes).ok_or(absent.clone())?;
        pieces.push(Part { identifier: count(part.part_identifier)?, bytes: Zeroizing::new(bytes.to_vec()) });
    }
    let block = first.key_block.clone().ok_or(absent)?;
    let part_bytes = pieces.first().map_or(0, |piece| piece.bytes.len());
    let length = match first.method {
        SplitKeyMethod::PolynomialSharingPrimeField => {
            key_bytes(block.cryptographic_algorithm, block.cryptographic_length).ok_or(Failure::new(
                ResultReason::CryptographicFailure,
                "the parts do not say how long their key is",
            ))?
        }
        _ => part_bytes,
    };
    // XOR takes every part, whatever its threshold says.
    let needed = match first.method {
        SplitKeyMethod::Xor => first.parts,
        _ => first.threshold,
    };
    let (method, _) = method(first.method, first.prime_field_size.as_ref())?;
    let needed = count(needed)?;
    let key = apart(move || method.join(&pieces, needed, length).map_err(refused)).await?;
    Ok((key, block))
}

fn object(
    request: &Request<'_>,
    mut key: Zeroizing<Vec<u8>>,
    part: &KeyBlock<'_>,
) -> Result<ManagedObject<'static>, Failure> {
    let bytes = std::mem::take(&mut *key);
    let block = |bytes: Vec<u8>| KeyBlock {
        cryptographic_algorithm: part.cryptographic_algorithm,
        cryptographic_length: part.cryptographic_length,
        ..KeyBlock::from_bytes(part.key_format_type, bytes)
    };
    Ok(match request.object_type {
        ObjectType::SymmetricKey => ManagedObject::SymmetricKey(Key::from(block(bytes))),
        ObjectType::PrivateKey => ManagedObject::PrivateKey(Key::from(block(bytes))),
        ObjectType::PublicKey => ManagedObject::PublicKey(Key::from(block(bytes))),
        ObjectType::SecretData => ManagedObject::SecretData(SecretData {
            kind: request.secret_data_type.unwrap_or(SecretDataType::Seed),
            key_block: Some(block(bytes)),
        }),
        // Opaque Data Type is its owner's list; the joined object begins it.
        ObjectType::OpaqueObject => ManagedObject::OpaqueObject(OpaqueObject {
            kind: RawEnumeration(0x8000_0001),
            value: bytes.into(),
        }),
        _ => {
            return Err(Failure::invalid_field("parts are joined into keys, secret data and opaque objects"));
        }
    })
}
