//! Private keys.

use aws_lc_rs::agreement;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode as _, Encode as _};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use sec1::{EcParameters, EcPrivateKey as Sec1};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::error::{FormatError, KeyKind};
use super::public::{DhParameters, DomainParameters, DsaParameters};
use super::public::{any, decode, dh_parameters, dsa_parameters, named_curve, number, uint};
use super::{Curve, DH_PKCS3, DH_X942, DSA, EC, Number, OkpKind, RSA, RSA_PSS, SecretDer};
use super::{EcPublicKey, OkpPublicKey, PublicKey, RsaPublicKey};

/// A private key as numbers.
#[derive(Clone)]
#[allow(missing_docs)] // each variant is its type
pub enum PrivateKey {
    Rsa(RsaPrivateKey),
    Ec(EcPrivateKey),
    Okp(OkpPrivateKey),
    Dsa(DsaPrivateKey),
    Dh(DhPrivateKey),
}

/// RSA.
#[derive(Clone)]
pub struct RsaPrivateKey {
    /// n.
    pub modulus: Number,
    /// e; empty where a transparent key came without it.
    pub public_exponent: Number,
    /// d.
    pub private_exponent: Number,
    /// The primes and what follows from them; a transparent key may lack them.
    pub crt: Option<RsaCrt>,
}

/// What makes RSA's private operation fast, and what PKCS#1 cannot do without.
#[derive(Clone)]
pub struct RsaCrt {
    /// First prime.
    pub p: Number,
    /// Second prime.
    pub q: Number,
    /// d mod (p - 1).
    pub exponent_p: Number,
    /// d mod (q - 1).
    pub exponent_q: Number,
    /// q^-1 mod p.
    pub coefficient: Number,
}

/// A private number of a Weierstrass curve.
#[derive(Clone)]
pub struct EcPrivateKey {
    /// Which curve.
    pub curve: Curve,
    /// The private number.
    pub scalar: Number,
    /// The public point, uncompressed, where it is known.
    pub point: Option<Vec<u8>>,
}

/// A private key of an Edwards or Montgomery curve.
#[derive(Clone)]
pub struct OkpPrivateKey {
    /// Which.
    pub kind: OkpKind,
    /// The key.
    pub secret: Zeroizing<Vec<u8>>,
}

/// DSA.
#[derive(Clone)]
pub struct DsaPrivateKey {
    /// Prime.
    pub p: Number,
    /// Order of the subgroup.
    pub q: Number,
    /// Generator.
    pub g: Number,
    /// The private number.
    pub x: Number,
}

/// Diffie-Hellman.
#[derive(Clone)]
pub struct DhPrivateKey {
    /// Prime.
    pub p: Number,
    /// Order of the subgroup, where it is known.
    pub q: Option<Number>,
    /// Generator.
    pub g: Number,
    /// Cofactor, where it is known.
    pub j: Option<Number>,
    /// The private number.
    pub x: Number,
}

const PKCS1: &str = "PKCS#1";
const PKCS8: &str = "PKCS#8";
const SEC1: &str = "ECPrivateKey";

