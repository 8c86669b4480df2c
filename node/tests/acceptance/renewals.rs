//! Objects that take the place of others: re-keyed pairs, renewed certificates, certificates on request; and secrets
//! the server makes.

use client::{Client, Error, Repeat};
use kmip::message::{RequestHeader, ResponseItem};
use kmip::ops::{
    certify, create, create_key_pair, get, get_attributes, re_certify, re_key_key_pair, register, validate,
};
use kmip::ttlv::Limits;
use kmip::{
    Attribute, AttributeList, CryptographicAlgorithm, KeyBlock, KeyFormatType, KeyMaterial, KeyValue,
    LinkType, ManagedObject, ObjectType, RequestPayload, ResponseMessage, ResultReason, Template,
    UniqueIdentifier, UsageMask, ValidityIndicator, Version,
};
use rcgen::{CertificateParams, DnType, KeyPair};

use crate::support::Cluster;
use crate::wire::{self, Credentials};

async fn ask<T>(
    client: &Client,
    request: RequestPayload<'static>,
    read: impl Fn(&ResponseItem<'_>) -> T,
) -> Result<T, Error> {
    client.call(&[request], Repeat::Never, |answer| Ok(read(&answer.items[0]))).await
}

fn text(identifier: &UniqueIdentifier<'_>) -> String {
    identifier.as_text().expect("a textual identifier").to_owned()
}

fn id(text: &str) -> Option<UniqueIdentifier<'static>> {
    Some(text.to_owned().into())
}

fn template(attributes: Vec<Attribute>) -> Option<Template> {
    Some(attributes.into())
}

async fn attributes(client: &Client, identifier: &str) -> AttributeList {
    let request = get_attributes::Request { unique_identifier: id(identifier), names: Vec::new() };
    let told = ask(client, RequestPayload::GetAttributes(request), |item| {
        item.payload::<get_attributes::Response<'_>>().expect("a payload").attributes
    });
    told.await.expect("attributes")
}

/// What an object's links of a kind name.
fn linked(attributes: &AttributeList, kind: LinkType) -> Vec<String> {
    let links = attributes.iter().filter_map(|attribute| match attribute {
        Attribute::Link(link) if link.kind == kind => link.object.as_text().map(str::to_owned),
        _ => None,
    });
    links.collect()
}

fn names(attributes: &AttributeList) -> Vec<String> {
    let names = attributes.iter().filter_map(|attribute| match attribute {
        Attribute::Name(name) => Some(name.value.clone()),
        _ => None,
    });
    names.collect()
}

async fn bytes(client: &Client, identifier: &str) -> Vec<u8> {
    in_format(client, identifier, None).await
}

