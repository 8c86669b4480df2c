//! `keyraft dev` is a contract (DESIGN 11): demonstrations and acceptance tests stand on it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use client::{Client, KeyRequest};
use kmip::ResultReason;
use rustix::process::Signal;

use crate::support::{Cluster, NODES, Ports, dev_command, lives, text, until};

const KEYS: [&str; 13] = [
    "KEYRAFT_ADDR",
    "KEYRAFT_ADDRS",
    "KEYRAFT_CACERT",
    "KEYRAFT_PIDS",
    "KEYRAFT_TOKEN",
    "KMIP_CA",
    "KMIP_CERT",
    "KMIP_CERT2",
    "KMIP_HOST",
    "KMIP_KEY",
    "KMIP_KEY2",
    "KMIP_PORT",
    "KMIP_PORTS",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_says_everything_a_client_needs() {
    let cluster = Cluster::start();
    let env = cluster.env();
    assert_eq!(env.keys().map(String::as_str).collect::<Vec<_>>(), KEYS);
    assert_eq!(through_a_shell(&cluster.data.join("env"), &KEYS), env);

    let list = |of: &dyn Fn(u16) -> String| (0..3).map(of).collect::<Vec<_>>().join(",");
    let ports = cluster.ports;
    assert_eq!(env["KMIP_HOST"], "127.0.0.1");
    assert_eq!(env["KMIP_PORT"], ports.kmip.to_string());
    assert_eq!(env["KMIP_PORTS"], list(&|i| (ports.kmip + i).to_string()));
    assert_eq!(env["KEYRAFT_ADDR"], format!("https://127.0.0.1:{}", ports.admin));
    assert_eq!(env["KEYRAFT_ADDRS"], list(&|i| format!("https://127.0.0.1:{}", ports.admin + i)));
    let pids: Vec<String> = (0..NODES).map(|i| cluster.pid(i).to_string()).collect();
    assert_eq!(env["KEYRAFT_PIDS"], pids.join(","), "the servers themselves, in node order");
    for pid in &pids {
        let command = text(&fs::read(format!("/proc/{pid}/cmdline")).expect("a living server"));
        assert!(command.contains("\0server\0"), "{command:?}");
    }

    assert_eq!(mode(&cluster.data.join("env")), 0o600);
    for (suffix, tenant) in [("", "tenant-a"), ("2", "tenant-b")] {
        let stem = cluster.data.join("clients").join(tenant).join("mongodb");
        assert_eq!(Path::new(&env[&format!("KMIP_CERT{suffix}")]), stem.with_extension("pem"));
        assert_eq!(Path::new(&env[&format!("KMIP_KEY{suffix}")]), stem.with_extension("key"));
    }
    for tenant in ["tenant-a", "tenant-b"] {
        for service in ["mongodb", "postgresql", "redis", "microservice"] {
            let stem = cluster.data.join("clients").join(tenant).join(service);
            let key = stem.with_extension("key");
            assert!(key.is_absolute() && stem.with_extension("pem").exists(), "{}", key.display());
            let pem = fs::read_to_string(&key).expect("a key file");
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{} is PKCS#8", key.display());
            assert_eq!(mode(&key), 0o600);
        }
    }
    every_port_is_on_loopback(&ports);
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut settings = cluster.settings(&[1], "tenant-b", "redis");
        settings.server_name = Some(name.to_owned());
        let client = Client::new(&settings).expect("settings");
        client.create(&KeyRequest::aes256()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// What a shell makes of the file: quotes and spaces in a path must hurt nobody.
fn through_a_shell(file: &Path, keys: &[&str]) -> BTreeMap<String, String> {
    let value = |key: &&str| {
        let script = format!(". \"$1\"; printf %s \"${key}\"");
        let output = Command::new("sh").args(["-euc", &script, "sh"]).arg(file).output().expect("sh");
        assert!(output.status.success(), "{}", text(&output.stderr));
        ((*key).to_owned(), text(&output.stdout))
    };
    keys.iter().map(value).collect()
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("a file").permissions().mode() & 0o777
}

/// By the kernel's own table of listening sockets.
fn every_port_is_on_loopback(ports: &Ports) {
    let mut found = 0;
    for (table, loopback) in [("/proc/net/tcp", "0100007F"), ("/proc/net/tcp6", "none is expected")] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = fields[1].split_once(':').expect("address:port");
            let port = u16::from_str_radix(port, 16).expect("hexadecimal");
            if fields[3] == "0A" && ports.all().contains(&port) {
                assert_eq!(address, loopback, "port {port}");
                found += 1;
            }
        }
    }
    assert_eq!(found, ports.all().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_nodes_come_back_by_run_and_nothing_is_lost() {
    let mut cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    let (derived, bytes) = clients[0].create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let named = KeyRequest::aes256().named("kept");
    let (recorded, more) = clients[1].create_and_get(&named).await.expect("a recorded key");
    let keys = [(derived.as_str(), bytes.expose()), (recorded.as_str(), more.expose())];

    let old = cluster.pid(2);
    cluster.kill(2);
    // Twenty times the pause between two looks of keyraft dev: whoever wanted to restart it would have.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(cluster.dev_lives(), "dev goes on when a node dies");
    assert_eq!(cluster.pid(2), old, "dev restarts nobody");
    clients[0].create(&KeyRequest::aes256().named("written meanwhile")).await.expect("two of three write");
    cluster.run(2);
    cluster.caught_up(2);
    same_bytes(&cluster, &keys).await;

    (0..NODES).for_each(|i| cluster.kill(i));
    assert!(cluster.dev_lives(), "dev goes on when every node died");
    (0..NODES).for_each(|i| cluster.run(i));
    (0..NODES).for_each(|i| cluster.caught_up(i));
    same_bytes(&cluster, &keys).await;

    let pids: Vec<u32> = (0..NODES).map(|i| cluster.pid(i)).collect();
    let ended = cluster.stop(Signal::TERM).expect("dev ends on SIGTERM");
    assert!(ended.success(), "{ended}");
    assert!(!pids.into_iter().any(lives), "those started by run are stopped too");
    assert!(!cluster.data.join("env").exists(), "nobody reads of a cluster that is gone");

    cluster.launch(&[]);
    same_bytes(&cluster, &keys).await;
    let pids: Vec<u32> = (0..NODES).map(|i| cluster.pid(i)).collect();
    assert!(cluster.stop(Signal::INT).expect("dev ends on SIGINT").success());
    assert!(!pids.into_iter().any(lives));

    cluster.launch(&["--fresh"]);
    let gone = cluster.client(0, "tenant-a").get(&derived).await.expect_err("another realm");
    assert_eq!(gone.reason(), Some(ResultReason::ItemNotFound), "{gone}");
}

async fn same_bytes(cluster: &Cluster, keys: &[(&str, &[u8])]) {
    for (i, client) in cluster.clients("tenant-a").iter().enumerate() {
        for (identifier, bytes) in keys {
            let got = client.get(identifier).await.unwrap_or_else(|error| panic!("node {i}: {error}"));
            assert!(got.expose() == *bytes, "node {i} answers {identifier} with other bytes");
        }
    }
}

#[test]
fn what_is_in_the_way_is_said_in_a_sentence() {
    let mut cluster = Cluster::start();
    let data = cluster.data.clone();

    // While it runs, nothing of it may be deleted: not by the same ports, not by others.
    refused(cluster.dev_command(&["--fresh"]), "is in use");
    refused(with_flag(&data, Ports::free(), "--fresh"), "stop it first");
    assert!(data.join("env").exists(), "the running cluster keeps its env");
    assert!(cluster.status(0).is_some_and(|status| status["nodes"][0]["ready"] == true));
    let pid = cluster.pid(1);
    let second = Command::new(cluster.node(1).join("run")).status().expect("nodes/1/run starts");
    assert_eq!((second.code(), cluster.pid(1)), (Some(1), pid), "the running node keeps its pid file");

    cluster.stop(Signal::INT);
    let told = refused(with_flag(&data, Ports::free(), "--nodes=3"), "start it like that");
    assert!(told.contains(&format!("--kmip-port {}", cluster.ports.kmip)), "{told}");
    refused(cluster.dev_command(&["--nodes", "1"]), "--nodes 3");

    let port = cluster.ports.peer + 1;
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let told = refused(cluster.dev_command(&[]), "is in use");
    assert!(told.contains(&port.to_string()) && told.contains("--peer-port"), "{told}");
    drop(taken);

    fs::write(data.join("env"), "KMIP_PORT=1\n").expect("a stale env");
    let authority = data.join("ca/server.pem");
    let kept = fs::read(&authority).expect("the authority");
    fs::write(&authority, "not a certificate").expect("a broken authority");
    refused(cluster.dev_command(&[]), "ca/server.pem");
    assert!(!data.join("env").exists(), "a stale env is removed at start");
    fs::write(&authority, kept).expect("the authority again");
    cluster.launch(&[]);

    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("thesis.txt"), "mine").expect("a file");
    refused(with_flag(folder.path(), Ports::free(), "--fresh"), "deletes nothing else");
    refused(with_flag(folder.path(), Ports::free(), "--nodes=3"), "choose another --data");
    assert!(folder.path().join("thesis.txt").exists());
}

fn with_flag(data: &Path, ports: Ports, flag: &str) -> Command {
    let mut command = dev_command(data, ports);
    command.arg(flag);
    command
}

/// Exits with 1 and one sentence, which is returned.
fn refused(mut command: Command, with: &str) -> String {
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("keyraft dev starts");
    until("keyraft dev refuses", || child.try_wait().expect("our own child").is_some());
    let output = child.wait_with_output().expect("its output");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("keyraft: ") && told.lines().count() == 1, "{told}");
    assert!(told.contains(with), "{with:?} is not in {told}");
    told
}