impl PrivateKey {
    /// From RSAPrivateKey (PKCS#1).
    ///
    /// # Errors
    /// [`FormatError::Malformed`], also for more than two primes.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, FormatError> {
        let malformed = FormatError::Malformed { form: PKCS1 };
        let key = RsaPrivateKeyRef::from_der(der).map_err(|_| malformed)?;
        if key.other_prime_infos.is_some() {
            return Err(malformed);
        }
        Ok(Self::Rsa(RsaPrivateKey {
            modulus: number(key.modulus),
            public_exponent: number(key.public_exponent),
            private_exponent: number(key.private_exponent),
            crt: Some(RsaCrt {
                p: number(key.prime1),
                q: number(key.prime2),
                exponent_p: number(key.exponent1),
                exponent_q: number(key.exponent2),
                coefficient: number(key.coefficient),
            }),
        }))
    }

    /// From PrivateKeyInfo (PKCS#8, RFC 5958), not encrypted.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], [`FormatError::UnknownAlgorithm`], [`FormatError::UnknownCurve`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, FormatError> {
        let malformed = FormatError::Malformed { form: PKCS8 };
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| malformed)?;
        let (bytes, parameters) = (info.private_key.as_bytes(), info.algorithm.parameters);
        let integer = || UintRef::from_der(bytes).map(number).map_err(|_| malformed);
        match info.algorithm.oid {
            RSA | RSA_PSS => Self::from_pkcs1(bytes),
            EC => Self::from_sec1(bytes, Some(named_curve(parameters)?)),
            DSA => {
                let DsaParameters { p, q, g } = decode(parameters, PKCS8)?;
                Ok(Self::Dsa(DsaPrivateKey { p: number(p), q: number(q), g: number(g), x: integer()? }))
            }
            DH_PKCS3 => {
                let DhParameters { p, g, .. } = decode(parameters, PKCS8)?;
                let (p, g) = (number(p), number(g));
                Ok(Self::Dh(DhPrivateKey { p, q: None, g, j: None, x: integer()? }))
            }
            DH_X942 => {
                let DomainParameters { p, g, q, j } = decode(parameters, PKCS8)?;
                let (p, q, g, j) = (number(p), Some(number(q)), number(g), j.map(number));
                Ok(Self::Dh(DhPrivateKey { p, q, g, j, x: integer()? }))
            }
            oid => {
                let kind = OkpKind::from_oid(oid).ok_or(FormatError::UnknownAlgorithm)?;
                let inner = <&OctetStringRef>::from_der(bytes).map_err(|_| malformed)?;
                Self::okp(kind, inner.as_bytes()).ok_or(malformed)
            }
        }
    }

    /// From ECPrivateKey (SEC1, RFC 5915). `curve` is the one named beside it, where it names none.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], [`FormatError::UnknownCurve`].
    pub fn from_sec1(der: &[u8], curve: Option<Curve>) -> Result<Self, FormatError> {
        let key = Sec1::from_der(der).map_err(|_| FormatError::Malformed { form: SEC1 })?;
        let named = match key.parameters {
            Some(EcParameters::NamedCurve(oid)) => Curve::from_oid(oid),
            None => curve,
        };
        let curve = named.ok_or(FormatError::UnknownCurve)?;
        let scalar = Number::new(key.private_key);
        if scalar.bits() > curve.bits() {
            return Err(FormatError::Malformed { form: SEC1 });
        }
        Ok(Self::Ec(EcPrivateKey { curve, scalar, point: key.public_key.map(<[u8]>::to_vec) }))
    }

    /// From the bare bytes of an Edwards or Montgomery key; `None` if they are not as many as it has.
    #[must_use]
    pub fn okp(kind: OkpKind, secret: &[u8]) -> Option<Self> {
        let secret = (secret.len() == kind.bytes()).then(|| Zeroizing::new(secret.to_vec()))?;
        Some(Self::Okp(OkpPrivateKey { kind, secret }))
    }

    /// As RSAPrivateKey (PKCS#1).
    ///
    /// # Errors
    /// [`FormatError::NoSuchForm`], [`FormatError::Incomplete`].
    pub fn to_pkcs1(&self) -> Result<SecretDer, FormatError> {
        let Self::Rsa(key) = self else {
            return Err(FormatError::NoSuchForm { kind: self.kind(), form: PKCS1 });
        };
        let crt = key.crt.as_ref().ok_or(FormatError::Incomplete { what: "the primes" })?;
        if key.public_exponent.bits() == 0 {
            return Err(FormatError::Incomplete { what: "the public exponent" });
        }
        let key = RsaPrivateKeyRef {
            modulus: uint(&key.modulus)?,
            public_exponent: uint(&key.public_exponent)?,
            private_exponent: uint(&key.private_exponent)?,
            prime1: uint(&crt.p)?,
            prime2: uint(&crt.q)?,
            exponent1: uint(&crt.exponent_p)?,
            exponent2: uint(&crt.exponent_q)?,
            coefficient: uint(&crt.coefficient)?,
            other_prime_infos: None,
        };
        key.to_der().map(Zeroizing::new).map_err(|_| FormatError::Malformed { form: PKCS1 })
    }

    /// As ECPrivateKey (SEC1) that names its curve, with the public point where it is known or can be
    /// computed.
    ///
    /// # Errors
    /// [`FormatError::NoSuchForm`] unless it is an EC key.
    pub fn to_sec1(&self) -> Result<SecretDer, FormatError> {
        let Self::Ec(key) = self else {
            return Err(FormatError::NoSuchForm { kind: self.kind(), form: SEC1 });
        };
        key.to_sec1(true, key.public_point().as_deref())
    }

    /// As PrivateKeyInfo (PKCS#8).
    ///
    /// # Errors
    /// [`FormatError::Incomplete`], [`FormatError::Malformed`].
    pub fn to_pkcs8(&self) -> Result<SecretDer, FormatError> {
        match self {
            Self::Rsa(_) => pkcs8(RSA, Some(AnyRef::NULL), &self.to_pkcs1()?),
            Self::Ec(key) => {
                let inner = key.to_sec1(false, key.public_point().as_deref())?;
                pkcs8(EC, Some((&key.curve.oid()).into()), &inner)
            }
            Self::Okp(key) => {
                let inner = OctetStringRef::new(&key.secret).and_then(|octets| octets.to_der());
                let inner = inner.map(Zeroizing::new).map_err(|_| FormatError::Malformed { form: PKCS8 })?;
                pkcs8(key.kind.oid(), None, &inner)
            }
            Self::Dsa(key) => {
                let parameters = dsa_parameters(&key.p, &key.q, &key.g)?;
                pkcs8(DSA, Some(any(&parameters)?), &integer(&key.x)?)
            }
            Self::Dh(key) => {
                let (oid, parameters) = dh_parameters(&key.p, &key.g, key.q.as_ref(), key.j.as_ref())?;
                pkcs8(oid, Some(any(&parameters)?), &integer(&key.x)?)
            }
        }
    }

    /// The public half.
    ///
    /// # Errors
    /// [`FormatError::Incomplete`] where it was not given and is not computed here (DSA, DH, X448, Ed448,
    /// rare curves).
    pub fn public(&self) -> Result<PublicKey, FormatError> {
        let incomplete = FormatError::Incomplete { what: "its public half" };
        match self {
            Self::Rsa(key) if key.public_exponent.bits() > 0 => Ok(PublicKey::Rsa(RsaPublicKey {
                modulus: key.modulus.clone(),
                exponent: key.public_exponent.clone(),
            })),
            Self::Ec(key) => {
                let point = key.public_point().ok_or(incomplete)?;
                Ok(PublicKey::Ec(EcPublicKey { curve: key.curve, point }))
            }
            Self::Okp(key) => {
                let point = key.public_point().ok_or(incomplete)?;
                Ok(PublicKey::Okp(OkpPublicKey { kind: key.kind, point }))
            }
            Self::Rsa(_) | Self::Dsa(_) | Self::Dh(_) => Err(incomplete),
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

    const fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa(_) => KeyKind::Rsa,
            Self::Ec(_) => KeyKind::Ec,
            Self::Okp(_) => KeyKind::Okp,
            Self::Dsa(_) => KeyKind::Dsa,
            Self::Dh(_) => KeyKind::Dh,
        }
    }
}

