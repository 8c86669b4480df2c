//! Making a key pair and writing its halves as the two objects they become.

use crypto::formats::{Curve, OkpKind, PrivateKey, PublicKey};
use crypto::keypair::{KeyPairError, KeyPairSpec, RsaBits};
use kmip::{
    Attribute, CryptographicAlgorithm, CryptographicDomainParameters, KeyFormatType, Link, LinkType,
    ManagedObject, RecommendedCurve, ResultReason, RngAlgorithm, RngParameters, Template, Version,
};
use tokio::sync::Semaphore;

use super::blocks::{private_block, public_block};
use super::convert::{default_private_format, default_public_format};
use super::{Stored, encode};
use crate::failure::Failure;

/// Key pairs made at once: RSA keeps a core busy for up to seconds, and the hot path needs the others.
const GENERATIONS_MAX: usize = 2;

static GENERATIONS: Semaphore = Semaphore::const_new(GENERATIONS_MAX);

/// What a request wants of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairRequest {
    /// Cryptographic Algorithm.
    pub algorithm: Option<CryptographicAlgorithm>,
    /// Cryptographic Length.
    pub bits: Option<i32>,
    /// Recommended Curve, of Cryptographic Domain Parameters.
    pub curve: Option<RecommendedCurve>,
}

impl PairRequest {
    /// Reads a template; what it does not say stays.
    pub fn read(&mut self, template: &Template) {
        for attribute in template.attributes.iter() {
            match attribute {
                Attribute::CryptographicAlgorithm(algorithm) => self.algorithm = Some(*algorithm),
                Attribute::CryptographicLength(bits) => self.bits = Some(*bits),
                Attribute::CryptographicDomainParameters(parameters) => {
                    self.curve = parameters.recommended_curve.or(self.curve);
                }
                _ => {}
            }
        }
    }

    /// What the templates of both halves say together.
    ///
    /// # Errors
    /// Invalid Field for halves of different algorithms, lengths or curves (1.4, 4.2: they "SHALL contain the same
    /// value").
    pub fn of(private: &Template, public: &Template) -> Result<Self, Failure> {
        let (mut one, mut other) = (Self::default(), Self::default());
        one.read(private);
        other.read(public);
        let both = Self {
            algorithm: one.algorithm.or(other.algorithm),
            bits: one.bits.or(other.bits),
            curve: one.curve.or(other.curve),
        };
        let agrees = |half: Self| {
            half.algorithm.is_none_or(|own| both.algorithm == Some(own))
                && half.bits.is_none_or(|own| both.bits == Some(own))
                && half.curve.is_none_or(|own| both.curve == Some(own))
        };
        if !agrees(other) {
            let message = "the halves of a pair have one algorithm, one length and one curve";
            return Err(Failure::invalid_field(message));
        }
        Ok(both)
    }

    /// What another request says, where it says anything; what is not said stays.
    pub fn override_with(&mut self, other: Self) {
        self.algorithm = other.algorithm.or(self.algorithm);
        self.bits = other.bits.or(self.bits);
        self.curve = other.curve.or(self.curve);
    }

    /// What is to be made.
    ///
    /// # Errors
    /// Invalid Field for what is not made here.
    pub fn spec(self) -> Result<KeyPairSpec, Failure> {
        use CryptographicAlgorithm as Algorithm;
        let missing = Failure::invalid_field("the template has no Cryptographic Algorithm");
        match self.algorithm.ok_or(missing)? {
            Algorithm::Rsa => {
                let bits = self.bits.and_then(|bits| u32::try_from(bits).ok()).and_then(RsaBits::from_bits);
                bits.map(KeyPairSpec::Rsa).ok_or(Failure::invalid_field(
                    "RSA keys are made with 2048, 3072, 4096 or 8192 bits; give one as Cryptographic Length",
                ))
            }
            Algorithm::Ed25519 => Ok(KeyPairSpec::Okp(OkpKind::Ed25519)),
            Algorithm::Ecdh if self.curve == Some(RecommendedCurve::Curve25519) => {
                Ok(KeyPairSpec::Okp(OkpKind::X25519))
            }
            Algorithm::Ec | Algorithm::Ecdsa | Algorithm::Ecdh => self.curve().map(KeyPairSpec::Ec),
            _ => Err(Failure::invalid_field("key pairs are made for RSA, EC, ECDSA, ECDH and Ed25519")),
        }
    }

    fn curve(self) -> Result<Curve, Failure> {
        let named = match (self.curve, self.bits) {
            (Some(curve), _) => Curve::from_kmip(curve.value()),
            (None, Some(256)) => Some(Curve::P256),
            (None, Some(384)) => Some(Curve::P384),
            (None, Some(521)) => Some(Curve::P521),
            _ => None,
        };
        named.filter(|curve| curve.signing().is_some()).ok_or(Failure::invalid_field(
            "EC keys are made on P-256, P-384, P-521 and secp256k1; name one in Cryptographic Domain Parameters",
        ))
    }
}

/// A new pair, made on a thread that may block.
///
/// # Errors
/// General Failure.
pub async fn generate(spec: KeyPairSpec) -> Result<(PrivateKey, PublicKey), Failure> {
    let failed = |error: KeyPairError| {
        tracing::error!(%error, "a key pair could not be made");
        Failure::new(ResultReason::GeneralFailure, "the key pair could not be made; try again")
    };
    let permit = GENERATIONS.acquire().await.expect("the semaphore is never closed");
    let made = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let private = spec.generate()?;
        let public = private.public()?;
        Ok((private, public))
    });
    match made.await {
        Ok(made) => made.map_err(failed),
        Err(_) => Err(failed(KeyPairError::Failed)),
    }
}

