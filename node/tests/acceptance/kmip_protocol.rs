//! The `kmip-protocol` crate, whose reader knows fixed fields and no others: the strictest client there is.
//!
//! It writes requests and reads answers; the connection is ours.

use kmip_protocol::request::to_vec;
use kmip_protocol::response::from_slice;
use kmip_protocol::types::common::{
    CryptographicAlgorithm, CryptographicParameters, CryptographicUsageMask, Data, DataLength,
    HashingAlgorithm, KeyMaterial, ObjectType, Operation, PaddingMethod, RevocationReasonCode,
    UniqueIdentifier,
};
use kmip_protocol::types::request::{
    Attribute, CommonTemplateAttribute, PrivateKeyTemplateAttribute, PublicKeyTemplateAttribute,
    QueryFunction, RequestPayload, RevocationReason, TemplateAttribute,
};
use kmip_protocol::types::response::{
    ManagedObject, ResponseMessage, ResponsePayload, ResultReason, ResultStatus,
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::Cluster;
use crate::wire::{self, Credentials};

type Stream = TlsStream<TcpStream>;

/// Sends one request and reads the answer with the crate's own reader.
async fn ask(stream: &mut Stream, payload: RequestPayload) -> ResponseMessage {
    let request = to_vec(payload, None).expect("a request");
    let answer = wire::ask(stream, &request).await.expect("an answer");
    from_slice(&answer).expect("an answer it can read")
}

/// The payload of an answer that must be a success.
async fn done(stream: &mut Stream, payload: RequestPayload) -> ResponsePayload {
    let operation: Operation = payload.operation();
    let mut answer = ask(stream, payload).await;
    let item = answer.batch_items.remove(0);
    assert_eq!(item.result_status, ResultStatus::Success, "{operation}: {:?}", item.result_message);
    item.payload.expect("a payload")
}

fn uid(text: &str) -> Option<UniqueIdentifier> {
    Some(UniqueIdentifier(text.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strictest_parser_reads_every_answer() {
    let cluster = Cluster::shared();
    let credentials = Credentials::of(&cluster, "tenant-a", "mongodb");
    let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
    let stream = &mut stream;

    let wanted = vec![QueryFunction::QueryOperations, QueryFunction::QueryObjects];
    let ResponsePayload::Query(server) = done(stream, RequestPayload::Query(wanted)).await else { panic!() };
    assert!(server.operations.is_some_and(|operations| operations.contains(&Operation::Create)));

    let name = format!("kmip-protocol {}", std::process::id());
    let template = TemplateAttribute::unnamed(vec![
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::AES),
        Attribute::CryptographicLength(256),
        Attribute::CryptographicUsageMask(CryptographicUsageMask::Encrypt),
        Attribute::Name(name.clone()),
    ]);
    let create = RequestPayload::Create(ObjectType::SymmetricKey, template);
    let ResponsePayload::Create(created) = done(stream, create).await else { panic!() };
    let key = created.unique_identifier.to_string();
    let get = || RequestPayload::Get(uid(&key), None, None, None);
    let ResponsePayload::Get(got) = done(stream, get()).await else { panic!() };
    let ManagedObject::SymmetricKey(symmetric) = got.cryptographic_object else { panic!() };
    let KeyMaterial::Bytes(material) = symmetric.key_block.key_value.key_material else { panic!() };
    assert_eq!(material.len(), 32);
    let locate = RequestPayload::Locate(vec![Attribute::Name(name)]);
    let ResponsePayload::Locate(located) = done(stream, locate).await else { panic!() };
    assert_eq!(located.unique_identifiers.len(), 1);
    done(stream, RequestPayload::Destroy(uid(&key))).await;
    let refused = ask(stream, get()).await.batch_items.remove(0);
    assert_eq!(refused.result_reason, Some(ResultReason::ItemNotFound));

    let pair = RequestPayload::CreateKeyPair(
        Some(CommonTemplateAttribute::unnamed(vec![
            Attribute::CryptographicAlgorithm(CryptographicAlgorithm::RSA),
            Attribute::CryptographicLength(2048),
        ])),
        Some(PrivateKeyTemplateAttribute::unnamed(vec![Attribute::CryptographicUsageMask(
            CryptographicUsageMask::Sign,
        )])),
        Some(PublicKeyTemplateAttribute::unnamed(vec![Attribute::CryptographicUsageMask(
            CryptographicUsageMask::Verify,
        )])),
    );
    let ResponsePayload::CreateKeyPair(pair) = done(stream, pair).await else { panic!() };
    let private = pair.private_key_unique_identifier.to_string();
    done(stream, RequestPayload::Activate(uid(&private))).await;
    let how = CryptographicParameters::default()
        .with_padding_method(PaddingMethod::PKCS1_v1_5)
        .with_hashing_algorithm(HashingAlgorithm::SHA256)
        .with_cryptographic_algorithm(CryptographicAlgorithm::RSA);
    let sign = RequestPayload::Sign(uid(&private), Some(how), Data(b"a message".to_vec()));
    let ResponsePayload::Sign(signed) = done(stream, sign).await else { panic!() };
    assert_eq!(signed.signature_data.len(), 256);
    let reason = RevocationReason(RevocationReasonCode::CessationOfOperation, None);
    done(stream, RequestPayload::Revoke(uid(&private), reason, None)).await;
    done(stream, RequestPayload::Destroy(uid(&private))).await;
    let public = pair.public_key_unique_identifier.to_string();
    done(stream, RequestPayload::Destroy(uid(&public))).await;

    let ResponsePayload::RNGRetrieve(random) =
        done(stream, RequestPayload::RNGRetrieve(DataLength(64))).await
    else {
        panic!()
    };
    assert_eq!(random.data.len(), 64);
}
