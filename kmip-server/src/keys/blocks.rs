//! Between a Key Block and the numbers of an asymmetric key, in every Key Format Type.

use crypto::formats::{
    Curve, DhPrivateKey, DhPublicKey, DsaPrivateKey, DsaPublicKey, EcPrivateKey, EcPublicKey, FormatError,
    Number, OkpKind, OkpPublicKey, PrivateKey, PublicKey, RsaCrt, RsaPrivateKey, RsaPublicKey,
};
use kmip::{
    AttributeList, BigInteger, CryptographicAlgorithm, KeyBlock, KeyCompressionType, KeyFormatType,
    KeyMaterial, KeyValue, RecommendedCurve, ResultReason, TransparentKey,
};

use crate::failure::Failure;

/// The private key in a Key Block that is not wrapped.
///
/// # Errors
/// Invalid Field for material that is not what its Key Format Type says, Key Format Type Not Supported
/// for a format that is not read here.
pub fn private_key(block: &KeyBlock<'_>) -> Result<PrivateKey, Failure> {
    match material(block)? {
        KeyMaterial::Bytes(bytes) => match block.key_format_type {
            KeyFormatType::Pkcs1 => PrivateKey::from_pkcs1(bytes),
            KeyFormatType::Pkcs8 => PrivateKey::from_pkcs8(bytes),
            KeyFormatType::EcPrivateKey => PrivateKey::from_sec1(bytes, None),
            KeyFormatType::Raw => match okp_kind(block) {
                Some(kind) => PrivateKey::okp(kind, bytes).ok_or(FormatError::Malformed { form: "Raw" }),
                None => return Err(unsupported()),
            },
            _ => return Err(unsupported()),
        }
        .map_err(invalid),
        KeyMaterial::Transparent(key) => transparent_private(block, key),
    }
}

/// The public key in a Key Block that is not wrapped.
///
/// # Errors
/// As [`private_key`].
pub fn public_key(block: &KeyBlock<'_>) -> Result<PublicKey, Failure> {
    match material(block)? {
        KeyMaterial::Bytes(bytes) => match block.key_format_type {
            KeyFormatType::Pkcs1 => PublicKey::from_pkcs1(bytes),
            // Some clients call a SubjectPublicKeyInfo PKCS#8; PyKMIP calls a PKCS#1 key X.509 unless told otherwise.
            KeyFormatType::X509 | KeyFormatType::Pkcs8 => PublicKey::from_spki(bytes)
                .or_else(|malformed| PublicKey::from_pkcs1(bytes).map_err(|_| malformed)),
            KeyFormatType::Raw => match okp_kind(block) {
                Some(kind) if bytes.len() == kind.bytes() => {
                    Ok(PublicKey::Okp(OkpPublicKey { kind, point: bytes.to_vec() }))
                }
                _ => return Err(unsupported()),
            },
            _ => return Err(unsupported()),
        }
        .map_err(invalid),
        KeyMaterial::Transparent(key) => transparent_public(block, key),
    }
}

/// A private key as a Key Block.
///
/// # Errors
/// Key Format Type Not Supported where the kind of key has no such format.
pub fn private_block(key: &PrivateKey, format: KeyFormatType) -> Result<KeyBlock<'static>, Failure> {
    let bytes = match format {
        KeyFormatType::Pkcs1 => key.to_pkcs1(),
        KeyFormatType::Pkcs8 => key.to_pkcs8(),
        KeyFormatType::EcPrivateKey => key.to_sec1(),
        KeyFormatType::Raw => match key {
            PrivateKey::Okp(key) => Ok(key.secret.clone()),
            _ => return Err(unsupported()),
        },
        _ => {
            let numbers = private_numbers(key, format).ok_or(unsupported())?;
            return Ok(block(format, KeyMaterial::Transparent(numbers), private_algorithm(key), key.bits()));
        }
    };
    // Taken out of its wiping buffer into one that wipes as well.
    let bytes = std::mem::take(&mut *bytes.map_err(unwritable)?);
    Ok(block(format, KeyMaterial::Bytes(bytes.into()), private_algorithm(key), key.bits()))
}

