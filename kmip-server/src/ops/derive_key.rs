//! Derive Key: a new object from others (1.x section 4.6, 2.1 section 6.1.14).
//!
//! HKDF from a service's root gives a context key: the same context gives the same identifier and key on
//! every node, and nothing is written. Every other method is somebody else's arithmetic, whose exact output
//! is kept like a registered object.

use crypto::services::{Hash, MacAlgorithm, ServiceError, cipher, derive};
use engine::{Found, KeySpec, Use};
use kmip::ops::derive_key::{DerivationParameters, Request, Response};
use kmip::{
    Attribute, CryptographicAlgorithm, CryptographicParameters, DerivationMethod, KeyBlock, KeyFormatType,
    LinkType, ManagedObject, ObjectType, ResponsePayload, SecretData, SecretDataType, Template, UsageMask,
};
use model::uid::Kind;
use zeroize::Zeroizing;

use super::create::is_safe;
use super::{Context, Error, Reply};
use crate::attributes::wanted::untyped;
use crate::failure::Failure;
use crate::keys::{new, pair};
use crate::objects::{Edit, Wanted, masked};
use crate::services::apart;
use crate::services::key::ServiceKey;
use crate::services::params::{self, unsupported};

/// Most objects one derivation starts from: a key, and data or a peer's key.
const BASES_MAX: usize = 2;
/// Most Derived Key links one object keeps: beyond that only the new objects point back, so that a key
/// from which many are derived stays small.
const DERIVED_LINKS_MAX: usize = 64;
/// From so many rounds on PBKDF2 leaves the threads that serve connections.
const ROUNDS_INLINE_MAX: u32 = 1_000;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    if !matches!(request.object_type, ObjectType::SymmetricKey | ObjectType::SecretData) {
        return Err(Failure::invalid_field("symmetric keys and secret data are derived, nothing else").into());
    }
    if request.unique_identifiers.len() > BASES_MAX {
        return Err(Failure::invalid_field("at most two objects are derived from").into());
    }
    let template = context.expand(&untyped(&request.attributes, &[request.object_type])).await?;
    let form = Form::of(&template, request.object_type)?;
    if let Some(bits) = form.bits {
        is_safe(bits, &template)?;
    }
    let mut bases = Vec::with_capacity(BASES_MAX);
    if request.unique_identifiers.is_empty() {
        bases.push(context.key_for(None, Use::Protect, UsageMask::DERIVE_KEY).await?);
    }
    for identifier in &request.unique_identifiers {
        bases.push(context.key_for(Some(identifier), Use::Protect, UsageMask::DERIVE_KEY).await?);
    }
    let uid = if is_root(&bases[0].found) {
        context_key(context, &bases[0], request, &template, &form).await?
    } else {
        let material = derived(context, &bases, request, &form).await?;
        keep(context, &bases, request.object_type, &template, &form, material).await?
    };
    context.made(&uid);
    let response = Response { unique_identifier: uid.into(), attributes: None };
    Ok(Reply::Payload(ResponsePayload::DeriveKey(response)))
}

fn is_root(found: &Found) -> bool {
    found.fields().kind == Kind::Context && found.fields().algorithm == 0
}

/// What the template says about the new object's form.
#[derive(Default)]
struct Form {
    algorithm: Option<CryptographicAlgorithm>,
    bits: Option<u32>,
    mask: u32,
}

impl Form {
    fn of(template: &Template, object_type: ObjectType) -> Result<Self, Failure> {
        let mut form = Self::default();
        for attribute in template.attributes.iter() {
            match attribute {
                Attribute::CryptographicAlgorithm(algorithm) => form.algorithm = Some(*algorithm),
                Attribute::CryptographicLength(bits) => {
                    let bits = u32::try_from(*bits).ok().filter(|bits| *bits > 0);
                    let wrong = Failure::invalid_field("the Cryptographic Length is not above zero");
                    form.bits = Some(bits.ok_or(wrong)?);
                }
                Attribute::CryptographicUsageMask(mask) => form.mask = masked(*mask)?,
                _ => {}
            }
        }
        if object_type == ObjectType::SymmetricKey && (form.algorithm.is_none() || form.bits.is_none()) {
            let message = "a derived key needs a Cryptographic Algorithm and a Cryptographic Length";
            return Err(Failure::invalid_field(message));
        }
        Ok(form)
    }

