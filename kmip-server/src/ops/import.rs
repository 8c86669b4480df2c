//! Import (1.4, 4.41): an object with attributes it had elsewhere, under the identifier it had there.
//!
//! A new identifier is an alias in the caller's own service; nobody else's. Replacing puts new material
//! behind an object that was registered; a derived key has none, and one that is another's is not found.
//! The object is in the state it was in elsewhere, and as old: nobody brings a key back to life by moving it.

use engine::{Found, Refused};
use kmip::ops::import::{Request, Response};
use kmip::{
    Attribute, AttributeKind, AttributeList, KeyWrapType, ManagedObject, ResponsePayload, ResultReason,
    RevocationReasonCode, State, Template,
};
use model::command::Action;
use model::commands::{Description, RevokeObject};
use model::object::Revocation;
use model::uid::Uid;

use super::register::add_facts;
use super::{Context, Error, Reply};
use crate::attributes::seconds;
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::fetch::unwrapped;
use crate::keys::{Stored, encode};
use crate::objects::{Wanted, is_server_set};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let object = request.object.as_ref().ok_or(Failure::invalid_field("the request holds no object"))?;
    if object.object_type() != request.object_type {
        return Err(Failure::invalid_field("the object is not of the stated Object Type").into());
    }
    let missing = Failure::invalid_field("Import needs the identifier the object is to have");
    let identifier = request.unique_identifier.as_text().filter(|text| !text.is_empty()).ok_or(missing)?;
    identifier.clone_into(&mut context.identifier);
    let state = state_in(&request.attributes);
    if matches!(state, Some(State::Destroyed | State::DestroyedCompromised)) {
        return Err(Failure::invalid_field("of a destroyed object nothing is left to import").into());
    }
    let material = material(context, object, request.key_wrap_type).await?;
    let wanted = wanted(context, request, &read_stored(&material)?).await?;
    // The policy is for objects that do not say what they were.
    let activate = context.turn.service().policy.auto_activate && state.is_none();
    let mut description = wanted.describe(activate.then_some(context.turn.now().as_secs()));
    set_age(&mut description, &request.attributes)?;
    let kind = request.object_type.value();
    // What is refused of an object depends on how it is now.
    context.turn.refresh().await?;
    let (uid, action): (Uid, Action) = match existing(context, identifier).await? {
        Some(_) if request.replace_existing != Some(true) => {
            let message = "an object of this identifier exists, and is not to be replaced";
            return Err(Failure::new(ResultReason::ObjectAlreadyExists, message).into());
        }
        Some(found) if found.object.object_type != kind => {
            let message = "the object is of another type than the one to be replaced";
            return Err(Failure::invalid_field(message).into());
        }
        Some(found) => {
            found.on_line()?;
            let replacement = context.turn.replacement(&found, kind, &material, description).await?;
            (*found.uid(), replacement.into())
        }
        None => {
            let uid = context.turn.registered_uid()?;
            let alias = Some(identifier.to_owned());
            (uid, context.turn.registration(uid, kind, &material, alias, description).await?.into())
        }
    };
    let mut actions = vec![action];
    if state == Some(State::Compromised) {
        actions.push(compromise(uid, &request.attributes).into());
    }
    context.turn.commit(actions).await?;
    context.made(identifier);
    let response = Response { unique_identifier: identifier.to_owned().into() };
    Ok(Reply::Payload(ResponsePayload::Import(response)))
}

/// The caller's own object of this identifier. One that this server could have given out and that is not
/// the caller's is answered as absent, so that Import does not tell whose it is.
async fn existing(context: &mut Context<'_, '_>, identifier: &str) -> Result<Option<Found>, Error> {
    match context.turn.find(identifier).await {
        Ok(found) => {
            context.presented.check(context.operation, &found)?;
            Ok(Some(found))
        }
        Err(Refused::NotFound { .. }) if Uid::parse(identifier).is_none() => Ok(None),
        Err(refused) => Err(refused.into()),
    }
}

/// The object as it came, or opened where the request says so.
async fn material(
    context: &mut Context<'_, '_>,
    object: &ManagedObject<'_>,
    wrap_type: Option<KeyWrapType>,
) -> Result<Stored, Error> {
    let kept = encode(object);
    let is_wrapped = object.key_block().is_some_and(|block| block.key_wrapping_data.is_some());
    if is_wrapped && wrap_type == Some(KeyWrapType::NotWrapped) {
        return unwrapped(context, &kept).await;
    }
    Ok(kept)
}

