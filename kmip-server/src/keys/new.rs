//! Putting a new object with exact material into a commit.

use kmip::{Attribute, ManagedObject};
use model::command::Action;
use model::uid::Uid;

use super::encode;
use crate::objects::Wanted;
use crate::ops::{Context, Error};

/// The action that keeps an object under a fresh identifier.
///
/// # Errors
/// What the engine refuses.
pub async fn registration(
    context: &mut Context<'_, '_>,
    uid: Uid,
    object: &ManagedObject<'_>,
    wanted: Wanted,
) -> Result<Action, Error> {
    let activate = context.turn.service().policy.auto_activate;
    let now = context.turn.now().as_secs();
    let description = wanted.describe(activate.then_some(now));
    let (kind, material) = (object.object_type().value(), encode(object));
    Ok(context.turn.registration(uid, kind, &material, None, description).await?.into())
}

/// Notes that this server made the object now, with which generator.
pub fn add_origin(context: &Context<'_, '_>, wanted: &mut Wanted) {
    let now = context.turn.now().as_secs();
    wanted.add_if_absent(Attribute::OriginalCreationDate(crate::attributes::date(now)));
    wanted.add_if_absent(Attribute::RandomNumberGenerator(super::pair::generator()));
}