    fn spec(&self) -> KeySpec {
        KeySpec {
            algorithm: self.algorithm.map_or(0, CryptographicAlgorithm::value),
            length_bits: self.bits.unwrap_or(0),
            usage_mask: self.mask,
        }
    }

    /// Bytes of material; `None` means as many as the method gives.
    fn bytes(&self) -> Result<Option<usize>, Failure> {
        let Some(bits) = self.bits else { return Ok(None) };
        let known = self.algorithm.and_then(|algorithm| engine::material_bytes(algorithm.value(), bits));
        match known {
            Some(bytes) => Ok(Some(usize::from(bytes))),
            None if bits.is_multiple_of(8) => Ok(Some(bits as usize / 8)),
            None => Err(Failure::invalid_field("the Cryptographic Length is not a whole number of bytes")),
        }
    }
}

async fn context_key(
    context: &mut Context<'_, '_>,
    root: &ServiceKey,
    request: &Request<'_>,
    template: &Template,
    form: &Form,
) -> Result<String, Error> {
    if request.derivation_method != DerivationMethod::Hkdf || request.object_type != ObjectType::SymmetricKey
    {
        return Err(unsupported("a service root derives symmetric keys by HKDF").into());
    }
    if !Wanted::of(template)?.is_plain() {
        let message = "a context key has algorithm, length and mask alone: nothing about it is written";
        return Err(Failure::invalid_field(message).into());
    }
    let spec = form.spec();
    let parameters = &request.derivation_parameters;
    let salt = parameters.salt.as_deref().unwrap_or_default();
    let info = parameters.derivation_data.as_deref().unwrap_or_default();
    Ok(context.turn.derive_context(&root.found, salt, info, spec).await?.to_string())
}

/// The output of the method, cut to the length asked for.
async fn derived(
    context: &mut Context<'_, '_>,
    bases: &[ServiceKey],
    request: &Request<'_>,
    form: &Form,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes = form.bytes()?;
    if request.derivation_method == DerivationMethod::AsymmetricKey {
        return agreed(context, bases, bytes).await;
    }
    let key = bases[0].bytes(context).await?;
    let second = match bases.get(1) {
        Some(base) => Some(base.bytes(context).await?),
        None => None,
    };
    let given = &request.derivation_parameters;
    let data = match (given.derivation_data.as_deref(), second.as_ref()) {
        (Some(_), Some(_)) => {
            let message =
                "the derivation data comes from the request or from the second object, not from both";
            return Err(Failure::invalid_field(message).into());
        }
        (Some(data), None) => Some(data),
        (None, second) => second.map(|bytes| bytes.as_slice()),
    };
    let parameters = bases[0].parameters(given.cryptographic_parameters.as_ref());
    if request.derivation_method == DerivationMethod::Pbkdf2 {
        return password_based(&parameters, given, key, bytes).await;
    }
    Ok(compute(request.derivation_method, &parameters, given, bases[0].algorithm, &key, data, bytes)?)
}

