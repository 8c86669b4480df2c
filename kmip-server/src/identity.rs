//! Who a certificate speaks for (DESIGN 8).
//!
//! The tenant comes from the one SAN URI `spiffe://<trust domain>/tenant/<t>/service/<s>`, from the
//! tenantId extension and from OU: all that are present must agree, and at least one must be. Never from
//! CN, never from anything a request says. The service comes from the SAN URI, else from the first label
//! of the single SAN DNS name. Ambiguity is refused.

use model::certificate::{CertificateId, Serial};
use model::id::{ServiceName, TenantName};
use model::service::ServiceType;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::ber::{BerObjectContent, Tag};
use x509_parser::der_parser::der::parse_der;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_X509_ORGANIZATIONAL_UNIT;
use x509_parser::prelude::FromDer as _;

/// OID of the tenantId extension: `2.25.<one UUID>` (ITU-T X.667), a UTF8String.
pub const TENANT_ID_OID: &str = "2.25.208712446215489306287109215480312671544";

/// What a certificate says, before the issuer is asked whether it may say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The tenant.
    pub tenant: TenantName,
    /// The service.
    pub service: ServiceName,
    /// What the service calls itself, by its name; shown to people only.
    pub service_type: ServiceType,
    /// End of validity, seconds since the epoch.
    pub not_after_s: i64,
    /// Every name by which the certificate may be denied.
    pub names: Vec<CertificateId>,
}

/// Why a certificate names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not an X.509 certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Nothing in it names a tenant; a common name is not asked.
    #[error("no tenant identity: neither a SAN URI, nor the tenantId extension, nor OU names a tenant")]
    NoTenant,
    /// More than one of a kind, or two that differ.
    #[error("ambiguous identity: {0}")]
    Ambiguous(&'static str),
    /// A name that is not one.
    #[error("malformed identity: {0}")]
    Malformed(&'static str),
    /// Nothing in it names one service.
    #[error("no service identity: neither a SAN URI nor a single SAN DNS name names a service")]
    NoService,
    /// The issuer is pinned to other tenants.
    #[error("the issuer may not speak for this tenant")]
    IssuerNotPinned,
}

/// Reads a leaf certificate (DER). Its issuer is among `issuers`, the intermediates it came with and the trusted
/// authorities.
///
/// # Errors
/// [`IdentityError`] says what is missing or ambiguous.
pub fn identify<'i>(
    leaf: &[u8],
    issuers: impl IntoIterator<Item = &'i [u8]>,
    trust_domain: &str,
) -> Result<Identity, IdentityError> {
    let (rest, certificate) = X509Certificate::from_der(leaf).map_err(|_| IdentityError::Unreadable)?;
    if !rest.is_empty() {
        return Err(IdentityError::Unreadable);
    }
    let names = AlternativeNames::of(&certificate)?;
    let spiffe = names.spiffe(trust_domain)?;
    let claims = [
        spiffe.as_ref().map(|(tenant, _)| tenant.clone()),
        tenant_id_extension(&certificate)?,
        organizational_unit(&certificate)?,
    ];
    let tenant = agree(claims)?;
    let service = match spiffe {
        Some((_, service)) => service,
        None => names.first_label()?,
    };
    let service_type = ServiceType::parse(service.as_str()).unwrap_or(ServiceType::Other);
    let not_after_s = certificate.validity().not_after.timestamp();
    let names = certificate_names(&certificate, issuers)?;
    Ok(Identity { tenant, service, service_type, not_after_s, names })
}

