//! Re-key Key Pair: a new pair in the place of an old one (1.4, 4.5). Both halves take over the names and
//! everything the old ones were made for; links tell each of the other. It is one commit of all four.

use engine::{Found, Refused};
use kmip::ops::re_key_key_pair::{Request, Response};
use kmip::{
    Attribute, AttributeKind, AttributeList, Interval, LinkType, ObjectType, ResponsePayload, Template,
};
use model::command::Action;
use model::commands::Description;
use model::uid::Uid;

use super::create::is_safe_pair;
use super::create_key_pair::{expanded, merged, wanted};
use super::re_key::{inherited, override_dates, set_dates, with_own_safety};
use super::{Context, Error, Reply};
use crate::attributes::edit::Edit;
use crate::attributes::read::{check_value_is_here, decoded};
use crate::attributes::{date, stored};
use crate::failure::Failure;
use crate::keys::pair::{Half, PairRequest, generate, link, private_half, public_half};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (private, private_edit) = context.edit(request.private_key_unique_identifier.as_ref()).await?;
    check_source(context, &private)?;
    let (public, public_edit) = public_half_of(context, &private).await?;
    let common = expanded(context, request.common_attributes.as_ref()).await?;
    let for_private = merged(&common, &expanded(context, request.private_key_attributes.as_ref()).await?);
    let for_public = merged(&common, &expanded(context, request.public_key_attributes.as_ref()).await?);
    for (old, template) in [(&private, &for_private), (&public, &for_public)] {
        let known = AttributeList::from(decoded(old).collect::<Vec<_>>());
        is_safe_pair(&with_own_safety(&known, template))?;
    }
    let mut pair = PairRequest::default();
    pair.read(&Template::from(decoded(&private).collect::<Vec<_>>()));
    pair.override_with(PairRequest::of(&for_private, &for_public)?);
    let spec = pair.spec()?;
    let (_, private_format) = wanted(context, &for_private).await?;
    let (_, public_format) = wanted(context, &for_public).await?;
    let (private_key, public_key) = generate(spec).await?;
    let algorithm = pair.algorithm.expect("a specification names its algorithm");
    let private_half = private_half(&private_key, algorithm, private_format, context.version)?;
    let public_half = public_half(&public_key, algorithm, public_format, context.version)?;
    let (private_uid, public_uid) = (context.turn.registered_uid()?, context.turn.registered_uid()?);
    let (private_text, public_text) = (private_uid.to_string(), public_uid.to_string());
    let to_public = link(LinkType::PublicKeyLink, &public_text);
    let to_private = link(LinkType::PrivateKeyLink, &private_text);
    let old_private = Old { found: private, edit: private_edit, kind: ObjectType::PrivateKey };
    let old_public = Old { found: public, edit: public_edit, kind: ObjectType::PublicKey };
    let offset = request.offset;
    let mut actions =
        replace(context, old_private, private_uid, private_half, &for_private, to_public, offset).await?;
    actions.extend(
        replace(context, old_public, public_uid, public_half, &for_public, to_private, offset).await?,
    );
    context.turn.commit(actions).await?;
    context.made_pair(&private_text, &public_text);
    Ok(Reply::Payload(ResponsePayload::ReKeyKeyPair(Response {
        private_key_unique_identifier: private_text.into(),
        public_key_unique_identifier: public_text.into(),
        private_key_attributes: None,
        public_key_attributes: None,
    })))
}

/// A half that is replaced.
struct Old {
    found: Found,
    edit: Edit,
    kind: ObjectType,
}

fn check_source(context: &Context<'_, '_>, found: &Found) -> Result<(), Error> {
    if found.object.object_type != ObjectType::PrivateKey.value() {
        return Err(Failure::invalid_field("Re-key Key Pair is asked for by the private key").into());
    }
    check_alive(context, found)?;
    Ok(check_value_is_here(found)?)
}

fn check_alive(context: &Context<'_, '_>, found: &Found) -> Result<(), Error> {
    found.on_line()?;
    if context.turn.state_of(found).is_destroyed() {
        return Err(Refused::Destroyed.into());
    }
    Ok(())
}

/// The public key a private key is linked to.
async fn public_half_of(context: &mut Context<'_, '_>, private: &Found) -> Result<(Found, Edit), Error> {
    let linked = decoded(private).find_map(|attribute| match attribute {
        Attribute::Link(link) if link.kind == LinkType::PublicKeyLink => {
            link.object.as_text().map(str::to_owned)
        }
        _ => None,
    });
    let linked = linked.ok_or(Failure::invalid_field("the private key is not linked to a public key"))?;
    let found = context.turn.find(&linked).await?;
    check_alive(context, &found)?;
    let edit = Edit::of(&found, context.turn.now(), context.version)?;
    Ok((found, edit))
}

/// The two actions that put a new half in the place of an old one: the names are free before they are taken.
async fn replace(
    context: &mut Context<'_, '_>,
    mut old: Old,
    uid: Uid,
    half: Half,
    template: &Template,
    other: Attribute,
    offset: Option<Interval>,
) -> Result<Vec<Action>, Error> {
    let description = description(context, &old, &half, template, other, offset)?;
    old.edit.names.clear();
    old.edit.replace_link(link(LinkType::ReplacementObjectLink, &uid.to_string()));
    let registration =
        context.turn.registration(uid, old.kind.value(), &half.material, None, description).await?;
    Ok(vec![old.edit.change().of(&old.found).into(), registration.into()])
}

fn description(
    context: &Context<'_, '_>,
    old: &Old,
    half: &Half,
    template: &Template,
    other: Attribute,
    offset: Option<Interval>,
) -> Result<Description, Failure> {
    let now = context.turn.now().as_secs();
    let rest = template.attributes.iter().filter(|attribute| {
        !matches!(
            attribute.kind(),
            Some(
                AttributeKind::KeyFormatType
                    | AttributeKind::CryptographicDomainParameters
                    | AttributeKind::CryptographicAlgorithm
                    | AttributeKind::CryptographicLength
            )
        )
    });
    let rest = Template::from(rest.cloned().collect::<Vec<_>>());
    let mut description = inherited(&old.found, &old.edit, &rest)?;
    set_dates(&mut description, &old.edit.dates, offset, now)?;
    override_dates(&mut description, &rest)?;
    description.attributes.retain(|one| one.name != AttributeKind::CryptographicDomainParameters.spec_name());
    let mut facts = half.facts.clone();
    if !rest.attributes.iter().any(|given| given.kind() == Some(AttributeKind::CryptographicUsageMask)) {
        let mask = |known: &Attribute| known.kind() == Some(AttributeKind::CryptographicUsageMask);
        facts.extend(decoded(&old.found).find(mask));
    }
    facts.push(Attribute::OriginalCreationDate(date(now)));
    facts.push(link(LinkType::ReplacedObjectLink, &old.found.identifier()));
    facts.push(other);
    description.attributes.extend(stored(facts.iter()));
    Ok(description)
}
