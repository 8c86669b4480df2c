//! Bad input gets one clear sentence and an exit code that means something, and nothing is lost: files,
//! folders and flags at the start, bytes on the wire later.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use client::KeyRequest;
use kmip::ResultReason;
use rustix::process::Signal;

use crate::support::{Cluster, KEYRAFT, Ports, text, until};
use crate::wire::{self, Credentials};

#[test]
fn a_node_says_in_one_sentence_why_it_does_not_start() {
    let mut cluster = Cluster::start();
    cluster.stop(Signal::INT);
    let good = Start::of(&cluster, 1);

    good.with("[listen]", "colour = \"blue\"\n[listen]").refused_at("colour", "unknown field `colour`");
    good.with("[listen]", "[lisen]").refused_at("[lisen]", "lisen");
    good.with("join = [", "bootstrap = true\njoin = [").refused_at("bootstrap", "exclude each other");
    let port = format!("127.0.0.1:{}", cluster.ports.kmip + 1);
    let admin = format!("admin = \"127.0.0.1:{}\"", cluster.ports.admin + 1);
    good.with(&admin, &format!("admin = \"{port}\"")).refused_at("[listen]", "cannot both listen on");
    good.with("name = \"node-1\"", "name = \"Node 1\"").refused_at("name = ", "not a DNS label");
    good.with("region = ", "region = 7 #").refused_at("region = ", "expected a string");
    good.with("[node]", "[node").refused_at("[node", "");

    good.with("tls/server.pem", "tls/absent.pem").refused("tls/absent.pem");
    good.with("tls/server.key", "tls/peer.key").refused("do not belong together");
    good.with("nodes/1/data", "nodes/2/data").refused("belongs to node \"node-2\"");
    // I09: a revocation list that is missing, no list, or larger than any authority's.
    let authority = "clients-tenant-a.pem\"";
    let list = |name: &str| {
        good.with(authority, &format!("{authority}\ncrl = \"{}/{name}\"", cluster.data.display()))
    };
    list("absent.crl").refused("absent.crl");
    fs::write(cluster.data.join("broken.crl"), "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n")
        .expect("a file");
    list("broken.crl").refused("revocation list");
    fs::write(cluster.data.join("empty.crl"), "").expect("a file");
    list("empty.crl").refused("no revocation list");
    fs::File::create(cluster.data.join("huge.crl")).and_then(|file| file.set_len(50 << 20)).expect("a file");
    list("huge.crl").refused("larger than");
    let software = good.text.find("[platform_root.tenants]").expect("the last table");
    let module = "provider = \"pkcs11\"\nmodule = \"/no/such/module.so\"\ntoken = \"t\"\nkey_label = \"k\"\n\
                  key_id = \"01\"\npin_file = \"/no/such/pin\"\n";
    let token = format!("{}[platform_root.tenants]\n{module}", &good.text[..software]);
    good.text(token).refused("/no/such/");

    let taken = TcpListener::bind(&port).expect("a free port");
    good.with("", "").refused(&format!("cannot listen on {port}"));
    drop(taken);
    let data = cluster.node(1).join("data");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("a mode");
    good.with("", "").refused("chmod 700");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("a mode");
    expire(&cluster);
    good.with("tls/server.", "tls/expired.").refused("has expired");

    let other = Cluster::start();
    let foreign = good.with("nodes/1/data", "copied");
    copy(&other.node(1).join("data"), &cluster.data.join("copied"));
    foreign.refused("configure the root that wrapped it");
    drop(other);

    // Nothing was lost by all this; and while a node runs, no second one opens its folder.
    cluster.launch(&[]);
    let (ours, free) = (cluster.ports, Ports::free());
    let mut twin = good.with("", "");
    let moved = [(ours.kmip, free.kmip), (ours.admin, free.admin), (ours.admin + 50, free.admin + 50)];
    for (ours, free) in moved.into_iter().chain([(ours.peer, free.peer)]) {
        twin = twin.with(&format!("127.0.0.1:{}\"", ours + 1), &format!("127.0.0.1:{}\"", free + 1));
    }
    twin.refused("another process");
}

/// A configuration to start a node with.
struct Start {
    folder: PathBuf,
    text: String,
}

impl Start {
    fn of(cluster: &Cluster, node: usize) -> Self {
        let text = fs::read_to_string(cluster.node(node).join("config.toml")).expect("a configuration");
        Self { folder: cluster.data.clone(), text }
    }

    fn with(&self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{from:?} is not in the configuration");
        self.text(self.text.replacen(from, to, if from.is_empty() { 0 } else { usize::MAX }))
    }

    fn text(&self, text: String) -> Self {
        Self { folder: self.folder.clone(), text }
    }

    /// Refused with the file and the line on which `key` stands.
    fn refused_at(&self, key: &str, with: &str) {
        let line = self.text.lines().position(|line| line.contains(key)).expect("the key") + 1;
        let told = self.refused(with);
        assert!(told.contains(&format!("changed.toml:{line}: ")), "not line {line}: {told}");
    }