/// The attributes a client may set, and what the object says of itself. What another server set is told
/// anew by this one.
async fn wanted(
    context: &mut Context<'_, '_>,
    request: &Request<'_>,
    object: &ManagedObject<'_>,
) -> Result<Wanted, Error> {
    let taken = |attribute: &&Attribute| {
        !is_server_set(attribute)
            && !matches!(
                attribute.kind(),
                Some(AttributeKind::KeyFormatType | AttributeKind::OperationPolicyName)
            )
    };
    let mut attributes: Vec<Attribute> = request.attributes.iter().filter(taken).cloned().collect();
    add_dates(&mut attributes, state_in(&request.attributes), context.turn.now().as_secs());
    let template = Template::from(attributes);
    let mut wanted = context.wanted(Some(&template)).await?;
    add_facts(&mut wanted, object);
    Ok(wanted)
}

/// The state the object was in elsewhere.
fn state_in(attributes: &AttributeList) -> Option<State> {
    attributes.iter().find_map(|attribute| match attribute {
        Attribute::State(state) => Some(*state),
        _ => None,
    })
}

/// Dates that put the object into its state from now on: those it came with, where they have come. A clock elsewhere
/// may be ahead of ours.
fn add_dates(attributes: &mut Vec<Attribute>, state: Option<State>, now: u64) {
    let now = crate::attributes::date(now);
    let (mut began, mut ended) = (now, now);
    for attribute in attributes.iter() {
        match attribute {
            Attribute::ActivationDate(date) => began = now.min(*date),
            Attribute::DeactivationDate(date) => ended = now.min(*date),
            _ => {}
        }
    }
    let dates = match state {
        Some(State::Active) => vec![Attribute::ActivationDate(began)],
        Some(State::Deactivated) => {
            vec![Attribute::ActivationDate(began.min(ended)), Attribute::DeactivationDate(ended)]
        }
        _ => return,
    };
    attributes.retain(|given| dates.iter().all(|date| date.kind() != given.kind()));
    attributes.extend(dates);
}

/// When the object was made and last changed, by what it says of itself: a replica is no younger than what it was
/// made from.
fn set_age(description: &mut Description, attributes: &AttributeList) -> Result<(), Failure> {
    for attribute in attributes.iter() {
        match attribute {
            Attribute::InitialDate(date) => description.initial_date = Some(seconds(*date)?),
            Attribute::LastChangeDate(date) => description.last_change_date = Some(seconds(*date)?),
            _ => {}
        }
    }
    Ok(())
}

/// What was known to be compromised elsewhere is so here, for the reason that came with it.
fn compromise(uid: Uid, attributes: &AttributeList) -> RevokeObject {
    let mut reason = Revocation { code: RevocationReasonCode::KeyCompromise.value(), message: None };
    let mut compromise_occurrence_date = None;
    for attribute in attributes.iter() {
        match attribute {
            Attribute::RevocationReason(given) => {
                if given.code == RevocationReasonCode::CaCompromise {
                    reason.code = given.code.value();
                }
                reason.message.clone_from(&given.message);
            }
            Attribute::CompromiseOccurrenceDate(date) => {
                compromise_occurrence_date = u64::try_from(date.0).ok();
            }
            _ => {}
        }
    }
    RevokeObject { uid, reason, compromise_occurrence_date }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::date;

    #[test]
    fn dates_put_an_object_into_its_state_and_none_is_ahead() {
        let check = |state: Option<State>, given: Vec<Attribute>, expected: Vec<Attribute>| {
            let mut attributes = given;
            add_dates(&mut attributes, state, 9);
            assert_eq!(attributes, expected, "{state:?}");
        };
        let (active, ended) =
            (|at| Attribute::ActivationDate(date(at)), |at| Attribute::DeactivationDate(date(at)));
        check(None, vec![], vec![]);
        check(Some(State::PreActive), vec![], vec![]);
        check(Some(State::PreActive), vec![active(12)], vec![active(12)]);
        check(Some(State::Active), vec![], vec![active(9)]);
        check(Some(State::Active), vec![active(5)], vec![active(5)]);
        check(Some(State::Active), vec![active(12)], vec![active(9)]);
        check(Some(State::Deactivated), vec![], vec![active(9), ended(9)]);
        check(Some(State::Deactivated), vec![ended(7)], vec![active(7), ended(7)]);
        check(Some(State::Deactivated), vec![active(5), ended(12)], vec![active(5), ended(9)]);
    }
}
