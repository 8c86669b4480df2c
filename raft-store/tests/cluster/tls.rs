//! The same cluster over real sockets, mutual TLS and RocksDB.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::id::{ClusterId, Realm};
use raft_store::identity;
use raft_store::join::{JoinError, JoinRequest, join};
use raft_store::lease::class::LeaseLength;
use raft_store::peer::tls::{NotANode, PeerCredentials, PeerTls};
use raft_store::production::SystemEntropy;
use raft_store::{Addresses, Identity, Production, Settings, Store};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;

use crate::commands::{REGION, create, handle, suspend};
use crate::sealer::InsecureSealer;
use crate::sim::{NoCache, TOKEN_LASTS};

const DOMAIN: &str = "keyraft.local";

/// A peer CA for a test.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    root: rustls::pki_types::CertificateDer<'static>,
}

impl Ca {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    fn credentials(&self, uri: &str) -> PeerCredentials {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        let leaf = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        PeerCredentials { chain: vec![leaf], key, roots: vec![self.root.clone()] }
    }

    /// TLS to a node's peer port with any certificate of this CA.
    pub async fn raw(
        &self,
        to: &TlsNode,
        uri: &str,
    ) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let PeerCredentials { chain, key, .. } = self.credentials(uri);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = tokio::net::TcpStream::connect(to.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("node").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    fn node(&self, name: &str) -> PeerTls {
        PeerTls::new(self.credentials(&format!("spiffe://{DOMAIN}/node/{name}")), DOMAIN).unwrap()
    }
}

/// Takes any server for what it is not asked: these tests are about the other side.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub struct TlsNode {
    dir: TempDir,
    name: String,
    pub address: SocketAddr,
    tls: PeerTls,
    identity: Option<Identity>,
    store: Option<Store>,
}

impl TlsNode {
    pub fn new(ca: &Ca, name: &str) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            name: name.into(),
            address: free.local_addr().unwrap(),
            tls: ca.node(name),
            identity: None,
            store: None,
        }
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    fn addresses(&self) -> Addresses {
        Addresses { peer: self.address.to_string(), ..Addresses::default() }
    }

    pub fn production(&self) -> Production {
        Production::new(&self.data(), self.address, self.tls.clone()).unwrap()
    }

    pub async fn start(&mut self) {
        let identity = match identity::load_as(&self.data(), &self.name).unwrap() {
            Some(identity) => identity,
            None => self.identity.clone().unwrap(),
        };
        let settings = Settings {
            addresses: self.addresses(),
            region: REGION.into(),
            bootstrap: identity.node.0 == 1,
            keyring: Arc::new(|| b"keyring".to_vec()),
            stabilisation: Duration::from_millis(300),
            ..Settings::default()
        };
        let sealer = Arc::new(InsecureSealer::default());
        let store = Store::start(self.production(), settings, identity, sealer, Arc::new(NoCache)).await;
        self.store = Some(store.unwrap());
    }

    pub fn is_up(&self) -> bool {
        self.store.is_some()
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    async fn join(&self, peer: &TlsNode, token: &[u8]) -> Result<raft_store::join::Joined, JoinError> {
        let request = JoinRequest {
            name: self.name.clone(),
            addresses: self.addresses(),
            peers: vec![peer.address.to_string()],
            token: token.to_vec(),
            voter: true,
            within: Duration::from_secs(10),
        };
        let production = self.production();
        let (dir, transport) = (self.data(), production.transport());
        join(&dir, &request, transport, &SystemEntropy, |_| Ok(())).await
    }

    /// The process ends without a word; its files stay.
    pub async fn kill(&mut self) {
        self.store.take().unwrap().danger_crash().await;
    }
}

