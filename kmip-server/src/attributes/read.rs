//! What an object has: facts of its identifier, of its row, and what every object of a server has.

use engine::Found;
use kmip::{
    Attribute, AttributeKind, AttributeList, AttributeName, CryptographicAlgorithm, DateTime,
    IndexedAttribute, Interval, KeyFormatType, ObjectType, ProtectionStorageMask, ResultReason,
    RevocationReason, RevocationReasonCode, RngAlgorithm, RngParameters, State, UsageMask, Version,
};
use model::object::{KeyState, StoredAttribute};
use model::time::ClusterTime;
use model::uid::Kind;

use super::rules::applies_to;
use super::{date, indices, kmip_name, usage_limits};
use crate::failure::Failure;

/// Lease Time of every object in seconds: how long a client may keep a key without asking again. A client that
/// keeps keys for so long learns of a revocation within five minutes; nothing here ends with it.
pub const LEASE_TIME_S: u32 = 300;

/// Every attribute of an object at a moment of cluster time, save the Digest of a derived key, which only
/// deriving it tells.
pub fn attributes_of(found: &Found, now: ClusterTime) -> AttributeList {
    let mut list = AttributeList::default();
    let object = &found.object;
    list.push(Attribute::UniqueIdentifier(found.identifier().as_str().into()));
    list.push(Attribute::ShortUniqueIdentifier(short_identifier(found).into()));
    list.push(Attribute::LeaseTime(Interval(LEASE_TIME_S)));
    push_derived_facts(found, &mut list);
    for name in &object.names {
        list.push(Attribute::Name(kmip_name(name)));
    }
    push_lifecycle(found, now, &mut list);
    push_stored(found, &mut list);
    push_defaults(found, &mut list);
    if let Some(object_type) = ObjectType::from_value(object.object_type) {
        list.push(Attribute::ObjectType(object_type));
        list.0.retain(|one| applies_to(&one.attribute.name(), object_type));
    }
    number(found, &mut list);
    list
}

/// SHA-256 of the Unique Identifier, as 2.0 wants it: 32 bytes, the same for an object wherever it is imported under
/// that identifier.
fn short_identifier(found: &Found) -> Vec<u8> {
    crypto::digest::sha256(&[found.identifier().as_bytes()]).to_vec()
}

/// Says the Attribute Index of every instance but the first.
fn number(found: &Found, list: &mut AttributeList) {
    let notes: Vec<Attribute> = decoded(found).filter(is_own_note).collect();
    for position in 0..list.0.len() {
        let name = list.0[position].attribute.name();
        let same = |one: &&IndexedAttribute| one.attribute.name() == name;
        let before = list.0[..position].iter().filter(same).count();
        let all = before + list.0[position..].iter().filter(same).count();
        let index = indices::of(&notes, &name, all)[before];
        list.0[position].index = (index > 0).then_some(index);
    }
}

/// What the identifier of a derived key says.
fn push_derived_facts(found: &Found, list: &mut AttributeList) {
    let fields = found.fields();
    if fields.kind == Kind::Registered {
        return;
    }
    if let Some(algorithm) = CryptographicAlgorithm::from_value(fields.algorithm.into()) {
        list.push(Attribute::CryptographicAlgorithm(algorithm));
    }
    if let Some(bits) = length_said(found) {
        list.push(Attribute::CryptographicLength(bits));
    }
    list.push(Attribute::CryptographicUsageMask(UsageMask(fields.usage_mask)));
    if fields.algorithm != 0 {
        list.push(Attribute::KeyFormatType(KeyFormatType::Raw));
    }
}

/// The Cryptographic Length of a derived key in bits, as it was said when the key was made: 3DES is counted with its
/// parity bits by some clients, without by others.
pub fn length_said(found: &Found) -> Option<i32> {
    let fields = found.fields();
    let fits = |bits: i32| {
        let bytes =
            u32::try_from(bits).ok().and_then(|bits| engine::material_bytes(fields.algorithm.into(), bits));
        bytes == Some(fields.length_bytes)
    };
    let said = decoded(found).find_map(|attribute| match attribute {
        Attribute::CryptographicLength(bits) if fits(bits) => Some(bits),
        _ => None,
    });
    said.or_else(|| engine::length_bits(&fields))
}