/// A public key as a Key Block. Compression is for points of EC keys in X.509 and transparent formats.
///
/// # Errors
/// As [`private_block`]; Key Compression Type Not Supported where the point cannot be written so.
pub fn public_block(
    key: &PublicKey,
    format: KeyFormatType,
    compression: Option<KeyCompressionType>,
) -> Result<KeyBlock<'static>, Failure> {
    let key = &pressed(key, compression)?;
    let bytes = match format {
        KeyFormatType::Pkcs1 => key.to_pkcs1(),
        KeyFormatType::X509 | KeyFormatType::Pkcs8 => key.to_spki(),
        KeyFormatType::Raw => match key {
            PublicKey::Okp(key) => Ok(key.point.clone()),
            _ => return Err(unsupported()),
        },
        _ => {
            let numbers = public_numbers(key, format).ok_or(unsupported())?;
            let mut made =
                block(format, KeyMaterial::Transparent(numbers), public_algorithm(key), key.bits());
            made.key_compression_type = compression;
            return Ok(made);
        }
    };
    let bytes = bytes.map_err(unwritable)?;
    let mut made = block(format, KeyMaterial::Bytes(bytes.into()), public_algorithm(key), key.bits());
    made.key_compression_type = compression;
    Ok(made)
}

/// The KMIP algorithm of a private key.
pub const fn private_algorithm(key: &PrivateKey) -> CryptographicAlgorithm {
    match key {
        PrivateKey::Rsa(_) => CryptographicAlgorithm::Rsa,
        PrivateKey::Ec(_) => CryptographicAlgorithm::Ec,
        PrivateKey::Dsa(_) => CryptographicAlgorithm::Dsa,
        PrivateKey::Dh(_) => CryptographicAlgorithm::Dh,
        PrivateKey::Okp(key) => okp_algorithm(key.kind),
    }
}

/// The KMIP algorithm of a public key.
pub const fn public_algorithm(key: &PublicKey) -> CryptographicAlgorithm {
    match key {
        PublicKey::Rsa(_) => CryptographicAlgorithm::Rsa,
        PublicKey::Ec(_) => CryptographicAlgorithm::Ec,
        PublicKey::Dsa(_) => CryptographicAlgorithm::Dsa,
        PublicKey::Dh(_) => CryptographicAlgorithm::Dh,
        PublicKey::Okp(key) => okp_algorithm(key.kind),
    }
}

const fn okp_algorithm(kind: OkpKind) -> CryptographicAlgorithm {
    match kind {
        OkpKind::Ed25519 => CryptographicAlgorithm::Ed25519,
        OkpKind::Ed448 => CryptographicAlgorithm::Ed448,
        OkpKind::X25519 | OkpKind::X448 => CryptographicAlgorithm::Ecdh,
    }
}

/// Which Edwards or Montgomery curve a block is about: its algorithm and length say so.
fn okp_kind(block: &KeyBlock<'_>) -> Option<OkpKind> {
    match (block.cryptographic_algorithm?, block.cryptographic_length) {
        (CryptographicAlgorithm::Ed25519, _) => Some(OkpKind::Ed25519),
        (CryptographicAlgorithm::Ed448, _) => Some(OkpKind::Ed448),
        (CryptographicAlgorithm::Ecdh, None | Some(253..=256)) => Some(OkpKind::X25519),
        (CryptographicAlgorithm::Ecdh, Some(448)) => Some(OkpKind::X448),
        _ => None,
    }
}

fn block(
    key_format_type: KeyFormatType,
    material: KeyMaterial<'static>,
    algorithm: CryptographicAlgorithm,
    bits: u32,
) -> KeyBlock<'static> {
    KeyBlock {
        key_format_type,
        key_compression_type: None,
        key_value: Some(KeyValue::Plain { material, attributes: AttributeList::default() }),
        cryptographic_algorithm: Some(algorithm),
        cryptographic_length: i32::try_from(bits).ok(),
        key_wrapping_data: None,
    }
}

