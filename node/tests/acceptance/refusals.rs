//! Requests about one's own objects that are refused: what may not be changed, done twice, or made.

use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{
    Attribute, CryptographicAlgorithm, DateTime, IndexedAttribute, ObjectType, Operation, RequestPayload,
    ResponseMessage, ResultReason, RevocationReason, RevocationReasonCode, State, UniqueIdentifier,
    UsageMask, Version, ops,
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::Cluster;
use crate::talk::{Talk, about, attribute, template};
use crate::wire::{self, Credentials};

type Stream = TlsStream<TcpStream>;

async fn connect(cluster: &Cluster) -> Stream {
    let credentials = Credentials::of(cluster, "tenant-a", "mongodb");
    wire::connect(cluster, Some(&credentials)).await.expect("a connection")
}

/// The reason one request fails for, or `None`.
async fn refused(stream: &mut Stream, version: Version, request: RequestPayload<'_>) -> Option<ResultReason> {
    let request = wire::request_in(&RequestHeader::new(version), &[request]);
    let answer = wire::ask(stream, &request).await.expect("the connection stays");
    wire::reasons(&answer).first().copied()
}

fn create(algorithm: CryptographicAlgorithm, bits: i32, mask: UsageMask) -> RequestPayload<'static> {
    let template = vec![
        Attribute::CryptographicAlgorithm(algorithm),
        Attribute::CryptographicLength(bits),
        Attribute::CryptographicUsageMask(mask),
    ];
    RequestPayload::Create(ops::create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: template.into(),
        protection_storage_masks: None,
    })
}

async fn created(stream: &mut Stream) -> String {
    let request = wire::request(&[create(CryptographicAlgorithm::Aes, 256, UsageMask::ENCRYPT)]);
    let answer = wire::ask(stream, &request).await.expect("an answer");
    let answer = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    let made: ops::create::Response<'_> = answer.items[0].payload().expect("a key");
    made.unique_identifier.as_text().expect("a text").to_owned()
}

fn named(identifier: &str) -> Option<UniqueIdentifier<'static>> {
    Some(identifier.to_owned().into())
}

fn activate(identifier: &str) -> RequestPayload<'static> {
    RequestPayload::Activate(ops::activate::Request { unique_identifier: named(identifier) })
}

fn destroy(identifier: &str) -> RequestPayload<'static> {
    RequestPayload::Destroy(ops::destroy::Request { unique_identifier: named(identifier) })
}

fn revoke(identifier: &str, code: RevocationReasonCode) -> RequestPayload<'static> {
    RequestPayload::Revoke(ops::revoke::Request {
        unique_identifier: named(identifier),
        reason: RevocationReason { code, message: None },
        compromise_occurrence_date: None,
    })
}

fn modify(identifier: &str, attribute: Attribute) -> RequestPayload<'static> {
    RequestPayload::ModifyAttribute(ops::modify_attribute::Request {
        unique_identifier: named(identifier),
        current: None,
        attribute: IndexedAttribute { attribute, index: None },
    })
}