/// One half as an object, with what the server knows of it.
pub struct Half {
    /// The object as it is kept.
    pub material: Stored,
    /// Its attributes: algorithm, length, format, domain, generator.
    pub facts: Vec<Attribute>,
}

/// The private half in a format, or in that of its kind.
///
/// # Errors
/// Key Format Type Not Supported.
pub fn private_half(
    key: &PrivateKey,
    algorithm: CryptographicAlgorithm,
    format: Option<KeyFormatType>,
    version: Version,
) -> Result<Half, Failure> {
    let format = format.unwrap_or(default_private_format(key, version));
    let mut block = private_block(key, format)?;
    block.cryptographic_algorithm = Some(algorithm);
    let curve = match key {
        PrivateKey::Ec(key) => Some(key.curve.kmip()),
        PrivateKey::Okp(key) => Some(key.kind.kmip()),
        _ => None,
    };
    let facts = facts(algorithm, key.bits(), format, curve);
    Ok(Half { material: encode(&ManagedObject::PrivateKey(block.into())), facts })
}

/// The public half.
///
/// # Errors
/// As [`private_half`].
pub fn public_half(
    key: &PublicKey,
    algorithm: CryptographicAlgorithm,
    format: Option<KeyFormatType>,
    version: Version,
) -> Result<Half, Failure> {
    let format = format.unwrap_or(default_public_format(key, version));
    let mut block = public_block(key, format, None)?;
    block.cryptographic_algorithm = Some(algorithm);
    let curve = match key {
        PublicKey::Ec(key) => Some(key.curve.kmip()),
        PublicKey::Okp(key) => Some(key.kind.kmip()),
        _ => None,
    };
    let facts = facts(algorithm, key.bits(), format, curve);
    Ok(Half { material: encode(&ManagedObject::PublicKey(block.into())), facts })
}

/// A link to another object.
pub fn link(kind: LinkType, identifier: &str) -> Attribute {
    Attribute::Link(Link { kind, object: identifier.into() })
}

fn facts(
    algorithm: CryptographicAlgorithm,
    bits: u32,
    format: KeyFormatType,
    curve: Option<u32>,
) -> Vec<Attribute> {
    let mut facts = vec![
        Attribute::CryptographicAlgorithm(algorithm),
        Attribute::CryptographicLength(i32::try_from(bits).unwrap_or(i32::MAX)),
        Attribute::KeyFormatType(format),
        Attribute::RandomNumberGenerator(generator()),
    ];
    if let Some(curve) = curve.and_then(RecommendedCurve::from_value) {
        let parameters = CryptographicDomainParameters { q_length: None, recommended_curve: Some(curve) };
        facts.push(Attribute::CryptographicDomainParameters(parameters));
    }
    facts
}

/// What makes key pairs: the TLS library's CTR_DRBG with AES-256 (SP 800-90A), seeded by the kernel.
pub const fn generator() -> RngParameters {
    RngParameters {
        rng_algorithm: RngAlgorithm::Drbg,
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        cryptographic_length: Some(256),
        hashing_algorithm: None,
        drbg_algorithm: Some(kmip::DrbgAlgorithm::Ctr),
        recommended_curve: None,
        fips186_variation: None,
        prediction_resistance: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        algorithm: CryptographicAlgorithm,
        bits: Option<i32>,
        curve: Option<RecommendedCurve>,
        ok: bool,
    ) {
        let made = PairRequest { algorithm: Some(algorithm), bits, curve }.spec();
        assert_eq!(made.is_ok(), ok, "{algorithm:?} {bits:?} {curve:?}");
    }

    #[test]
    fn pairs_are_named_by_length_or_curve() {
        use CryptographicAlgorithm as A;
        use RecommendedCurve as C;
        check(A::Rsa, Some(2048), None, true);
        check(A::Rsa, Some(1024), None, false);
        check(A::Rsa, None, None, false);
        check(A::Ecdsa, None, Some(C::P256), true);
        check(A::Ec, Some(384), None, true);
        check(A::Ecdh, None, Some(C::Curve25519), true);
        check(A::Ec, None, Some(C::Brainpoolp256R1), false);
        check(A::Ed25519, None, None, true);
        check(A::Dsa, Some(2048), None, false);
    }

    #[test]
    fn the_halves_of_a_pair_are_of_one_kind() {
        let bits = |bits: i32| Template::from(vec![Attribute::CryptographicLength(bits)]);
        let none = Template::default();
        assert_eq!(PairRequest::of(&none, &none).unwrap(), PairRequest::default());
        for (private, public) in [(&bits(2048), &none), (&none, &bits(2048)), (&bits(2048), &bits(2048))] {
            assert_eq!(PairRequest::of(private, public).unwrap().bits, Some(2048));
        }
        let failure = PairRequest::of(&bits(3072), &bits(2048)).unwrap_err();
        assert_eq!(failure.reason, ResultReason::InvalidField);
    }

    #[test]
    fn both_halves_are_read_back_from_what_is_kept() {
        use kmip::field::Decode as _;
        let private = KeyPairSpec::Ec(Curve::P384).generate().expect("a key");
        let public = private.public().expect("public");
        for format in
            [KeyFormatType::EcPrivateKey, KeyFormatType::Pkcs8, KeyFormatType::TransparentEcPrivateKey]
        {
            let algorithm = CryptographicAlgorithm::Ecdsa;
            let half = private_half(&private, algorithm, Some(format), Version::V2_1).expect("a half");
            let item = kmip::ttlv::Item::parse(&half.material, &kmip::ttlv::Limits::DEFAULT).expect("TTLV");
            let object = ManagedObject::decode(item).expect("an object");
            let block = object.key_block().expect("a key block");
            assert_eq!(super::super::blocks::private_key(block).expect("a key").public(), Ok(public.clone()));
        }
    }
}