fn material<'b>(block: &'b KeyBlock<'_>) -> Result<&'b KeyMaterial<'b>, Failure> {
    match &block.key_value {
        Some(KeyValue::Plain { material, .. }) if block.key_wrapping_data.is_none() => Ok(material),
        Some(_) => Err(Failure::new(ResultReason::KeyFormatTypeNotSupported, "the key is wrapped")),
        None => Err(Failure::new(ResultReason::KeyValueNotPresent, "the key's value is not kept here")),
    }
}

fn transparent_private(block: &KeyBlock<'_>, key: &TransparentKey<'_>) -> Result<PrivateKey, Failure> {
    use KeyFormatType as Format;
    Ok(match block.key_format_type {
        Format::TransparentRsaPrivateKey => PrivateKey::Rsa(rsa_private(key)?),
        Format::TransparentDsaPrivateKey => PrivateKey::Dsa(DsaPrivateKey {
            p: required(key.p.as_ref())?,
            q: required(key.q.as_ref())?,
            g: required(key.g.as_ref())?,
            x: required(key.x.as_ref())?,
        }),
        Format::TransparentDhPrivateKey => PrivateKey::Dh(DhPrivateKey {
            p: required(key.p.as_ref())?,
            q: key.q.as_ref().map(number),
            g: required(key.g.as_ref())?,
            j: key.j.as_ref().map(number),
            x: required(key.x.as_ref())?,
        }),
        Format::TransparentEcPrivateKey
        | Format::TransparentEcdsaPrivateKey
        | Format::TransparentEcdhPrivateKey
        | Format::TransparentEcMqvPrivateKey => {
            let scalar = required(key.d.as_ref())?;
            match transparent_curve(block, key)? {
                Group::Curve(curve) if scalar.bits() <= curve.bits() => {
                    PrivateKey::Ec(EcPrivateKey { curve, scalar, point: None })
                }
                Group::Curve(_) => return Err(Failure::invalid_field("D is larger than the curve")),
                Group::Okp(kind) => scalar
                    .padded(kind.bytes())
                    .and_then(|secret| PrivateKey::okp(kind, &secret))
                    .ok_or(Failure::invalid_field("D is larger than the curve"))?,
            }
        }
        _ => return Err(unsupported()),
    })
}

fn rsa_private(key: &TransparentKey<'_>) -> Result<RsaPrivateKey, Failure> {
    let crt = match (&key.p, &key.q, &key.prime_exponent_p, &key.prime_exponent_q, &key.crt_coefficient) {
        (Some(p), Some(q), Some(exponent_p), Some(exponent_q), Some(coefficient)) => Some(RsaCrt {
            p: number(p),
            q: number(q),
            exponent_p: number(exponent_p),
            exponent_q: number(exponent_q),
            coefficient: number(coefficient),
        }),
        _ => None,
    };
    Ok(RsaPrivateKey {
        modulus: required(key.modulus.as_ref())?,
        public_exponent: key.public_exponent.as_ref().map_or(Number::new(&[]), number),
        private_exponent: key.private_exponent.as_ref().map_or(Number::new(&[]), number),
        crt,
    })
}

fn transparent_public(block: &KeyBlock<'_>, key: &TransparentKey<'_>) -> Result<PublicKey, Failure> {
    use KeyFormatType as Format;
    Ok(match block.key_format_type {
        Format::TransparentRsaPublicKey => PublicKey::Rsa(RsaPublicKey {
            modulus: required(key.modulus.as_ref())?,
            exponent: required(key.public_exponent.as_ref())?,
        }),
        Format::TransparentDsaPublicKey => PublicKey::Dsa(DsaPublicKey {
            p: required(key.p.as_ref())?,
            q: required(key.q.as_ref())?,
            g: required(key.g.as_ref())?,
            y: required(key.y.as_ref())?,
        }),
        Format::TransparentDhPublicKey => PublicKey::Dh(DhPublicKey {
            p: required(key.p.as_ref())?,
            q: key.q.as_ref().map(number),
            g: required(key.g.as_ref())?,
            j: key.j.as_ref().map(number),
            y: required(key.y.as_ref())?,
        }),
        Format::TransparentEcPublicKey
        | Format::TransparentEcdsaPublicKey
        | Format::TransparentEcdhPublicKey
        | Format::TransparentEcMqvPublicKey => {
            let point = key.q_string.as_ref().ok_or(Failure::invalid_field("the key has no Q String"))?;
            match transparent_curve(block, key)? {
                Group::Curve(curve) => PublicKey::Ec(EcPublicKey { curve, point: point.to_vec() }),
                Group::Okp(kind) => PublicKey::Okp(OkpPublicKey { kind, point: point.to_vec() }),
            }
        }
        _ => return Err(unsupported()),
    })
}

