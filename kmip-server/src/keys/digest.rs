//! The Digest attribute (1.x section 3.17, 2.x section 4.19): SHA-256 of an object in the format it is kept in.
//!
//! It is computed when it is asked for and never stored: a stored digest of a password would outlive its
//! wrapping.

use kmip::{
    Attribute, ByteString, Digest, HashingAlgorithm, KeyFormatType, KeyMaterial, KeyValue, ManagedObject,
    TransparentKey,
};

use super::blocks::{private_block, private_key, public_block, public_key};

/// The digest of an object; `None` where there are no bytes to take it of.
pub fn digest_of(object: &ManagedObject<'_>) -> Option<Attribute> {
    let (format, sum) = match object {
        ManagedObject::Certificate(certificate) => (KeyFormatType::Raw, sha256(&[&certificate.value])),
        ManagedObject::CertificateRequest(request) => (KeyFormatType::Raw, sha256(&[&request.value])),
        ManagedObject::OpaqueObject(opaque) => (KeyFormatType::Opaque, sha256(&[&opaque.value])),
        ManagedObject::Template(_) => return None,
        ManagedObject::PrivateKey(_)
        | ManagedObject::PublicKey(_)
        | ManagedObject::SymmetricKey(_)
        | ManagedObject::SecretData(_)
        | ManagedObject::SplitKey(_)
        | ManagedObject::PgpKey(_) => of_key(object)?,
    };
    Some(attribute(format, sum))
}

fn of_key(object: &ManagedObject<'_>) -> Option<(KeyFormatType, [u8; 32])> {
    let block = object.key_block()?;
    match block.key_value.as_ref()? {
        KeyValue::Wrapped(bytes) | KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. } => {
            Some((block.key_format_type, sha256(&[bytes])))
        }
        KeyValue::Plain {
            material: KeyMaterial::Transparent(TransparentKey { key: Some(key), .. }), ..
        } => Some((KeyFormatType::Raw, sha256(&[key]))),
        // Numbers are not bytes: the digest is that of the key's DER.
        KeyValue::Plain { material: KeyMaterial::Transparent(_), .. } => match object {
            ManagedObject::PrivateKey(_) => {
                let der = private_block(&private_key(block).ok()?, KeyFormatType::Pkcs8).ok()?;
                Some((KeyFormatType::Pkcs8, sha256(&[der.material_bytes()?])))
            }
            _ => {
                let der = public_block(&public_key(block).ok()?, KeyFormatType::X509, None).ok()?;
                Some((KeyFormatType::X509, sha256(&[der.material_bytes()?])))
            }
        },
    }
}

fn attribute(format: KeyFormatType, sum: [u8; 32]) -> Attribute {
    Attribute::Digest(Digest {
        hashing_algorithm: HashingAlgorithm::Sha256,
        value: Some(ByteString(sum.to_vec())),
        key_format_type: Some(format),
    })
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    crypto::digest::sha256(parts)
}