async fn in_format(client: &Client, identifier: &str, format: Option<KeyFormatType>) -> Vec<u8> {
    let unique_identifier = id(identifier);
    let request = get::Request { unique_identifier, key_format_type: format, ..get::Request::default() };
    let got = ask(client, RequestPayload::Get(request), |item| {
        let got: get::Response<'_> = item.payload().expect("a payload");
        match &*got.object {
            ManagedObject::Certificate(certificate) => certificate.value.to_vec(),
            object => match object.key_block().and_then(|block| block.key_value.as_ref()) {
                Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => bytes.to_vec(),
                _ => panic!("the object has no bytes"),
            },
        }
    });
    got.await.expect("the object")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_takes_the_place_of_another_with_names_and_links() {
    let cluster = Cluster::shared();
    let clients = cluster.clients("tenant-a");
    let named = |name: &str| template(vec![Attribute::Name(format!("renewals {name}").as_str().into())]);
    let request = create_key_pair::Request {
        common_attributes: template(vec![
            Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Ec),
            Attribute::CryptographicLength(256),
        ]),
        private_key_attributes: named("private"),
        public_key_attributes: named("public"),
        common_protection_storage_masks: None,
        private_protection_storage_masks: None,
        public_protection_storage_masks: None,
    };
    let made = ask(&clients[0], RequestPayload::CreateKeyPair(request), |item| {
        let made: create_key_pair::Response<'_> = item.payload().expect("a payload");
        (text(&made.private_key_unique_identifier), text(&made.public_key_unique_identifier))
    });
    let (private, public) = made.await.expect("a pair");
    let request = re_key_key_pair::Request {
        private_key_unique_identifier: id(&private),
        offset: None,
        common_attributes: None,
        private_key_attributes: None,
        public_key_attributes: None,
        common_protection_storage_masks: None,
        private_protection_storage_masks: None,
        public_protection_storage_masks: None,
    };
    let made = ask(&clients[1], RequestPayload::ReKeyKeyPair(request), |item| {
        let made: re_key_key_pair::Response<'_> = item.payload().expect("a payload");
        (text(&made.private_key_unique_identifier), text(&made.public_key_unique_identifier))
    });
    let (new_private, new_public) = made.await.expect("a pair");

    let client = &clients[2];
    let spki = Some(KeyFormatType::X509);
    let (was, is) = (in_format(client, &public, spki).await, in_format(client, &new_public, spki).await);
    assert_ne!(was, is, "another key");
    for (old, new, name) in [(&private, &new_private, "private"), (&public, &new_public, "public")] {
        let (was, is) = (attributes(client, old).await, attributes(client, new).await);
        assert_eq!(linked(&was, LinkType::ReplacementObjectLink), std::slice::from_ref(new));
        assert_eq!(linked(&is, LinkType::ReplacedObjectLink), std::slice::from_ref(old));
        assert_eq!(
            (names(&was), names(&is)),
            (Vec::new(), vec![format!("renewals {name}")]),
            "the name moves"
        );
    }
    let (private, public) = (attributes(client, &new_private).await, attributes(client, &new_public).await);
    assert_eq!(linked(&private, LinkType::PublicKeyLink), [new_public]);
    assert_eq!(linked(&public, LinkType::PrivateKeyLink), [new_private]);
}

/// A certificate request for a fresh P-256 key, and that key's Subject Public Key Info.
fn request_of(common_name: &str) -> (Vec<u8>, Vec<u8>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let request = params.serialize_request(&key).expect("a request");
    (request.der().to_vec(), rcgen::PublicKeyData::subject_public_key_info(&key))
}

async fn public_key(client: &Client, spki: Vec<u8>) -> String {
    let block = KeyBlock {
        cryptographic_algorithm: Some(CryptographicAlgorithm::Ec),
        cryptographic_length: Some(256),
        ..KeyBlock::from_bytes(KeyFormatType::X509, spki)
    };
    let request = register::Request {
        object_type: ObjectType::PublicKey,
        attributes: template(vec![Attribute::CryptographicUsageMask(UsageMask::VERIFY)]),
        object: Some(Box::new(ManagedObject::PublicKey(block.into()))),
        protection_storage_masks: None,
    };
    let made = ask(client, RequestPayload::Register(request), |item| {
        text(&item.payload::<register::Response<'_>>().expect("a payload").unique_identifier)
    });
    made.await.expect("registered")
}

fn certify(csr: Vec<u8>, key: Option<&str>) -> RequestPayload<'static> {
    RequestPayload::Certify(certify::Request {
        unique_identifier: key.and_then(id),
        certificate_request_unique_identifier: None,
        certificate_request_type: Some(kmip::CertificateRequestType::Pkcs10),
        certificate_request: Some(csr.into()),
        attributes: None,
        protection_storage_masks: None,
    })
}

fn re_certify(certificate: &str, csr: Option<Vec<u8>>) -> RequestPayload<'static> {
    RequestPayload::ReCertify(re_certify::Request {
        unique_identifier: id(certificate),
        offset: None,
        certificate_request_type: csr.as_ref().map(|_| kmip::CertificateRequestType::Pkcs10),
        certificate_request: csr.map(Into::into),
        attributes: None,
        protection_storage_masks: None,
    })
}

