//! Create Split Key (1.4, 4.38): a key in parts, each an object of its own. They are made together or not
//! at all; the key itself stays as it is.

use crypto::split::{Method, Part, SplitError};
use engine::Found;
use kmip::ops::create_split_key::{Request, Response};
use kmip::{
    Attribute, AttributeKind, BigInteger, CryptographicAlgorithm, KeyBlock, KeyFormatType, LinkType,
    ManagedObject, ObjectType, ResponsePayload, ResultReason, SplitKey, SplitKeyMethod, UniqueIdentifier,
};
use zeroize::Zeroizing;

use super::create::is_safe;
use super::create_key_pair::expanded;
use super::{Context, Error, Reply};
use crate::attributes::read::attributes_of;
use crate::attributes::wanted::untyped;
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::convert::raw_bytes;
use crate::keys::fetch::{Ask, fetch};
use crate::keys::new::{add_origin, registration};
use crate::keys::pair::link;
use crate::objects::Wanted;
use crate::services::apart;

/// Most parts of one key: one commit holds them all, and people who each keep one.
const PARTS_MAX: u32 = 128;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (parts, threshold) = (count(request.parts)?, count(request.threshold)?);
    if parts > PARTS_MAX {
        return Err(Failure::invalid_field("a key is split into at most 128 parts").into());
    }
    let (method, field) = method(request.method, request.prime_field_size.as_ref())?;
    let source = match &request.unique_identifier {
        Some(named) => Source::of(context, named).await?,
        None => Source::new(context, request).await?,
    };
    let key = source.key.clone();
    let made = apart(move || method.split(&key, parts, threshold).map_err(refused)).await?;
    let uids = made.iter().map(|_| context.turn.registered_uid()).collect::<Result<Vec<_>, _>>()?;
    let texts: Vec<String> = uids.iter().map(ToString::to_string).collect();
    let template = expanded(context, request.attributes.as_ref()).await?;
    let template = untyped(&template, &[ObjectType::SplitKey]);
    let mut actions = Vec::with_capacity(made.len());
    for (position, (uid, part)) in uids.iter().zip(made).enumerate() {
        let mut wanted = context.wanted(Some(&template)).await?;
        source.facts.iter().for_each(|fact| wanted.add_if_absent(fact.clone()));
        add_links(&mut wanted, &texts, position, source.parent.as_deref());
        add_origin(context, &mut wanted);
        let object = source.part(part, request, field.as_deref());
        actions.push(registration(context, *uid, &object, wanted).await?);
    }
    context.turn.commit(actions).await?;
    if let Some(first) = texts.first() {
        context.made(first);
    }
    let unique_identifiers = texts.into_iter().map(UniqueIdentifier::from).collect();
    let response = Response { unique_identifiers, attributes: None };
    Ok(Reply::Payload(ResponsePayload::CreateSplitKey(response)))
}

/// What is split.
struct Source {
    key: Zeroizing<Vec<u8>>,
    format: KeyFormatType,
    algorithm: Option<CryptographicAlgorithm>,
    bits: Option<i32>,
    facts: Vec<Attribute>,
    parent: Option<String>,
}

impl Source {
    /// An object the caller may get.
    async fn of(context: &mut Context<'_, '_>, named: &UniqueIdentifier<'_>) -> Result<Self, Error> {
        let found: Found = context.find(Some(named)).await?;
        let stored = fetch(context, &found, Ask::default()).await?;
        let object = read_stored(&stored)?;
        let none =
            Failure::new(ResultReason::IllegalOperation, "the object holds no key that could be split");
        let block = object.key_block().ok_or(none.clone())?;
        let key = Zeroizing::new(raw_bytes(block).ok_or(none)?.to_vec());
        let inherited = |attribute: &&Attribute| {
            matches!(
                attribute.kind(),
                Some(
                    AttributeKind::CryptographicAlgorithm
                        | AttributeKind::CryptographicLength
                        | AttributeKind::CryptographicUsageMask
                )
            )
        };
        let known = attributes_of(&found, context.turn.now());
        let mut facts: Vec<Attribute> = known.iter().filter(inherited).cloned().collect();
        facts.push(Attribute::KeyFormatType(block.key_format_type));
        Ok(Self {
            key,
            format: block.key_format_type,
            algorithm: block.cryptographic_algorithm,
            bits: block.cryptographic_length,
            facts,
            parent: Some(found.identifier()),
        })
    }

