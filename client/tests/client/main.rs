//! The client against a KMIP server in this process, over real TLS, with faults on demand.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends there

mod cache;
mod responder;

use std::time::{Duration, Instant};

use client::{Client, Connector, Error, Fault as Met, KeyRequest, Repeat, SettingsError, TlsFault};
use kmip::{Attribute, ResultReason, State, Version};
use responder::{Cluster, Fault, identity};

async fn with(nodes: usize) -> (Cluster, Client) {
    let cluster = Cluster::start(nodes).await;
    let client = Client::new(&cluster.settings()).unwrap();
    (cluster, client)
}

#[tokio::test]
async fn create_and_get_is_one_request_on_one_connection() {
    let (cluster, client) = with(1).await;
    for round in 1..=3 {
        let (uid, key) = client.create_and_get(&KeyRequest::aes256()).await.unwrap();
        assert_eq!(client.get(&uid).await.unwrap().expose(), key.expose());
        assert_eq!(key.len(), 32);
        assert_eq!((cluster.nodes[0].requests(), cluster.nodes[0].connections()), (2 * round, 1));
    }
}

#[tokio::test]
async fn many_keys_are_one_request() {
    let (cluster, client) = with(1).await;
    let mut uids = client.create_many(&KeyRequest::aes256(), client::BATCH_MAX).await.unwrap();
    uids.sort();
    uids.dedup();
    assert_eq!((uids.len(), cluster.nodes[0].requests()), (client::BATCH_MAX, 1));
}

#[tokio::test]
async fn every_version_is_spoken() {
    let cluster = Cluster::start(1).await;
    for version in Version::SUPPORTED {
        let mut settings = cluster.settings();
        settings.version = version;
        let client = Client::new(&settings).unwrap();
        let (uid, _) = client.create_and_get(&KeyRequest::aes256()).await.unwrap();
        assert_eq!(client.state(&uid).await.unwrap(), State::PreActive, "{version}");
    }
}

#[tokio::test]
async fn objects_live_their_lives() {
    let (_cluster, client) = with(2).await;
    let uid = client.create(&KeyRequest::aes256().named("orders")).await.unwrap();
    let found = client.locate(vec![Attribute::Name("orders".into())]).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&uid));
    client.activate(&uid).await.unwrap();
    assert_eq!(client.state(&uid).await.unwrap(), State::Active);
    client.destroy(&uid).await.unwrap();
    let refused = client.get(&uid).await.unwrap_err();
    assert_eq!(refused.reason(), Some(ResultReason::ItemNotFound));
    assert_eq!(refused.to_string(), "Get was refused: no such object (ItemNotFound)");
    assert!(client.locate(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn calls_at_once_share_the_pool() {
    let (cluster, client) = with(1).await;
    let calls = (0..32).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.create_and_get(&KeyRequest::aes256()).await.unwrap().0 })
    });
    let mut uids = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        uids.push(call.await.unwrap());
    }
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), 32);
    assert!(cluster.nodes[0].connections() <= 32);
}

#[tokio::test]
async fn dead_nodes_are_passed_over_and_remembered() {
    let (cluster, client) = with(3).await;
    let uid = client.create(&KeyRequest::aes256().named("k")).await.unwrap();
    cluster.nodes[0].kill();
    cluster.nodes[1].kill();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.get(&uid).await.unwrap();
    client.destroy(&uid).await.unwrap();
    assert_eq!(cluster.nodes[2].requests(), 2);
}

/// What a lost answer means: for what may be repeated, the next node; for a write, an unknown outcome.
async fn check_lost_answer(fault: Fault) {
    let (cluster, client) = with(2).await;
    let (uid, key) = client.create_and_get(&KeyRequest::aes256()).await.unwrap();

    cluster.nodes[0].will(&[fault]);
    assert_eq!(client.get(&uid).await.unwrap().expose(), key.expose(), "{fault:?}");
    assert_eq!((cluster.nodes[0].requests(), cluster.nodes[1].requests()), (2, 1), "{fault:?}");

    cluster.nodes[1].will(&[fault]);
    client.create_and_get(&KeyRequest::aes256()).await.unwrap();
    assert_eq!((cluster.nodes[0].requests(), cluster.nodes[1].requests()), (3, 2), "{fault:?}");

    cluster.nodes[0].will(&[fault]);
    let unknown = client.create(&KeyRequest::aes256().named("once")).await.unwrap_err();
    assert!(unknown.outcome_is_unknown(), "{fault:?}: {unknown}");
    assert_eq!((cluster.nodes[0].requests(), cluster.nodes[1].requests()), (4, 2), "{fault:?}: sent twice");
}

