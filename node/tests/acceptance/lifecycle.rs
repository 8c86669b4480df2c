//! What requests leave behind in the cluster: answers that wait, batches undone, logins, turns in a group.
//! Whatever one node was told, every other knows.

use kmip::credential::Ticket;
use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{
    AsynchronousIndicator, Attribute, BatchErrorContinuationOption, Credential, CryptographicAlgorithm, Name,
    ObjectGroupMember, ObjectType, QueryFunction, RequestBuilder, RequestPayload, ResponseMessage,
    ResponsePayload, ResultReason, ResultStatus, State, UsageMask, Version, ops,
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::Cluster;
use crate::wire::{Credentials, ask, connect_to};

/// One connection to each node.
struct Nodes(Vec<TlsStream<TcpStream>>);

impl Nodes {
    async fn of(cluster: &Cluster, tenant: &str) -> Self {
        let credentials = Credentials::of(cluster, tenant, "mongodb");
        let mut nodes = Vec::new();
        for node in 0..3 {
            nodes.push(
                connect_to(cluster, cluster.ports.kmip + node, Some(&credentials))
                    .await
                    .expect("a connection"),
            );
        }
        Self(nodes)
    }

    async fn ask(
        &mut self,
        node: usize,
        header: &RequestHeader<'_>,
        items: &[RequestPayload<'_>],
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut builder = RequestBuilder::new(&mut bytes, header);
        for (index, payload) in items.iter().enumerate() {
            builder.item(payload.operation(), Some(&[u8::try_from(index).expect("few items")]), payload);
        }
        builder.finish();
        ask(&mut self.0[node], &bytes).await.expect("an answer")
    }
}

/// Status, reason and identifiers of every item.
fn outcome(answer: &[u8]) -> Vec<(ResultStatus, Option<ResultReason>)> {
    let answer = ResponseMessage::decode(answer, &Limits::DEFAULT).expect("an answer");
    answer.items.iter().map(|item| (item.status, item.reason())).collect()
}

fn payload(answer: &[u8]) -> ResponsePayload<'_> {
    let message = ResponseMessage::decode(answer, &Limits::DEFAULT).expect("an answer");
    let item = message.items.first().expect("an item");
    let raw = item.raw_payload.expect("a payload").0;
    ResponsePayload::decode(item.operation().expect("an operation"), raw).expect("a payload that decodes")
}

fn create(more: Vec<Attribute>) -> RequestPayload<'static> {
    let mut attributes = vec![
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
        Attribute::CryptographicLength(128),
        Attribute::CryptographicUsageMask(UsageMask::ENCRYPT),
    ];
    attributes.extend(more);
    RequestPayload::Create(ops::create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: attributes.into(),
        protection_storage_masks: None,
    })
}

fn made(answer: &[u8]) -> String {
    match payload(answer) {
        ResponsePayload::Create(made) => made.unique_identifier.as_text().expect("a text").to_owned(),
        other => panic!("not the answer to Create: {other:?}"),
    }
}

fn locate(attributes: Vec<Attribute>, member: Option<ObjectGroupMember>) -> RequestPayload<'static> {
    RequestPayload::Locate(ops::locate::Request {
        maximum_items: Some(1),
        object_group_member: member,
        attributes: attributes.into(),
        ..Default::default()
    })
}

