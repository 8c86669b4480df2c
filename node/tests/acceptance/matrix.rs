//! Every operation about an object, asked by everyone about everything (K03): its owner, another service of
//! the same tenant, another tenant; about an object that is there, one that never was, one destroyed.
//!
//! Rows are written as XML, as the specification writes its cases. A row for every operation of the table is
//! demanded, so that a new one is in the matrix the day it exists.

use std::fmt::Write as _;

use kmip::text::{Encoding, to_ttlv};
use kmip::ttlv::Limits;
use kmip::{Operation, ResponseMessage, ResultReason, ResultStatus, Version, ops};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::Cluster;
use crate::wire::{self, Credentials};

/// A request about one object: `{uid}` stands for it.
type Row = (Operation, Version, &'static str);

const UID: &str = r#"<UniqueIdentifier type="TextString" value="{uid}"/>"#;

/// How the owner's objects must come out of it: cryptography on a key that may do it, or at least an answer
/// about the object rather than about its absence.
const ROWS: &[Row] = &[
    (Operation::ReKey, Version::V1_4, ""),
    (
        Operation::DeriveKey,
        Version::V1_4,
        r#"<DerivationMethod type="Enumeration" value="HASH"/><DerivationParameters><CryptographicParameters>
           <HashingAlgorithm type="Enumeration" value="SHA_256"/></CryptographicParameters></DerivationParameters>
           <TemplateAttribute><Attribute><AttributeName type="TextString" value="Cryptographic Length"/>
           <AttributeValue type="Integer" value="128"/></Attribute><Attribute>
           <AttributeName type="TextString" value="Cryptographic Algorithm"/>
           <AttributeValue type="Enumeration" value="AES"/></Attribute></TemplateAttribute>"#,
    ),
    (Operation::Certify, Version::V1_4, ""),
    (Operation::ReCertify, Version::V1_4, ""),
    (Operation::Check, Version::V1_4, ""),
    (Operation::Get, Version::V1_0, ""),
    (Operation::Get, Version::V2_1, ""),
    (Operation::GetAttributes, Version::V1_4, ""),
    (Operation::GetAttributeList, Version::V1_4, ""),
    (
        Operation::AddAttribute,
        Version::V1_4,
        r#"<Attribute><AttributeName type="TextString" value="x-mine"/>
           <AttributeValue type="TextString" value="no, mine"/></Attribute>"#,
    ),
    (
        Operation::ModifyAttribute,
        Version::V1_4,
        r#"<Attribute><AttributeName type="TextString" value="Contact Information"/>
           <AttributeValue type="TextString" value="a stranger"/></Attribute>"#,
    ),
    (
        Operation::DeleteAttribute,
        Version::V1_4,
        r#"<AttributeName type="TextString" value="Contact Information"/>"#,
    ),
    (Operation::ObtainLease, Version::V1_4, ""),
    (Operation::GetUsageAllocation, Version::V1_4, r#"<UsageLimitsCount type="LongInteger" value="1"/>"#),
    (Operation::Activate, Version::V1_4, ""),
    (
        Operation::Encrypt,
        Version::V1_4,
        r#"<CryptographicParameters><BlockCipherMode type="Enumeration" value="CBC"/>
           <PaddingMethod type="Enumeration" value="PKCS5"/><RandomIV type="Boolean" value="true"/>
           </CryptographicParameters><Data type="ByteString" value="00"/>"#,
    ),
    (
        Operation::Decrypt,
        Version::V1_4,
        r#"<CryptographicParameters><BlockCipherMode type="Enumeration" value="CBC"/>
           <PaddingMethod type="Enumeration" value="PKCS5"/></CryptographicParameters>
           <Data type="ByteString" value="00000000000000000000000000000000"/>
           <IVCounterNonce type="ByteString" value="00000000000000000000000000000000"/>"#,
    ),
    (Operation::Sign, Version::V1_4, r#"<Data type="ByteString" value="00"/>"#),
    (
        Operation::SignatureVerify,
        Version::V1_4,
        r#"<Data type="ByteString" value="00"/><SignatureData type="ByteString" value="00"/>"#,
    ),
    (
        Operation::Mac,
        Version::V1_4,
        r#"<CryptographicParameters><CryptographicAlgorithm type="Enumeration" value="HMAC_SHA256"/>
           </CryptographicParameters><Data type="ByteString" value="00"/>"#,
    ),
    (
        Operation::MacVerify,
        Version::V1_4,
        r#"<CryptographicParameters><CryptographicAlgorithm type="Enumeration" value="HMAC_SHA256"/>
           </CryptographicParameters><Data type="ByteString" value="00"/><MACData type="ByteString" value="00"/>"#,
    ),
    (Operation::Export, Version::V1_4, ""),
    (
        Operation::CreateSplitKey,
        Version::V1_4,
        r#"<SplitKeyParts type="Integer" value="3"/><SplitKeyThreshold type="Integer" value="2"/>
           <SplitKeyMethod type="Enumeration" value="PolynomialSharingGF2_8"/>"#,
    ),
    (Operation::JoinSplitKey, Version::V1_4, ""),
    (
        Operation::SetAttribute,
        Version::V2_1,
        r#"<NewAttribute><ContactInformation type="TextString" value="a stranger"/></NewAttribute>"#,
    ),
    (
        Operation::AdjustAttribute,
        Version::V2_1,
        r#"<AttributeReference type="Enumeration" value="Sensitive"/>
           <AdjustmentType type="Enumeration" value="Negate"/>"#,
    ),
    (Operation::ReKeyKeyPair, Version::V1_4, ""),
    (Operation::Validate, Version::V1_4, ""),
    (Operation::Archive, Version::V1_4, ""),
    (Operation::Recover, Version::V1_4, ""),
    // These two end the owner's object, so they come last.
    (
        Operation::Revoke,
        Version::V1_4,
        r#"<RevocationReason><RevocationReasonCode type="Enumeration" value="KeyCompromise"/></RevocationReason>"#,
    ),
    (Operation::Destroy, Version::V1_4, ""),
];

/// Operations that are about no object of the caller's, or make one.
const WITHOUT_OBJECT: &[Operation] = &[
    Operation::Create,
    Operation::CreateKeyPair,
    Operation::Register,
    Operation::Import, // a chosen identifier: K04
    Operation::Locate,
    Operation::Query,
    Operation::DiscoverVersions,
    Operation::Cancel,
    Operation::Poll,
    Operation::Notify,
    Operation::Put,
    Operation::RngRetrieve,
    Operation::RngSeed,
    Operation::Hash,
    Operation::Log,
    Operation::Login,
    Operation::Logout,
    Operation::DelegatedLogin,
    Operation::SetEndpointRole,
    Operation::Pkcs11,
    Operation::Interop,
    Operation::ReProvision, // about the caller's own certificate
    Operation::Ping,
];

/// The request of a row about an object.
fn request((operation, version, payload): &Row, uid: &str) -> Vec<u8> {
    let protocol = version.protocol();
    let name = match operation {
        Operation::ReKeyKeyPair => "PrivateKeyUniqueIdentifier",
        _ => "UniqueIdentifier",
    };
    let uid = UID.replace("UniqueIdentifier", name).replace("{uid}", uid);
    let kind = match operation {
        Operation::DeriveKey | Operation::JoinSplitKey | Operation::CreateSplitKey => {
            r#"<ObjectType type="Enumeration" value="SymmetricKey"/>"#
        }
        _ => "",
    };
    let xml = format!(
        r#"<RequestMessage><RequestHeader><ProtocolVersion>
           <ProtocolVersionMajor type="Integer" value="{}"/><ProtocolVersionMinor type="Integer" value="{}"/>
           </ProtocolVersion><BatchCount type="Integer" value="1"/></RequestHeader><BatchItem>
           <Operation type="Enumeration" value="{}"/><RequestPayload>{kind}{uid}{payload}</RequestPayload>
           </BatchItem></RequestMessage>"#,
        protocol.major,
        protocol.minor,
        operation.name(),
    );
    to_ttlv(Encoding::Xml, xml.as_bytes(), &Limits::DEFAULT).expect("a row is well formed").to_vec()
}

/// What a caller learns: status, reason, message.
type Learnt = (ResultStatus, Option<ResultReason>, Option<String>);

async fn ask(stream: &mut TlsStream<TcpStream>, row: &Row, uid: &str) -> Learnt {
    let answer = wire::ask(stream, &request(row, uid)).await.expect("the connection stays");
    let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    let item = &read.items[0];
    (item.status, item.reason(), item.message.as_deref().map(str::to_owned))
}

/// A key of `mongodb` of tenant-a that may do everything.
async fn key(stream: &mut TlsStream<TcpStream>) -> String {
    let attributes = vec![
        kmip::Attribute::CryptographicAlgorithm(kmip::CryptographicAlgorithm::Aes),
        kmip::Attribute::CryptographicLength(256),
        kmip::Attribute::CryptographicUsageMask(kmip::UsageMask::ALL),
        kmip::Attribute::ContactInformation("the owner".to_owned()),
    ];
    let create = ops::create::Request {
        object_type: kmip::ObjectType::SymmetricKey,
        attributes: attributes.into(),
        protection_storage_masks: None,
    };
    let answer = wire::ask(stream, &wire::request(&[kmip::RequestPayload::Create(create)])).await;
    let answer = answer.expect("an answer");
    let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    let created = read.items[0].payload::<ops::create::Response<'_>>().expect("a key");
    created.unique_identifier.as_text().expect("a text").to_owned()
}

#[test]
fn k03_the_matrix_has_every_operation() {
    for operation in Operation::ALL {
        let rows = ROWS.iter().filter(|row| row.0 == *operation).count();
        let without = WITHOUT_OBJECT.contains(operation);
        assert!((rows > 0) != without, "{operation} stands in both lists or in none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k03_foreign_hidden_and_unknown_objects_are_the_same_to_every_operation() {
    let cluster = Cluster::shared();
    let connect = async |tenant: &str, service: &str| {
        let credentials = Credentials::of(&cluster, tenant, service);
        wire::connect(&cluster, Some(&credentials)).await.expect("a connection")
    };
    let mut owner = connect("tenant-a", "mongodb").await;
    let mut colleague = connect("tenant-a", "postgresql").await;
    let mut stranger = connect("tenant-b", "mongodb").await;
    let uid = key(&mut owner).await;
    let destroyed = key(&mut owner).await;
    let destroy = ROWS.last().expect("Destroy");
    assert_eq!(ask(&mut owner, destroy, &destroyed).await.0, ResultStatus::Success);
    let unknown = uid.chars().rev().collect::<String>();

    let mut wrong = String::new();
    for row in ROWS {
        let absent = ask(&mut owner, row, &unknown).await;
        let expected =
            if row.1 >= Version::V2_1 { ResultReason::ObjectNotFound } else { ResultReason::ItemNotFound };
        let mut check = |what: &str, holds: bool, learnt: &Learnt| {
            if !holds {
                let _ = writeln!(wrong, "{} in {}: {what}: {learnt:?}", row.0, row.1);
            }
        };
        check("unknown is not found", absent.1 == Some(expected), &absent);
        for (who, stream) in [("another service", &mut colleague), ("another tenant", &mut stranger)] {
            for (which, text) in [("a live object", &uid), ("a destroyed one", &destroyed)] {
                let learnt = ask(stream, row, text).await;
                check(&format!("{who} about {which} learns more than absence"), learnt == absent, &learnt);
            }
        }
        // The owner hears about the object, well or not.
        let own = ask(&mut owner, row, &uid).await;
        check("its owner does not find it", own.1 != Some(expected), &own);
        let gone = ask(&mut owner, row, &destroyed).await;
        let told =
            matches!(row.0, Operation::GetAttributes | Operation::GetAttributeList | Operation::Destroy);
        let told = told || matches!(row.0, Operation::Revoke | Operation::Check);
        check("a destroyed key still serves", told || gone.0 != ResultStatus::Success, &gone);
    }
    assert!(wrong.is_empty(), "{wrong}");
}
