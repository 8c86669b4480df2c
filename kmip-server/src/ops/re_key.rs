//! Re-key: a new key in the place of an old one (1.4, 4.4). The new one takes over the names and everything
//! the old one was made for; links tell each of the other. Both changes are one commit.

use engine::{Found, KeySpec, Refused};
use kmip::ops::re_key::{Request, Response};
use kmip::{
    Attribute, AttributeKind, AttributeList, Interval, Link, LinkType, ObjectType, ResponsePayload,
    ResultReason, Template,
};
use model::commands::{Dates, Description};

use super::create::is_safe;
use super::{Context, Error, Reply};
use crate::attributes::edit::Edit;
use crate::attributes::read::{attributes_of, check_value_is_here, decoded};
use crate::attributes::{model_name, stored};
use crate::failure::Failure;
use crate::objects::{Wanted, masked};
use crate::presented::is_owner_note;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    Context::check_storage(request.protection_storage_masks.as_ref())?;
    let (found, mut old) = context.edit(request.unique_identifier.as_ref()).await?;
    check_source(context, &found)?;
    let template = match &request.attributes {
        Some(template) => context.expand(template).await?,
        None => Template::default(),
    };
    let known = attributes_of(&found, context.turn.now());
    let spec = spec(&known, &template)?;
    let mut description = inherited(&found, &old, &template)?;
    if !description.attributes.iter().any(|one| one.name == AttributeKind::CryptographicLength.spec_name()) {
        let bits = i32::try_from(spec.length_bits).unwrap_or(i32::MAX);
        description.attributes.extend(stored([Attribute::CryptographicLength(bits)].iter()));
    }
    set_dates(&mut description, &old.dates, request.offset, context.turn.now().as_secs())?;
    override_dates(&mut description, &template)?;
    description.attributes.extend(stored([link(LinkType::ReplacedObjectLink, &found.identifier())].iter()));
    if let Some(generation) = generation(&found) {
        let facts = rotated(generation, context.turn.now().as_secs());
        description.attributes.extend(stored(facts.iter()));
        old.no_longer_latest();
    }
    let record = context.turn.recording(spec, description).await?;
    let uid = record.uid.to_string();
    old.names.clear();
    old.replace_link(link(LinkType::ReplacementObjectLink, &uid));
    context.turn.commit(vec![old.change().of(&found).into(), record.into()]).await?;
    context.made(&uid);
    let response = Response { unique_identifier: uid.into(), attributes: None };
    Ok(Reply::Payload(ResponsePayload::ReKey(response)))
}

fn check_source(context: &Context<'_, '_>, found: &Found) -> Result<(), Error> {
    if found.object.object_type != ObjectType::SymmetricKey.value() {
        return Err(Failure::invalid_field("Re-key makes symmetric keys only").into());
    }
    if context.turn.state_of(found).is_destroyed() {
        return Err(Refused::Destroyed.into());
    }
    Ok(check_value_is_here(found)?)
}

/// Algorithm, length and mask of the old key, unless the request says otherwise.
fn spec(known: &AttributeList, template: &Template) -> Result<KeySpec, Failure> {
    let mut spec = KeySpec { algorithm: 0, length_bits: 0, usage_mask: 0 };
    for attribute in known.iter().chain(template.attributes.iter()) {
        match attribute {
            Attribute::CryptographicAlgorithm(algorithm) => spec.algorithm = algorithm.value(),
            Attribute::CryptographicLength(bits) => {
                spec.length_bits = u32::try_from(*bits)
                    .map_err(|_| Failure::invalid_field("the Cryptographic Length is negative"))?;
            }
            Attribute::CryptographicUsageMask(mask) => spec.usage_mask = masked(*mask)?,
            _ => {}
        }
    }
    if spec.algorithm == 0 || spec.length_bits == 0 {
        let message = "nothing tells the algorithm and length of the new key";
        return Err(Failure::new(ResultReason::InvalidField, message));
    }
    is_safe(spec.length_bits, &with_own_safety(known, template))?;
    Ok(spec)
}