fn located(answer: &[u8]) -> Option<String> {
    match payload(answer) {
        ResponsePayload::Locate(found) => {
            found.unique_identifiers.first().and_then(|one| one.as_text()).map(str::to_owned)
        }
        other => panic!("not the answer to Locate: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_on_every_node_for_its_own_service_alone() {
    let cluster = Cluster::start();
    let mut nodes = Nodes::of(&cluster, "tenant-a").await;
    let plain = RequestHeader::new(Version::V1_4);
    let name = Attribute::Name(Name::from("asked for later"));
    let identifier = made(&nodes.ask(0, &plain, &[create(vec![name.clone()])]).await);

    let later = RequestHeader {
        asynchronous: Some(AsynchronousIndicator::Mandatory),
        ..RequestHeader::new(Version::V1_4)
    };
    let answer = nodes.ask(0, &later, &[locate(vec![name], None)]).await;
    assert_eq!(outcome(&answer), [(ResultStatus::OperationPending, None)]);
    let message = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    let correlation = message.items[0].correlation_value.clone().expect("a correlation value").to_vec();

    let poll = |value: &[u8]| {
        let correlation_value = value.to_vec().into();
        RequestPayload::Poll(ops::poll::Request { correlation_value })
    };
    let absent = [(ResultStatus::OperationFailed, Some(ResultReason::ItemNotFound))];
    let mut strangers = Nodes::of(&cluster, "tenant-b").await;
    assert_eq!(outcome(&strangers.ask(1, &plain, &[poll(&correlation)]).await), absent);
    assert_eq!(outcome(&nodes.ask(1, &plain, &[poll(b"none")]).await), absent);
    assert_eq!(located(&nodes.ask(2, &plain, &[poll(&correlation)]).await), Some(identifier));
    assert_eq!(outcome(&nodes.ask(1, &plain, &[poll(&correlation)]).await), absent, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undone_batch_leaves_nothing() {
    let cluster = Cluster::start();
    let mut nodes = Nodes::of(&cluster, "tenant-a").await;
    let header = RequestHeader::new(Version::V2_1);
    let name = Attribute::Name(Name::from("undone"));
    let identifier = made(&nodes.ask(0, &header, &[create(vec![name])]).await);

    let undo = RequestHeader {
        batch_error_continuation: Some(BatchErrorContinuationOption::Undo),
        ..RequestHeader::new(Version::V2_1)
    };
    let check = |usage_mask| {
        RequestPayload::Check(ops::check::Request {
            unique_identifier: Some(identifier.as_str().into()),
            usage_limits_count: None,
            usage_mask: Some(usage_mask),
            lease_time: None,
        })
    };
    let activate = RequestPayload::Activate(ops::activate::Request {
        unique_identifier: Some(identifier.as_str().into()),
    });
    let batch = [create(Vec::new()), activate.clone(), check(UsageMask::DECRYPT)];
    let reason = ResultReason::IncompatibleCryptographicUsageMask;
    assert_eq!(
        outcome(&nodes.ask(1, &undo, &batch).await),
        [
            (ResultStatus::OperationUndone, None),
            (ResultStatus::OperationUndone, None),
            (ResultStatus::OperationFailed, Some(reason)),
        ]
    );
    let state = |wanted| locate(vec![Attribute::Name(Name::from("undone")), Attribute::State(wanted)], None);
    for node in 0..3 {
        let answer = nodes.ask(node, &header, &[state(State::PreActive)]).await;
        assert_eq!(located(&answer).as_ref(), Some(&identifier), "node {node}");
    }
    let batch = [activate, check(UsageMask::ENCRYPT)];
    assert_eq!(outcome(&nodes.ask(1, &undo, &batch).await), [(ResultStatus::Success, None); 2]);
    for node in 0..3 {
        let answer = nodes.ask(node, &header, &[state(State::Active)]).await;
        assert_eq!(located(&answer).as_ref(), Some(&identifier), "node {node}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_take_turns_over_all_nodes() {
    let cluster = Cluster::start();
    let mut nodes = Nodes::of(&cluster, "tenant-a").await;
    let header = RequestHeader::new(Version::V1_4);
    let group = Attribute::ObjectGroup("ring".to_owned());
    let mut members = Vec::new();
    for node in 0..3 {
        members.push(made(&nodes.ask(node, &header, &[create(vec![group.clone()])]).await));
    }
    for turn in 0..7 {
        let next = locate(vec![group.clone()], Some(ObjectGroupMember::GroupMemberDefault));
        let answer = nodes.ask((turn * 2) % 3, &header, &[next]).await;
        assert_eq!(located(&answer).as_ref(), Some(&members[turn % 3]), "turn {turn}");
    }
    // Nobody has got one yet: fresh ones are given out in the same order, each once.
    for expected in members.iter().map(Some).chain([None]) {
        let fresh = locate(vec![group.clone()], Some(ObjectGroupMember::GroupMemberFresh));
        let next = located(&nodes.ask(1, &header, &[fresh]).await);
        assert_eq!(next.as_ref(), expected);
        if let Some(identifier) = next {
            let unique_identifier = Some(identifier.into());
            let get = RequestPayload::Get(ops::get::Request { unique_identifier, ..Default::default() });
            nodes.ask(2, &header, &[get]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_good_for_its_requests_on_all_nodes_together() {
    let cluster = Cluster::start();
    let mut nodes = Nodes::of(&cluster, "tenant-a").await;
    let header = RequestHeader::new(Version::V2_1);
    let login = RequestPayload::Login(ops::login::Request {
        lease_time: None,
        request_count: Some(2),
        usage_limits: None,
    });
    let answer = nodes.ask(0, &header, &[login]).await;
    let ticket = match payload(&answer) {
        ResponsePayload::Login(login) => login.ticket.value.to_vec(),
        other => panic!("not the answer to Login: {other:?}"),
    };
    let with = |value: &[u8]| RequestHeader {
        credentials: vec![Credential::Ticket(Ticket {
            kind: kmip::TicketType::Login,
            value: value.to_vec().into(),
        })],
        ..RequestHeader::new(Version::V2_1)
    };
    let query = || {
        let functions = vec![QueryFunction::QueryObjects];
        RequestPayload::Query(ops::query::Request { functions })
    };
    let refused = |reason| [(ResultStatus::OperationFailed, Some(reason))];
    let mut strangers = Nodes::of(&cluster, "tenant-b").await;
    let stolen = strangers.ask(0, &with(&ticket), &[query()]).await;
    assert_eq!(outcome(&stolen), refused(ResultReason::InvalidTicket));
    for node in [1, 2] {
        assert_eq!(
            outcome(&nodes.ask(node, &with(&ticket), &[query()]).await),
            [(ResultStatus::Success, None)]
        );
    }
    let spent = nodes.ask(0, &with(&ticket), &[query()]).await;
    assert_eq!(outcome(&spent), refused(ResultReason::UsageLimitExceeded));
    assert_eq!(outcome(&nodes.ask(0, &header, &[query()]).await), [(ResultStatus::Success, None)]);
}
