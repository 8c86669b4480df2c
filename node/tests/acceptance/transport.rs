//! TLS itself: what is no proper handshake is dropped in time, costs little, and the node goes
//! on accepting; who speaks is decided by each connection's own certificate.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::KeyRequest;
use kmip::ResultReason;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{Cluster, PATIENCE, text};
use crate::wire::{self, Credentials};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A good client still gets a key from node 0.
async fn serves_on(cluster: &Cluster) {
    cluster.client(0, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("the node serves on");
}

async fn tcp(cluster: &Cluster) -> TcpStream {
    TcpStream::connect(("127.0.0.1", cluster.ports.kmip)).await.expect("a line")
}

/// Reads until the node closes; how long that took.
async fn closed(mut stream: TcpStream) -> Duration {
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the node closes");
    begun.elapsed()
}

/// Parameters of a certificate for `mongodb` of tenant-a.
fn leaf() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "mongodb");
    let uri = "spiffe://keyraft.local/tenant/tenant-a/service/mongodb";
    params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Tenant-a's authority, with its key.
fn authority(cluster: &Cluster) -> Issuer<'static, KeyPair> {
    let read = |end: &str| {
        let file = cluster.data.join(format!("ca/clients-tenant-a.{end}"));
        std::fs::read_to_string(file).expect("an authority")
    };
    let key = KeyPair::from_pem(&read("key")).expect("its key");
    Issuer::from_ca_cert_pem(&read("pem"), key).expect("an authority")
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_a_connection_ends_with_its_certificate() {
    let cluster = Cluster::shared();
    let mut params = leaf();
    let lifetime = Duration::from_secs(6);
    params.not_after = (std::time::SystemTime::now() + lifetime).into();
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority(&cluster)).expect("a certificate");
    let credentials = Credentials { chain: certificate.pem(), key: key.serialize_pem() };
    let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
    let answer = wire::ask(&mut stream, &wire::create_and_get()).await.expect("an answer");
    assert_eq!(wire::reasons(&answer), []);
    // Idle, it is closed within seconds of the end; nobody has to ask first.
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(lifetime + PATIENCE, stream.read_to_end(&mut rest)).await.expect("the node closes");
    assert!(begun.elapsed() < lifetime + Duration::from_secs(10), "closed after {:?}", begun.elapsed());
    let again = wire::connect(&cluster, Some(&credentials)).await;
    let refused = match again {
        Ok(mut stream) => wire::ask(&mut stream, &wire::create_and_get()).await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "an expired certificate was let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_long_chains_and_huge_certificates_are_dropped_at_little_cost() {
    let cluster = Cluster::shared();
    let key = KeyPair::generate().expect("a key");
    let good = leaf().signed_by(&key, &authority(&cluster)).expect("a certificate");
    // Intermediates that sign each other, a hundred of them: many paths, none to the authority.
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "the same name each time");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let intermediate = KeyPair::generate().expect("a key");
    let forged = params.self_signed(&intermediate).expect("a certificate").pem();
    let stray = leaf().signed_by(&key, &Issuer::new(params, intermediate)).expect("a certificate");
    let mut huge = leaf();
    huge.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[2, 25, 7], vec![0x04; 1 << 20])];
    let huge = huge.signed_by(&key, &authority(&cluster)).expect("a certificate");
    for (what, chain) in [
        ("a hundred intermediates below a good leaf", good.pem() + &forged.repeat(100)),
        ("a graph of intermediates", stray.pem() + &forged.repeat(100)),
        ("a certificate of a megabyte", huge.pem()),
    ] {
        let credentials = Credentials { chain, key: key.serialize_pem() };
        let begun = Instant::now();
        let answered = match wire::connect(&cluster, Some(&credentials)).await {
            Ok(mut stream) => wire::ask(&mut stream, &wire::create_and_get()).await.is_ok(),
            Err(_) => false,
        };
        assert!(!answered, "{what}: let in");
        assert!(begun.elapsed() < HANDSHAKE_TIMEOUT * 2, "{what}: took {:?}", begun.elapsed());
    }
    serves_on(&cluster).await;
}