const fn is_key_fact(attribute: &Attribute) -> bool {
    matches!(
        attribute,
        Attribute::CryptographicAlgorithm(_)
            | Attribute::CryptographicLength(_)
            | Attribute::CryptographicUsageMask(_)
            | Attribute::KeyFormatType(_)
    )
}

/// Attributes as clients gave them. Of a derived key its identifier tells algorithm, length and mask.
fn push_stored(found: &Found, list: &mut AttributeList) {
    let derived = found.fields().kind != Kind::Registered;
    for attribute in decoded(found) {
        if !(is_own_note(&attribute) || derived && is_key_fact(&attribute)) {
            list.push(attribute);
        }
    }
}

/// Whether an object was never served: its maker may have said that it was, elsewhere.
pub fn is_fresh(found: &Found) -> bool {
    found.object.fresh && !decoded(found).any(|attribute| attribute == Attribute::Fresh(false))
}

/// What the server noted for itself alone, such as where a key's IVs come from.
fn is_own_note(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Custom(custom) if custom.vendor == "y")
}

/// The attributes of the row; one that does not decode is left out, and said in the log.
pub fn decoded(found: &Found) -> impl Iterator<Item = Attribute> {
    let read = |stored: &StoredAttribute| {
        let attribute = Attribute::from_ttlv_bytes(&stored.value);
        attribute
            .inspect_err(
                |error| tracing::error!(%error, uid = %found.uid(), "a stored attribute does not decode"),
            )
            .ok()
    };
    found.object.attributes.iter().filter_map(read)
}

/// Refuses an object whose key's value is kept elsewhere: there is nothing here that a new one could replace.
///
/// # Errors
/// [`ResultReason::KeyValueNotPresent`].
pub fn check_value_is_here(found: &Found) -> Result<(), Failure> {
    if decoded(found).any(|attribute| attribute == Attribute::KeyValuePresent(false)) {
        return Err(Failure::new(ResultReason::KeyValueNotPresent, "the key's value is not kept here"));
    }
    Ok(())
}

/// A date an object may have, and the attribute that shows it.
type OptionalDate = (Option<u64>, fn(DateTime) -> Attribute);

fn push_lifecycle(found: &Found, now: ClusterTime, list: &mut AttributeList) {
    let lifecycle = &found.object.lifecycle;
    list.push(Attribute::State(kmip_state(lifecycle.state_at(now))));
    list.push(Attribute::InitialDate(date(lifecycle.initial_date)));
    list.push(Attribute::LastChangeDate(date(lifecycle.last_change_date)));
    let optional: [OptionalDate; 8] = [
        (lifecycle.activation_date, Attribute::ActivationDate),
        (lifecycle.process_start_date, Attribute::ProcessStartDate),
        (lifecycle.protect_stop_date, Attribute::ProtectStopDate),
        (lifecycle.deactivation_date, Attribute::DeactivationDate),
        (lifecycle.destroy_date, Attribute::DestroyDate),
        (lifecycle.archive_date, Attribute::ArchiveDate),
        (lifecycle.compromise_occurrence_date, Attribute::CompromiseOccurrenceDate),
        (lifecycle.compromise_date, Attribute::CompromiseDate),
    ];
    for (given, attribute) in optional {
        if let Some(seconds) = given {
            list.push(attribute(date(seconds)));
        }
    }
    if let Some(revocation) = &lifecycle.revocation
        && let Some(code) = RevocationReasonCode::from_value(revocation.code)
    {
        let message = revocation.message.clone();
        list.push(Attribute::RevocationReason(RevocationReason { code, message }));
    }
    if let Some(usage) = found.object.usage {
        list.push(Attribute::UsageLimits(usage_limits(usage)));
    }
}