fn reason<T>(answer: Result<T, Error>) -> ResultReason {
    match answer {
        Err(Error::Refused { reason, .. }) => reason,
        Err(other) => panic!("no refusal: {other}"),
        Ok(_) => panic!("answered"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_certificate_is_renewed_and_stays_its_keys() {
    let cluster = Cluster::shared();
    let clients = cluster.clients("tenant-a");
    let (csr, spki) = request_of("renewals.example.com");
    let key = public_key(&clients[0], spki).await;
    let certified = |item: &ResponseItem<'_>| {
        text(&item.payload::<certify::Response<'_>>().expect("a payload").unique_identifier)
    };
    let first = ask(&clients[0], certify(csr.clone(), Some(&key)), certified).await.expect("a certificate");
    assert_eq!(
        linked(&attributes(&clients[1], &first).await, LinkType::PublicKeyLink),
        std::slice::from_ref(&key)
    );
    assert_eq!(
        linked(&attributes(&clients[1], &key).await, LinkType::CertificateLink),
        std::slice::from_ref(&first)
    );
    let der = bytes(&clients[2], &first).await;
    let holds = |der: &[u8], part: &[u8]| der.windows(part.len()).any(|window| window == part);
    assert!(holds(&der, b"renewals.example.com"), "the name is the request's");

    let (other, _) = request_of("other.example.com");
    let refused = ask(&clients[0], certify(other.clone(), Some(&key)), certified).await;
    assert_ne!(reason(refused), ResultReason::GeneralFailure, "a request for another key");
    let mut forged = csr.clone();
    *forged.last_mut().expect("bytes") ^= 1;
    assert!(ask(&clients[0], certify(forged, Some(&key)), certified).await.is_err(), "a forged request");

    let renewed = |item: &ResponseItem<'_>| {
        text(&item.payload::<re_certify::Response<'_>>().expect("a payload").unique_identifier)
    };
    let second = ask(&clients[1], re_certify(&first, None), renewed).await.expect("renewed");
    let third = ask(&clients[2], re_certify(&second, Some(csr)), renewed).await.expect("renewed on request");
    assert_ne!(
        reason(ask(&clients[0], re_certify(&third, Some(other)), renewed).await),
        ResultReason::GeneralFailure
    );
    for (old, new) in [(&first, &second), (&second, &third)] {
        assert_eq!(
            linked(&attributes(&clients[0], old).await, LinkType::ReplacementObjectLink),
            std::slice::from_ref(new)
        );
        assert_eq!(
            linked(&attributes(&clients[0], new).await, LinkType::ReplacedObjectLink),
            std::slice::from_ref(old)
        );
    }
    assert_eq!(
        linked(&attributes(&clients[0], &key).await, LinkType::CertificateLink),
        std::slice::from_ref(&third)
    );

    let authority = clients[0].locate(vec![Attribute::Name("certificate-authority/mongodb".into())]);
    let authority = authority.await.expect("a search").remove(0);
    let request = validate::Request {
        certificates: Vec::new(),
        unique_identifiers: vec![third.into(), authority.into()],
        validity_date: None,
    };
    let verdict = ask(&clients[1], RequestPayload::Validate(request), |item| {
        item.payload::<validate::Response>().expect("a payload").validity_indicator
    });
    assert_eq!(verdict.await.expect("a verdict"), ValidityIndicator::Valid);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_made_at_random_and_kept_exactly() {
    let cluster = Cluster::shared();
    let credentials = Credentials::of(&cluster, "tenant-a", "mongodb");
    let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
    let mut made = Vec::new();
    for bits in [Some(128), Some(512), Some(512), None] {
        let mut wanted = vec![Attribute::CryptographicUsageMask(UsageMask::DERIVE_KEY)];
        wanted.extend(bits.map(Attribute::CryptographicLength));
        let request = RequestPayload::Create(create::Request {
            object_type: ObjectType::SecretData,
            attributes: wanted.into(),
            protection_storage_masks: None,
        });
        let header = RequestHeader::new(Version::V2_1);
        let answer = wire::ask(&mut stream, &wire::request_in(&header, &[request])).await.expect("an answer");
        let answer = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
        let created: create::Response<'_> = answer.items[0].payload().expect("a secret");
        assert_eq!(created.object_type, ObjectType::SecretData);
        let identifier = text(&created.unique_identifier);
        let secret = bytes(&cluster.client(1, "tenant-a"), &identifier).await;
        assert_eq!(secret.len(), usize::try_from(bits.unwrap_or(256) / 8).expect("small"));
        assert_eq!(secret, bytes(&cluster.client(2, "tenant-a"), &identifier).await);
        made.push(secret);
    }
    assert_ne!(made[1], made[2]);
}
