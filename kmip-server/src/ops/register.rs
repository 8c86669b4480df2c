//! Register: an object the client has. It is kept exactly as it came, wrapped under a root of its own.

use kmip::field::Encode as _;
use kmip::ops::register::{Request, Response};
use kmip::ttlv::Writer;
use kmip::{Attribute, ManagedObject, ObjectType, ResponsePayload, Tag, Template, Version};
use model::object::Name;
use zeroize::Zeroizing;

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::objects::{Wanted, model_name};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let object = request.object.as_ref().ok_or(Failure::invalid_field("the request holds no object"))?;
    if object.object_type() != request.object_type {
        return Err(Failure::invalid_field("the object is not of the stated Object Type").into());
    }
    refuse_unsupported(object)?;
    let mut wanted = context.wanted(request.attributes.as_ref()).await?;
    add_key_block_facts(&mut wanted, object);
    if let ManagedObject::Template(template) = object {
        wanted.add_names(template_names(template));
    }
    let activate = context.turn.service().policy.auto_activate;
    let now = context.turn.now().as_secs();
    let material = encode(object);
    let description = wanted.describe(activate.then_some(now));
    let uid = context.turn.register(request.object_type.value(), &material, description).await?;
    let text = uid.to_string();
    context.made(&text);
    let response = Response { unique_identifier: text.into(), attributes: None };
    Ok(Reply::Payload(ResponsePayload::Register(response)))
}

fn refuse_unsupported(object: &ManagedObject<'_>) -> Result<(), Failure> {
    match object.object_type() {
        ObjectType::SymmetricKey
        | ObjectType::SecretData
        | ObjectType::OpaqueObject
        | ObjectType::PublicKey
        | ObjectType::PrivateKey
        | ObjectType::Certificate
        | ObjectType::Template => {}
        _ => return Err(Failure::not_supported("objects of this type are not registered here")),
    }
    match object.key_block() {
        Some(block) if block.key_wrapping_data.is_some() => {
            Err(Failure::not_supported("wrapped keys are not registered here"))
        }
        Some(block) if block.key_value.is_none() => {
            Err(Failure::invalid_field("the key block holds no key value"))
        }
        _ => Ok(()),
    }
}

/// A template may bear its name among the attributes it holds; it is the template's own all the same.
fn template_names(template: &Template) -> impl Iterator<Item = Name> {
    template.attributes.iter().filter_map(|attribute| match attribute {
        Attribute::Name(name) => Some(model_name(name)),
        _ => None,
    })
}

/// Algorithm and length stand in the key block; the template need not repeat them.
fn add_key_block_facts(wanted: &mut Wanted, object: &ManagedObject<'_>) {
    let Some(block) = object.key_block() else { return };
    wanted.add_if_absent(Attribute::KeyFormatType(block.key_format_type));
    if let Some(algorithm) = block.cryptographic_algorithm {
        wanted.add_if_absent(Attribute::CryptographicAlgorithm(algorithm));
    }
    if let Some(bits) = block.cryptographic_length {
        wanted.add_if_absent(Attribute::CryptographicLength(bits));
    }
}

/// The object in TTLV, in a buffer that is wiped and was never reallocated.
fn encode(object: &ManagedObject<'_>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(crate::limits::MESSAGE_BYTES_MAX / 64));
    object.encode(&mut Writer::new(&mut bytes, Version::V2_1), Tag::SYMMETRIC_KEY);
    bytes
}