/// What the server says of every object unless something else is known of it.
fn push_defaults(found: &Found, list: &mut AttributeList) {
    let made_here = found.fields().kind != Kind::Registered;
    if made_here && found.has_row && found.fields().kind == Kind::Recorded {
        default(list, Attribute::OriginalCreationDate(date(found.object.lifecycle.initial_date)));
    }
    if made_here {
        default(list, Attribute::RandomNumberGenerator(unspecified_rng()));
    }
    if !found.fields().kind.is_ephemeral() {
        default(list, Attribute::Fresh(found.object.fresh));
    }
    default(list, Attribute::OperationPolicyName("default".to_owned()));
    default(list, Attribute::Sensitive(false));
    default(list, Attribute::AlwaysSensitive(false));
    default(list, Attribute::Extractable(true));
    default(list, Attribute::NeverExtractable(false));
    default(list, Attribute::ProtectionStorageMask(ProtectionStorageMask::SOFTWARE));
}

fn default(list: &mut AttributeList, attribute: Attribute) {
    if !list.iter().any(|known| known.name() == attribute.name()) {
        list.push(attribute);
    }
}

/// Keys made here are derived; no random number generator of the specification's list describes that.
pub const fn unspecified_rng() -> RngParameters {
    RngParameters {
        rng_algorithm: RngAlgorithm::Unspecified,
        cryptographic_algorithm: None,
        cryptographic_length: None,
        hashing_algorithm: None,
        drbg_algorithm: None,
        recommended_curve: None,
        fips186_variation: None,
        prediction_resistance: None,
    }
}

const fn kmip_state(state: KeyState) -> State {
    match state {
        KeyState::PreActive => State::PreActive,
        KeyState::Active => State::Active,
        KeyState::Deactivated => State::Deactivated,
        KeyState::Compromised => State::Compromised,
        KeyState::Destroyed => State::Destroyed,
        KeyState::DestroyedCompromised => State::DestroyedCompromised,
    }
}

/// Leaves of all attributes those that an unnamed Get Attributes shows.
///
/// PyKMIP, up to 2.0 the most used client, throws the whole answer away over one attribute it cannot read.
/// What it cannot read and nobody asked for is therefore left to those who name it: generator and Original Creation
/// Date always (PyKMIP up to 0.10, which Debian ships, knows neither), and from 1.4 to 2.0 the server's own facts about a
/// derived key that bears nothing younger than 1.1 itself.
pub fn unnamed(list: &mut AttributeList, found: &Found, version: Version) {
    let given = |kind| found.object.attributes.iter().any(|one| one.name == AttributeKind::spec_name(kind));
    for kind in [AttributeKind::RandomNumberGenerator, AttributeKind::OriginalCreationDate] {
        if !version.is_v2() && !given(kind) {
            drop_kind(list, kind);
        }
    }
    if matches!(version, Version::V1_4 | Version::V2_0) && is_plain(found) {
        for kind in SERVER_FACTS {
            drop_kind(list, kind);
        }
    }
}

/// Whether it is a key that was made here and bears nothing younger than 1.1, nor custom: then a client that
/// knows 1.x attributes alone may read all of it.
pub fn is_plain(found: &Found) -> bool {
    let old =
        |attribute: &Attribute| attribute.kind().is_some_and(|kind| kind.first_version() <= Version::V1_1);
    found.fields().kind != Kind::Registered && decoded(found).all(|one| old(&one))
}

/// Facts the server states of its own accord, unreadable to a client that knows 1.4 or 2.0 by older attributes.
const SERVER_FACTS: [AttributeKind; 8] = [
    AttributeKind::ShortUniqueIdentifier,
    AttributeKind::KeyFormatType,
    AttributeKind::OriginalCreationDate,
    AttributeKind::RandomNumberGenerator,
    AttributeKind::AlwaysSensitive,
    AttributeKind::Extractable,
    AttributeKind::NeverExtractable,
    AttributeKind::ProtectionStorageMask,
];

fn drop_kind(list: &mut AttributeList, kind: AttributeKind) {
    list.0.retain(|one: &IndexedAttribute| one.attribute.name() != AttributeName::Standard(kind));
}