    /// A new key that exists in parts only.
    async fn new(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Self, Error> {
        let template = expanded(context, request.attributes.as_ref()).await?;
        let (mut algorithm, mut bits) = (None, None);
        for attribute in template.attributes.iter() {
            match attribute {
                Attribute::CryptographicAlgorithm(given) => algorithm = Some(*given),
                Attribute::CryptographicLength(given) => bits = Some(*given),
                _ => {}
            }
        }
        let unknown = Failure::invalid_field("a new key needs Cryptographic Algorithm and Length");
        let (algorithm, bits) = algorithm.zip(bits).ok_or(unknown.clone())?;
        is_safe(u32::try_from(bits).unwrap_or(0), &template)?;
        let length = key_bytes(Some(algorithm), Some(bits)).ok_or(unknown)?;
        let mut key = Zeroizing::new(vec![0; length]);
        crypto::random::fill(&mut key);
        Ok(Self {
            key,
            format: KeyFormatType::Raw,
            algorithm: Some(algorithm),
            bits: Some(bits),
            facts: vec![Attribute::KeyFormatType(KeyFormatType::Raw)],
            parent: None,
        })
    }

    fn part(&self, mut part: Part, request: &Request<'_>, field: Option<&[u8]>) -> ManagedObject<'static> {
        let bytes = std::mem::take(&mut *part.bytes);
        let block = KeyBlock {
            cryptographic_algorithm: self.algorithm,
            cryptographic_length: self.bits,
            ..KeyBlock::from_bytes(self.format, bytes)
        };
        ManagedObject::SplitKey(SplitKey {
            parts: request.parts,
            part_identifier: i32::try_from(part.identifier).unwrap_or(i32::MAX),
            threshold: request.threshold,
            method: request.method,
            prime_field_size: field.map(|prime| BigInteger(prime.to_vec().into())),
            key_block: Some(block),
        })
    }
}

/// Each part knows its neighbours, and the key they are parts of.
fn add_links(wanted: &mut Wanted, texts: &[String], position: usize, parent: Option<&str>) {
    if let Some(parent) = parent {
        wanted.add_fact(link(LinkType::ParentLink, parent));
    }
    if let Some(previous) = position.checked_sub(1).and_then(|before| texts.get(before)) {
        wanted.add_fact(link(LinkType::PreviousLink, previous));
    }
    if let Some(next) = texts.get(position + 1) {
        wanted.add_fact(link(LinkType::NextLink, next));
    }
}

/// The bytes of a symmetric key or secret, from its algorithm and length.
pub(super) fn key_bytes(algorithm: Option<CryptographicAlgorithm>, bits: Option<i32>) -> Option<usize> {
    let bits = u32::try_from(bits?).ok().filter(|bits| (1..=65_536).contains(bits))?;
    let symmetric = algorithm.and_then(|algorithm| crypto::material::material_bytes(algorithm.value(), bits));
    symmetric.map(usize::from).or_else(|| bits.is_multiple_of(8).then_some(bits as usize / 8))
}

/// KMIP's method with its field; where no prime is named, the prime that is used.
pub(super) fn method(
    method: SplitKeyMethod,
    field: Option<&BigInteger<'_>>,
) -> Result<(Method, Option<Vec<u8>>), Failure> {
    Ok(match method {
        SplitKeyMethod::Xor => (Method::Xor, None),
        SplitKeyMethod::PolynomialSharingGf2_8 => (Method::Gf8, None),
        SplitKeyMethod::PolynomialSharingGf2_16 => (Method::Gf16, None),
        SplitKeyMethod::PolynomialSharingPrimeField => {
            let prime = field.map_or_else(Method::default_prime, |prime| prime.0.to_vec());
            (Method::Prime(prime.clone()), Some(prime))
        }
    })
}

pub(super) fn count(number: i32) -> Result<u32, Failure> {
    u32::try_from(number).map_err(|_| Failure::invalid_field("a number of parts is not negative"))
}

pub(super) fn refused(error: SplitError) -> Failure {
    let reason = match error {
        SplitError::Numbers { .. } | SplitError::NotAPrime => ResultReason::InvalidField,
        SplitError::KeyLength { .. } | SplitError::TooFew { .. } | SplitError::Mismatch => {
            ResultReason::CryptographicFailure
        }
    };
    Failure { message: error.to_string().into(), ..Failure::new(reason, "") }
}
