//! Elliptic curves by name: KMIP's number, the object identifier, the size.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaSigningAlgorithm,
};
use der::asn1::ObjectIdentifier;

/// A named curve in Weierstrass form: KMIP's Recommended Curve, and what DER calls it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Curve(&'static Row);

#[derive(PartialEq, Eq)]
struct Row {
    name: &'static str,
    /// KMIP Recommended Curve.
    kmip: u32,
    oid: ObjectIdentifier,
    /// Size of the field in bits: also KMIP's Cryptographic Length.
    bits: u16,
}

const fn row(name: &'static str, kmip: u32, oid: &str, bits: u16) -> Row {
    Row { name, kmip, oid: ObjectIdentifier::new_unwrap(oid), bits }
}

static CURVES: &[Row] = &[
    row("P-256", 0x07, "1.2.840.10045.3.1.7", 256),
    row("P-384", 0x0a, "1.3.132.0.34", 384),
    row("P-521", 0x0d, "1.3.132.0.35", 521),
    row("secp256k1", 0x19, "1.3.132.0.10", 256),
    row("P-192", 0x01, "1.2.840.10045.3.1.1", 192),
    row("P-224", 0x04, "1.3.132.0.33", 224),
    row("K-163", 0x02, "1.3.132.0.1", 163),
    row("B-163", 0x03, "1.3.132.0.15", 163),
    row("K-233", 0x05, "1.3.132.0.26", 233),
    row("B-233", 0x06, "1.3.132.0.27", 233),
    row("K-283", 0x08, "1.3.132.0.16", 283),
    row("B-283", 0x09, "1.3.132.0.17", 283),
    row("K-409", 0x0b, "1.3.132.0.36", 409),
    row("B-409", 0x0c, "1.3.132.0.37", 409),
    row("K-571", 0x0e, "1.3.132.0.38", 571),
    row("B-571", 0x0f, "1.3.132.0.39", 571),
    row("secp160k1", 0x14, "1.3.132.0.9", 160),
    row("secp160r1", 0x15, "1.3.132.0.8", 160),
    row("secp160r2", 0x16, "1.3.132.0.30", 160),
    row("secp192k1", 0x17, "1.3.132.0.31", 192),
    row("secp224k1", 0x18, "1.3.132.0.32", 224),
    row("brainpoolP160r1", 0x37, "1.3.36.3.3.2.8.1.1.1", 160),
    row("brainpoolP160t1", 0x38, "1.3.36.3.3.2.8.1.1.2", 160),
    row("brainpoolP192r1", 0x39, "1.3.36.3.3.2.8.1.1.3", 192),
    row("brainpoolP192t1", 0x3a, "1.3.36.3.3.2.8.1.1.4", 192),
    row("brainpoolP224r1", 0x3b, "1.3.36.3.3.2.8.1.1.5", 224),
    row("brainpoolP224t1", 0x3c, "1.3.36.3.3.2.8.1.1.6", 224),
    row("brainpoolP256r1", 0x3d, "1.3.36.3.3.2.8.1.1.7", 256),
    row("brainpoolP256t1", 0x3e, "1.3.36.3.3.2.8.1.1.8", 256),
    row("brainpoolP320r1", 0x3f, "1.3.36.3.3.2.8.1.1.9", 320),
    row("brainpoolP320t1", 0x40, "1.3.36.3.3.2.8.1.1.10", 320),
    row("brainpoolP384r1", 0x41, "1.3.36.3.3.2.8.1.1.11", 384),
    row("brainpoolP384t1", 0x42, "1.3.36.3.3.2.8.1.1.12", 384),
    row("brainpoolP512r1", 0x43, "1.3.36.3.3.2.8.1.1.13", 512),
    row("brainpoolP512t1", 0x44, "1.3.36.3.3.2.8.1.1.14", 512),
];

impl Curve {
    /// NIST P-256.
    pub const P256: Self = Self(&CURVES[0]);
    /// NIST P-384.
    pub const P384: Self = Self(&CURVES[1]);
    /// NIST P-521.
    pub const P521: Self = Self(&CURVES[2]);
    /// secp256k1: stored, converted and used for ECDSA; never for key agreement.
    pub const SECP256K1: Self = Self(&CURVES[3]);

    /// The curve with this KMIP Recommended Curve number.
    #[must_use]
    pub fn from_kmip(number: u32) -> Option<Self> {
        CURVES.iter().find(|row| row.kmip == number).map(Self)
    }

    /// The curve DER names so.
    pub(super) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        CURVES.iter().find(|row| row.oid == oid).map(Self)
    }

    /// Its KMIP Recommended Curve number.
    #[must_use]
    pub const fn kmip(self) -> u32 {
        self.0.kmip
    }

    /// What DER calls it.
    pub(super) const fn oid(self) -> ObjectIdentifier {
        self.0.oid
    }

    /// Size of its field in bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0.bits as u32
    }

    /// Size of a private number or a coordinate in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (self.0.bits as usize).div_ceil(8)
    }

    /// ECDSA on it, where keys on it can be used here and not only kept.
    #[must_use]
    pub fn signing(self) -> Option<&'static EcdsaSigningAlgorithm> {
        match self.0.kmip {
            0x07 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
            0x0a => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
            0x0d => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
            0x19 => Some(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
            _ => None,
        }
    }
}

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// The curves of RFC 7748 and RFC 8032, whose keys are byte strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OkpKind {
    /// Ed25519.
    Ed25519,
    /// X25519.
    X25519,
    /// Ed448: kept, not used.
    Ed448,
    /// X448: kept, not used.
    X448,
}

impl OkpKind {
    const ALL: [Self; 4] = [Self::Ed25519, Self::X25519, Self::Ed448, Self::X448];

    pub(super) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.oid() == oid)
    }

    pub(super) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::X25519 => ObjectIdentifier::new_unwrap("1.3.101.110"),
            Self::X448 => ObjectIdentifier::new_unwrap("1.3.101.111"),
            Self::Ed25519 => ObjectIdentifier::new_unwrap("1.3.101.112"),
            Self::Ed448 => ObjectIdentifier::new_unwrap("1.3.101.113"),
        }
    }

    /// KMIP Recommended Curve: CURVE25519 or CURVE448.
    #[must_use]
    pub const fn kmip(self) -> u32 {
        match self {
            Self::Ed25519 | Self::X25519 => 0x45,
            Self::Ed448 | Self::X448 => 0x46,
        }
    }

    /// Size of a key, private or public, in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Ed25519 | Self::X25519 => 32,
            Self::X448 => 56,
            Self::Ed448 => 57,
        }
    }

    /// KMIP Cryptographic Length.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Ed25519 | Self::X25519 => 256,
            Self::Ed448 | Self::X448 => 448,
        }
    }
}
