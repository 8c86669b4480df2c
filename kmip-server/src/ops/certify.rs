//! Certify (1.x section 4.7): a certificate for a public key, signed by the service's own authority.
//!
//! The subject's name is that of the request, of its Certificate Subject attributes, or the key's Name.

use crypto::certify::{distinguished_name, dns_name};
use engine::Found;
use kmip::ops::certify::{Request, Response};
use kmip::{
    Attribute, AttributeKind, Certificate, CertificateRequestType, CertificateType, LinkType, ManagedObject,
    ResponsePayload, ResultReason, Template,
};
use model::command::Action;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::create_key_pair::expanded;
use super::register::add_facts;
use super::{Context, Error, Reply};
use crate::attributes::edit::Edit;
use crate::attributes::read::attributes_of;
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::authority::{Authority, CLOCK_SKEW_S, Subject};
use crate::keys::blocks::public_key;
use crate::keys::fetch::kept;
use crate::keys::new::registration;
use crate::keys::pair::link;

/// How long a certificate holds that says nothing else.
pub(super) const VALIDITY_S: u64 = 365 * 24 * 60 * 60;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let template = expanded(context, request.attributes.as_ref()).await?;
    let (subject, holder) = subject(context, request, &template).await?;
    let authority = Authority::of(context).await?;
    let now = context.turn.now().as_secs();
    let (begin, end) = validity(&template, now)?;
    let der = authority.certify(&subject, begin, end)?;
    let uid = context.turn.registered_uid()?;
    let text = uid.to_string();
    let mut actions: Vec<Action> = Vec::new();
    let mut links = Vec::new();
    if let Some(found) = &holder {
        links.push(link(LinkType::PublicKeyLink, &found.identifier()));
        let mut edit = Edit::of(found, context.turn.now(), context.version)?;
        edit.replace_link(link(LinkType::CertificateLink, &text));
        actions.push(edit.change().of(found).into());
    }
    actions.push(certificate(context, uid, der, &template, links).await?);
    context.turn.commit(actions).await?;
    context.made(&text);
    let response = Response { unique_identifier: text.into(), attributes: None };
    Ok(Reply::Payload(ResponsePayload::Certify(response)))
}

/// The action that keeps a new certificate.
pub(super) async fn certificate(
    context: &mut Context<'_, '_>,
    uid: model::uid::Uid,
    der: Vec<u8>,
    template: &Template,
    links: Vec<Attribute>,
) -> Result<Action, Error> {
    let own = template.attributes.iter().filter(|attribute| !names_subject(attribute));
    let own = Template::from(own.cloned().collect::<Vec<_>>());
    let mut wanted = context.wanted(Some(&own)).await?;
    let object = ManagedObject::Certificate(Certificate { kind: CertificateType::X509, value: der.into() });
    add_facts(&mut wanted, &object);
    links.into_iter().for_each(|link| wanted.add_fact(link));
    registration(context, uid, &object, wanted).await
}

/// Activation and Deactivation Date are also the certificate's; otherwise it holds for a year from now.
pub(super) fn validity(template: &Template, now: u64) -> Result<(u64, u64), Failure> {
    let (mut begin, mut end) = (now.saturating_sub(CLOCK_SKEW_S), None);
    for attribute in template.attributes.iter() {
        match attribute {
            Attribute::ActivationDate(date) => begin = crate::attributes::seconds(*date)?,
            Attribute::DeactivationDate(date) => end = Some(crate::attributes::seconds(*date)?),
            _ => {}
        }
    }
    Ok((begin, end.unwrap_or(begin.max(now).saturating_add(VALIDITY_S))))
}