/// The certificate by its own key, and by its number under every key that may have issued it. An issuer that was
/// renewed under the same name has two; a list that names either of them is heard.
fn certificate_names<'i>(
    certificate: &X509Certificate<'_>,
    issuers: impl IntoIterator<Item = &'i [u8]>,
) -> Result<Vec<CertificateId>, IdentityError> {
    let spki = |certificate: &X509Certificate<'_>| Sha256::digest(certificate.public_key().raw).into();
    let serial = Serial::from_be_bytes(certificate.raw_serial())
        .ok_or(IdentityError::Malformed("the serial number has more than 32 bytes"))?;
    let mut names = vec![CertificateId::Key { spki: spki(certificate) }];
    for issuer in issuers {
        let Ok((_, issuer)) = X509Certificate::from_der(issuer) else { continue };
        let name = CertificateId::Issued { issuer: spki(&issuer), serial };
        if issuer.subject().as_raw() == certificate.issuer().as_raw() && !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// All claims that are there name one tenant.
fn agree(claims: [Option<TenantName>; 3]) -> Result<TenantName, IdentityError> {
    let mut claims = claims.into_iter().flatten();
    let tenant = claims.next().ok_or(IdentityError::NoTenant)?;
    if claims.all(|claim| claim == tenant) {
        return Ok(tenant);
    }
    Err(IdentityError::Ambiguous("SAN URI, tenantId extension and OU name different tenants"))
}

struct AlternativeNames<'a> {
    uris: Vec<&'a str>,
    dns: Vec<&'a str>,
}

impl<'a> AlternativeNames<'a> {
    fn of(certificate: &'a X509Certificate<'_>) -> Result<Self, IdentityError> {
        let mut names = Self { uris: Vec::new(), dns: Vec::new() };
        let extension = certificate
            .subject_alternative_name()
            .map_err(|_| IdentityError::Ambiguous("two subject alternative name extensions"))?;
        let Some(extension) = extension else { return Ok(names) };
        for name in &extension.value.general_names {
            match name {
                GeneralName::URI(uri) => names.uris.push(uri),
                GeneralName::DNSName(dns) => names.dns.push(dns),
                GeneralName::Invalid(..) => {
                    return Err(IdentityError::Malformed("a SAN entry cannot be read"));
                }
                _ => {}
            }
        }
        Ok(names)
    }

    fn spiffe(&self, trust_domain: &str) -> Result<Option<(TenantName, ServiceName)>, IdentityError> {
        let uri = match self.uris[..] {
            [] => return Ok(None),
            [uri] => uri,
            _ => return Err(IdentityError::Ambiguous("two SAN URIs")),
        };
        let malformed =
            IdentityError::Malformed("the SAN URI is not spiffe://<trust domain>/tenant/<t>/service/<s>");
        let path = uri
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.strip_prefix(trust_domain))
            .and_then(|rest| rest.strip_prefix("/tenant/"))
            .ok_or(malformed)?;
        let (tenant, service) = path.split_once("/service/").ok_or(malformed)?;
        let tenant = TenantName::parse(tenant).map_err(|_| malformed)?;
        let service = ServiceName::parse(service).map_err(|_| malformed)?;
        Ok(Some((tenant, service)))
    }

    fn first_label(&self) -> Result<ServiceName, IdentityError> {
        let [dns] = self.dns[..] else { return Err(IdentityError::NoService) };
        let label = dns.split('.').next().unwrap_or_default();
        ServiceName::parse(label)
            .map_err(|_| IdentityError::Malformed("the first label of the SAN DNS name is no service name"))
    }
}

fn tenant_id_extension(certificate: &X509Certificate<'_>) -> Result<Option<TenantName>, IdentityError> {
    let mut found = None;
    for extension in certificate.extensions() {
        if extension.oid.to_id_string() != TENANT_ID_OID {
            continue;
        }
        if found.is_some() {
            return Err(IdentityError::Ambiguous("two tenantId extensions"));
        }
        debug_assert!(matches!(extension.parsed_extension(), ParsedExtension::UnsupportedExtension { .. }));
        let malformed = IdentityError::Malformed("the tenantId extension is not one UTF8String");
        let (rest, value) = parse_der(extension.value).map_err(|_| malformed)?;
        let (true, BerObjectContent::UTF8String(text)) = (rest.is_empty(), value.content) else {
            return Err(malformed);
        };
        found = Some(TenantName::parse(text).map_err(|_| malformed)?);
    }
    Ok(found)
}

/// OU, of which there is at most one, as UTF8String or PrintableString: other encodings hide look-alikes.
fn organizational_unit(certificate: &X509Certificate<'_>) -> Result<Option<TenantName>, IdentityError> {
    let units: Vec<_> = certificate.subject().iter_by_oid(&OID_X509_ORGANIZATIONAL_UNIT).collect();
    let unit = match units[..] {
        [] => return Ok(None),
        [unit] => unit.attr_value(),
        _ => return Err(IdentityError::Ambiguous("two OUs")),
    };
    let malformed = IdentityError::Malformed("OU is not a tenant's name");
    if unit.tag() != Tag::Utf8String && unit.tag() != Tag::PrintableString {
        return Err(malformed);
    }
    let text = std::str::from_utf8(unit.data).map_err(|_| malformed)?;
    TenantName::parse(text).map(Some).map_err(|_| malformed)
}

/// The validity of a certificate (DER), not before and not after, in seconds since the epoch; `None` if it
/// cannot be read.
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}
