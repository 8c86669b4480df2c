//! Locate: the caller's own objects that have all the attributes given, newest first.
//!
//! An unknown filter matches nothing, never everything. Destroyed objects are not found.

use engine::Found;
use kmip::ops::locate::{Request, Response};
use kmip::{Attribute, DateTime, ResponsePayload, StorageStatusMask, UniqueIdentifier};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::objects::attributes_of;

/// Identifiers in one answer where the client sets no bound: about 100 KiB.
const LOCATED_MAX: usize = 1_000;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request) -> Result<Reply, Error> {
    let offset = not_negative(request.offset_items, 0)?;
    let maximum = not_negative(request.maximum_items, LOCATED_MAX)?.min(LOCATED_MAX);
    let candidates = match name_in(request) {
        Some(name) => context.turn.object_named(name).await?.into_iter().collect(),
        None => context.turn.objects().await?,
    };
    let mut found: Vec<Found> =
        candidates.into_iter().map(|object| Found { object, has_row: true }).collect();
    if let Some(named) = ephemeral_named(context, request).await {
        found.push(named);
    }
    let now = context.turn.now();
    let online =
        request.storage_status_mask.is_none_or(|mask| mask.contains(StorageStatusMask::ONLINE_STORAGE));
    let mut located = Vec::new();
    for one in &found {
        if online && !context.turn.state_of(one).is_destroyed() && matches(&attributes_of(one, now), request)
        {
            located.push(*one.uid());
        }
    }
    let page = located.iter().skip(offset).take(maximum);
    let unique_identifiers: Vec<UniqueIdentifier<'static>> = page.map(|uid| uid.to_string().into()).collect();
    if let [only] = &unique_identifiers[..]
        && let Some(text) = only.as_text()
    {
        let text = text.to_owned();
        context.made(&text);
    }
    let located_items = Some(i32::try_from(located.len()).unwrap_or(i32::MAX));
    Ok(Reply::Payload(ResponsePayload::Locate(Response { located_items, unique_identifiers })))
}

fn not_negative(given: Option<i32>, default: usize) -> Result<usize, Failure> {
    match given {
        None => Ok(default),
        Some(given) => usize::try_from(given)
            .map_err(|_| Failure::invalid_field("Maximum Items and Offset Items are not negative")),
    }
}

/// A name is unique in its tenant: with one among the filters, at most one object is looked at.
fn name_in(request: &Request) -> Option<&str> {
    request.attributes.iter().find_map(|attribute| match attribute {
        Attribute::Name(name) => Some(name.value.as_str()),
        _ => None,
    })
}

/// An ephemeral key has no row, but its own identifier as a filter finds it.
async fn ephemeral_named(context: &mut Context<'_, '_>, request: &Request) -> Option<Found> {
    let identifier = request.attributes.iter().find_map(|attribute| match attribute {
        Attribute::UniqueIdentifier(identifier) => identifier.as_text(),
        _ => None,
    })?;
    context.turn.find(identifier).await.ok().filter(|found| !found.has_row)
}

fn matches(has: &kmip::AttributeList, request: &Request) -> bool {
    let mut dates_seen: Vec<kmip::AttributeName> = Vec::new();
    request.attributes.iter().all(|wanted| match date_of(wanted) {
        None => has.iter().any(|attribute| attribute == wanted),
        Some(_) => {
            let name = wanted.name();
            if dates_seen.contains(&name) {
                return true;
            }
            dates_seen.push(name.clone());
            let bounds: Vec<DateTime> = request
                .attributes
                .iter()
                .filter(|attribute| attribute.name() == name)
                .filter_map(date_of)
                .collect();
            has.iter().filter(|attribute| attribute.name() == name).filter_map(date_of).any(|date| {
                match bounds[..] {
                    [exact] => date == exact,
                    [one, other] => (one.min(other)..=one.max(other)).contains(&date),
                    _ => false,
                }
            })
        }
    })
}

/// The value of a date attribute: one given is an exact match, two are a range (KMIP 1.4, 4.9).
const fn date_of(attribute: &Attribute) -> Option<DateTime> {
    match attribute {
        Attribute::InitialDate(date)
        | Attribute::ActivationDate(date)
        | Attribute::ProcessStartDate(date)
        | Attribute::ProtectStopDate(date)
        | Attribute::DeactivationDate(date)
        | Attribute::DestroyDate(date)
        | Attribute::CompromiseOccurrenceDate(date)
        | Attribute::CompromiseDate(date)
        | Attribute::ArchiveDate(date)
        | Attribute::OriginalCreationDate(date)
        | Attribute::LastChangeDate(date) => Some(*date),
        _ => None,
    }
}
