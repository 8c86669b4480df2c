//! Public keys.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _, Sequence};
use pkcs1::RsaPublicKeyRef;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::error::{FormatError, KeyKind};
use super::{Curve, DH_PKCS3, DH_X942, DSA, EC, Number, OkpKind, RSA, RSA_PSS};

/// A public key as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is its type
pub enum PublicKey {
    Rsa(RsaPublicKey),
    Ec(EcPublicKey),
    Okp(OkpPublicKey),
    Dsa(DsaPublicKey),
    Dh(DhPublicKey),
}

/// RSA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    /// n.
    pub modulus: Number,
    /// e.
    pub exponent: Number,
}

/// A point of a Weierstrass curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcPublicKey {
    /// Which curve.
    pub curve: Curve,
    /// The point as it was given: SEC1, compressed or not.
    pub point: Vec<u8>,
}

/// A point of an Edwards or Montgomery curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OkpPublicKey {
    /// Which.
    pub kind: OkpKind,
    /// The key.
    pub point: Vec<u8>,
}

/// DSA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsaPublicKey {
    /// Prime.
    pub p: Number,
    /// Order of the subgroup.
    pub q: Number,
    /// Generator.
    pub g: Number,
    /// The key.
    pub y: Number,
}

/// Diffie-Hellman.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhPublicKey {
    /// Prime.
    pub p: Number,
    /// Order of the subgroup, where it is known.
    pub q: Option<Number>,
    /// Generator.
    pub g: Number,
    /// Cofactor, where it is known.
    pub j: Option<Number>,
    /// The key.
    pub y: Number,
}

/// Dss-Parms (RFC 3279).
#[derive(Sequence)]
pub(super) struct DsaParameters<'a> {
    pub p: UintRef<'a>,
    pub q: UintRef<'a>,
    pub g: UintRef<'a>,
}

/// DHParameter (PKCS#3).
#[derive(Sequence)]
pub(super) struct DhParameters<'a> {
    pub p: UintRef<'a>,
    pub g: UintRef<'a>,
    pub private_bits: Option<u32>,
}

/// DomainParameters (X9.42, RFC 3279) without the seed.
#[derive(Sequence)]
pub(super) struct DomainParameters<'a> {
    pub p: UintRef<'a>,
    pub g: UintRef<'a>,
    pub q: UintRef<'a>,
    pub j: Option<UintRef<'a>>,
}

const PKCS1: &str = "PKCS#1";
const SPKI: &str = "SubjectPublicKeyInfo";

impl PublicKey {
    /// From RSAPublicKey (PKCS#1).
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, FormatError> {
        let key = RsaPublicKeyRef::from_der(der).map_err(|_| FormatError::Malformed { form: PKCS1 })?;
        Ok(Self::Rsa(RsaPublicKey {
            modulus: Number::new(key.modulus.as_bytes()),
            exponent: Number::new(key.public_exponent.as_bytes()),
        }))
    }

