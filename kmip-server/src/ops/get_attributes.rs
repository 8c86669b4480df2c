//! Get Attributes: those named, silently without the unknown or unset ones; all, if none is named.

use engine::{Found, Refused};
use kmip::ops::get_attributes::{Request, Response};
use kmip::{
    Attribute, AttributeKind, AttributeList, AttributeName, ManagedObject, ObjectType, ResponsePayload,
    Version,
};
use model::uid::Kind;

use super::{Context, Error, Reply};
use crate::attributes::read::{attributes_of, is_plain, unnamed};
use crate::attributes::usage_limits;
use crate::dispatch::read_stored;
use crate::keys::certificate::as_in_1_0;
use crate::keys::digest::digest_of;
use crate::keys::fetch::kept;

/// The names of the attributes that take reading the object, or deriving a key.
const READ: [AttributeName; 2] =
    [AttributeName::Standard(AttributeKind::Digest), AttributeName::Standard(AttributeKind::OpaqueDataType)];

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let mut attributes = known(context, &found);
    if request.names.is_empty() {
        unnamed(&mut attributes, &found, context.version);
    } else {
        attributes.0.retain(|one| request.names.contains(&one.attribute.name()));
    }
    // PyKMIP cannot read the Digest of 1.0, which names no format, and throws the whole answer away over it:
    // of a plain key it is for those who name it.
    let unasked = request.names.is_empty() && (context.version > Version::V1_0 || !is_plain(&found));
    if unasked || READ.iter().any(|name| request.names.contains(name)) {
        let facts = facts(context, &found).await.into_iter();
        let wanted = facts.filter(|fact| unasked || request.names.contains(&fact.name()));
        attributes.0.extend(wanted.map(Into::into));
    }
    // In the order of their names, as in the published answers: PyKMIP's own tests read them by position.
    let place = |name: &AttributeName| request.names.iter().position(|asked| asked == name);
    attributes.0.sort_by_cached_key(|one| place(&one.attribute.name()));
    attributes.0.retain(|one| one.attribute.is_in(context.version));
    if context.version == Version::V1_0 {
        attributes.0.iter_mut().for_each(|one| as_in_1_0(&mut one.attribute));
    }
    let unique_identifier = found.identifier().into();
    Ok(Reply::Payload(ResponsePayload::GetAttributes(Response { unique_identifier, attributes })))
}

/// Every attribute of an object, its Digest among them, as Export and Get Attributes show it.
pub async fn all_attributes(context: &mut Context<'_, '_>, found: &Found) -> AttributeList {
    let mut attributes = known(context, found);
    attributes.0.extend(facts(context, found).await.into_iter().map(Into::into));
    attributes.0.retain(|one| one.attribute.is_in(context.version));
    attributes
}

/// What an object has, its usage limit as this node counts it.
fn known(context: &Context<'_, '_>, found: &Found) -> AttributeList {
    let mut attributes = attributes_of(found, context.turn.now());
    if let Some(usage) = context.turn.usage_of(found) {
        for one in &mut attributes.0 {
            if let Attribute::UsageLimits(limits) = &mut one.attribute {
                *limits = usage_limits(usage);
            }
        }
    }
    attributes
}

/// Whether the server can say a digest: to those who may get the object, of whatever has a value.
pub fn has_digest(context: &Context<'_, '_>, found: &Found) -> bool {
    (found.fields().kind == Kind::Registered || found.fields().algorithm != 0)
        && found.object.object_type != ObjectType::Template.value()
        && context.turn.may_get(found).is_ok()
}

/// What the object itself says: the Digest, of a derived key over its Raw form, and an Opaque Data Type. It is
/// read when asked for and never stored: the digest of a password would outlive its wrapping. Without the root
/// of trust there is none, and the other attributes are told all the same.
async fn facts(context: &mut Context<'_, '_>, found: &Found) -> Vec<Attribute> {
    if !has_digest(context, found) {
        return Vec::new();
    }
    match kept(context, found).await {
        Ok(object) => read_stored(&object).map(|object| said_by(&object)).unwrap_or_default(),
        Err(Error::Refused(Refused::NotNow { .. } | Refused::KeyUnavailable { .. })) => Vec::new(),
        Err(_) => {
            tracing::warn!(uid = %found.uid(), "what an object says of itself could not be told");
            Vec::new()
        }
    }
}

fn said_by(object: &ManagedObject<'_>) -> Vec<Attribute> {
    let kind = match object {
        ManagedObject::OpaqueObject(opaque) => Some(Attribute::OpaqueDataType(opaque.kind)),
        _ => None,
    };
    digest_of(object).into_iter().chain(kind).collect()
}