    /// Exits with 1, having said one sentence on standard error; returns it.
    fn refused(&self, with: &str) -> String {
        let file = self.folder.join("changed.toml");
        fs::write(&file, &self.text).expect("a configuration");
        let mut server = Command::new(KEYRAFT);
        server.args(["server", "--config"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = server.spawn().expect("keyraft server starts");
        until(&format!("the node refuses: {with}"), || server.try_wait().expect("our own child").is_some());
        let output = server.wait_with_output().expect("its output");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with("keyraft: ") && told.lines().count() == 1, "one sentence: {told}");
        assert!(told.contains(with), "{with:?} is not in {told}");
        told
    }
}

/// Beside the server's certificate of node 1, one that has expired.
fn expire(cluster: &Cluster) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(cluster.node(1).join("tls/expired.pem"), certificate.pem()).expect("a file");
    fs::write(cluster.node(1).join("tls/expired.key"), key.serialize_pem()).expect("a file");
}

/// Copies a folder, with its modes.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success());
}

#[test]
fn exit_codes_mean_something() {
    let check = |arguments: &[&str], code: i32, with: &str| {
        let mut command = Command::new(KEYRAFT);
        for name in ["KEYRAFT_ADDR", "KEYRAFT_ADDRS", "KEYRAFT_CACERT", "KEYRAFT_TOKEN"] {
            command.env_remove(name);
        }
        let output = command.args(arguments).output().expect("keyraft starts");
        let told = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(with), "{arguments:?}: {told}");
    };
    check(&[], 64, "Usage");
    check(&["sever"], 64, "server");
    check(&["dev", "--nodes", "0"], 64, "--nodes");
    check(&["dev", "--nodes", "50"], 64, "--nodes");
    check(&["tenant", "terminate", "x"], 64, "--confirm");
    check(&["tenant", "create", "x", "--label", "novalue"], 64, "KEY=VALUE");
    check(&["--help"], 0, "Usage");
    check(&["--version"], 0, "keyraft");
    check(&["server", "--config", "/no/such/file.toml"], 1, "/no/such/file.toml");
    check(&["tenant", "list"], 1, "KEYRAFT_CACERT");
    check(&["tenant", "list", "--ca", "/no/such/ca.pem"], 1, "KEYRAFT_ADDR");
    check(&["audit", "verify", "/no/such/folder"], 1, "");
    check(&["dev", "--tenants", "Not A Label"], 1, "--tenants");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_its_connection_and_nothing_else() {
    let cluster = Cluster::start();
    let witness = cluster.client(0, "tenant-a");
    let (identifier, _) = witness.create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let credentials = Credentials::of(&cluster, "tenant-a", "mongodb");
    let header = |tag: [u8; 3], kind: u8, length: u32| {
        let mut bytes = [0; 8];
        bytes[..3].copy_from_slice(&tag);
        bytes[3] = kind;
        bytes[4..].copy_from_slice(&length.to_be_bytes());
        bytes
    };
    let request = [0x42, 0x00, 0x78];
    let mut short = wire::get(&identifier);
    short[7] -= 8; // the message ends inside its last item
    let framed = [
        ("T01", header(request, 1, u32::MAX - 1).to_vec()),
        ("T02", header(request, 1, (1 << 20) + 1).to_vec()),
        ("T03", header(request, 1, 0).to_vec()),
        ("T04", header([0x42, 0x00, 0x7b], 1, 8).to_vec()),
        ("T05", header([0x43, 0x00, 0x78], 1, 8).to_vec()),
        ("T06", header(request, 0x0c, 8).to_vec()),
        ("T07", short),
        ("T14", header(request, 1, 0x8000_0000).to_vec()),
    ];
    for (case, bytes) in framed {
        let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
        let answer = wire::last_words(&mut stream, &bytes).await;
        assert_eq!(wire::reasons(&answer), [ResultReason::InvalidMessage], "{case}");
    }
    // T26: other protocols, and noise. Closed, with or without a word.
    let hello = [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03][..], &[7; 64]].concat();
    for bytes in [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), hello, vec![0xa5; 1 << 20]] {
        let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
        wire::last_words(&mut stream, &bytes).await;
    }
    // A connection that served a good message before is not spared, and others notice nothing.
    let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
    let answer = wire::ask(&mut stream, &wire::create_and_get()).await.expect("an answer");
    assert_eq!(wire::reasons(&answer), []);
    let answer = wire::last_words(&mut stream, &header(request, 1, 0)).await;
    assert_eq!(wire::reasons(&answer), [ResultReason::InvalidMessage]);
    witness.get(&identifier).await.expect("the connection beside them never broke");
    assert_eq!(cluster.pid(0).to_string(), cluster.env()["KEYRAFT_PIDS"].split(',').next().expect("three"));
}
