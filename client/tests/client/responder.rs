//! A KMIP server in this process: real TLS, real messages, keys in a map, and faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Settings, Timeouts};
use kmip::message::RequestItem;
use kmip::ops::get::write_symmetric;
use kmip::ttlv::{HEADER_BYTES, Limits, frame_length};
use kmip::{
    Attribute, CryptographicAlgorithm, ObjectType, RequestMessage, RequestPayload, ResponseHeader,
    ResponseWriter, ResultReason, State, ops,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a node does with one request, instead of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers General Failure.
    Decline,
    /// Answers, then closes.
    CloseAfterAnswer,
    /// Reads the request, then closes.
    CloseUnanswered,
    /// Sends the first half of the answer, then closes.
    HalfAnswer,
    /// Sends something that is not KMIP.
    Garbage,
    /// Sends a frame that claims four gigabytes.
    HugeFrame,
    /// Never answers.
    Hang,
    /// Answers only the first item of a batch, as a success.
    ShortBatch,
    /// Knows no Obtain Lease.
    NoLease,
}

/// What Obtain Lease grants, in seconds.
pub const LEASE_S: u32 = 1;

/// One key: its bytes, its state, its names.
type Key = ([u8; 32], State, Vec<String>);

/// Keys by identifier, shared by the nodes of one cluster.
#[derive(Default)]
struct World {
    keys: Mutex<BTreeMap<String, Key>>,
}

/// One node.
pub struct Node {
    pub address: SocketAddr,
    /// Requests read in full.
    pub requests: Arc<AtomicUsize>,
    /// Connections whose handshake ended well.
    pub connections: Arc<AtomicUsize>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Node {
    /// The next requests meet these, one each.
    pub fn will(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults);
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Stops listening and cuts every connection.
    pub fn kill(&self) {
        self.serving.abort();
    }
}

/// An authority and what it issued.
pub struct Identity {
    pub authority_pem: String,
    pub certificate_pem: String,
    pub key_pem: String,
}

/// An authority of its own with one certificate for loopback.
pub fn identity(names: &[&str]) -> Identity {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    Identity {
        authority_pem: authority.pem(),
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    }
}

/// Nodes with one world behind them, and the identities of both sides.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub server: Identity,
    pub client: Identity,
}

impl Cluster {
    pub async fn start(nodes: usize) -> Self {
        let (server, client) = (identity(&["127.0.0.1", "localhost"]), identity(&["client"]));
        let world = Arc::new(World::default());
        let tls = acceptor(&server, &client.authority_pem);
        let mut started = Vec::new();
        for index in 0..nodes {
            started.push(Node::start(index, Arc::clone(&world), tls.clone()).await);
        }
        Self { nodes: started, server, client }
    }

    /// Settings that reach every node, with timeouts fit for a test.
    pub fn settings(&self) -> Settings {
        let nodes = self.nodes.iter().map(|node| node.address.to_string()).collect();
        let mut settings = Settings::new(
            nodes,
            self.server.authority_pem.clone().into_bytes(),
            self.client.certificate_pem.clone().into_bytes(),
            self.client.key_pem.clone().into_bytes().into(),
        );
        settings.timeouts = Timeouts {
            connect: Duration::from_millis(1500),
            attempt: Duration::from_millis(500),
            call: Duration::from_secs(3),
        };
        settings
    }
}

fn acceptor(server: &Identity, clients: &str) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.as_bytes()).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(server.certificate_pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(server.key_pem.as_bytes()).unwrap(),
        )
        .unwrap();
    Arc::new(config).into()
}

impl Node {
    async fn start(index: usize, world: Arc<World>, tls: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        let line = Line {
            index,
            world,
            requests: Arc::clone(&requests),
            connections: Arc::clone(&connections),
            faults: Arc::clone(&faults),
        };
        let serving = tokio::spawn(async move {
            let mut lines = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (line, tls) = (line.clone(), tls.clone());
                lines.spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        line.connections.fetch_add(1, Ordering::SeqCst);
                        let _ = line.serve(stream).await;
                    }
                });
            }
        });
        Self { address, requests, connections, faults, serving }
    }
}

type Stream = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;

/// What the connections of one node share.
#[derive(Clone)]
struct Line {
    index: usize,
    world: Arc<World>,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
}

impl Line {
    async fn serve(self, mut stream: Stream) -> std::io::Result<()> {
        loop {
            let mut header = [0; HEADER_BYTES];
            stream.read_exact(&mut header).await?;
            let mut request = header.to_vec();
            request.resize(frame_length(&header).unwrap(), 0);
            stream.read_exact(&mut request[HEADER_BYTES..]).await?;
            let fault = self.faults.lock().unwrap().pop_front();
            let answer = self.answer(&request, fault);
            self.requests.fetch_add(1, Ordering::SeqCst);
            match fault {
                None | Some(Fault::Decline | Fault::ShortBatch | Fault::NoLease) => {
                    stream.write_all(&answer).await?
                }
                Some(Fault::CloseAfterAnswer) => {
                    stream.write_all(&answer).await?;
                    return stream.shutdown().await;
                }
                Some(Fault::CloseUnanswered) => return stream.shutdown().await,
                Some(Fault::HalfAnswer) => {
                    stream.write_all(&answer[..answer.len() / 2]).await?;
                    return stream.shutdown().await;
                }
                Some(Fault::Garbage) => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?,
                Some(Fault::HugeFrame) => {
                    stream.write_all(&[0x42, 0, 0x7B, 1, 0xFF, 0xFF, 0xFF, 0xF8]).await?;
                }
                Some(Fault::Hang) => std::future::pending().await,
            }
            stream.flush().await?;
        }
    }

