//! Who may speak, and for whom, is in the certificate: every other certificate is refused,
//! and the audit log says why. The log itself is proof against a changed byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{Cluster, KEYRAFT, text};
use crate::wire::{self, Credentials};

/// Connections that must work after all the refused ones.
const GOOD: usize = 1000;
/// So many at once.
const AT_ONCE: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn doubtful_certificates_are_refused_and_the_audit_log_says_why() {
    let mut cluster = Cluster::start();
    let cases = cases(&cluster.data.join("ca"));
    for (what, credentials, _) in &cases {
        let answered = match wire::connect(&cluster, credentials.as_ref()).await {
            Ok(mut stream) => wire::ask(&mut stream, &wire::create_and_get()).await.is_ok(),
            Err(_) => false,
        };
        assert!(!answered, "{what}: was let in");
    }
    good_connections(&cluster).await;
    cluster.stop(Signal::INT);

    let log = cluster.node(0).join("data/audit");
    let exported = audit(&["export"], &log);
    assert_eq!(exported.0, 0, "{}", exported.1);
    let records = exported.1.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let refused: Vec<Value> = records.filter(|record| record["reason"] == "handshake_refused").collect();
    let details: Vec<&str> = refused.iter().filter_map(|record| record["detail"].as_str()).collect();
    assert_eq!(details.len(), cases.len(), "{details:#?}");
    for (what, _, reason) in &cases {
        assert!(
            details.iter().any(|detail| detail.contains(reason)),
            "{what}: no {reason:?} in {details:#?}"
        );
    }
    the_log_is_proof(&log);
}

type Case = (&'static str, Option<Credentials>, &'static str);

fn cases(authorities: &Path) -> Vec<Case> {
    let a = || Forgery::new("clients-tenant-a");
    let some = |forgery: Forgery| Some(forgery.issue(authorities));
    vec![
        ("no certificate", None, "no certificates"),
        ("self-signed", some(Forgery { issuer: None, ..a() }), "UnknownIssuer"),
        ("an authority of other purpose", some(Forgery::new("server")), "UnknownIssuer"),
        (
            "tenant-b's authority",
            some(Forgery::new("clients-tenant-b")),
            "the issuer may not speak for this tenant",
        ),
        ("two OUs", some(Forgery { units: &["tenant-a", "tenant-b"], ..a() }), "ambiguous identity: two OUs"),
        (
            "two SAN URIs",
            some(Forgery { tenants: &["tenant-a", "tenant-b"], ..a() }),
            "ambiguous identity: two SAN URIs",
        ),
        ("OU and SAN differ", some(Forgery { units: &["tenant-b"], ..a() }), "name different tenants"),
        ("OU with a space", some(Forgery { units: &["tenant-a "], ..a() }), "malformed identity"),
        ("CN only", some(Forgery { units: &[], tenants: &[], ..a() }), "no tenant identity"),
        ("OU, but no service", some(Forgery { tenants: &[], ..a() }), "no service identity"),
        ("expired", some(Forgery { years: (2020, 2021), ..a() }), "expired"),
        ("not valid yet", some(Forgery { years: (2040, 2044), ..a() }), "not valid yet"),
        ("for servers", some(Forgery { usage: Usage::ServerAuth, ..a() }), "extended key usage"),
        ("an authority itself", some(Forgery { is_authority: true, ..a() }), "CaUsedAsEndEntity"),
    ]
}

/// A certificate that is good for `mongodb` of tenant-a until a field is changed.
pub struct Forgery {
    /// Name of the authority in `<data>/ca`; `None` is itself.
    pub issuer: Option<&'static str>,
    pub units: &'static [&'static str],
    pub tenants: &'static [&'static str],
    pub years: (i32, i32),
    pub usage: Usage,
    pub is_authority: bool,
}