fn compute(
    method: DerivationMethod,
    parameters: &CryptographicParameters,
    given: &DerivationParameters<'_>,
    algorithm: Option<CryptographicAlgorithm>,
    key: &[u8],
    data: Option<&[u8]>,
    bytes: Option<usize>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let missing = || Failure::invalid_field("the derivation data is missing");
    let hash = || parameters.hashing_algorithm.map_or(Ok(Hash::Sha256), params::hash);
    let iv = given.initialization_vector.as_deref().unwrap_or_default();
    Ok(match method {
        DerivationMethod::Hash => {
            if data.is_some() {
                return Err(Failure::invalid_field(
                    "the hash is over the key alone; leave the derivation data out",
                ));
            }
            let hash = hash()?;
            derive::hashed(hash, key, bytes.unwrap_or(hash.output_bytes()))?
        }
        DerivationMethod::Hmac => {
            let hash = prf_hash(parameters, algorithm)?;
            let prf = MacAlgorithm::Hmac(hash);
            derive::authenticated(prf, key, data.ok_or_else(missing)?, bytes.unwrap_or(hash.output_bytes()))?
        }
        DerivationMethod::Hkdf => {
            let hash = hash()?;
            let salt = given.salt.as_deref().unwrap_or_default();
            let length = bytes.unwrap_or(hash.output_bytes());
            derive::hkdf(hash, key, salt, data.unwrap_or_default(), length)?
        }
        DerivationMethod::Encrypt => {
            let mut spec = params::cipher(parameters, algorithm)?;
            spec.iv = iv;
            let whole = cipher::encrypt(&spec, key, data.ok_or_else(missing)?)?;
            derive::first(&whole.data, bytes.unwrap_or(whole.data.len()))?
        }
        DerivationMethod::Nist800_108C
        | DerivationMethod::Nist800_108F
        | DerivationMethod::Nist800_108Dpi => {
            let prf = params::mac_algorithm(parameters, None)
                .or_else(|_| Ok::<_, Failure>(MacAlgorithm::Hmac(prf_hash(parameters, algorithm)?)))?;
            let data = data.unwrap_or_default();
            let length = bytes.ok_or(Failure::invalid_field("the Cryptographic Length is missing"))?;
            match method {
                DerivationMethod::Nist800_108C => derive::counter_mode(prf, key, data, length)?,
                DerivationMethod::Nist800_108F => derive::feedback_mode(prf, key, iv, data, length)?,
                _ => derive::double_pipeline_mode(prf, key, data, length)?,
            }
        }
        DerivationMethod::Pbkdf2
        | DerivationMethod::AsymmetricKey
        | DerivationMethod::AwsSignatureVersion4 => {
            return Err(unsupported("the Derivation Method is not offered"));
        }
    })
}

/// The hash of an HMAC: the one that is named, alone or in the name of the code, or that of the code the key is for.
fn prf_hash(
    parameters: &CryptographicParameters,
    key: Option<CryptographicAlgorithm>,
) -> Result<Hash, Failure> {
    if let Some(named) = parameters.hashing_algorithm {
        return params::hash(named);
    }
    let code = CryptographicParameters {
        cryptographic_algorithm: parameters.cryptographic_algorithm,
        ..CryptographicParameters::default()
    };
    Ok(match params::mac_algorithm(&code, key) {
        Ok(MacAlgorithm::Hmac(hash)) => hash,
        Ok(MacAlgorithm::AesCmac | MacAlgorithm::TripleDesCmac) | Err(_) => Hash::Sha256,
    })
}

/// PBKDF2, with HMAC-SHA-1 where nobody names a hash (RFC 8018's default, and the published cases').
async fn password_based(
    parameters: &CryptographicParameters,
    given: &DerivationParameters<'_>,
    password: Zeroizing<Vec<u8>>,
    bytes: Option<usize>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let hash = parameters.hashing_algorithm.map_or(Ok(Hash::Sha1), params::hash)?;
    let salt = given.salt.as_deref().ok_or(Failure::invalid_field("PBKDF2 needs a Salt"))?.to_vec();
    let rounds = given.iteration_count.and_then(|count| u32::try_from(count).ok());
    let rounds = rounds.ok_or(Failure::invalid_field("PBKDF2 needs an Iteration Count above zero"))?;
    let bytes = bytes.unwrap_or(hash.output_bytes());
    let work = move || derive::pbkdf2(hash, &password, &salt, rounds, bytes);
    if rounds <= ROUNDS_INLINE_MAX {
        return Ok(work().map_err(Failure::from)?);
    }
    Ok(apart(work).await?)
}

