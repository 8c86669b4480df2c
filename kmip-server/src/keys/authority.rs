//! The certificate authority of a service: who signs what Certify and Re-certify make.
//!
//! It is a managed certificate of the service's own, found by its Name `certificate-authority/<service>`,
//! with a link to its private key. The first Certify makes both (P-256, ten years), the key neither to be
//! read nor extracted; whoever wants another registers a certificate of that name before.

use crypto::certify::{Certification, CertifyError, distinguished_name};
use crypto::formats::{Curve, PrivateKey};
use crypto::keypair::KeyPairSpec;
use engine::{Found, Refused};
use kmip::{
    Attribute, Certificate, CertificateType, LinkType, ManagedObject, ResultReason, Template, UsageMask,
    Version,
};
use model::object::KeyState;
use model::refusal::Refusal;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::fetch::kept;
use super::new::{add_origin, registration};
use super::pair::{generate, link, private_half, public_half};
use crate::attributes::read::decoded;
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::blocks::private_key;
use crate::objects::Wanted;
use crate::ops::register::add_facts;
use crate::ops::{Context, Error};

/// How long an authority made here holds.
const AUTHORITY_S: u64 = 10 * 365 * 24 * 60 * 60;

/// How long before now a certificate begins to hold: clocks differ.
pub const CLOCK_SKEW_S: u64 = 5 * 60;

/// A certificate authority, ready to sign.
pub struct Authority {
    /// Its name in DER.
    name: Vec<u8>,
    /// Its public key, a SubjectPublicKeyInfo.
    public_key: Vec<u8>,
    key: PrivateKey,
    /// Until when it holds, seconds since 1970.
    not_after: u64,
}

/// What is certified.
pub struct Subject {
    /// Its name in DER.
    pub name: Vec<u8>,
    /// GeneralName in DER each.
    pub alternative_names: Vec<Vec<u8>>,
    /// Its SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

impl Authority {
    /// The authority of the caller's service, made now if there is none.
    ///
    /// # Errors
    /// What the engine refuses; Permission Denied for an authority that is not to be used.
    pub async fn of(context: &mut Context<'_, '_>) -> Result<Self, Error> {
        let name = format!("certificate-authority/{}", context.turn.service().name.as_str());
        if let Some(found) = named(context, &name).await? {
            return Self::read(context, &found).await;
        }
        match make(context, &name).await {
            // Another request made it meanwhile.
            Err(Error::Refused(Refused::Refused(Refusal::NameTaken { .. }))) => {}
            made => made?,
        }
        let found = named(context, &name).await?;
        let found = found.ok_or(Failure::new(
            ResultReason::GeneralFailure,
            "the name of the certificate authority belongs to another service of this tenant",
        ))?;
        Self::read(context, &found).await
    }

    async fn read(context: &mut Context<'_, '_>, found: &Found) -> Result<Self, Error> {
        let unusable = |message| Failure::new(ResultReason::PermissionDenied, message);
        if matches!(context.turn.state_of(found), KeyState::Deactivated | KeyState::Compromised) {
            return Err(unusable("the certificate authority was revoked").into());
        }
        let material = kept(context, found).await?;
        let ManagedObject::Certificate(certificate) = read_stored(&material)? else {
            return Err(unusable("the object named as certificate authority is no certificate").into());
        };
        let unreadable = Failure::invalid_field("the authority's certificate is not X.509");
        let (_, parsed) = X509Certificate::from_der(&certificate.value).map_err(|_| unreadable)?;
        let linked = decoded(found).find_map(|attribute| match attribute {
            Attribute::Link(link) if link.kind == LinkType::PrivateKeyLink => {
                link.object.as_text().map(str::to_owned)
            }
            _ => None,
        });
        let linked = linked.ok_or(unusable("the authority's certificate is not linked to a private key"))?;
        let holder = context.turn.find(&linked).await?;
        if matches!(context.turn.state_of(&holder), KeyState::Deactivated | KeyState::Compromised) {
            return Err(unusable("the certificate authority's key was revoked").into());
        }
        let key = kept(context, &holder).await?;
        let key = match read_stored(&key)? {
            ManagedObject::PrivateKey(key) => key.key_block.as_ref().map(private_key).transpose()?,
            _ => None,
        };
        Ok(Self {
            name: parsed.subject().as_raw().to_vec(),
            public_key: parsed.public_key().raw.to_vec(),
            key: key.ok_or(unusable("the authority's private key is not kept here"))?,
            not_after: u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0),
        })
    }

