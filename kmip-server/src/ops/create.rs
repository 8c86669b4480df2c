//! Create: a new symmetric key. A template of algorithm, length and mask alone makes an ephemeral key and
//! writes nothing; anything else is recorded.

use engine::KeySpec;
use kmip::ops::create::{Request, Response};
use kmip::{Attribute, ObjectType, ResponsePayload};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::objects::{Wanted, masked};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request) -> Result<Reply, Error> {
    if request.object_type != ObjectType::SymmetricKey {
        return Err(Failure::invalid_field("Create makes symmetric keys only").into());
    }
    let spec = spec(request)?;
    let wanted = Wanted::of(&request.attributes)?;
    let uid = if wanted.is_plain() {
        context.turn.create_ephemeral(spec).await?
    } else {
        let activate = context.turn.service().policy.auto_activate;
        let now = context.turn.now().as_secs();
        context.turn.create_recorded(spec, wanted.describe(activate.then_some(now))).await?
    };
    let text = uid.to_string();
    context.made(&text);
    Ok(Reply::Payload(ResponsePayload::Create(Response {
        object_type: ObjectType::SymmetricKey,
        unique_identifier: text.into(),
        attributes: None,
    })))
}

fn spec(request: &Request) -> Result<KeySpec, Failure> {
    let mut spec = KeySpec { algorithm: 0, length_bits: 0, usage_mask: 0 };
    for attribute in request.attributes.attributes.iter() {
        match attribute {
            Attribute::CryptographicAlgorithm(algorithm) => spec.algorithm = algorithm.value(),
            Attribute::CryptographicLength(bits) => {
                spec.length_bits = u32::try_from(*bits)
                    .map_err(|_| Failure::invalid_field("the Cryptographic Length is negative"))?;
            }
            Attribute::CryptographicUsageMask(mask) => spec.usage_mask = masked(*mask)?,
            _ => {}
        }
    }
    if spec.algorithm == 0 {
        return Err(Failure::invalid_field("the template has no Cryptographic Algorithm"));
    }
    if spec.length_bits == 0 {
        return Err(Failure::invalid_field("the template has no Cryptographic Length above zero"));
    }
    if spec.usage_mask == 0 {
        return Err(Failure::invalid_field("the template has no Cryptographic Usage Mask"));
    }
    Ok(spec)
}
