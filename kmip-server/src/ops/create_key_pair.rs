//! Create Key Pair: two linked objects with exact material, made together or not at all.

use kmip::ops::create_key_pair::{Request, Response};
use kmip::{Attribute, AttributeKind, KeyFormatType, LinkType, ObjectType, ResponsePayload, Template};

use super::create::is_safe_pair;
use super::{Context, Error, Reply};
use crate::attributes::wanted::untyped;
use crate::keys::pair::{Half, PairRequest, generate, link, private_half, public_half};
use crate::objects::Wanted;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request) -> Result<Reply, Error> {
    let common = expanded(context, request.common_attributes.as_ref()).await?;
    let private = merged(&common, &expanded(context, request.private_key_attributes.as_ref()).await?);
    let public = merged(&common, &expanded(context, request.public_key_attributes.as_ref()).await?);
    is_safe_pair(&public)?;
    is_safe_pair(&private)?;
    let pair = PairRequest::of(&private, &public)?;
    let spec = pair.spec()?;
    let (private_wanted, private_format) = wanted(context, &private).await?;
    let (public_wanted, public_format) = wanted(context, &public).await?;
    let (private_key, public_key) = generate(spec).await?;
    let algorithm = pair.algorithm.expect("a specification names its algorithm");
    let version = context.version;
    let private_half = private_half(&private_key, algorithm, private_format, version)?;
    let public_half = public_half(&public_key, algorithm, public_format, version)?;
    let (private_uid, public_uid) = (context.turn.registered_uid()?, context.turn.registered_uid()?);
    let (private_text, public_text) = (private_uid.to_string(), public_uid.to_string());
    let to_public = link(LinkType::PublicKeyLink, &public_text);
    let to_private = link(LinkType::PrivateKeyLink, &private_text);
    let mut actions = Vec::with_capacity(2);
    for (uid, kind, half, wanted, link) in [
        (private_uid, ObjectType::PrivateKey, private_half, private_wanted, to_public),
        (public_uid, ObjectType::PublicKey, public_half, public_wanted, to_private),
    ] {
        let description = described(context, wanted, &half, link);
        let registration =
            context.turn.registration(uid, kind.value(), &half.material, None, description).await?;
        actions.push(registration.into());
    }
    context.turn.commit(actions).await?;
    context.made_pair(&private_text, &public_text);
    Ok(Reply::Payload(ResponsePayload::CreateKeyPair(Response {
        private_key_unique_identifier: private_text.into(),
        public_key_unique_identifier: public_text.into(),
        private_key_attributes: None,
        public_key_attributes: None,
    })))
}

pub(super) async fn expanded(
    context: &mut Context<'_, '_>,
    template: Option<&Template>,
) -> Result<Template, Error> {
    match template {
        None => Ok(Template::default()),
        Some(template) if template.names.is_empty() => Ok(template.clone()),
        Some(template) => context.expand(template).await,
    }
}

/// The attributes of one half: those of both, overridden by its own.
pub(super) fn merged(common: &Template, own: &Template) -> Template {
    let said = |attribute: &Attribute| own.attributes.iter().any(|other| other.name() == attribute.name());
    let inherited = common.attributes.iter().filter(|attribute| !said(attribute));
    Template::from(inherited.chain(own.attributes.iter()).cloned().collect::<Vec<_>>())
}

/// What one half is to have, and the Key Format Type it is to be made in.
pub(super) async fn wanted(
    context: &mut Context<'_, '_>,
    template: &Template,
) -> Result<(Wanted, Option<KeyFormatType>), Error> {
    let format = template.attributes.iter().find_map(|attribute| match attribute {
        Attribute::KeyFormatType(format) => Some(*format),
        _ => None,
    });
    let rest = template.attributes.iter().filter(|attribute| {
        !matches!(
            attribute.kind(),
            Some(AttributeKind::KeyFormatType | AttributeKind::CryptographicDomainParameters)
        )
    });
    let rest = Template::from(rest.cloned().collect::<Vec<_>>());
    // What is said of both halves cannot be the type of each.
    let rest = untyped(&rest, &[ObjectType::PrivateKey, ObjectType::PublicKey]);
    Ok((context.wanted(Some(&rest)).await?, format))
}

fn described(
    context: &Context<'_, '_>,
    mut wanted: Wanted,
    half: &Half,
    link: Attribute,
) -> model::commands::Description {
    let now = context.turn.now().as_secs();
    half.facts.iter().for_each(|fact| wanted.add_if_absent(fact.clone()));
    wanted.add_if_absent(Attribute::OriginalCreationDate(crate::attributes::date(now)));
    wanted.add_fact(link);
    let activate = context.turn.service().policy.auto_activate;
    wanted.describe(activate.then_some(now))
}
