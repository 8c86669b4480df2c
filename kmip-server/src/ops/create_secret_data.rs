//! Create with Object Type Secret Data (2.0): random bytes, kept exactly.

use kmip::ops::create::{Request, Response};
use kmip::{
    Attribute, KeyBlock, KeyFormatType, ManagedObject, ObjectType, ResponsePayload, SecretData,
    SecretDataType,
};

use super::create::is_safe;
use super::create_key_pair::expanded;
use super::create_split_key::key_bytes;
use super::register::add_facts;
use super::{Context, Error, Reply};
use crate::attributes::wanted::untyped;
use crate::failure::Failure;
use crate::keys::new::{add_origin, registration};

/// Bits of a secret whose length nobody names.
const DEFAULT_BITS: i32 = 256;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request) -> Result<Reply, Error> {
    let own = untyped(&request.attributes, &[request.object_type]);
    let template = expanded(context, Some(&own)).await?;
    let (mut algorithm, mut bits) = (None, None);
    for attribute in template.attributes.iter() {
        match attribute {
            Attribute::CryptographicAlgorithm(given) => algorithm = Some(*given),
            Attribute::CryptographicLength(given) => bits = Some(*given),
            _ => {}
        }
    }
    let bits = bits.unwrap_or(DEFAULT_BITS);
    is_safe(u32::try_from(bits).unwrap_or(0), &template)?;
    let unfit = Failure::invalid_field("no secret of this Cryptographic Length is made here");
    let mut secret = vec![0; key_bytes(algorithm, Some(bits)).ok_or(unfit)?];
    crypto::random::fill(&mut secret);
    let block = KeyBlock {
        cryptographic_algorithm: algorithm,
        cryptographic_length: Some(bits),
        ..KeyBlock::from_bytes(KeyFormatType::Raw, secret)
    };
    let object = ManagedObject::SecretData(SecretData { kind: SecretDataType::Seed, key_block: Some(block) });
    let mut wanted = context.wanted(Some(&template)).await?;
    let made = wanted.fill_application_data(|| context.turn.random_text());
    add_facts(&mut wanted, &object);
    add_origin(context, &mut wanted);
    let uid = context.turn.registered_uid()?;
    let registration = registration(context, uid, &object, wanted).await?;
    context.turn.commit(vec![registration]).await?;
    let text = uid.to_string();
    context.made(&text);
    Ok(Reply::Payload(ResponsePayload::Create(Response {
        object_type: ObjectType::SecretData,
        unique_identifier: text.into(),
        attributes: (!made.is_empty()).then(|| made.into()),
    })))
}