    /// A certificate of the subject, signed. It never outlives the authority's own.
    ///
    /// # Errors
    /// Invalid Field for dates no certificate can have.
    pub fn certify(&self, subject: &Subject, not_before: u64, not_after: u64) -> Result<Vec<u8>, Failure> {
        let not_after = not_after.min(self.not_after);
        if not_after <= not_before {
            return Err(Failure::invalid_field("the certificate would end before it begins"));
        }
        let certification = Certification {
            serial: crypto::random::bytes(),
            issuer: &self.name,
            subject: &subject.name,
            alternative_names: &subject.alternative_names,
            not_before,
            not_after,
            public_key: &subject.public_key,
            issuer_key: &self.public_key,
            is_authority: false,
        };
        certification.sign(&self.key).map_err(failed)
    }
}

/// The certificate of that name, not older than this call.
async fn named(context: &mut Context<'_, '_>, name: &str) -> Result<Option<Found>, Error> {
    let object = context.turn.object_named(name).await?;
    Ok(object.map(|object| Found { object, has_row: true }))
}

async fn make(context: &mut Context<'_, '_>, name: &str) -> Result<(), Error> {
    let (private, public) = generate(KeyPairSpec::Ec(Curve::P256)).await?;
    let public_key = public.to_spki().map_err(|error| failed(error.into()))?;
    let now = context.turn.now().as_secs();
    let subject = distinguished_name(&[
        ("2.5.4.10", &context.turn.tenant().name.to_string()),
        ("2.5.4.11", &context.turn.service().name.to_string()),
        ("2.5.4.3", "keyraft certificate authority"),
    ]);
    let certification = Certification {
        serial: crypto::random::bytes(),
        issuer: &subject,
        subject: &subject,
        alternative_names: &[],
        not_before: now.saturating_sub(CLOCK_SKEW_S),
        not_after: now.saturating_add(AUTHORITY_S),
        public_key: &public_key,
        issuer_key: &public_key,
        is_authority: true,
    };
    let der = certification.sign(&private).map_err(failed)?;
    let certificate =
        ManagedObject::Certificate(Certificate { kind: CertificateType::X509, value: der.into() });
    let algorithm = kmip::CryptographicAlgorithm::Ec;
    let private = private_half(&private, algorithm, Some(kmip::KeyFormatType::Pkcs8), Version::V2_1)?;
    let public = public_half(&public, algorithm, Some(kmip::KeyFormatType::X509), Version::V2_1)?;
    let uid = |context: &Context<'_, '_>| context.turn.registered_uid();
    let (private_uid, public_uid, certificate_uid) = (uid(context)?, uid(context)?, uid(context)?);
    let mask = |mask: UsageMask| Attribute::CryptographicUsageMask(mask);
    let hidden = [
        mask(UsageMask::CERTIFICATE_SIGN),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        link(LinkType::PublicKeyLink, &public_uid.to_string()),
        link(LinkType::CertificateLink, &certificate_uid.to_string()),
    ];
    let shown = [
        mask(UsageMask::VERIFY),
        link(LinkType::PrivateKeyLink, &private_uid.to_string()),
        link(LinkType::CertificateLink, &certificate_uid.to_string()),
    ];
    let certified = [
        Attribute::Name(name.into()),
        mask(UsageMask::VERIFY),
        link(LinkType::PrivateKeyLink, &private_uid.to_string()),
        link(LinkType::PublicKeyLink, &public_uid.to_string()),
    ];
    let mut actions = Vec::with_capacity(3);
    for (uid, attributes, half) in
        [(private_uid, hidden.to_vec(), private), (public_uid, shown.to_vec(), public)]
    {
        let mut wanted = Wanted::of(&Template::from(attributes))?;
        half.facts.into_iter().for_each(|fact| wanted.add_if_absent(fact));
        add_origin(context, &mut wanted);
        actions.push(registration(context, uid, &read_stored(&half.material)?, wanted).await?);
    }
    let mut wanted = Wanted::of(&Template::from(certified.to_vec()))?;
    add_facts(&mut wanted, &certificate);
    actions.push(registration(context, certificate_uid, &certificate, wanted).await?);
    Ok(context.turn.commit(actions).await?)
}

fn failed(error: CertifyError) -> Failure {
    let reason = match error {
        CertifyError::Date => ResultReason::InvalidField,
        _ => ResultReason::CryptographicFailure,
    };
    Failure { message: error.to_string().into(), ..Failure::new(reason, "") }
}