pub async fn three(ca: &Ca) -> Vec<TlsNode> {
    let mut nodes: Vec<TlsNode> = ["node-a", "node-b", "node-c"].map(|name| TlsNode::new(ca, name)).into();
    identity::bootstrap(&nodes[0].data(), Realm([0x11; 16]), ClusterId([0x22; 16]), "node-a").unwrap();
    nodes[0].start().await;
    nodes[0].store().wait_ready(Duration::from_secs(20)).await.unwrap();
    for at in 1..3 {
        let token = nodes[0].store().join_token(TOKEN_LASTS).await.unwrap();
        let joined = nodes[at].join(&nodes[0], token.expose().as_bytes()).await.unwrap();
        assert_eq!(joined.keyring, b"keyring");
        nodes[at].start().await;
        nodes[at].store().wait_ready(Duration::from_secs(20)).await.unwrap();
    }
    until("three voters", || {
        let store = nodes[0].store().clone();
        async move { store.cluster_status().await.nodes.iter().filter(|node| node.voter).count() == 3 }
    })
    .await;
    nodes
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until those that run agree on who leads among them.
pub async fn leader(nodes: &[TlsNode]) -> usize {
    let begun = Instant::now();
    loop {
        let running: Vec<_> = nodes.iter().filter(|node| node.store.is_some()).collect();
        let believed: Vec<_> = running.iter().map(|node| node.store().status().leader).collect();
        if let Some(id) = believed[0].filter(|_| believed.iter().all(|one| *one == believed[0])) {
            let at = nodes.iter().position(|n| n.store.is_some() && n.store().identity().node == id);
            if let Some(at) = at {
                return at;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no leader: {believed:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(scenario);
}

#[test]
fn three_nodes_over_tls_and_rocksdb_fail_over_and_restart() {
    run(async {
        let ca = Ca::new();
        let mut nodes = three(&ca).await;
        for at in 0..3_u32 {
            let done = nodes[at as usize].store().propose(create(at, 3_000), None).await.unwrap();
            assert!(nodes[at as usize].store().generation().index >= done.index);
        }
        let begun = Instant::now();
        nodes[1].store().propose(suspend(0), None).await.unwrap();
        println!("withdrawal, all healthy: {:?}", begun.elapsed());

        let old = leader(&nodes).await;
        let survivor = (old + 1) % 3;
        let lease = nodes[survivor].store().lease().capture().unwrap();
        let killed = Instant::now();
        nodes[old].kill().await;
        let mut number = 100;
        let mut failed = 0;
        loop {
            match nodes[survivor].store().propose(create(number, 3_000), None).await {
                Ok(_) => break,
                Err(_) => failed += 1,
            }
            number += 1;
        }
        println!("fail-over, first write after {:?} ({failed} unknown before it)", killed.elapsed());
        let store = nodes[survivor].store();
        if killed.elapsed() < Duration::from_secs(2) {
            store
                .lease()
                .check(lease, LeaseLength::DEFAULT, store.boot_now())
                .expect("derivations never paused");
        }

        nodes[old].start().await;
        nodes[old].store().wait_ready(Duration::from_secs(30)).await.unwrap();
        let generation = nodes[old].store().read_index().await.unwrap();
        for tenant in [0, 1, 2, number] {
            assert!(generation.state.tenant(handle(tenant)).is_some(), "tenant {tenant}");
        }

        let leads = leader(&nodes).await;
        let begun = Instant::now();
        let successor = nodes[leads].store().step_down().await.unwrap();
        println!("planned transfer in {:?}", begun.elapsed());
        let writer = nodes.iter().find(|node| node.store().identity().node == successor).unwrap();
        writer.store().propose(create(200, 3_000), None).await.unwrap();
        for node in &nodes {
            node.store().shutdown().await;
        }
    });
}

#[test]
fn strangers_are_refused_on_the_peer_port() {
    run(async {
        let ca = Ca::new();
        let tenant = PeerTls::new(ca.credentials("spiffe://keyraft.local/tenant/a/service/b"), DOMAIN);
        assert!(tenant.is_err(), "a tenant's certificate is no node's");
        let mut first = TlsNode::new(&ca, "node-a");
        identity::bootstrap(&first.data(), Realm([0x11; 16]), ClusterId([0x22; 16]), "node-a").unwrap();
        first.start().await;
        first.store().wait_ready(Duration::from_secs(20)).await.unwrap();

        let wrong_token = TlsNode::new(&ca, "node-b");
        let refused = wrong_token.join(&first, b"guess").await.unwrap_err();
        assert!(matches!(refused, JoinError::Refused(_)), "{refused:?}");

        let other_ca = TlsNode::new(&Ca::new(), "node-b");
        assert!(raw_call_fails(&other_ca.tls, first.address).await, "a node of another CA");
        let other_domain = ca.credentials("spiffe://elsewhere/node/node-b");
        let other_domain = PeerTls::new(other_domain, "elsewhere").unwrap();
        assert!(raw_call_fails(&other_domain, first.address).await, "a node of another trust domain");
        first.store().shutdown().await;
    });
}

/// Whether a joining call with these credentials gets no answer from the cluster at all.
async fn raw_call_fails(tls: &PeerTls, peer: SocketAddr) -> bool {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let production = Production::new(Path::new("/nonexistent"), listen, tls.clone()).unwrap();
    let request = JoinRequest {
        name: "node-b".into(),
        addresses: Addresses::default(),
        peers: vec![peer.to_string()],
        token: b"never looked at".to_vec(),
        voter: false,
        within: Duration::from_millis(10),
    };
    let asked = raft_store::join::ask([1; 16], &request, &production.transport()).await;
    matches!(asked, Err(JoinError::Unavailable(_)))
}

#[test]
fn a_certificate_names_exactly_one_node() {
    let ca = Ca::new();
    let check = |uris: &[&str], expected: Result<&str, NotANode>| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        let leaf = params.signed_by(&key, &ca.issuer).unwrap().der().clone();
        let found = raft_store::peer::tls::node_name(&leaf, DOMAIN);
        assert_eq!(found, expected.map(str::to_owned), "{uris:?}");
    };
    let other = |uri: &str| Err(NotANode::OtherUri(uri.to_owned()));
    check(&["spiffe://keyraft.local/node/node-a"], Ok("node-a"));
    check(&["spiffe://keyraft.local/node/node-0.peers.svc"], Ok("node-0.peers.svc"));
    check(&[], Err(NotANode::Uris(0)));
    check(&["spiffe://keyraft.local/node/a", "spiffe://keyraft.local/node/b"], Err(NotANode::Uris(2)));
    for uri in [
        "spiffe://keyraft.local/tenant/a/service/b",
        "spiffe://keyraft.local.evil/node/a",
        "spiffe://other/node/a",
        "spiffe://keyraft.local/node/",
        "spiffe://keyraft.local/node/a/b",
        "https://keyraft.local/node/a",
    ] {
        check(&[uri], other(uri));
    }
}

/// Not a test of correctness: prints what the store does here and now. Run it with `--ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn propose_latency() {
    run(async {
        let ca = Ca::new();
        let nodes = three(&ca).await;
        let leads = leader(&nodes).await;
        for (clients, each) in [(1_u32, 200_u32), (16, 50), (64, 30)] {
            for (what, at) in [("leader", leads), ("follower", (leads + 1) % 3)] {
                let begun = Instant::now();
                let tasks: Vec<_> = (0..clients)
                    .map(|client| {
                        let store = nodes[at].store().clone();
                        let base = 1_000_000 * (at as u32 + 1) + clients * 10_000 + client * each;
                        tokio::spawn(async move {
                            let mut took = Vec::new();
                            for number in 0..each {
                                let begun = Instant::now();
                                store.propose(create(base + number, 3_000), None).await.unwrap();
                                took.push(begun.elapsed());
                            }
                            took
                        })
                    })
                    .collect();
                let mut took = Vec::new();
                for task in tasks {
                    took.extend(task.await.unwrap());
                }
                let seconds = begun.elapsed().as_secs_f64();
                took.sort();
                let at = |percent: usize| took[(took.len() - 1) * percent / 100];
                println!(
                    "{clients:3} clients, via {what}: {:.0}/s, p50 {:?}, p95 {:?}, p99 {:?}",
                    took.len() as f64 / seconds,
                    at(50),
                    at(95),
                    at(99)
                );
            }
        }
    });
}