enum Group {
    Curve(Curve),
    Okp(OkpKind),
}

fn transparent_curve(block: &KeyBlock<'_>, key: &TransparentKey<'_>) -> Result<Group, Failure> {
    let named = key.recommended_curve.ok_or(Failure::invalid_field("the key names no Recommended Curve"))?;
    match named {
        RecommendedCurve::Curve25519 | RecommendedCurve::Curve448 => {
            let signs = matches!(
                block.cryptographic_algorithm,
                Some(CryptographicAlgorithm::Ed25519 | CryptographicAlgorithm::Ed448)
            );
            Ok(Group::Okp(match (named, signs) {
                (RecommendedCurve::Curve25519, true) => OkpKind::Ed25519,
                (RecommendedCurve::Curve25519, false) => OkpKind::X25519,
                (_, true) => OkpKind::Ed448,
                (_, false) => OkpKind::X448,
            }))
        }
        other => Curve::from_kmip(other.value())
            .map(Group::Curve)
            .ok_or(Failure::not_supported("keys on this curve are kept, and not converted")),
    }
}

fn private_numbers(key: &PrivateKey, format: KeyFormatType) -> Option<TransparentKey<'static>> {
    use KeyFormatType as Format;
    let empty = TransparentKey::default();
    Some(match (key, format) {
        (PrivateKey::Rsa(key), Format::TransparentRsaPrivateKey) => {
            let crt = key.crt.as_ref();
            TransparentKey {
                modulus: big(&key.modulus),
                private_exponent: big(&key.private_exponent),
                public_exponent: big(&key.public_exponent),
                p: crt.and_then(|crt| big(&crt.p)),
                q: crt.and_then(|crt| big(&crt.q)),
                prime_exponent_p: crt.and_then(|crt| big(&crt.exponent_p)),
                prime_exponent_q: crt.and_then(|crt| big(&crt.exponent_q)),
                crt_coefficient: crt.and_then(|crt| big(&crt.coefficient)),
                ..empty
            }
        }
        (PrivateKey::Dsa(key), Format::TransparentDsaPrivateKey) => {
            TransparentKey { p: big(&key.p), q: big(&key.q), g: big(&key.g), x: big(&key.x), ..empty }
        }
        (PrivateKey::Dh(key), Format::TransparentDhPrivateKey) => TransparentKey {
            p: big(&key.p),
            q: key.q.as_ref().and_then(big),
            g: big(&key.g),
            j: key.j.as_ref().and_then(big),
            x: big(&key.x),
            ..empty
        },
        (PrivateKey::Ec(key), _) if is_transparent_ec_private(format) => TransparentKey {
            recommended_curve: RecommendedCurve::from_value(key.curve.kmip()),
            d: big(&key.scalar),
            ..empty
        },
        (PrivateKey::Okp(key), _) if is_transparent_ec_private(format) => TransparentKey {
            recommended_curve: RecommendedCurve::from_value(key.kind.kmip()),
            d: big(&Number::new(&key.secret)),
            ..empty
        },
        _ => return None,
    })
}

