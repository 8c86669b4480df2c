//! Register: an object the client has. It is kept exactly as it came, wrapped under a root of its own.

use kmip::ops::register::{Request, Response};
use kmip::{Attribute, AttributeKind, KeyBlock, KeyFormatType, ManagedObject, ResponsePayload, Template};
use model::object::Name;

use super::{Context, Error, Reply};
use crate::attributes::wanted::untyped;
use crate::failure::Failure;
use crate::keys::blocks::{private_algorithm, private_key, public_algorithm, public_key};
use crate::keys::new::registration;
use crate::keys::{certificate, pkcs12};
use crate::objects::{Wanted, model_name};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let object = request.object.as_ref().ok_or(Failure::invalid_field("the request holds no object"))?;
    if object.object_type() != request.object_type {
        return Err(Failure::invalid_field("the object is not of the stated Object Type").into());
    }
    Context::check_storage(request.protection_storage_masks.as_ref())?;
    let own = request.attributes.as_ref().map(|own| untyped(own, &[request.object_type]));
    let mut wanted = context.wanted(own.as_deref()).await?;
    let made = wanted.fill_application_data(|| context.turn.random_text());
    check_value(object, &wanted)?;
    let text = if is_pkcs12(object) {
        pkcs12::register(context, object, wanted).await?
    } else {
        add_facts(&mut wanted, object);
        let uid = context.turn.registered_uid()?;
        let registration = registration(context, uid, object, wanted).await?;
        context.turn.commit(vec![registration]).await?;
        uid.to_string()
    };
    context.made(&text);
    let attributes = (!made.is_empty()).then(|| made.into());
    let response = Response { unique_identifier: text.into(), attributes };
    Ok(Reply::Payload(ResponsePayload::Register(response)))
}

fn is_pkcs12(object: &ManagedObject<'_>) -> bool {
    object.key_block().is_some_and(|block| {
        block.key_format_type == KeyFormatType::Pkcs12 && block.key_wrapping_data.is_none()
    })
}

/// A Key Value may be left out by who keeps it elsewhere, and need not say where (1.4, 3.42), or makes a one-time pad
/// of it later. A public key has no reason to stay elsewhere, unless one is told where it is.
fn check_value(object: &ManagedObject<'_>, wanted: &Wanted) -> Result<(), Failure> {
    let Some(block) = object.key_block() else {
        return match object {
            ManagedObject::SymmetricKey(_)
            | ManagedObject::PublicKey(_)
            | ManagedObject::PrivateKey(_)
            | ManagedObject::SecretData(_)
            | ManagedObject::SplitKey(_)
            | ManagedObject::PgpKey(_) => Err(Failure::invalid_field("the object holds no Key Block")),
            ManagedObject::Certificate(_)
            | ManagedObject::CertificateRequest(_)
            | ManagedObject::Template(_)
            | ManagedObject::OpaqueObject(_) => Ok(()),
        };
    };
    let may_be_elsewhere = matches!(
        object,
        ManagedObject::SymmetricKey(_)
            | ManagedObject::PrivateKey(_)
            | ManagedObject::SplitKey(_)
            | ManagedObject::SecretData(_)
    );
    let located = wanted.has(AttributeKind::KeyValueLocation);
    if block.key_value.is_none() && !may_be_elsewhere && !located {
        return Err(Failure::invalid_field(
            "the key block holds no key value, and no location of it is given",
        ));
    }
    Ok(())
}

/// What the object says of itself: the template need not repeat it.
pub fn add_facts(wanted: &mut Wanted, object: &ManagedObject<'_>) {
    match object {
        ManagedObject::Certificate(certificate) => {
            for fact in certificate::attributes_of(certificate.kind, &certificate.value) {
                match fact.kind() {
                    Some(AttributeKind::CertificateType) => wanted.add_if_absent(fact),
                    _ => wanted.add_fact(fact),
                }
            }
        }
        ManagedObject::Template(template) => wanted.add_names(template_names(template)),
        other => {
            if let Some(block) = other.key_block() {
                add_key_facts(wanted, other, block);
            }
        }
    }
}

fn add_key_facts(wanted: &mut Wanted, object: &ManagedObject<'_>, block: &KeyBlock<'_>) {
    wanted.add_if_absent(Attribute::KeyFormatType(block.key_format_type));
    let (mut algorithm, mut bits) = (block.cryptographic_algorithm, block.cryptographic_length);
    if algorithm.is_none() || bits.is_none() {
        let read = match object {
            ManagedObject::PrivateKey(_) => {
                private_key(block).ok().map(|key| (private_algorithm(&key), key.bits()))
            }
            ManagedObject::PublicKey(_) => {
                public_key(block).ok().map(|key| (public_algorithm(&key), key.bits()))
            }
            _ => None,
        };
        algorithm = algorithm.or(read.map(|(algorithm, _)| algorithm));
        bits = bits.or(read.and_then(|(_, bits)| i32::try_from(bits).ok()));
    }
    if let Some(algorithm) = algorithm {
        wanted.add_if_absent(Attribute::CryptographicAlgorithm(algorithm));
    }
    if let Some(bits) = bits {
        wanted.add_if_absent(Attribute::CryptographicLength(bits));
    }
    if block.key_value.is_none() {
        wanted.add_fact(Attribute::KeyValuePresent(false));
    }
}

/// A template may bear its name among the attributes it holds; it is the template's own all the same.
fn template_names(template: &Template) -> impl Iterator<Item = Name> {
    template.attributes.iter().filter_map(|attribute| match attribute {
        Attribute::Name(name) => Some(model_name(name)),
        _ => None,
    })
}