    fn answer(&self, request: &[u8], fault: Option<Fault>) -> Vec<u8> {
        let message = RequestMessage::decode(request, &Limits::DEFAULT).unwrap();
        let mut out = Vec::new();
        let mut writer = ResponseWriter::new(&mut out, &ResponseHeader::new(message.header.version, 0), None);
        let mut placeholder = None;
        for item in &message.items {
            let id = item.id.as_deref();
            if fault == Some(Fault::Decline) {
                let text = "this node cannot answer now";
                writer.failure(Some(item.operation_value), id, ResultReason::GeneralFailure, text);
                break;
            }
            if fault == Some(Fault::NoLease) && item.operation() == Some(kmip::Operation::ObtainLease) {
                let text = "no leases here";
                writer.failure(Some(item.operation_value), id, ResultReason::OperationNotSupported, text);
                break;
            }
            if !self.item(item, &mut placeholder, &mut writer) || fault == Some(Fault::ShortBatch) {
                break;
            }
        }
        writer.finish();
        out
    }

    /// Serves one item; false ends the batch.
    fn item(
        &self,
        item: &RequestItem<'_>,
        placeholder: &mut Option<String>,
        w: &mut ResponseWriter<'_>,
    ) -> bool {
        let (operation, id) = (item.operation().unwrap(), item.id.as_deref());
        let mut keys = self.world.keys.lock().unwrap();
        let named = |given: &Option<kmip::UniqueIdentifier<'_>>| match given {
            Some(identifier) => identifier.as_text().unwrap().to_owned(),
            None => placeholder.clone().expect("an identifier or a placeholder"),
        };
        let fit = match item.decode_payload().unwrap() {
            RequestPayload::Create(request) => {
                let names = request.attributes.attributes.iter().filter_map(|attribute| match attribute {
                    Attribute::Name(name) => Some(name.value.clone()),
                    _ => None,
                });
                let uid = format!("node{}-key{}", self.index, keys.len());
                let fill = u8::try_from(keys.len() % 251).unwrap();
                keys.insert(uid.clone(), ([fill; 32], State::PreActive, names.collect()));
                *placeholder = Some(uid.clone());
                let object_type = ObjectType::SymmetricKey;
                let unique_identifier = uid.into();
                w.success(
                    operation,
                    id,
                    &ops::create::Response { object_type, unique_identifier, attributes: None },
                )
            }
            RequestPayload::Get(request) => {
                let uid = named(&request.unique_identifier);
                let Some((key, ..)) = keys.get(&uid) else {
                    w.failure(Some(operation.value()), id, ResultReason::ItemNotFound, "no such object");
                    return false;
                };
                let fill = |out: &mut [u8]| {
                    out.copy_from_slice(key);
                    Ok::<(), ()>(())
                };
                w.success_with(operation, id, |w| {
                    write_symmetric(w, &uid, CryptographicAlgorithm::Aes, 256, 32, fill)
                })
                .unwrap()
            }
            RequestPayload::ObtainLease(request) => {
                let unique_identifier = named(&request.unique_identifier).into();
                let (lease_time, last_change_date) = (kmip::Interval(LEASE_S), kmip::DateTime(0));
                let payload = ops::obtain_lease::Response { unique_identifier, lease_time, last_change_date };
                w.success(operation, id, &payload)
            }
            RequestPayload::Activate(request) => {
                let uid = named(&request.unique_identifier);
                keys.get_mut(&uid).unwrap().1 = State::Active;
                w.success(operation, id, &ops::activate::Response { unique_identifier: uid.into() })
            }
            RequestPayload::Destroy(request) => {
                let uid = named(&request.unique_identifier);
                keys.remove(&uid).unwrap();
                w.success(operation, id, &ops::destroy::Response { unique_identifier: uid.into() })
            }
            RequestPayload::GetAttributes(request) => {
                let uid = named(&request.unique_identifier);
                let attributes = vec![Attribute::State(keys[&uid].1)].into();
                let unique_identifier = uid.into();
                w.success(operation, id, &ops::get_attributes::Response { unique_identifier, attributes })
            }
            RequestPayload::Locate(request) => {
                let wanted: Vec<_> = request.attributes.iter().cloned().collect();
                let has = |names: &[String]| {
                    wanted.iter().all(
                        |attribute| matches!(attribute, Attribute::Name(name) if names.contains(&name.value)),
                    )
                };
                let found = keys.iter().filter(|(_, (_, _, names))| has(names));
                let unique_identifiers = found.map(|(uid, _)| uid.clone().into()).collect();
                w.success(operation, id, &ops::locate::Response { located_items: None, unique_identifiers })
            }
            other => panic!("the tests do not ask for {}", other.operation()),
        };
        assert_eq!(fit, kmip::message::Fit::Complete);
        true
    }
}
