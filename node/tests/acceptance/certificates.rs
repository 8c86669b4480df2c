//! Certificates are replaced while the node serves: no connection is dropped for it, and files that cannot be
//! used change nothing.

use std::fs;
use std::path::Path;

use client::KeyRequest;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustix::process::Signal;
use tokio_rustls::client::TlsStream;

use crate::support::{Cluster, NODES, until};
use crate::wire::{self, Credentials};

/// A certificate and its key, PEM.
struct Pair {
    chain: String,
    key: String,
}

/// An authority of `keyraft dev` issues a certificate that ends in `year`.
fn issue(cluster: &Cluster, authority: &str, year: i32, fill: impl FnOnce(&mut CertificateParams)) -> Pair {
    let read = |end: &str| fs::read_to_string(cluster.data.join(format!("ca/{authority}.{end}")));
    let ca = read("pem").expect("an authority");
    let key = KeyPair::from_pem(&read("key").expect("a key")).expect("a key");
    signed(&ca, Issuer::from_ca_cert_pem(&ca, key).expect("an authority"), year, fill)
}

fn signed(
    ca: &str,
    issuer: Issuer<'_, KeyPair>,
    year: i32,
    fill: impl FnOnce(&mut CertificateParams),
) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    fill(&mut params);
    let leaf = params.signed_by(&key, &issuer).expect("a certificate");
    Pair { chain: leaf.pem() + ca, key: key.serialize_pem() }
}

fn put(folder: &Path, stem: &str, pair: &Pair) {
    fs::write(folder.join(format!("{stem}.key")), &pair.key).expect("a file");
    fs::write(folder.join(format!("{stem}.pem")), &pair.chain).expect("a file");
}

fn shown<S>(stream: &TlsStream<S>) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    chain[0].to_vec()
}

fn log(cluster: &Cluster, node: usize) -> String {
    fs::read_to_string(cluster.node(node).join("log")).expect("a log")
}

fn signal(cluster: &Cluster, node: usize) {
    cluster.tell(node, Signal::HUP);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_without_a_dropped_connection() {
    let cluster = Cluster::start();
    let known = Credentials::of(&cluster, "tenant-a", "mongodb");
    let mut open = wire::connect(&cluster, Some(&known)).await.expect("a connection");
    let before = shown(&open);
    let mut works = async |what: &str| {
        let answer = wire::ask(&mut open, &wire::create_and_get()).await;
        assert_eq!(wire::reasons(&answer.expect("the connection lives")), [], "{what}");
    };
    works("before").await;

    // The server's: by a change of the files alone.
    let tls = cluster.node(0).join("tls");
    put(
        &tls,
        "server",
        &issue(&cluster, "server", 2040, |params| {
            params.extended_key_usages = vec![Usage::ServerAuth];
        }),
    );
    until("the new certificate is read", || log(&cluster, 0).contains("read again kind=\"server\""));
    works("a new server certificate").await;
    let after = shown(&wire::connect(&cluster, Some(&known)).await.expect("a connection"));
    assert_ne!(before, after, "new connections are shown the new one");

    // Files that cannot be used change nothing, and the log says so.
    let good = fs::read(tls.join("server.pem")).expect("a file");
    fs::write(tls.join("server.pem"), "no certificate").expect("a file");
    until("the bad file is told", || log(&cluster, 0).contains("the ones before stand kind=\"server\""));
    assert!(log(&cluster, 0).contains("holds no certificate"), "the file and the reason are told");
    let still = shown(&wire::connect(&cluster, Some(&known)).await.expect("a connection"));
    assert_eq!(after, still);
    fs::write(tls.join("server.pem"), good).expect("a file");

    // Authorities of clients: a second one beside the first, at once by a signal.
    let file = cluster.data.join("ca/clients-tenant-a.pem");
    let (new_ca, pair) = second_authority();
    let both = fs::read_to_string(&file).expect("an authority") + &new_ca;
    fs::write(&file, both).expect("a file");
    signal(&cluster, 0);
    until("the authorities are read", || log(&cluster, 0).contains("read again kind=\"clients\""));
    works("a second authority").await;
    let renewed = Credentials { chain: pair.chain, key: pair.key };
    let mut stream = wire::connect(&cluster, Some(&renewed)).await.expect("a connection");
    let answer = wire::ask(&mut stream, &wire::create_and_get()).await.expect("an answer");
    assert_eq!(wire::reasons(&answer), [], "a certificate of the new authority");

    peers_are_renewed(&cluster).await;
    works("new peer certificates").await;
}

/// An authority, and a certificate by it for the service mongodb of tenant-a.
fn second_authority() -> (String, Pair) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = params.self_signed(&key).expect("an authority").pem();
    let pair = signed(&ca, Issuer::new(params, key), 2040, |params| {
        params.extended_key_usages = vec![Usage::ClientAuth];
        let uri = "spiffe://keyraft.local/tenant/tenant-a/service/mongodb";
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
    });
    (ca, pair)
}

async fn peers_are_renewed(cluster: &Cluster) {
    for node in 0..NODES {
        let pair = issue(cluster, "peers", 2039, |params| {
            params.extended_key_usages = vec![Usage::ServerAuth, Usage::ClientAuth];
            let uri = format!("spiffe://keyraft.local/node/node-{node}");
            params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        });
        put(&cluster.node(node).join("tls"), "peer", &pair);
    }
    until("every node has read its peer certificate", || {
        (0..NODES).all(|node| log(cluster, node).contains("read again kind=\"peer\""))
    });
    let expires = 2_177_452_800_u64; // 2039-01-01
    until("the status tells when the first certificate ends", || {
        let status = cluster.json(&["status"]);
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().all(|node| node["certificates_expire"] == expires)
    });
    let name = "keyraft_certificate_expires_seconds{kind=\"peer\"} 2177452800";
    let metrics = wire::metrics(cluster).await;
    assert!(metrics.iter().all(|text| text.contains(name)), "{metrics:?}");
    cluster.json(&["operator", "step-down"]);
    cluster
        .client(1, "tenant-b")
        .create(&KeyRequest::aes256().named("by the next leader"))
        .await
        .expect("a write");
}
