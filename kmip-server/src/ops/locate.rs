//! Locate: the caller's own objects that have all the attributes given, newest first (1.3: oldest first).
//!
//! An unknown filter matches nothing, never everything. Destroyed objects are not found.

use engine::Found;
use kmip::ops::locate::{Request, Response};
use kmip::{Attribute, ObjectGroupMember, ResponsePayload, StorageStatusMask, UniqueIdentifier, Version};
use model::object::KeyState;

use super::{Context, Error, Reply};
use crate::attributes::matching::matches;
use crate::attributes::read::is_fresh;
use crate::failure::Failure;
use crate::limits::PARTIAL_FILTERS_MAX;
use crate::objects::attributes_of;

/// Identifiers in one answer where the client sets no bound: about 100 KiB.
const LOCATED_MAX: usize = 1_000;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request) -> Result<Reply, Error> {
    // What follows in the batch "SHALL proceed only if a single object is returned by Locate" (1.4, 4.9).
    context.left.displace();
    let offset = not_negative(request.offset_items, 0)?;
    let maximum = not_negative(request.maximum_items, LOCATED_MAX)?.min(LOCATED_MAX);
    let mut located = located(context, request).await?;
    if request.object_group_member == Some(ObjectGroupMember::GroupMemberFresh) {
        located.retain(is_fresh);
    }
    let total = located.len();
    match request.object_group_member {
        // The published cases of 1.3 read pages from the oldest object on, those of every other version from
        // the newest; the specification leaves the order to the server.
        None if context.version == Version::V1_3 => located.reverse(),
        None => {}
        // A group is used from its oldest member on: fresh ones while there are any, or every member in its turn.
        Some(ObjectGroupMember::GroupMemberFresh) => located.reverse(),
        Some(ObjectGroupMember::GroupMemberDefault) => {
            located.reverse();
            if let Some(group) = group_in(request) {
                located = context.turn.next_members(group, &located, maximum).await?;
            }
        }
    }
    let page: Vec<String> = located.iter().skip(offset).take(maximum).map(Found::identifier).collect();
    context.left.locate(&page);
    if let [only] = &page[..] {
        context.made(only);
    }
    let unique_identifiers: Vec<UniqueIdentifier<'static>> = page.into_iter().map(Into::into).collect();
    let located_items = Some(i32::try_from(total).unwrap_or(i32::MAX));
    Ok(Reply::Payload(ResponsePayload::Locate(Response { located_items, unique_identifiers })))
}

/// Everything that has what the request names, whichever page of it is asked for.
async fn located(context: &mut Context<'_, '_>, request: &Request) -> Result<Vec<Found>, Error> {
    if request.attributes.partial.len() > PARTIAL_FILTERS_MAX {
        let message = "a search has at most 64 structures that say only some of their fields";
        return Err(Failure::invalid_field(message).into());
    }
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
    found.retain(|one| {
        is_where(one, context.turn.state_of(one), request.storage_status_mask)
            && context.presented.check(context.operation, one).is_ok()
            && matches(&attributes_of(one, now), &request.attributes)
    });
    Ok(found)
}

/// On-line, unless the mask says otherwise (1.4, 4.9; destroyed objects: 2.0).
fn is_where(found: &Found, state: KeyState, mask: Option<StorageStatusMask>) -> bool {
    let place = match found.object.lifecycle.archive_date {
        _ if state.is_destroyed() => StorageStatusMask::DESTROYED_STORAGE,
        Some(_) => StorageStatusMask::ARCHIVAL_STORAGE,
        None => StorageStatusMask::ONLINE_STORAGE,
    };
    mask.unwrap_or(StorageStatusMask::ONLINE_STORAGE).contains(place)
}

fn not_negative(given: Option<i32>, default: usize) -> Result<usize, Failure> {
    match given {
        None => Ok(default),
        Some(given) => usize::try_from(given)
            .map_err(|_| Failure::invalid_field("Maximum Items and Offset Items are not negative")),
    }
}

/// A name is unique in its tenant: with one among the filters, at most one object is looked at.
/// A name that at most one object bears.
fn name_in(request: &Request) -> Option<&str> {
    request.attributes.iter().find_map(|attribute| match attribute {
        Attribute::Name(name) if !model::object::Name::is_placeholder(&name.value) => {
            Some(name.value.as_str())
        }
        _ => None,
    })
}

fn group_in(request: &Request) -> Option<&str> {
    request.attributes.iter().find_map(|attribute| match attribute {
        Attribute::ObjectGroup(group) => Some(group.as_str()),
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