/// The secret two keys share; the private one may be either of the two.
async fn agreed(
    context: &mut Context<'_, '_>,
    bases: &[ServiceKey],
    bytes: Option<usize>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let private = ObjectType::PrivateKey.value();
    let (own, peer) = match bases {
        [own, peer] if own.found.object.object_type == private => (own, peer),
        [peer, own] => (own, peer),
        _ => {
            let message = "key agreement needs a private and a public key";
            return Err(Failure::invalid_field(message).into());
        }
    };
    let (own, peer) = (own.private(context).await?, peer.public(context).await?);
    let secret = own.agree(&peer).map_err(Failure::from)?;
    let length = bytes.unwrap_or(secret.len());
    Ok(derive::first(&secret, length).map_err(|error: ServiceError| Failure::from(error))?)
}

/// Registers the output. The new object points to what it was derived from, and the other way round.
async fn keep(
    context: &mut Context<'_, '_>,
    bases: &[ServiceKey],
    object_type: ObjectType,
    template: &Template,
    form: &Form,
    material: Zeroizing<Vec<u8>>,
) -> Result<String, Error> {
    let mut wanted = context.wanted(Some(template)).await?;
    let bits = i32::try_from(material.len() * 8).unwrap_or(i32::MAX);
    // Without a length it has as many as the method gave.
    is_safe(bits.unsigned_abs(), template)?;
    let object = match object_type {
        ObjectType::SymmetricKey => {
            let mut block = KeyBlock::from_bytes(KeyFormatType::Raw, material);
            block.cryptographic_algorithm = form.algorithm;
            block.cryptographic_length = form.bits.and_then(|bits| i32::try_from(bits).ok());
            ManagedObject::SymmetricKey(block.into())
        }
        _ => {
            wanted.add_if_absent(Attribute::CryptographicLength(bits));
            let key_block = Some(KeyBlock::from_bytes(KeyFormatType::Opaque, material));
            ManagedObject::SecretData(SecretData { kind: SecretDataType::Seed, key_block })
        }
    };
    for base in bases {
        wanted.add_fact(pair::link(LinkType::DerivationBaseObjectLink, &base.found.identifier()));
    }
    let uid = context.turn.registered_uid()?;
    let mut actions = vec![new::registration(context, uid, &object, wanted).await?];
    drop(object);
    for base in bases.iter().filter(|base| base.found.has_row) {
        let mut edit = Edit::of(&base.found, context.turn.now(), context.version)?;
        let links = edit
            .attributes
            .iter()
            .filter(|known| matches!(known, Attribute::Link(link) if link.kind == LinkType::DerivedKeyLink));
        if links.count() < DERIVED_LINKS_MAX {
            edit.add_link(pair::link(LinkType::DerivedKeyLink, &uid.to_string()));
            actions.push(edit.change().of(&base.found).into());
        }
    }
    context.turn.commit(actions).await?;
    Ok(uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmip::HashingAlgorithm;

    #[test]
    fn the_code_a_key_is_for_derives_from_it_unless_another_is_named() {
        use CryptographicAlgorithm as A;
        let check = |hashing_algorithm, cryptographic_algorithm, key, expected| {
            let parameters = CryptographicParameters {
                hashing_algorithm,
                cryptographic_algorithm,
                ..CryptographicParameters::default()
            };
            assert_eq!(prf_hash(&parameters, key).unwrap(), expected, "{parameters:?} {key:?}");
        };
        check(None, None, None, Hash::Sha256);
        check(None, None, Some(A::Aes), Hash::Sha256);
        check(None, None, Some(A::HmacSha512), Hash::Sha512);
        check(None, Some(A::HmacSha384), Some(A::HmacSha512), Hash::Sha384);
        check(Some(HashingAlgorithm::Sha1), Some(A::HmacSha384), Some(A::HmacSha512), Hash::Sha1);
    }
}
