//! Re-certify (1.x section 4.8): a certificate renewed. The new one is of the same key and, unless a certificate
//! request says otherwise, of the same subject; it takes over the Name, and each tells of the other by a link.

use kmip::ops::re_certify::{Request, Response};
use kmip::{Attribute, LinkType, ManagedObject, ResponsePayload, Template};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

use super::certify::{certificate, requested, same_key, validity};
use super::create_key_pair::expanded;
use super::{Context, Error, Reply};
use crate::attributes::edit::Edit;
use crate::attributes::read::decoded;
use crate::attributes::{date, kmip_name};
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::authority::{Authority, CLOCK_SKEW_S, Subject};
use crate::keys::certificate::general_names;
use crate::keys::fetch::kept;
use crate::keys::pair::link;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let (found, mut old) = context.edit(request.unique_identifier.as_ref()).await?;
    context.turn.may_get(&found)?;
    let material = kept(context, &found).await?;
    let ManagedObject::Certificate(kept) = read_stored(&material)? else {
        return Err(Failure::invalid_field("Re-certify is asked for by a certificate").into());
    };
    let (mut subject, span) = subject(&kept.value)?;
    let authority = Authority::of(context).await?;
    let mut template = expanded(context, request.attributes.as_ref()).await?;
    if let Some(csr) = &request.certificate_request {
        let wanted = requested(request.certificate_request_type, csr, &template)?;
        same_key(&wanted, &subject.public_key)?;
        subject = wanted;
    }
    let now = context.turn.now().as_secs();
    if let Some(offset) = request.offset {
        let begin = now.saturating_add(offset.0.into());
        template.attributes.push(Attribute::ActivationDate(date(begin)));
    }
    let (begin, end) = renewed(&template, now, span)?;
    let der = authority.certify(&subject, begin, end)?;
    old.names.iter().for_each(|name| template.attributes.push(Attribute::Name(kmip_name(name))));
    let uid = context.turn.registered_uid()?;
    let text = uid.to_string();
    let mut links = vec![link(LinkType::ReplacedObjectLink, &found.identifier())];
    let holder = decoded(&found).find_map(|attribute| match attribute {
        Attribute::Link(link) if link.kind == LinkType::PublicKeyLink => Some(link),
        _ => None,
    });
    let mut actions = Vec::with_capacity(3);
    if let Some(holder) = holder {
        if let Some(identifier) = holder.object.as_text()
            && let Ok(key) = context.turn.find(identifier).await
        {
            let mut edit = Edit::of(&key, context.turn.now(), context.version)?;
            edit.replace_link(link(LinkType::CertificateLink, &text));
            actions.push(edit.change().of(&key).into());
        }
        links.push(Attribute::Link(holder));
    }
    old.names.clear();
    old.replace_link(link(LinkType::ReplacementObjectLink, &text));
    actions.push(old.change().of(&found).into());
    actions.push(certificate(context, uid, der, &template, links).await?);
    context.turn.commit(actions).await?;
    context.made(&text);
    let response = Response { unique_identifier: text.into(), attributes: None };
    Ok(Reply::Payload(ResponsePayload::ReCertify(response)))
}

/// Whom the old certificate is about, and for how long it held.
fn subject(der: &[u8]) -> Result<(Subject, u64), Failure> {
    let (_, old) =
        X509Certificate::from_der(der).map_err(|_| Failure::invalid_field("the certificate is not X.509"))?;
    let alternative_names = old
        .extensions()
        .iter()
        .filter(|one| matches!(one.parsed_extension(), ParsedExtension::SubjectAlternativeName(_)))
        .flat_map(|one| general_names(one.value))
        .map(|name| name.0)
        .collect();
    let span = old.validity().not_after.timestamp().saturating_sub(old.validity().not_before.timestamp());
    let subject = Subject {
        name: old.subject().as_raw().to_vec(),
        alternative_names,
        public_key: old.public_key().raw.to_vec(),
    };
    Ok((subject, u64::try_from(span).unwrap_or(0)))
}

/// For as long as the old one held, unless the request says otherwise.
fn renewed(template: &Template, now: u64, span: u64) -> Result<(u64, u64), Failure> {
    let (begin, end) = validity(template, now)?;
    let said = template.attributes.iter().any(|one| matches!(one, Attribute::DeactivationDate(_)));
    let end = if said { end } else { begin.max(now.saturating_sub(CLOCK_SKEW_S)).saturating_add(span) };
    Ok((begin, end))
}