/// Whether the new key is to be quantum safe: as the request says, or else as the old one was.
pub(super) fn with_own_safety(known: &AttributeList, template: &Template) -> Template {
    let safety = |attribute: &&Attribute| attribute.kind() == Some(AttributeKind::QuantumSafe);
    let said = template.attributes.iter().find(safety).or(known.iter().find(safety));
    Template::from(said.cloned().into_iter().collect::<Vec<_>>())
}

/// What the new key has from the old one and from the request, which overrides single values. Names move,
/// and names in the request are added to them.
pub(super) fn inherited(found: &Found, old: &Edit, template: &Template) -> Result<Description, Failure> {
    let own = Wanted::of(template)?.describe(None);
    let said = |attribute: &Attribute| {
        !crate::attributes::rules::is_multi_valued(attribute)
            && template.attributes.iter().any(|given| given.name() == attribute.name())
    };
    let kept: Vec<Attribute> =
        decoded(found).filter(|attribute| !is_of_the_old_one_alone(attribute) && !said(attribute)).collect();
    let mut names = old.names.clone();
    for name in template.attributes.iter() {
        if let Attribute::Name(name) = name
            && !names.contains(&model_name(name))
        {
            names.push(model_name(name));
        }
    }
    // A limit begins anew with its total (1.4, table 173).
    let usage = own.usage.or(old.usage.map(|usage| model::object::Usage { left: usage.total, ..usage }));
    let mut attributes = stored(kept.iter());
    attributes.extend(own.attributes);
    Ok(Description { names, usage, attributes, ..own })
}

/// Facts that do not pass on to a replacement.
fn is_of_the_old_one_alone(attribute: &Attribute) -> bool {
    let note = matches!(attribute, Attribute::Custom(custom) if custom.vendor == "y");
    note && !is_owner_note(attribute)
        || matches!(
            attribute,
            Attribute::Link(_)
                | Attribute::Digest(_)
                | Attribute::Fresh(_)
                | Attribute::OriginalCreationDate(_)
                | Attribute::RandomNumberGenerator(_)
                | Attribute::KeyFormatType(_)
                | Attribute::CryptographicAlgorithm(_)
                | Attribute::CryptographicLength(_)
                | Attribute::CryptographicUsageMask(_)
                | Attribute::RotateDate(_)
                | Attribute::RotateGeneration(_)
                | Attribute::RotateLatest(_)
        )
}

/// How often a key that is rotated (2.1, 4.48 to 4.54) was already; `None` of any other.
fn generation(found: &Found) -> Option<i32> {
    let mut rotates = false;
    let mut generation = 0;
    for attribute in decoded(found) {
        match attribute {
            Attribute::RotateGeneration(known) => (rotates, generation) = (true, known),
            Attribute::RotateInterval(_)
            | Attribute::RotateAutomatic(_)
            | Attribute::RotateOffset(_)
            | Attribute::RotateName(_) => rotates = true,
            _ => {}
        }
    }
    rotates.then_some(generation)
}

/// What the server says of the newest key of a rotation.
fn rotated(before: i32, now: u64) -> [Attribute; 3] {
    [
        Attribute::RotateGeneration(before.saturating_add(1)),
        Attribute::RotateLatest(true),
        Attribute::RotateDate(crate::attributes::date(now)),
    ]
}

/// With an offset, Active from then on and the other dates as far from it as they were (1.4, table 172);
/// without, the dates of the old key, save those that would end the new one at once.
///
/// # Errors
/// Illegal Operation where the other dates have no Activation Date to be counted from.
pub(super) fn set_dates(
    description: &mut Description,
    old: &Dates,
    offset: Option<Interval>,
    now: u64,
) -> Result<(), Failure> {
    let others = [old.process_start_date, old.protect_stop_date, old.deactivation_date];
    if offset.is_some() && old.activation_date.is_none() && others.iter().any(Option::is_some) {
        let message = "the key has no Activation Date, from which its other dates could be moved";
        return Err(Failure::new(ResultReason::IllegalOperation, message));
    }
    let shift = offset.map(|offset| now.saturating_add(u64::from(offset.0)));
    let moved = |date: Option<u64>| match (shift, old.activation_date, date) {
        (Some(new), Some(before), Some(date)) => Some(new.saturating_add(date.saturating_sub(before))),
        (_, _, date) => date,
    };
    let still_ahead = |date: Option<u64>| date.filter(|date| shift.is_some() || *date > now);
    description.activation_date = shift.or(old.activation_date);
    description.process_start_date = moved(old.process_start_date);
    description.protect_stop_date = still_ahead(moved(old.protect_stop_date));
    description.deactivation_date = still_ahead(moved(old.deactivation_date));
    Ok(())
}