/// A handshake by OpenSSL with these flags; whether it came about.
fn openssl(cluster: &Cluster, flags: &[&str]) -> (bool, String) {
    let env = cluster.env();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-verify_return_error", "-CAfile", &env["KMIP_CA"]]);
    command.args(["-cert", &env["KMIP_CERT"], "-key", &env["KMIP_KEY"]]);
    command.args(["-connect", &format!("127.0.0.1:{}", env["KMIP_PORT"])]).args(flags);
    let output = command.stdin(Stdio::null()).output().expect("openssl starts");
    let told = text(&output.stdout) + &text(&output.stderr);
    (told.contains("CONNECTION ESTABLISHED"), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_old_protocols_and_weak_ciphers_are_dropped() {
    let cluster = Cluster::shared();
    let weak = "ALL:eNULL:@SECLEVEL=0";
    for flags in [
        &["-tls1", "-cipher", weak][..],
        &["-tls1_1", "-cipher", weak],
        &["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA256:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0"],
    ] {
        let (established, told) = openssl(&cluster, flags);
        assert!(!established, "{flags:?}: {told}");
    }
    for flags in [&["-tls1_2"][..], &["-tls1_3"]] {
        let (established, told) = openssl(&cluster, flags);
        assert!(established, "{flags:?}: {told}");
        // Neither early data nor a ticket to resume by.
        assert!(!told.contains("Early data was accepted"), "{told}");
    }
    serves_on(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_slow_and_broken_handshakes_are_dropped_in_time() {
    let cluster = Cluster::shared();
    // A record header that promises a ClientHello, and what follows it.
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let mut fragment = tcp(&cluster).await;
    fragment.write_all(&hello).await.expect("sent");
    let mut notify = tcp(&cluster).await;
    notify.write_all(&[0x15, 0x03, 0x03, 0, 2, 1, 0]).await.expect("sent");
    let silent = tcp(&cluster).await;
    let mut dripping = tcp(&cluster).await;
    let drip = async {
        let begun = Instant::now();
        for byte in hello.iter().cycle() {
            if dripping.write_all(&[*byte]).await.is_err() || begun.elapsed() > PATIENCE {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        begun.elapsed()
    };
    let (fragment, notify, silent, drip) =
        tokio::join!(closed(fragment), closed(notify), closed(silent), drip);
    for (what, took) in [("half a ClientHello", fragment), ("silence", silent), ("a byte now and then", drip)]
    {
        assert!(
            took >= HANDSHAKE_TIMEOUT / 2 && took < HANDSHAKE_TIMEOUT * 3,
            "{what}: closed after {took:?}"
        );
    }
    assert!(notify < HANDSHAKE_TIMEOUT * 3, "close_notify: closed after {notify:?}");
    serves_on(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_half_open_handshakes_do_not_end_accepting() {
    let cluster = Cluster::shared();
    // As many at once as this process may open beside everything else, until there were 10,000; each is refused or
    // times out.
    const HALF_OPEN: usize = 600;
    const IN_ALL: usize = 10_000;
    for _ in 0..IN_ALL.div_ceil(HALF_OPEN) {
        let mut half_open = Vec::new();
        for _ in 0..HALF_OPEN {
            half_open.push(tcp(&cluster).await);
        }
        serves_on(&cluster).await;
        drop(half_open);
    }
    serves_on(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i15_the_name_asked_for_decides_nothing() {
    let cluster = Cluster::shared();
    let long = format!("{}.example", ["a".repeat(60).as_str(); 4].join("."));
    for flags in [&["-noservername"][..], &["-servername", "tenant-b.example"], &["-servername", &long]] {
        let (established, told) = openssl(&cluster, flags);
        assert!(established, "{flags:?}: {told}");
    }
    serves_on(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i17_a_new_certificate_is_a_new_identity() {
    let cluster = Cluster::shared();
    let (uid, _) = cluster.client(0, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("a key");
    for (tenant, expected) in [("tenant-b", &[ResultReason::ItemNotFound][..]), ("tenant-a", &[])] {
        let credentials = Credentials::of(&cluster, tenant, "mongodb");
        let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
        let answer = wire::ask(&mut stream, &wire::get(&uid)).await.expect("an answer");
        assert_eq!(wire::reasons(&answer), expected, "{tenant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_a_node_without_file_descriptors_recovers() {
    // A cluster of its own: nothing else shall run out of them.
    let cluster = Cluster::start();
    let pid = cluster.pid(0);
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a live process").count();
    let node = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It was started by this process, and so has its hard limit.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let few = Rlimit { current: u64::try_from(open + 16).ok(), maximum };
    let before = prlimit(node, Resource::Nofile, few).expect("a lower limit for a process of our own");
    let mut lines = Vec::new();
    for _ in 0..64 {
        lines.push(tcp(&cluster).await);
    }
    sleep(Duration::from_secs(2)).await;
    assert!(cluster.pid(0) == pid && crate::support::lives(pid), "the node died");
    drop(lines);
    sleep(Duration::from_secs(1)).await;
    serves_on(&cluster).await;
    prlimit(node, Resource::Nofile, before).expect("the limit it had");
    assert_eq!(cluster.pid(0), pid);
}