    /// From X.509 SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], [`FormatError::UnknownAlgorithm`], [`FormatError::UnknownCurve`].
    pub fn from_spki(der: &[u8]) -> Result<Self, FormatError> {
        let malformed = FormatError::Malformed { form: SPKI };
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| malformed)?;
        let bytes = info.subject_public_key.as_bytes().ok_or(malformed)?;
        let parameters = info.algorithm.parameters;
        match info.algorithm.oid {
            RSA | RSA_PSS => Self::from_pkcs1(bytes),
            EC => {
                let curve = named_curve(parameters)?;
                Ok(Self::Ec(EcPublicKey { curve, point: bytes.to_vec() }))
            }
            DSA => {
                let DsaParameters { p, q, g } = decode(parameters, SPKI)?;
                let y = number(UintRef::from_der(bytes).map_err(|_| malformed)?);
                Ok(Self::Dsa(DsaPublicKey { p: number(p), q: number(q), g: number(g), y }))
            }
            DH_PKCS3 => {
                let DhParameters { p, g, .. } = decode(parameters, SPKI)?;
                let y = number(UintRef::from_der(bytes).map_err(|_| malformed)?);
                Ok(Self::Dh(DhPublicKey { p: number(p), q: None, g: number(g), j: None, y }))
            }
            DH_X942 => {
                let DomainParameters { p, g, q, j } = decode(parameters, SPKI)?;
                let y = number(UintRef::from_der(bytes).map_err(|_| malformed)?);
                let (p, g) = (number(p), number(g));
                Ok(Self::Dh(DhPublicKey { p, q: Some(number(q)), g, j: j.map(number), y }))
            }
            oid => {
                let kind = OkpKind::from_oid(oid).ok_or(FormatError::UnknownAlgorithm)?;
                if bytes.len() != kind.bytes() {
                    return Err(malformed);
                }
                Ok(Self::Okp(OkpPublicKey { kind, point: bytes.to_vec() }))
            }
        }
    }

    /// As RSAPublicKey (PKCS#1).
    ///
    /// # Errors
    /// [`FormatError::NoSuchForm`] unless it is an RSA key.
    pub fn to_pkcs1(&self) -> Result<Vec<u8>, FormatError> {
        let Self::Rsa(key) = self else {
            return Err(FormatError::NoSuchForm { kind: self.kind(), form: PKCS1 });
        };
        let key = RsaPublicKeyRef { modulus: uint(&key.modulus)?, public_exponent: uint(&key.exponent)? };
        key.to_der().map_err(|_| FormatError::Malformed { form: PKCS1 })
    }

    /// As X.509 SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for numbers too large for DER.
    pub fn to_spki(&self) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::Rsa(_) => spki(RSA, Some(AnyRef::NULL), &self.to_pkcs1()?),
            Self::Ec(key) => spki(EC, Some((&key.curve.oid()).into()), &key.point),
            Self::Okp(key) => spki(key.kind.oid(), None, &key.point),
            Self::Dsa(key) => {
                let parameters = dsa_parameters(&key.p, &key.q, &key.g)?;
                spki(DSA, Some(any(&parameters)?), &integer(&key.y)?)
            }
            Self::Dh(key) => {
                let (oid, parameters) = dh_parameters(&key.p, &key.g, key.q.as_ref(), key.j.as_ref())?;
                spki(oid, Some(any(&parameters)?), &integer(&key.y)?)
            }
        }
    }

    /// KMIP Cryptographic Length: the modulus, the prime or the field, in bits.
    #[must_use]
    pub fn bits(&self) -> u32 {
        match self {
            Self::Rsa(key) => key.modulus.bits(),
            Self::Ec(key) => key.curve.bits(),
            Self::Okp(key) => key.kind.bits(),
            Self::Dsa(key) => key.p.bits(),
            Self::Dh(key) => key.p.bits(),
        }
    }

    pub(super) const fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa(_) => KeyKind::Rsa,
            Self::Ec(_) => KeyKind::Ec,
            Self::Okp(_) => KeyKind::Okp,
            Self::Dsa(_) => KeyKind::Dsa,
            Self::Dh(_) => KeyKind::Dh,
        }
    }
}

fn spki(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Result<Vec<u8>, FormatError> {
    let malformed = |_| FormatError::Malformed { form: SPKI };
    let algorithm = AlgorithmIdentifierRef { oid, parameters };
    let subject_public_key = BitStringRef::from_bytes(key).map_err(malformed)?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(malformed)
}

/// The curve an AlgorithmIdentifier's parameters name.
pub(super) fn named_curve(parameters: Option<AnyRef<'_>>) -> Result<Curve, FormatError> {
    let oid = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    oid.and_then(Curve::from_oid).ok_or(FormatError::UnknownCurve)
}

pub(super) fn number(uint: UintRef<'_>) -> Number {
    Number::new(uint.as_bytes())
}

pub(super) fn uint(number: &Number) -> Result<UintRef<'_>, FormatError> {
    UintRef::new(number.bytes()).map_err(|_| FormatError::Malformed { form: "DER" })
}

pub(super) fn any(der: &[u8]) -> Result<AnyRef<'_>, FormatError> {
    AnyRef::from_der(der).map_err(|_| FormatError::Malformed { form: "DER" })
}

pub(super) fn decode<'a, T: der::DecodeValue<'a, Error = der::Error> + der::FixedTag + 'a>(
    parameters: Option<AnyRef<'a>>,
    form: &'static str,
) -> Result<T, FormatError> {
    let malformed = FormatError::Malformed { form };
    parameters.ok_or(malformed)?.decode_as().map_err(|_| malformed)
}

fn integer(number: &Number) -> Result<Vec<u8>, FormatError> {
    uint(number)?.to_der().map_err(|_| FormatError::Malformed { form: "DER" })
}

pub(super) fn dsa_parameters(p: &Number, q: &Number, g: &Number) -> Result<Vec<u8>, FormatError> {
    let parameters = DsaParameters { p: uint(p)?, q: uint(q)?, g: uint(g)? };
    parameters.to_der().map_err(|_| FormatError::Malformed { form: "DER" })
}

/// With the subgroup's order X9.42's parameters, without it PKCS#3's.
pub(super) fn dh_parameters(
    p: &Number,
    g: &Number,
    q: Option<&Number>,
    j: Option<&Number>,
) -> Result<(ObjectIdentifier, Vec<u8>), FormatError> {
    let malformed = |_| FormatError::Malformed { form: "DER" };
    let (p, g) = (uint(p)?, uint(g)?);
    Ok(match q {
        Some(q) => {
            let parameters = DomainParameters { p, g, q: uint(q)?, j: j.map(uint).transpose()? };
            (DH_X942, parameters.to_der().map_err(malformed)?)
        }
        None => {
            let parameters = DhParameters { p, g, private_bits: None };
            (DH_PKCS3, parameters.to_der().map_err(malformed)?)
        }
    })
}