/// Who is certified, and the public key object that stands for it, if there is one.
async fn subject(
    context: &mut Context<'_, '_>,
    request: &Request<'_>,
    template: &Template,
) -> Result<(Subject, Option<Found>), Error> {
    if let Some(csr) = &request.certificate_request {
        let subject = requested(request.certificate_request_type, csr, template)?;
        if request.unique_identifier.is_none() {
            return Ok((subject, None));
        }
        let found = context.find(request.unique_identifier.as_ref()).await?;
        same_key(&subject, &public_key_info(context, &found).await?)?;
        return Ok((subject, Some(found)));
    }
    if let Some(named) = &request.certificate_request_unique_identifier {
        let found = context.find(Some(named)).await?;
        let material = kept(context, &found).await?;
        return match read_stored(&material)? {
            ManagedObject::CertificateRequest(csr) => {
                Ok((requested(Some(csr.kind), &csr.value, template)?, None))
            }
            _ => Err(Failure::invalid_field("the object named is no certificate request").into()),
        };
    }
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let spki = public_key_info(context, &found).await?;
    let name = name_in(template).unwrap_or_else(|| {
        let known = attributes_of(&found, context.turn.now());
        let own = known.iter().find_map(|attribute| match attribute {
            Attribute::Name(name) => Some(name.value.clone()),
            _ => None,
        });
        distinguished_name(&[("2.5.4.3", &own.unwrap_or(found.identifier()))])
    });
    Ok((Subject { name, alternative_names: alternative_names(template), public_key: spki }, Some(found)))
}

/// The Subject Public Key Info of a public key kept here.
async fn public_key_info(context: &mut Context<'_, '_>, found: &Found) -> Result<Vec<u8>, Error> {
    context.turn.may_get(found)?;
    let material = kept(context, found).await?;
    let ManagedObject::PublicKey(key) = read_stored(&material)? else {
        return Err(Failure::invalid_field("Certify is asked for by a public key").into());
    };
    let block = key.key_block.as_ref().ok_or(Failure::invalid_field("the public key is not kept here"))?;
    let spki = public_key(block)?.to_spki();
    Ok(spki.map_err(|_| Failure::invalid_field("the public key cannot be certified"))?)
}

/// A request certifies the key it is made beside, and no other.
pub(super) fn same_key(requested: &Subject, key: &[u8]) -> Result<(), Failure> {
    if requested.public_key == key {
        return Ok(());
    }
    Err(Failure::new(ResultReason::InvalidCsr, "the certificate request is for another key"))
}

/// A PKCS#10 request, whose signature proves that its sender has the key.
pub(super) fn requested(
    kind: Option<CertificateRequestType>,
    csr: &[u8],
    template: &Template,
) -> Result<Subject, Failure> {
    let invalid = |message| Failure::new(ResultReason::InvalidCsr, message);
    let pem;
    let der = match kind {
        Some(CertificateRequestType::Pkcs10) | None => csr,
        Some(CertificateRequestType::Pem) => {
            let parsed = x509_parser::pem::parse_x509_pem(csr);
            pem = parsed.map_err(|_| invalid("the certificate request is not PEM"))?.1;
            &pem.contents
        }
        Some(CertificateRequestType::Crmf | CertificateRequestType::Pgp) => {
            return Err(Failure::not_supported("certificate requests are taken in PKCS#10, in DER or PEM"));
        }
    };
    let malformed = "the certificate request is not PKCS#10";
    let (_, request) = X509CertificationRequest::from_der(der).map_err(|_| invalid(malformed))?;
    request.verify_signature().map_err(|_| invalid("the certificate request's signature does not verify"))?;
    let information = &request.certification_request_info;
    let mut alternative_names = alternative_names(template);
    for extension in request.requested_extensions().into_iter().flatten() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension {
            alternative_names.extend(names.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(dns_name(name)),
                _ => None,
            }));
        }
    }
    Ok(Subject {
        name: name_in(template).unwrap_or_else(|| information.subject.as_raw().to_vec()),
        alternative_names,
        public_key: information.subject_pki.raw.to_vec(),
    })
}

/// The subject's name as the template has it: in DER, or in its parts.
fn name_in(template: &Template) -> Option<Vec<u8>> {
    let whole = template.attributes.iter().find_map(|attribute| match attribute {
        Attribute::X509CertificateSubject(subject) => Some(subject.distinguished_name.0.clone()),
        _ => None,
    });
    if whole.is_some() {
        return whole;
    }
    let parts: Vec<(&str, &str)> = template.attributes.iter().flat_map(parts).collect();
    (!parts.is_empty()).then(|| distinguished_name(&parts))
}

