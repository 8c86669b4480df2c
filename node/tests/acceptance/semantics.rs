//! Requests that are messages, and mean what cannot be.

use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{Attribute, RequestPayload, ResponseMessage, ResultReason, ResultStatus, Version, ops};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::Cluster;
use crate::wire::{self, Credentials};

async fn connect(cluster: &Cluster, tenant: &str) -> TlsStream<TcpStream> {
    let credentials = Credentials::of(cluster, tenant, "mongodb");
    wire::connect(cluster, Some(&credentials)).await.expect("a connection")
}

/// The identifier that the first item of an answer names.
fn created(answer: &[u8]) -> String {
    let answer = ResponseMessage::decode(answer, &Limits::DEFAULT).expect("an answer");
    let create = answer.items[0].payload::<ops::create::Response<'_>>().expect("a Create");
    create.unique_identifier.as_text().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn k01_unknown_versions_are_refused_readably_and_the_connection_stays() {
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster, "tenant-a").await;
    for (major, minor, answered_in) in [(0, 9, (1, 0)), (3, 0, (2, 1)), (1, 99, (1, 4)), (-1, 7, (1, 0))] {
        let mut request = wire::get("k-none");
        for (at, number) in [(32, major), (48, minor)] {
            request[at..at + 4].copy_from_slice(&i32::to_be_bytes(number));
        }
        let answer = wire::ask(&mut stream, &request).await.expect("the connection stays");
        assert_eq!(wire::reasons(&answer), [ResultReason::InvalidMessage], "{major}.{minor}");
        let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
        assert_eq!((read.version.major, read.version.minor), answered_in, "{major}.{minor}");
    }
    let discover = RequestPayload::DiscoverVersions(ops::discover_versions::Request::default());
    let answer = wire::ask(&mut stream, &wire::request(&[discover])).await.expect("the connection stays");
    let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    let versions = read.items[0].payload::<ops::discover_versions::Response>().expect("the versions");
    assert_eq!(versions.versions.len(), Version::SUPPORTED.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn k11_whatever_is_no_identifier_of_ones_own_is_not_found() {
    let cluster = Cluster::shared();
    let mut ours = connect(&cluster, "tenant-a").await;
    let mut theirs = connect(&cluster, "tenant-b").await;
    let uid = created(&wire::ask(&mut ours, &wire::create_and_get()).await.expect("a key"));
    let foreign = created(&wire::ask(&mut theirs, &wire::create_and_get()).await.expect("a key"));
    let mut cases = vec![
        ("one character less".to_owned(), uid[..uid.len() - 1].to_owned()),
        ("one more".to_owned(), format!("{uid}0")),
        ("upper case".to_owned(), uid.to_uppercase()),
        ("empty".to_owned(), String::new()),
        ("a path".to_owned(), "../../etc/passwd".to_owned()),
        ("not ASCII".to_owned(), uid.replacen(|c: char| c.is_ascii_digit(), "é", 1)),
        ("foreign".to_owned(), foreign),
    ];
    // Every bit of the text: most give another character, which decodes to other bytes or to none.
    for bit in 0..uid.len() * 8 {
        let mut bytes = uid.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = String::from_utf8(bytes)
            && !text.chars().any(char::is_control)
        {
            cases.push((format!("bit {bit}"), text));
        }
    }
    assert!(cases.len() > 300, "only {} cases", cases.len());
    let mut told = None;
    for (what, text) in cases.into_iter().filter(|(_, text)| *text != uid) {
        let answer = wire::ask(&mut ours, &wire::get(&text)).await.expect("the connection stays");
        assert_eq!(wire::reasons(&answer), [ResultReason::ItemNotFound], "{what}: {text}");
        let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
        let message = read.items[0].message.as_deref().map(str::to_owned);
        assert_eq!(*told.get_or_insert(message.clone()), message, "{what} is told from others");
    }
    let answer = wire::ask(&mut ours, &wire::get(&uid)).await.expect("an answer");
    assert_eq!(wire::reasons(&answer), [], "the one it was made from still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn k18_a_search_stays_within_its_bounds_and_its_tenant() {
    let cluster = Cluster::shared();
    let mut ours = connect(&cluster, "tenant-a").await;
    let mut theirs = connect(&cluster, "tenant-b").await;
    let name = "k18 a name of tenant-b";
    let mut secret = vec![Attribute::Name(name.into())];
    secret.extend([
        Attribute::CryptographicAlgorithm(kmip::CryptographicAlgorithm::Aes),
        Attribute::CryptographicLength(256),
        Attribute::CryptographicUsageMask(kmip::UsageMask::ENCRYPT),
    ]);
    let create = RequestPayload::Create(ops::create::Request {
        object_type: kmip::ObjectType::SymmetricKey,
        attributes: secret.into(),
        protection_storage_masks: None,
    });
    let foreign = created(&wire::ask(&mut theirs, &wire::request(&[create])).await.expect("a key"));
    let locate = async |stream: &mut TlsStream<TcpStream>, request: ops::locate::Request| {
        let request = wire::request(&[RequestPayload::Locate(request)]);
        let answer = wire::ask(stream, &request).await.expect("the connection stays");
        let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
        let located = read.items[0].payload::<ops::locate::Response<'_>>().expect("a Locate");
        let uids = located.unique_identifiers.iter().filter_map(|uid| uid.as_text().map(str::to_owned));
        uids.collect::<Vec<_>>()
    };
    let by_name = || ops::locate::Request {
        attributes: vec![Attribute::Name(name.into())].into(),
        ..Default::default()
    };
    assert_eq!(locate(&mut theirs, by_name()).await, std::slice::from_ref(&foreign));
    assert!(locate(&mut ours, by_name()).await.is_empty(), "another tenant's name is found");
    let by_uid = ops::locate::Request {
        attributes: vec![Attribute::UniqueIdentifier(foreign.as_str().into())].into(),
        ..Default::default()
    };
    assert!(locate(&mut ours, by_uid).await.is_empty(), "another tenant's identifier is found");
    for (maximum, offset) in
        [(Some(i32::MAX), None), (Some(i32::MAX), Some(i32::MAX)), (None, Some(i32::MAX))]
    {
        let all = ops::locate::Request { maximum_items: maximum, offset_items: offset, ..Default::default() };
        let found = locate(&mut ours, all).await;
        assert!(!found.contains(&foreign), "another tenant's key in {maximum:?}, {offset:?}");
        assert!(offset.is_none() || found.is_empty(), "items past the last in {maximum:?}, {offset:?}");
    }
    for (maximum, offset) in [(None, Some(-1)), (Some(-1), None), (Some(i32::MIN), Some(i32::MIN))] {
        let all = ops::locate::Request { maximum_items: maximum, offset_items: offset, ..Default::default() };
        let request = wire::request_in(&RequestHeader::new(Version::V1_4), &[RequestPayload::Locate(all)]);
        let answer = wire::ask(&mut ours, &request).await.expect("the connection stays");
        assert_eq!(wire::reasons(&answer), [ResultReason::InvalidField], "{maximum:?}, {offset:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k19_an_answer_waits_for_its_own_service_alone() {
    let cluster = Cluster::shared();
    let mut ours = connect(&cluster, "tenant-a").await;
    let mut theirs = connect(&cluster, "tenant-b").await;
    let mut header = RequestHeader::new(Version::V1_4);
    header.asynchronous = Some(kmip::AsynchronousIndicator::Mandatory);
    let query =
        RequestPayload::Query(ops::query::Request { functions: vec![kmip::QueryFunction::QueryOperations] });
    let answer = wire::ask(&mut ours, &wire::request_in(&header, &[query])).await.expect("an answer");
    let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    assert_eq!(read.items[0].status, ResultStatus::OperationPending);
    let correlation = read.items[0].correlation_value.as_ref().expect("a correlation value").to_vec();
    let poll = async |stream: &mut TlsStream<TcpStream>, correlation: &[u8]| {
        let poll = RequestPayload::Poll(ops::poll::Request { correlation_value: correlation.into() });
        let answer = wire::ask(stream, &wire::request(&[poll])).await.expect("the connection stays");
        let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
        let item = &read.items[0];
        (item.status, item.reason(), item.message.as_deref().map(str::to_owned))
    };
    let foreign = poll(&mut theirs, &correlation).await;
    assert_eq!(foreign.1, Some(ResultReason::ItemNotFound));
    for invented in [&b"no such value"[..], &[0xff; 16], &[]] {
        assert_eq!(poll(&mut ours, invented).await, foreign, "an invented value is told from a foreign one");
    }
    let mut last = poll(&mut ours, &correlation).await;
    for _ in 0..100 {
        if last.0 != ResultStatus::OperationPending {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        last = poll(&mut ours, &correlation).await;
    }
    assert_eq!(last.0, ResultStatus::Success, "{last:?}");
}