fn public_numbers(key: &PublicKey, format: KeyFormatType) -> Option<TransparentKey<'static>> {
    use KeyFormatType as Format;
    let empty = TransparentKey::default();
    Some(match (key, format) {
        (PublicKey::Rsa(key), Format::TransparentRsaPublicKey) => {
            TransparentKey { modulus: big(&key.modulus), public_exponent: big(&key.exponent), ..empty }
        }
        (PublicKey::Dsa(key), Format::TransparentDsaPublicKey) => {
            TransparentKey { p: big(&key.p), q: big(&key.q), g: big(&key.g), y: big(&key.y), ..empty }
        }
        (PublicKey::Dh(key), Format::TransparentDhPublicKey) => TransparentKey {
            p: big(&key.p),
            q: key.q.as_ref().and_then(big),
            g: big(&key.g),
            j: key.j.as_ref().and_then(big),
            y: big(&key.y),
            ..empty
        },
        (PublicKey::Ec(key), _) if is_transparent_ec_public(format) => TransparentKey {
            recommended_curve: RecommendedCurve::from_value(key.curve.kmip()),
            q_string: Some(key.point.clone().into()),
            ..empty
        },
        (PublicKey::Okp(key), _) if is_transparent_ec_public(format) => TransparentKey {
            recommended_curve: RecommendedCurve::from_value(key.kind.kmip()),
            q_string: Some(key.point.clone().into()),
            ..empty
        },
        _ => return None,
    })
}

const fn is_transparent_ec_private(format: KeyFormatType) -> bool {
    matches!(
        format,
        KeyFormatType::TransparentEcPrivateKey
            | KeyFormatType::TransparentEcdsaPrivateKey
            | KeyFormatType::TransparentEcdhPrivateKey
            | KeyFormatType::TransparentEcMqvPrivateKey
    )
}

const fn is_transparent_ec_public(format: KeyFormatType) -> bool {
    matches!(
        format,
        KeyFormatType::TransparentEcPublicKey
            | KeyFormatType::TransparentEcdsaPublicKey
            | KeyFormatType::TransparentEcdhPublicKey
            | KeyFormatType::TransparentEcMqvPublicKey
    )
}

/// The key with its point written as asked. Points are compressed here, and not decompressed.
fn pressed(key: &PublicKey, compression: Option<KeyCompressionType>) -> Result<PublicKey, Failure> {
    let refused = Failure::new(
        ResultReason::KeyCompressionTypeNotSupported,
        "the key cannot be written in this Key Compression Type",
    );
    match (key, compression) {
        (_, None) => Ok(key.clone()),
        (PublicKey::Ec(key), Some(wanted)) => {
            let point = match (wanted, key.point.first()) {
                (KeyCompressionType::EcPublicKeyTypeUncompressed, Some(4)) => key.point.clone(),
                (KeyCompressionType::EcPublicKeyTypeX9_62CompressedPrime, Some(2 | 3)) => key.point.clone(),
                (KeyCompressionType::EcPublicKeyTypeX9_62CompressedPrime, Some(4)) => {
                    compressed(&key.point, key.curve).ok_or(refused)?
                }
                _ => return Err(refused),
            };
            Ok(PublicKey::Ec(EcPublicKey { curve: key.curve, point }))
        }
        _ => Err(refused),
    }
}

/// SEC1, section 2.3.3: the sign of y and x alone.
fn compressed(point: &[u8], curve: Curve) -> Option<Vec<u8>> {
    let coordinates = point.get(1..)?;
    let (x, y) = coordinates.split_at_checked(curve.bytes())?;
    let sign = 2 | (y.last()? & 1);
    Some([&[sign], x].concat())
}

fn number(integer: &BigInteger<'_>) -> Number {
    Number::new(&integer.0)
}

fn required(integer: Option<&BigInteger<'_>>) -> Result<Number, Failure> {
    integer.map(number).ok_or(Failure::invalid_field("the transparent key lacks a number of its kind"))
}

/// A number a transparent key shows; zero stands for one that was never given.
fn big(number: &Number) -> Option<BigInteger<'static>> {
    let bytes = || BigInteger(std::mem::take(&mut *number.to_big_integer()).into());
    (number.bits() > 0).then(bytes)
}

fn invalid(error: FormatError) -> Failure {
    Failure { message: error.to_string().into(), ..Failure::invalid_field("") }
}

fn unwritable(error: FormatError) -> Failure {
    Failure { message: error.to_string().into(), ..unsupported() }
}

pub const fn unsupported() -> Failure {
    Failure::new(ResultReason::KeyFormatTypeNotSupported, "the object has no such Key Format Type")
}