fn parts(attribute: &Attribute) -> Vec<(&'static str, &str)> {
    match attribute {
        Attribute::CertificateSubjectC(text) => vec![("2.5.4.6", text)],
        Attribute::CertificateSubjectSt(text) => vec![("2.5.4.8", text)],
        Attribute::CertificateSubjectL(text) => vec![("2.5.4.7", text)],
        Attribute::CertificateSubjectO(text) => vec![("2.5.4.10", text)],
        Attribute::CertificateSubjectOu(text) => vec![("2.5.4.11", text)],
        Attribute::CertificateSubjectCn(text) => vec![("2.5.4.3", text)],
        Attribute::CertificateSubjectEmail(text) => vec![("1.2.840.113549.1.9.1", text)],
        Attribute::CertificateSubjectUid(text) => vec![("0.9.2342.19200300.100.1.1", text)],
        Attribute::CertificateSubjectSerialNumber(text) => vec![("2.5.4.5", text)],
        Attribute::CertificateSubjectTitle(text) => vec![("2.5.4.12", text)],
        Attribute::CertificateSubjectDc(text) => vec![("0.9.2342.19200300.100.1.25", text)],
        Attribute::CertificateSubjectDnQualifier(text) => vec![("2.5.4.46", text)],
        // 1.0's text form: the parts of RFC 4514, last first.
        Attribute::CertificateSubject(subject) => named_parts(&subject.distinguished_name),
        _ => Vec::new(),
    }
}

fn named_parts(name: &str) -> Vec<(&'static str, &str)> {
    let part = |part: &'_ str| -> Option<(&'static str, usize)> {
        let (short, text) = part.split_once('=')?;
        let identifier = match short.trim().to_ascii_uppercase().as_str() {
            "CN" => "2.5.4.3",
            "O" => "2.5.4.10",
            "OU" => "2.5.4.11",
            "C" => "2.5.4.6",
            "ST" => "2.5.4.8",
            "L" => "2.5.4.7",
            "UID" => "0.9.2342.19200300.100.1.1",
            "DC" => "0.9.2342.19200300.100.1.25",
            "E" => "1.2.840.113549.1.9.1",
            _ => return None,
        };
        Some((identifier, part.len() - text.len()))
    };
    name.split(',')
        .rev()
        .filter_map(|one| part(one).map(|(identifier, at)| (identifier, &one[at..])))
        .collect()
}

fn alternative_names(template: &Template) -> Vec<Vec<u8>> {
    template
        .attributes
        .iter()
        .flat_map(|attribute| match attribute {
            Attribute::X509CertificateSubject(subject) => {
                subject.alternative_names.iter().map(|name| name.0.clone()).collect()
            }
            Attribute::CertificateSubject(subject) => {
                subject.alternative_names.iter().map(|name| dns_name(name)).collect()
            }
            _ => Vec::new(),
        })
        .collect()
}

/// Attributes that say whom to certify, and that the certificate will say itself.
fn names_subject(attribute: &Attribute) -> bool {
    attribute.kind().is_some_and(|kind| {
        kind == AttributeKind::X509CertificateSubject
            || kind == AttributeKind::CertificateType
            || kind.spec_name().starts_with("Certificate Subject")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_textual_name_is_read_from_its_end() {
        let parts = named_parts("CN=db,OU=Data, O=Example,X=?,C=AT");
        assert_eq!(
            parts,
            [("2.5.4.6", "AT"), ("2.5.4.10", "Example"), ("2.5.4.11", "Data"), ("2.5.4.3", "db")]
        );
    }

    #[test]
    fn dates_of_the_template_are_those_of_the_certificate() {
        let now = 1_000_000;
        assert_eq!(validity(&Template::default(), now), Ok((now - CLOCK_SKEW_S, now + VALIDITY_S)));
        let dates = vec![
            Attribute::ActivationDate(crate::attributes::date(5)),
            Attribute::DeactivationDate(crate::attributes::date(9)),
        ];
        assert_eq!(validity(&dates.into(), now), Ok((5, 9)));
    }
}