fn add(identifier: &str, attribute: Attribute) -> RequestPayload<'static> {
    RequestPayload::AddAttribute(ops::add_attribute::Request {
        unique_identifier: named(identifier),
        attribute: IndexedAttribute { attribute, index: None },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn k02_what_is_no_operation_here_is_said_to_be_none() {
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster).await;
    for unknown in [0_u32, 0x3f, 0x8000_0001, u32::MAX] {
        let mut request = wire::get("k-none");
        let get = 0x0a_u32.to_be_bytes();
        let operation = [&[0x42, 0x00, 0x5c, 0x05, 0, 0, 0, 4], &get[..]].concat();
        let at = request.windows(operation.len()).position(|window| window == operation).expect("Operation");
        request[at + 8..at + 12].copy_from_slice(&unknown.to_be_bytes());
        let answer = wire::ask(&mut stream, &request).await.expect("the connection stays");
        assert_eq!(wire::reasons(&answer), [ResultReason::OperationNotSupported], "{unknown:#x}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k06_what_the_server_says_of_an_object_no_client_changes() {
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster).await;
    let key = created(&mut stream).await;
    let all = UsageMask(UsageMask::ENCRYPT.0 | UsageMask::DECRYPT.0 | UsageMask::WRAP_KEY.0);
    let facts = [
        Attribute::State(State::Active),
        Attribute::UniqueIdentifier("another".into()),
        Attribute::ObjectType(ObjectType::OpaqueObject),
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::TripleDes),
        Attribute::CryptographicLength(128),
        Attribute::CryptographicUsageMask(all),
        Attribute::InitialDate(DateTime(1)),
        Attribute::DestroyDate(DateTime(1)),
        Attribute::LastChangeDate(DateTime(1)),
        Attribute::Fresh(true),
    ];
    for version in [Version::V1_4, Version::V2_1] {
        for fact in &facts {
            let reason = refused(&mut stream, version, modify(&key, fact.clone())).await;
            assert!(reason.is_some(), "{version:?}: {fact:?} was changed");
            let reason = refused(&mut stream, version, add(&key, fact.clone())).await;
            assert!(reason.is_some(), "{version:?}: {fact:?} was added");
        }
    }
    assert_eq!(refused(&mut stream, Version::V1_4, activate(&key)).await, None, "it is Pre-Active still");
}

#[tokio::test(flavor = "multi_thread")]
async fn k10_what_is_done_twice_says_so_clearly() {
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster).await;
    let (key, twice) = (created(&mut stream).await, ResultReason::PermissionDenied);
    let ended = RevocationReasonCode::CessationOfOperation;
    let v1 = Version::V1_4;
    assert_eq!(refused(&mut stream, v1, activate(&key)).await, None);
    assert_eq!(refused(&mut stream, v1, activate(&key)).await, Some(twice));
    assert_eq!(
        refused(&mut stream, Version::V2_1, activate(&key)).await,
        Some(ResultReason::WrongKeyLifecycleState)
    );
    assert_eq!(refused(&mut stream, v1, destroy(&key)).await, Some(twice), "an Active key is not destroyed");
    assert_eq!(refused(&mut stream, v1, revoke(&key, ended)).await, None);
    assert_eq!(refused(&mut stream, v1, revoke(&key, ended)).await, Some(twice));
    assert_eq!(refused(&mut stream, v1, destroy(&key)).await, None);
    let gone = refused(&mut stream, v1, destroy(&key)).await;
    assert!(matches!(gone, Some(ResultReason::ItemNotFound | ResultReason::PermissionDenied)), "{gone:?}");
    let gone = refused(&mut stream, v1, wire_get(&key)).await;
    assert_eq!(gone, Some(ResultReason::ItemNotFound));
    let gone = refused(&mut stream, Version::V2_1, wire_get(&key)).await;
    assert_eq!(gone, Some(ResultReason::ObjectDestroyed));
}