pub(super) fn override_dates(description: &mut Description, template: &Template) -> Result<(), Failure> {
    let given = Wanted::of(template)?.describe(None);
    let slots = [
        (&mut description.activation_date, given.activation_date),
        (&mut description.process_start_date, given.process_start_date),
        (&mut description.protect_stop_date, given.protect_stop_date),
        (&mut description.deactivation_date, given.deactivation_date),
    ];
    for (slot, given) in slots {
        *slot = given.or(*slot);
    }
    Ok(())
}

fn link(kind: LinkType, identifier: &str) -> Attribute {
    Attribute::Link(Link { kind, object: identifier.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Description {
        Wanted::default().describe(None)
    }

    #[test]
    fn a_key_that_is_quantum_safe_is_replaced_by_one_that_is_unless_the_request_says_otherwise() {
        let check = |old: bool, bits: i32, said: Option<bool>, expected: bool| {
            let known = vec![
                Attribute::CryptographicAlgorithm(kmip::CryptographicAlgorithm::Aes),
                Attribute::CryptographicLength(256),
                Attribute::QuantumSafe(old),
            ];
            let wanted = [Some(Attribute::CryptographicLength(bits)), said.map(Attribute::QuantumSafe)];
            let template = Template::from(wanted.into_iter().flatten().collect::<Vec<_>>());
            assert_eq!(spec(&known.into(), &template).is_ok(), expected, "{old} {bits} {said:?}");
        };
        check(true, 256, None, true);
        check(true, 128, None, false);
        check(true, 128, Some(false), true);
        check(false, 128, None, true);
        check(false, 128, Some(true), false);
    }

    #[test]
    fn an_offset_moves_every_date_by_the_same_span() {
        let old = Dates {
            activation_date: Some(100),
            deactivation_date: Some(500),
            process_start_date: Some(110),
            protect_stop_date: Some(400),
        };
        let mut new = empty();
        set_dates(&mut new, &old, Some(Interval(50)), 1_000).unwrap();
        let dates =
            [new.activation_date, new.process_start_date, new.protect_stop_date, new.deactivation_date];
        assert_eq!(dates, [Some(1_050), Some(1_060), Some(1_350), Some(1_450)]);
    }

    #[test]
    fn without_an_offset_dates_stay_and_a_past_end_does_not_pass_on() {
        let old = Dates { activation_date: Some(100), deactivation_date: Some(500), ..Dates::default() };
        let mut new = empty();
        set_dates(&mut new, &old, None, 1_000).unwrap();
        assert_eq!((new.activation_date, new.deactivation_date), (Some(100), None));
        set_dates(&mut new, &old, None, 400).unwrap();
        assert_eq!((new.activation_date, new.deactivation_date), (Some(100), Some(500)));
    }

    #[test]
    fn an_offset_needs_an_activation_date_to_count_other_dates_from() {
        let mut new = empty();
        set_dates(&mut new, &Dates::default(), Some(Interval(50)), 1_000).unwrap();
        assert_eq!((new.activation_date, new.deactivation_date), (Some(1_050), None));
        for old in [
            Dates { deactivation_date: Some(500), ..Dates::default() },
            Dates { process_start_date: Some(500), ..Dates::default() },
            Dates { protect_stop_date: Some(500), ..Dates::default() },
        ] {
            let failure = set_dates(&mut empty(), &old, Some(Interval(50)), 1_000).unwrap_err();
            assert_eq!(failure.reason, ResultReason::IllegalOperation, "{old:?}");
            assert!(set_dates(&mut empty(), &old, None, 400).is_ok());
        }
    }
}