impl Forgery {
    pub fn new(issuer: &'static str) -> Self {
        Self {
            issuer: Some(issuer),
            units: &["tenant-a"],
            tenants: &["tenant-a"],
            years: (2024, 2044),
            usage: Usage::ClientAuth,
            is_authority: false,
        }
    }

    pub fn issue(&self, authorities: &Path) -> Credentials {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "tenant-a");
        for (place, unit) in self.units.iter().enumerate() {
            // The library keeps one value for each type: the second goes by its object identifier.
            let kind = match place {
                0 => DnType::OrganizationalUnitName,
                _ => DnType::CustomDnType(vec![2, 5, 4, 11]),
            };
            params.distinguished_name.push(kind, *unit);
        }
        for tenant in self.tenants {
            let uri = format!("spiffe://keyraft.local/tenant/{tenant}/service/mongodb");
            params.subject_alt_names.push(SanType::URI(uri.try_into().expect("a URI")));
        }
        params.not_before = date_time_ymd(self.years.0, 1, 1);
        params.not_after = date_time_ymd(self.years.1, 1, 1);
        params.extended_key_usages = vec![self.usage.clone()];
        if self.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = match self.issuer {
            None => params.self_signed(&key),
            Some(name) => params.signed_by(&key, &authority(authorities, name)),
        };
        Credentials { chain: certificate.expect("a certificate").pem(), key: key.serialize_pem() }
    }
}

/// An authority of the cluster, with its key.
fn authority(folder: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let read = |end: &str| fs::read_to_string(folder.join(format!("{name}.{end}"))).expect("an authority");
    let key = KeyPair::from_pem(&read("key")).expect("its key");
    Issuer::from_ca_cert_pem(&read("pem"), key).expect("an authority")
}

/// The accept loop is alive, and only the refused were refused.
async fn good_connections(cluster: &Cluster) {
    let connectors = client::Connector::all(&cluster.settings(&[0], "tenant-a", "mongodb"));
    let connector = connectors.expect("settings").remove(0);
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let connector = connector.clone();
        tasks.spawn(async move {
            for _ in 0..GOOD / AT_ONCE {
                let mut connection = connector.open().await.expect("a handshake");
                let answer = connection.exchange(&wire::create_and_get()).await.expect("an answer");
                assert_eq!(wire::reasons(answer), []);
                connection.close().await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every good connection works");
    }
}

fn the_log_is_proof(log: &Path) {
    let (code, told) = audit(&["verify"], log);
    assert_eq!(code, 0, "{told}");
    let copy = tempfile::tempdir().expect("a folder");
    let segment = copy_of(log, copy.path());
    let whole = fs::read(&segment).expect("a segment");

    for tenth in 1..10 {
        let mut altered = whole.clone();
        let at = whole.len() * tenth / 10;
        altered[at] ^= 1;
        fs::write(&segment, altered).expect("an altered copy");
        let (code, told) = audit(&["verify"], copy.path());
        assert_eq!(code, 2, "byte {at}: {told}");
    }
    fs::write(&segment, &whole[..whole.len() - 10]).expect("a copy cut short");
    let (code, told) = audit(&["verify"], copy.path());
    assert_eq!(code, 5, "{told}");
    fs::write(&segment, &whole).expect("the whole again");
    assert_eq!(audit(&["verify"], copy.path()).0, 0);
}

/// Copies a log; returns its first segment.
fn copy_of(log: &Path, to: &Path) -> PathBuf {
    let mut names: Vec<_> =
        fs::read_dir(log).expect("a log").map(|entry| entry.expect("a file").path()).collect();
    names.sort();
    for name in &names {
        fs::copy(name, to.join(name.file_name().expect("a name"))).expect("a copy");
    }
    to.join(names[0].file_name().expect("a name"))
}

fn audit(verb: &[&str], folder: &Path) -> (i32, String) {
    let output = Command::new(KEYRAFT).arg("audit").args(verb).arg(folder).output().expect("keyraft audit");
    let told = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().expect("an exit code"), told)
}