#[tokio::test]
async fn a_lost_answer_repeats_reads_and_never_writes() {
    for fault in [Fault::Decline, Fault::CloseUnanswered, Fault::HalfAnswer, Fault::Hang] {
        check_lost_answer(fault).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_protocol_error_at_once() {
    let cases = [
        (Fault::Garbage, "it is not KMIP"),
        (Fault::HugeFrame, "the message is longer than this server accepts (byte 0)"),
        (Fault::ShortBatch, "it does not answer the items that were asked"),
    ];
    for (fault, expected) in cases {
        let (cluster, client) = with(2).await;
        cluster.nodes[0].will(&[fault]);
        let error = client.create_and_get(&KeyRequest::aes256()).await.unwrap_err();
        let Error::Protocol { node, cause } = &error else { panic!("{fault:?}: {error}") };
        assert_eq!((node, cause.to_string()), (&cluster.nodes[0].address.to_string(), expected.to_owned()));
        assert_eq!(cluster.nodes[1].requests(), 0);
        client.create_and_get(&KeyRequest::aes256()).await.unwrap(); // on a new connection
    }
}

#[tokio::test]
async fn the_deadline_holds_when_every_node_hangs() {
    let (cluster, client) = with(2).await;
    cluster.nodes.iter().for_each(|node| node.will(&[Fault::Hang; 20]));
    let begun = Instant::now();
    let error = client.get("anything").await.unwrap_err();
    let took = begun.elapsed();
    let Error::Unavailable { attempts, last, .. } = error else { panic!("{error}") };
    assert!((4..=7).contains(&attempts), "{attempts} attempts of 500 ms in 3 s");
    assert!(matches!(*last, Met::Slow { .. }), "{last}");
    assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&took), "{took:?}");

    let begun = Instant::now();
    let unknown = client.destroy("anything").await.unwrap_err();
    assert!(unknown.outcome_is_unknown(), "{unknown}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_says_whom_it_tried() {
    let (cluster, client) = with(1).await;
    cluster.nodes[0].kill();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = client.destroy("anything").await.unwrap_err();
    let Error::Unavailable { last, .. } = &error else { panic!("{error}") };
    assert!(matches!(**last, Met::Connect { .. }), "{last}");
    assert!(error.to_string().contains(&cluster.nodes[0].address.to_string()), "{error}");
}

#[tokio::test]
async fn a_write_does_not_meet_a_connection_the_server_closed_long_ago() {
    let (cluster, client) = with(1).await;
    cluster.nodes[0].will(&[Fault::CloseAfterAnswer]);
    let uid = client.create_and_get(&KeyRequest::aes256()).await.unwrap().0;
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.activate(&uid).await.unwrap();
    assert_eq!((cluster.nodes[0].requests(), cluster.nodes[0].connections()), (2, 2));
}

async fn check_tls(change: impl FnOnce(&mut client::Settings), expected: impl FnOnce(&TlsFault) -> bool) {
    let cluster = Cluster::start(2).await;
    let mut settings = cluster.settings();
    change(&mut settings);
    let begun = Instant::now();
    let error = Client::new(&settings).unwrap().get("anything").await.unwrap_err();
    let Error::Tls { cause, .. } = &error else { panic!("{error}") };
    assert!(expected(cause), "{cause}");
    assert!(begun.elapsed() < Duration::from_secs(2), "no second try can help");
}

#[tokio::test]
async fn tls_failures_say_who_does_not_trust_whom() {
    let stranger = identity(&["127.0.0.1"]);
    let other = stranger.authority_pem.clone().into_bytes();
    check_tls(|settings| settings.authority_pem = other, |cause| *cause == TlsFault::UnknownAuthority).await;
    check_tls(
        |settings| settings.server_name = Some("elsewhere.example".to_owned()),
        |cause| *cause == TlsFault::OtherName,
    )
    .await;
    check_tls(
        |settings| {
            settings.certificate_pem = stranger.certificate_pem.into_bytes();
            settings.key_pem = stranger.key_pem.into_bytes().into();
        },
        |cause| matches!(cause, TlsFault::OurCertificate(_)),
    )
    .await;
}

#[tokio::test]
async fn settings_that_cannot_work_say_so_before_anything_is_sent() {
    let cluster = Cluster::start(1).await;
    let check = |change: &dyn Fn(&mut client::Settings), expected: &str| {
        let mut settings = cluster.settings();
        change(&mut settings);
        let error = Client::new(&settings).err().expect("these cannot work").to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check(&|settings| settings.nodes.clear(), "no node is given");
    check(&|settings| settings.nodes = vec!["localhost".to_owned()], "\"localhost\" is not host:port");
    check(
        &|settings| settings.nodes = vec!["localhost:kmip".to_owned()],
        "\"localhost:kmip\" is not host:port",
    );
    check(&|settings| settings.server_name = Some("a b".to_owned()), "\"a b\" is not a host name");
    check(&|settings| settings.authority_pem.clear(), "the authority cannot be used");
    check(&|settings| settings.key_pem = b"nonsense".to_vec().into(), "the key cannot be used");
    let stranger = identity(&["x"]);
    check(
        &|settings| settings.key_pem = stranger.key_pem.clone().into_bytes().into(),
        "the key does not belong to the certificate",
    );
    assert!(matches!(Client::new(&cluster.settings()).map(drop), Ok::<(), SettingsError>(())));
}

#[tokio::test]
async fn a_bare_connection_carries_prepared_bytes() {
    let cluster = Cluster::start(1).await;
    let connector = &Connector::all(&cluster.settings()).unwrap()[0];
    let mut connection = connector.open().await.unwrap();
    let mut request = Vec::new();
    let header = kmip::message::RequestHeader::new(Version::V1_4);
    let mut builder = kmip::RequestBuilder::new(&mut request, &header);
    builder.item(kmip::Operation::Locate, None, &kmip::ops::locate::Request::default());
    builder.finish();
    for _ in 0..3 {
        let answer = connection.exchange(&request).await.unwrap();
        let answer = kmip::ResponseMessage::decode(answer, &kmip::ttlv::Limits::DEFAULT).unwrap();
        assert_eq!(answer.items[0].status, kmip::ResultStatus::Success);
    }
    connection.close().await;
}

#[tokio::test]
async fn a_raw_call_sees_every_item() {
    let (_cluster, client) = with(1).await;
    let create = |name: &str| {
        kmip::RequestPayload::Create(kmip::ops::create::Request {
            object_type: kmip::ObjectType::SymmetricKey,
            attributes: vec![Attribute::Name(name.into())].into(),
            protection_storage_masks: None,
        })
    };
    let batch = [create("a"), create("b"), create("c")];
    let items = client.call(&batch, Repeat::Never, |answer| Ok(answer.items.len())).await.unwrap();
    assert_eq!((items, client.locate(Vec::new()).await.unwrap().len()), (3, 3));
}