impl EcPrivateKey {
    fn to_sec1(&self, named: bool, point: Option<&[u8]>) -> Result<SecretDer, FormatError> {
        let malformed = FormatError::Malformed { form: SEC1 };
        let scalar = self.scalar.padded(self.curve.bytes()).ok_or(malformed)?;
        let parameters = named.then(|| EcParameters::NamedCurve(self.curve.oid()));
        let key = Sec1 { private_key: &scalar, parameters, public_key: point };
        key.to_der().map(Zeroizing::new).map_err(|_| malformed)
    }

    /// The public point, uncompressed: as given, or computed on a curve that is used here.
    #[must_use]
    pub fn public_point(&self) -> Option<Vec<u8>> {
        if let Some(point) = &self.point {
            return Some(point.clone());
        }
        let der = self.to_sec1(true, None).ok()?;
        let pair = EcdsaKeyPair::from_private_key_der(self.curve.signing()?, &der).ok()?;
        Some(pair.public_key().as_ref().to_vec())
    }
}

impl OkpPrivateKey {
    /// The public key, of the two kinds that are used here.
    #[must_use]
    pub fn public_point(&self) -> Option<Vec<u8>> {
        match self.kind {
            OkpKind::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&self.secret).ok()?;
                Some(pair.public_key().as_ref().to_vec())
            }
            OkpKind::X25519 => {
                let key = agreement::PrivateKey::from_private_key(&agreement::X25519, &self.secret).ok()?;
                Some(key.compute_public_key().ok()?.as_ref().to_vec())
            }
            OkpKind::Ed448 | OkpKind::X448 => None,
        }
    }
}

fn pkcs8(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    key: &[u8],
) -> Result<SecretDer, FormatError> {
    let malformed = |_| FormatError::Malformed { form: PKCS8 };
    let private_key = OctetStringRef::new(key).map_err(malformed)?;
    let info = PrivateKeyInfoRef::new(AlgorithmIdentifierRef { oid, parameters }, private_key);
    info.to_der().map(Zeroizing::new).map_err(malformed)
}

fn integer(number: &Number) -> Result<SecretDer, FormatError> {
    let der = uint(number)?.to_der();
    der.map(Zeroizing::new).map_err(|_| FormatError::Malformed { form: PKCS8 })
}
