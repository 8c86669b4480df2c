//! Validate (1.4, 4.24): whether certificates form a chain that holds at a moment.
//!
//! Each certificate must be in its time, and be signed by another of the request that may sign, or by
//! itself. A chain whose issuer is not among them is unknown, not invalid. What a self-signed certificate
//! is worth is for its owner to know: nothing here trusts one.

use kmip::ops::validate::{Request, Response};
use kmip::{ManagedObject, ResponsePayload, ValidityIndicator};
use model::object::KeyState;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use super::{Context, Error, Reply};
use crate::dispatch::read_stored;
use crate::failure::Failure;

/// Most certificates of one request: each costs a signature check, and no chain is so long.
const CERTIFICATES_MAX: usize = 32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let count = request.certificates.len() + request.unique_identifiers.len();
    if count == 0 || count > CERTIFICATES_MAX {
        return Err(Failure::invalid_field("Validate takes 1 to 32 certificates").into());
    }
    let mut all: Vec<Vec<u8>> =
        request.certificates.iter().map(|certificate| certificate.value.to_vec()).collect();
    let mut compromised = false;
    for named in &request.unique_identifiers {
        let found = context.find(Some(named)).await?;
        context.turn.may_get(&found)?;
        compromised |= context.turn.state_of(&found) == KeyState::Compromised;
        let material = context.turn.material(&found).await?;
        match read_stored(&material)? {
            ManagedObject::Certificate(certificate) => all.push(certificate.value.to_vec()),
            _ => return Err(Failure::invalid_field("only certificates are validated").into()),
        }
    }
    let now = i64::try_from(context.turn.now().as_secs()).unwrap_or(i64::MAX);
    let at = request.validity_date.map_or(now, |date| date.0);
    let validity_indicator = if compromised { ValidityIndicator::Invalid } else { judge(&all, at) };
    Ok(Reply::Payload(ResponsePayload::Validate(Response { validity_indicator })))
}

/// The verdict on all certificates together.
pub fn judge(all: &[Vec<u8>], at: i64) -> ValidityIndicator {
    let parsed: Result<Vec<_>, _> =
        all.iter().map(|der| X509Certificate::from_der(der).map(|(_, parsed)| parsed)).collect();
    let (Ok(parsed), Ok(at)) = (parsed, ASN1Time::from_timestamp(at)) else {
        return ValidityIndicator::Invalid;
    };
    let mut verdict = ValidityIndicator::Valid;
    for certificate in &parsed {
        match issued(certificate, &parsed, at) {
            ValidityIndicator::Invalid => return ValidityIndicator::Invalid,
            ValidityIndicator::Unknown => verdict = ValidityIndicator::Unknown,
            ValidityIndicator::Valid => {}
        }
    }
    verdict
}

fn issued(certificate: &X509Certificate<'_>, all: &[X509Certificate<'_>], at: ASN1Time) -> ValidityIndicator {
    if !certificate.validity().is_valid_at(at) {
        return ValidityIndicator::Invalid;
    }
    let mut candidates =
        all.iter().filter(|other| other.subject().as_raw() == certificate.issuer().as_raw()).peekable();
    if candidates.peek().is_none() {
        return ValidityIndicator::Unknown;
    }
    let signs = |issuer: &&X509Certificate<'_>| {
        let itself = issuer.tbs_certificate.as_ref() == certificate.tbs_certificate.as_ref();
        (itself || issuer.is_ca()) && certificate.verify_signature(Some(issuer.public_key())).is_ok()
    };
    if candidates.any(|issuer| signs(&issuer)) {
        ValidityIndicator::Valid
    } else {
        ValidityIndicator::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    /// 2030-01-01: within rcgen's default validity.
    const WITHIN: i64 = 1_893_456_000;

    fn chain() -> (Vec<u8>, Vec<u8>) {
        let root_key = KeyPair::generate().expect("a key");
        let mut root = CertificateParams::new(Vec::new()).expect("parameters");
        root.distinguished_name.push(rcgen::DnType::CommonName, "root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_certificate = root.self_signed(&root_key).expect("signed").der().to_vec();
        let leaf_key = KeyPair::generate().expect("a key");
        let mut leaf = CertificateParams::new(vec!["leaf".to_owned()]).expect("parameters");
        leaf.distinguished_name.push(rcgen::DnType::CommonName, "leaf");
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(root, root_key)).expect("signed");
        (leaf.der().to_vec(), root_certificate)
    }

    #[test]
    fn a_chain_holds_in_any_order_and_without_its_root_nobody_knows() {
        let (leaf, root) = chain();
        assert_eq!(judge(&[leaf.clone(), root.clone()], WITHIN), ValidityIndicator::Valid);
        assert_eq!(judge(&[root.clone(), leaf.clone()], WITHIN), ValidityIndicator::Valid);
        assert_eq!(judge(&[leaf], WITHIN), ValidityIndicator::Unknown);
        assert_eq!(judge(&[root], i64::from(i32::MAX) * 100), ValidityIndicator::Invalid);
    }

    #[test]
    fn a_forged_leaf_and_bytes_that_are_no_certificate_are_invalid() {
        let ((leaf, _), (_, other_root)) = (chain(), chain());
        assert_eq!(judge(&[leaf.clone(), other_root], WITHIN), ValidityIndicator::Invalid);
        let mut altered = leaf;
        let middle = altered.len() / 2;
        altered[middle] ^= 1;
        assert_ne!(judge(&[altered], WITHIN), ValidityIndicator::Valid);
        assert_eq!(judge(&[vec![1, 2, 3]], WITHIN), ValidityIndicator::Invalid);
    }
}