fn wire_get(identifier: &str) -> RequestPayload<'static> {
    let unique_identifier = named(identifier);
    RequestPayload::Get(ops::get::Request { unique_identifier, ..ops::get::Request::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn k13_k14_keys_that_cannot_be_are_not_made() {
    use CryptographicAlgorithm::{Aes, HmacSha256, Rsa, TripleDes};
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster).await;
    let encrypt = UsageMask::ENCRYPT;
    let lengths = [0, 1, 7, 127, 129, -8, i32::MIN, i32::MAX, 1 << 20];
    let mut cases: Vec<_> = lengths.map(|bits| (Aes, bits, encrypt)).to_vec();
    cases.extend([
        (TripleDes, 64, encrypt),
        (TripleDes, 160, encrypt),
        (TripleDes, 0, encrypt),
        (HmacSha256, 7, encrypt),
        (Rsa, 2048, encrypt),
    ]);
    // No use at all, every bit there is, and bits that mean nothing.
    cases.extend([0, u32::MAX, 1 << 30].map(|mask| (Aes, 256, UsageMask(mask))));
    for (algorithm, bits, mask) in cases {
        for version in [Version::V1_0, Version::V1_4, Version::V2_1] {
            let reason = refused(&mut stream, version, create(algorithm, bits, mask)).await;
            assert_eq!(
                reason,
                Some(ResultReason::InvalidField),
                "{version:?}: {algorithm:?} {bits} {mask:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_allocated_of_a_limit_and_while_the_key_may_protect() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let limit = r#"<Attribute><AttributeName type="TextString" value="Usage Limits"/><AttributeValue>
        <UsageLimitsTotal type="LongInteger" value="10"/><UsageLimitsUnit type="Enumeration" value="Byte"/>
        </AttributeValue></Attribute>"#;
    let four = r#"<UsageLimitsCount type="LongInteger" value="4"/>"#;
    let key = about(&talk.created("Encrypt", false).await);
    let allocate = format!("{key}{four}");
    let waiting = talk.ask(Operation::GetUsageAllocation, &allocate).await;
    assert_eq!(waiting.reason, Some(ResultReason::PermissionDenied), "Pre-Active: {waiting:?}");
    assert!(talk.ask(Operation::Activate, &key).await.succeeded());
    for (version, expected) in
        [(Version::V1_4, ResultReason::IllegalOperation), (Version::V2_1, ResultReason::AttributeNotFound)]
    {
        talk.speak(version);
        let unlimited = talk.ask(Operation::GetUsageAllocation, &allocate).await;
        assert_eq!(unlimited.reason, Some(expected), "no limit: {unlimited:?}");
    }
    talk.speak(Version::V1_4);
    assert!(talk.ask(Operation::AddAttribute, &(key.clone() + limit)).await.succeeded());
    for paid in [true, true, false] {
        assert_eq!(talk.ask(Operation::GetUsageAllocation, &allocate).await.succeeded(), paid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_destroyed_key_no_use_is_allowed() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let key = about(&talk.created("Encrypt", false).await);
    let check = format!(r#"{key}<CryptographicUsageMask type="Integer" value="Encrypt"/>"#);
    assert!(talk.ask(Operation::Check, &check).await.succeeded());
    assert!(talk.ask(Operation::Destroy, &key).await.succeeded());
    for (version, expected) in
        [(Version::V1_4, ResultReason::ItemNotFound), (Version::V2_1, ResultReason::ObjectDestroyed)]
    {
        talk.speak(version);
        for request in [&check, &key] {
            assert_eq!(talk.ask(Operation::Check, request).await.reason, Some(expected), "{request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_has_come_is_not_moved() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let key = about(&talk.created("Encrypt", true).await);
    let date = |name: &str, date: &str| key.clone() + &attribute(name, "DateTime", date);
    let (past, ahead) = ("2000-01-01T00:00:00Z", "2040-01-01T00:00:00Z");
    for name in ["Process Start Date", "Protect Stop Date"] {
        assert!(talk.ask(Operation::AddAttribute, &date(name, ahead)).await.succeeded(), "{name}");
        assert!(talk.ask(Operation::ModifyAttribute, &date(name, past)).await.succeeded(), "{name}");
        let moved = talk.ask(Operation::ModifyAttribute, &date(name, ahead)).await;
        assert_eq!(moved.reason, Some(ResultReason::PermissionDenied), "{name}: {moved:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_with_one_instance_is_set_and_one_of_several_is_named() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let key = about(&talk.created("Encrypt", false).await);
    talk.speak(Version::V2_1);
    let group = |group: &str| format!(r#"<ObjectGroup type="TextString" value="{group}"/>"#);
    let new = |name: &str| format!("{key}<NewAttribute>{}</NewAttribute>", group(name));
    let groups = format!(r#"{key}<AttributeReference type="Enumeration" value="ObjectGroup"/>"#);
    for only in ["one", "another"] {
        assert!(talk.ask(Operation::SetAttribute, &new(only)).await.succeeded(), "{only}");
        let told = talk.ask(Operation::GetAttributes, &groups).await;
        assert_eq!((told.must("ObjectGroup").as_str(), told.xml.matches("ObjectGroup").count()), (only, 1));
    }
    assert!(talk.ask(Operation::AddAttribute, &new("second")).await.succeeded());
    let set = talk.ask(Operation::SetAttribute, &new("third")).await;
    assert_eq!(set.reason, Some(ResultReason::MultiValuedAttribute), "{set:?}");
    let modified = talk.ask(Operation::ModifyAttribute, &new("third")).await;
    assert_eq!(modified.reason, Some(ResultReason::AttributeInstanceNotFound), "which of two? {modified:?}");
    let named = format!("<CurrentAttribute>{}</CurrentAttribute>{}", group("second"), new("third"));
    assert!(talk.ask(Operation::ModifyAttribute, &named).await.succeeded());
    let told = talk.ask(Operation::GetAttributes, &groups).await.xml;
    assert!(told.contains("another") && told.contains("third") && !told.contains("second"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_object_stays_as_it_is_until_it_is_recovered() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let contact = attribute("Contact Information", "TextString", "Joe");
    let contact_name = r#"<AttributeName type="TextString" value="Contact Information"/>"#;
    let reason = r#"<RevocationReason>
        <RevocationReasonCode type="Enumeration" value="KeyCompromise"/></RevocationReason>"#;
    let key = about(&talk.created("Encrypt", false).await);
    assert!(talk.ask(Operation::AddAttribute, &(key.clone() + &contact)).await.succeeded());
    let changes = [
        (Operation::AddAttribute, attribute("Object Group", "TextString", "a")),
        (Operation::ModifyAttribute, contact),
        (Operation::DeleteAttribute, contact_name.to_owned()),
        (Operation::Activate, String::new()),
        (Operation::Revoke, reason.to_owned()),
        (Operation::Destroy, String::new()),
    ];
    assert!(talk.ask(Operation::Archive, &key).await.succeeded());
    for (operation, more) in &changes {
        let told = talk.ask(*operation, &(key.clone() + more)).await;
        assert_eq!(told.reason, Some(ResultReason::ObjectArchived), "{operation}: {told:?}");
    }
    let state = key.clone() + r#"<AttributeName type="TextString" value="State"/>"#;
    assert_eq!(talk.ask(Operation::GetAttributes, &state).await.must("AttributeValue"), "PreActive");
    assert!(talk.ask(Operation::Recover, &key).await.succeeded());
    for (operation, more) in &changes {
        let told = talk.ask(*operation, &(key.clone() + more)).await;
        assert!(told.succeeded(), "{operation}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_value_is_elsewhere_has_none_to_replace() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let place = r#"<Attribute><AttributeName type="TextString" value="Key Value Location"/><AttributeValue>
        <KeyValueLocationValue type="TextString" value="slot 7"/>
        <KeyValueLocationType type="Enumeration" value="UninterpretedTextString"/></AttributeValue></Attribute>"#;
    let mask = |mask| attribute("Cryptographic Usage Mask", "Integer", mask);
    let block = |kind: &str, format: &str, algorithm: &str, bits: u32| {
        format!(
            r#"<{kind}><KeyBlock><KeyFormatType type="Enumeration" value="{format}"/>
               <CryptographicAlgorithm type="Enumeration" value="{algorithm}"/>
               <CryptographicLength type="Integer" value="{bits}"/></KeyBlock></{kind}>"#
        )
    };
    let symmetric = block("SymmetricKey", "Raw", "AES", 128);
    // Where it is may be said, and need not.
    let symmetric = talk.registered("SymmetricKey", &[&mask("Encrypt")], &symmetric).await;
    let private = block("PrivateKey", "PKCS_1", "RSA", 2048);
    let private = talk.registered("PrivateKey", &[place, &mask("Sign")], &private).await;
    let pair = format!(r#"<PrivateKeyUniqueIdentifier type="TextString" value="{private}"/>"#);
    for (operation, key) in [
        (Operation::Get, about(&symmetric)),
        (Operation::ReKey, about(&symmetric)),
        (Operation::ReKeyKeyPair, pair),
    ] {
        let told = talk.ask(operation, &key).await;
        assert_eq!(told.reason, Some(ResultReason::KeyValueNotPresent), "{operation}: {told:?}");
    }
    let present = about(&symmetric) + r#"<AttributeName type="TextString" value="Key Value Present"/>"#;
    assert_eq!(talk.ask(Operation::GetAttributes, &present).await.must("AttributeValue"), "false");
    let public = block("PublicKey", "PKCS_1", "RSA", 2048);
    let register = format!(
        r#"<ObjectType type="Enumeration" value="PublicKey"/>{}{public}"#,
        template(&[&mask("Verify")])
    );
    let told = talk.ask(Operation::Register, &register).await;
    assert_eq!(told.reason, Some(ResultReason::InvalidField), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_has_no_state_to_change() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let held = attribute("Cryptographic Algorithm", "Enumeration", "AES");
    let held = format!("<Template>{held}</Template>");
    let template = about(&talk.registered("Template", &[], &held).await);
    let reason = r#"<RevocationReason>
        <RevocationReasonCode type="Enumeration" value="KeyCompromise"/></RevocationReason>"#;
    let one = r#"<UsageLimitsCount type="LongInteger" value="1"/>"#;
    for (operation, more) in [
        (Operation::Activate, ""),
        (Operation::Revoke, reason),
        (Operation::Check, ""),
        (Operation::GetUsageAllocation, one),
    ] {
        let told = talk.ask(operation, &(template.clone() + more)).await;
        assert_eq!(told.reason, Some(ResultReason::IllegalOperation), "{operation}: {told:?}");
    }
    assert!(talk.ask(Operation::Destroy, &template).await.succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_key_is_rotated_is_said_once() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    for operation in [Operation::AddAttribute, Operation::SetAttribute] {
        talk.speak(Version::V1_4);
        let key = about(&talk.created("Encrypt", false).await);
        talk.speak(Version::V2_1);
        let interval = r#"<NewAttribute><RotateInterval type="Interval" value="60"/></NewAttribute>"#;
        let interval = key.clone() + interval;
        let named = format!(r#"{key}<AttributeReference type="Enumeration" value="RotateInterval"/>"#);
        let more = format!(r#"{named}<AdjustmentType type="Enumeration" value="Increment"/>"#);
        assert!(talk.ask(operation, &interval).await.succeeded(), "{operation}");
        for (again, request) in [
            (Operation::SetAttribute, &interval),
            (Operation::ModifyAttribute, &interval),
            (Operation::AdjustAttribute, &more),
            (Operation::DeleteAttribute, &named),
        ] {
            let told = talk.ask(again, request).await;
            assert_eq!(told.reason, Some(ResultReason::AttributeReadOnly), "{again}: {told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_pair_is_made_that_is_to_be_quantum_safe() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    talk.speak(Version::V2_1);
    let pair = |algorithm: &str, safe: bool| {
        format!(
            r#"<CommonAttributes><CryptographicAlgorithm type="Enumeration" value="{algorithm}"/>
               <CryptographicLength type="Integer" value="256"/></CommonAttributes>
               <PrivateKeyAttributes><CryptographicUsageMask type="Integer" value="Sign"/>
               <QuantumSafe type="Boolean" value="{safe}"/></PrivateKeyAttributes>
               <PublicKeyAttributes><CryptographicUsageMask type="Integer" value="Verify"/></PublicKeyAttributes>"#
        )
    };
    assert!(talk.ask(Operation::CreateKeyPair, &pair("EC", false)).await.succeeded());
    for algorithm in ["EC", "Ed25519"] {
        let told = talk.ask(Operation::CreateKeyPair, &pair(algorithm, true)).await;
        assert_eq!(told.reason, Some(ResultReason::GeneralFailure), "{algorithm}: {told:?}");
    }
    // Nor is one that is to be so replaced by one that is made here.
    let told = talk.ask(Operation::CreateKeyPair, &pair("EC", false)).await;
    let private = told.must("PrivateKeyUniqueIdentifier");
    let safe = about(&private) + r#"<NewAttribute><QuantumSafe type="Boolean" value="true"/></NewAttribute>"#;
    assert!(talk.ask(Operation::SetAttribute, &safe).await.succeeded());
    let old = format!(r#"<PrivateKeyUniqueIdentifier type="TextString" value="{private}"/>"#);
    let replaced = talk.ask(Operation::ReKeyKeyPair, &old).await;
    assert_eq!(replaced.reason, Some(ResultReason::GeneralFailure), "{replaced:?}");
    let parts = |bits: u32| {
        format!(
            r#"<ObjectType type="Enumeration" value="SplitKey"/><SplitKeyParts type="Integer" value="2"/>
               <SplitKeyThreshold type="Integer" value="2"/><SplitKeyMethod type="Enumeration" value="XOR"/>
               <Attributes><CryptographicAlgorithm type="Enumeration" value="AES"/>
               <CryptographicLength type="Integer" value="{bits}"/>
               <CryptographicUsageMask type="Integer" value="Encrypt"/>
               <QuantumSafe type="Boolean" value="true"/></Attributes>"#
        )
    };
    assert!(talk.ask(Operation::CreateSplitKey, &parts(256)).await.succeeded());
    let short = talk.ask(Operation::CreateSplitKey, &parts(128)).await;
    assert_eq!(short.reason, Some(ResultReason::GeneralFailure), "{short:?}");
}

/// An Attribute Index is its instance's for good, on every node; 3DES is as long as its maker says.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_was_told_of_an_object_stays_true() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let key = about(&talk.created("Encrypt", false).await);
    let group = |name: &str| attribute("Object Group", "TextString", name);
    for (index, name) in ["a", "b", "c", "d"].iter().enumerate() {
        let told = talk.ask(Operation::AddAttribute, &(key.clone() + &group(name))).await;
        assert_eq!(told.value("AttributeIndex").unwrap_or("0".to_owned()), index.to_string(), "{told:?}");
    }
    let at = |index: usize| {
        format!(
            r#"{key}<AttributeName type="TextString" value="Object Group"/>
               <AttributeIndex type="Integer" value="{index}"/>"#
        )
    };
    for gone in [1, 0] {
        let told = talk.ask(Operation::DeleteAttribute, &at(gone)).await;
        assert_eq!(told.must("AttributeIndex"), gone.to_string(), "{told:?}");
        assert!(!talk.ask(Operation::DeleteAttribute, &at(gone)).await.succeeded(), "{gone} is gone");
    }
    let added = talk.ask(Operation::AddAttribute, &(key.clone() + &group("e"))).await;
    assert_eq!(added.must("AttributeIndex"), "4");
    let changed =
        group("C").replace("<AttributeValue", r#"<AttributeIndex type="Integer" value="2"/><AttributeValue"#);
    assert!(talk.ask(Operation::ModifyAttribute, &(key.clone() + &changed)).await.succeeded());
    let all = key.clone() + r#"<AttributeName type="TextString" value="Object Group"/>"#;
    for node in 0..3 {
        let mut talk = Talk::with(&cluster, node, "tenant-a", "mongodb").await;
        let told = talk.ask(Operation::GetAttributes, &all).await.xml;
        let instances: Vec<&str> = told.split("<Attribute>").skip(1).collect();
        for (instance, (index, name)) in instances.iter().zip([("2", "C"), ("3", "d"), ("4", "e")]) {
            assert!(instance.contains(&format!(r#"value="{index}""#)), "node {node}: {instance}");
            assert!(instance.contains(&format!(r#"value="{name}""#)), "node {node}: {instance}");
        }
        assert_eq!(instances.len(), 3, "node {node}: {told}");
    }

    for (bits, bytes) in [("168", 24), ("192", 24), ("112", 16), ("128", 16)] {
        let made = template(&[
            &attribute("Cryptographic Algorithm", "Enumeration", "DES3"),
            &attribute("Cryptographic Length", "Integer", bits),
            &attribute("Cryptographic Usage Mask", "Integer", "Encrypt"),
        ]);
        let create = format!(r#"<ObjectType type="Enumeration" value="SymmetricKey"/>{made}"#);
        let made = about(&talk.ask(Operation::Create, &create).await.must("UniqueIdentifier"));
        let mut keys = vec![made.clone()];
        keys.push(about(&talk.ask(Operation::ReKey, &made).await.must("UniqueIdentifier")));
        for key in keys {
            let got = talk.ask(Operation::Get, &key).await;
            assert_eq!((&*got.must("CryptographicLength"), got.must("KeyMaterial").len()), (bits, 2 * bytes));
            let asked = key + r#"<AttributeName type="TextString" value="Cryptographic Length"/>"#;
            assert_eq!(talk.ask(Operation::GetAttributes, &asked).await.must("AttributeValue"), bits);
        }
        // PyKMIP 0.10 throws away an answer with this attribute; whoever names it gets it. Of an ephemeral key, which
        // a length without parity bits makes, nothing is written.
        let created = "Original Creation Date";
        assert!(!talk.ask(Operation::GetAttributes, &made).await.xml.contains(created));
        let asked = format!(r#"{made}<AttributeName type="TextString" value="{created}"/>"#);
        let told = talk.ask(Operation::GetAttributes, &asked).await;
        assert_eq!(told.xml.contains(created), matches!(bits, "192" | "128"), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_type_among_the_attributes_may_repeat_the_requests_own() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    talk.speak(Version::V2_1);
    for (named, taken) in [("SymmetricKey", true), ("SecretData", false)] {
        let create = format!(
            r#"<ObjectType type="Enumeration" value="SymmetricKey"/><Attributes>
               <ObjectType type="Enumeration" value="{named}"/>
               <CryptographicAlgorithm type="Enumeration" value="AES"/>
               <CryptographicLength type="Integer" value="256"/>
               <CryptographicUsageMask type="Integer" value="Encrypt"/></Attributes>"#
        );
        let told = talk.ask(Operation::Create, &create).await;
        assert_eq!(told.succeeded(), taken, "{told:?}");
        let expected = (!taken).then_some("Object Type is set by the server only");
        assert_eq!(told.message.as_deref(), expected, "{told:?}");
    }
    talk.speak(Version::V1_4);
    let key = about(&talk.created("DeriveKey", true).await);
    talk.speak(Version::V2_1);
    let typed = |kind: &str, more: &str| {
        format!(r#"<Attributes><ObjectType type="Enumeration" value="{kind}"/>{more}</Attributes>"#)
    };
    let length = r#"<CryptographicLength type="Integer" value="256"/>"#;
    let derive = |kind| {
        format!(
            r#"<ObjectType type="Enumeration" value="SecretData"/>{key}
               <DerivationMethod type="Enumeration" value="HASH"/><DerivationParameters/>{}"#,
            typed(kind, length)
        )
    };
    let split = |kind| {
        format!(
            r#"<ObjectType type="Enumeration" value="SplitKey"/>{key}
               <SplitKeyParts type="Integer" value="2"/><SplitKeyThreshold type="Integer" value="2"/>
               <SplitKeyMethod type="Enumeration" value="XOR"/>{}"#,
            typed(kind, "")
        )
    };
    for (operation, request, taken) in [
        (Operation::DeriveKey, derive("SecretData"), true),
        (Operation::DeriveKey, derive("SymmetricKey"), false),
        (Operation::CreateSplitKey, split("SplitKey"), true),
        (Operation::CreateSplitKey, split("SymmetricKey"), false),
    ] {
        let told = talk.ask(operation, &request).await;
        assert_eq!(told.succeeded(), taken, "{operation}: {told:?}");
    }
}
