//! Certificates that their authority has revoked.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, Issuer, KeyIdMethod,
    KeyPair, RevokedCertParams, SanType, SerialNumber,
};
use tokio::io::AsyncReadExt as _;
use tokio::time::{sleep, timeout};

use crate::support::{Cluster, PATIENCE};
use crate::wire::{self, Credentials, connect_to};

/// How soon an open connection of a revoked certificate is closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);
/// What a machine under a build may add to it.
const LENIENCE: Duration = Duration::from_secs(10);

pub fn authority(cluster: &Cluster) -> Issuer<'static, KeyPair> {
    let read = |end: &str| {
        fs::read_to_string(cluster.data.join(format!("ca/clients-tenant-a.{end}"))).expect("an authority")
    };
    let key = KeyPair::from_pem(&read("key")).expect("its key");
    Issuer::from_ca_cert_pem(&read("pem"), key).expect("an authority")
}

/// Credentials of `mongodb` of tenant-a under this serial number.
pub fn credentials(issuer: &Issuer<'static, KeyPair>, serial: u64) -> Credentials {
    let mut params = CertificateParams::default();
    let uri = "spiffe://keyraft.local/tenant/tenant-a/service/mongodb";
    params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from(serial));
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    Credentials { chain: certificate.pem(), key: key.serialize_pem() }
}

/// Writes the authority's list, as it would: beside, then in place.
fn publish(file: &Path, issuer: &Issuer<'static, KeyPair>, revoked: &[u64], lasts: Duration) {
    let now = SystemTime::now();
    let minute_ago = now - Duration::from_secs(3600);
    let list = CertificateRevocationListParams {
        this_update: minute_ago.into(),
        next_update: (minute_ago + lasts).into(),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: minute_ago.into(),
                reason_code: None,
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let pem = list.signed_by(issuer).expect("a list").pem().expect("PEM");
    let beside = file.with_extension("new");
    fs::write(&beside, pem).expect("a list");
    fs::rename(beside, file).expect("in place");
}

async fn let_in(cluster: &Cluster, credentials: &Credentials) -> bool {
    match wire::connect(cluster, Some(credentials)).await {
        Ok(mut stream) => match wire::ask(&mut stream, &wire::create_and_get()).await {
            Ok(answer) => wire::reasons(&answer).is_empty(),
            Err(_) => false,
        },
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_i09_a_revoked_certificate_ends_everywhere_and_a_stale_list_lets_nobody_in() {
    let mut cluster = Cluster::start();
    let issuer = authority(&cluster);
    let list = cluster.data.join("revoked.pem");
    const DAY: Duration = Duration::from_secs(24 * 3600);
    publish(&list, &issuer, &[], DAY);
    // Node 0 is told of the list, as an operator would: in its configuration.
    let file = cluster.node(0).join("config.toml");
    let config = fs::read_to_string(&file).expect("a configuration");
    let pinned = config.lines().find(|line| line.contains("clients-tenant-a.pem")).expect("the authority");
    let told = format!("{pinned}\ncrl = {:?}", list.display().to_string());
    fs::write(&file, config.replacen(pinned, &told, 1)).expect("a configuration");
    cluster.kill(0);
    cluster.run(0);
    cluster.caught_up(0);

    let (good, bad) = (credentials(&issuer, 1001), credentials(&issuer, 1002));
    assert!(let_in(&cluster, &good).await && let_in(&cluster, &bad).await, "nobody is revoked yet");
    let mut open = wire::connect(&cluster, Some(&bad)).await.expect("a connection");
    wire::ask(&mut open, &wire::create_and_get()).await.expect("an answer");
    let mut others = wire::connect(&cluster, Some(&good)).await.expect("a connection");
    wire::ask(&mut others, &wire::create_and_get()).await.expect("an answer");

    publish(&list, &issuer, &[1002], DAY);
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, open.read_to_end(&mut rest)).await.expect("the open connection is closed");
    assert!(begun.elapsed() < CLOSED_WITHIN + LENIENCE, "closed after {:?}", begun.elapsed());
    assert!(!let_in(&cluster, &bad).await, "a revoked certificate was let in");
    // Nodes without the file refuse it as well: what a list names is denied in the cluster.
    let mut elsewhere = connect_to(&cluster, cluster.ports.kmip + 1, Some(&bad)).await.expect("a connection");
    let begun = Instant::now();
    while wire::reasons(&wire::ask(&mut elsewhere, &wire::create_and_get()).await.expect("an answer"))
        .is_empty()
    {
        assert!(begun.elapsed() < CLOSED_WITHIN + LENIENCE, "another node still serves it");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(let_in(&cluster, &good).await, "another certificate was refused");
    wire::ask(&mut others, &wire::create_and_get()).await.expect("the other open connection stays");

    // A list that is none changes nothing.
    fs::write(&list, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n").expect("a file");
    sleep(CLOSED_WITHIN).await;
    assert!(
        !let_in(&cluster, &bad).await && let_in(&cluster, &good).await,
        "a broken list changed something"
    );

    // One whose time is over speaks of nobody: fail closed.
    publish(&list, &issuer, &[], Duration::from_secs(60));
    sleep(CLOSED_WITHIN).await;
    assert!(!let_in(&cluster, &good).await, "a stale list was believed");
    publish(&list, &issuer, &[1002], DAY);
    sleep(CLOSED_WITHIN).await;
    assert!(let_in(&cluster, &good).await && !let_in(&cluster, &bad).await, "a fresh list was not believed");
}
