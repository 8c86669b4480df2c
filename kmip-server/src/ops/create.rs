//! Create: a new symmetric key. A template of algorithm, length and mask alone makes an ephemeral key and
//! writes nothing; anything else is recorded, a length that the identifier cannot say included.

use engine::KeySpec;
use kmip::ops::create::{Request, Response};
use kmip::{Attribute, CryptographicAlgorithm, ObjectType, ResponsePayload, ResultReason, Template};
use model::uid::Uid;

use super::{Context, Error, Reply};
use crate::attributes::wanted::untyped;
use crate::failure::Failure;
use crate::objects::masked;

/// Shortest symmetric key that is quantum safe.
const QUANTUM_SAFE_BITS: u32 = 256;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request) -> Result<Reply, Error> {
    match request.object_type {
        ObjectType::SymmetricKey => {}
        ObjectType::SecretData => return Box::pin(super::create_secret_data::serve(context, request)).await,
        _ => return Err(Failure::invalid_field("Create makes symmetric keys and secret data").into()),
    }
    Context::check_storage(request.protection_storage_masks.as_ref())?;
    let own = untyped(&request.attributes, &[request.object_type]);
    let expanded;
    let template = if own.names.is_empty() {
        &*own
    } else {
        expanded = Box::pin(context.expand(&own)).await?;
        &expanded
    };
    let spec = spec(template)?;
    let (uid, made) = if is_spec_alone(template) && says_its_length(spec) && context.presented.label.is_none()
    {
        (context.turn.create_ephemeral(spec).await?, Vec::new())
    } else {
        Box::pin(make(context, template, spec)).await?
    };
    let text = context.turn.text_of(&uid).as_str().to_owned();
    context.made(&text);
    Ok(Reply::Payload(ResponsePayload::Create(Response {
        object_type: ObjectType::SymmetricKey,
        unique_identifier: text.into(),
        attributes: (!made.is_empty()).then(|| made.into()),
    })))
}

/// Makes the key of a template that says more than its spec, though perhaps nothing that needs a record.
/// Returns what the server added to the template, too.
async fn make(
    context: &mut Context<'_, '_>,
    template: &Template,
    spec: KeySpec,
) -> Result<(Uid, Vec<Attribute>), Error> {
    let mut wanted = context.wanted(Some(template)).await?;
    let made = wanted.fill_application_data(|| context.turn.random_text());
    let uid = if wanted.is_plain() && says_its_length(spec) {
        context.turn.create_ephemeral(spec).await?
    } else {
        let activate = context.turn.service().policy.auto_activate;
        let now = context.turn.now().as_secs();
        context.turn.create_recorded(spec, wanted.describe(activate.then_some(now))).await?
    };
    Ok((uid, made))
}

/// Whether a template says nothing beside algorithm, length and mask, as most do: there is then nothing to sort.
fn is_spec_alone(template: &Template) -> bool {
    use Attribute as A;
    let of_spec = |attribute: &A| {
        matches!(
            attribute,
            A::CryptographicAlgorithm(_) | A::CryptographicLength(_) | A::CryptographicUsageMask(_)
        )
    };
    template.attributes.iter().all(of_spec)
}

fn spec(template: &Template) -> Result<KeySpec, Failure> {
    let mut spec = KeySpec { algorithm: 0, length_bits: 0, usage_mask: 0 };
    for attribute in template.attributes.iter() {
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
    is_safe(spec.length_bits, template)?;
    Ok(spec)
}

/// Whether the identifier says the length as the request did: it does not know of parity bits.
fn says_its_length(spec: KeySpec) -> bool {
    !(spec.algorithm == CryptographicAlgorithm::TripleDes.value() && matches!(spec.length_bits, 128 | 192))
}

/// Refuses a key pair that is to withstand a quantum computer: none that is made here would (2.1, 4.45).
pub fn is_safe_pair(template: &Template) -> Result<(), Failure> {
    if template.attributes.iter().any(|attribute| *attribute == Attribute::QuantumSafe(true)) {
        let message = "no key pair that is made here is quantum safe";
        return Err(Failure::new(ResultReason::GeneralFailure, message));
    }
    Ok(())
}

/// Refuses a key that is to withstand a quantum computer and would not: a search halves the bits of a
/// symmetric key, so it takes 256 of them (2.1, 4.45).
pub fn is_safe(length_bits: u32, template: &Template) -> Result<(), Failure> {
    let asked = template.attributes.iter().any(|attribute| *attribute == Attribute::QuantumSafe(true));
    if asked && length_bits < QUANTUM_SAFE_BITS {
        let message = "a key of this length is not quantum safe; 256 bits are";
        return Err(Failure::new(ResultReason::GeneralFailure, message));
    }
    Ok(())
}
