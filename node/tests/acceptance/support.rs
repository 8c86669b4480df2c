//! A cluster of `keyraft dev` in a folder of its own, on ports of its own, stopped when dropped.
//!
//! It ends only processes that it or its `keyraft dev` started, by their id.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use client::{Client, Settings};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The binary under test.
pub const KEYRAFT: &str = env!("CARGO_BIN_EXE_keyraft");
/// Nodes of every cluster here.
pub const NODES: usize = 3;
/// For whatever must happen but has no figure to meet here: two cores may run a build beside us.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(50);

/// How often a race between nodes is run.
pub fn rounds() -> usize {
    std::env::var("ACCEPTANCE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(200)
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {} s in vain: {what}", PATIENCE.as_secs());
        std::thread::sleep(POLL);
    }
}

/// First ports of a cluster; the operator ports are 50 above those of administration.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub kmip: u16,
    pub admin: u16,
    pub peer: u16,
}

impl Ports {
    /// Ports nobody uses now, and no other cluster of this process will be given.
    pub fn free() -> Self {
        // Below the kernel's range for outgoing connections, in blocks: 12 ports are used of 100.
        const FIRST: u16 = 10_000;
        const BLOCKS: u16 = 220;
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).expect("below 220");
        for _ in 0..BLOCKS {
            let block = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
            let base = FIRST + block * 100;
            let ports = Self { kmip: base, admin: base + 10, peer: base + 20 };
            if ports.all().iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
                return ports;
            }
        }
        panic!("no free block of ports between 10000 and 32000");
    }

    /// Every port of the cluster.
    pub fn all(&self) -> Vec<u16> {
        let of = |base: u16| (0..3).map(move |i| base + i);
        of(self.kmip).chain(of(self.admin)).chain(of(self.admin + 50)).chain(of(self.peer)).collect()
    }
}

/// A running cluster.
pub struct Cluster {
    /// What `--data` names; the quote and the space must hurt nobody.
    pub data: PathBuf,
    pub ports: Ports,
    dev: Option<Child>,
    restarted: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts three nodes and the tenants `tenant-a` and `tenant-b`.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with more settings (TOML) for every node.
    pub fn start_with(settings: &str) -> Self {
        Self::start_as(settings, &[])
    }

    /// The same, with more arguments of `keyraft dev` too.
    pub fn start_as(settings: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("it's a cluster");
        let more = folder.path().join("settings.toml");
        fs::write(&more, settings).expect("a file of settings");
        let mut cluster = Self { data, ports: Ports::free(), dev: None, restarted: Vec::new(), folder };
        let own = ["--settings", more.to_str().expect("text")];
        cluster.launch(&[own.as_slice(), arguments].concat());
        cluster
    }

    /// A cluster that tests share which change nothing others look at; it stops with the last of them.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start());
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    /// Runs `keyraft dev` on the folder again and waits until it says that the nodes are ready.
    pub fn launch(&mut self, more: &[&str]) {
        let out = self.folder.path().join("dev.out");
        let file = File::create(&out).expect("dev.out");
        let mut command = self.dev_command(more);
        command.stdout(file.try_clone().expect("dev.out twice")).stderr(file);
        let dev = self.dev.insert(command.spawn().expect("keyraft dev starts"));
        let told = || fs::read_to_string(&out).unwrap_or_default();
        until("keyraft dev tells that its nodes are ready", || {
            let ended = dev.try_wait().expect("our own child");
            assert!(ended.is_none(), "keyraft dev ended: {}", told());
            told().contains("Ctrl-C stops all nodes")
        });
    }

    /// `keyraft dev` on this folder and these ports.
    pub fn dev_command(&self, more: &[&str]) -> Command {
        let mut command = dev_command(&self.data, self.ports);
        command.args(more);
        command
    }

    /// Stops the cluster by a signal to `keyraft dev`, as a user does.
    pub fn stop(&mut self, signal: Signal) -> Option<ExitStatus> {
        let mut dev = self.dev.take()?;
        signal_process(dev.id(), signal);
        let ended = wait(&mut dev);
        if ended.is_none() {
            let _ = dev.kill();
        }
        self.restarted.iter_mut().for_each(|node| {
            if wait(node).is_none() {
                let _ = node.kill();
            }
        });
        self.restarted.clear();
        ended
    }

    /// Whether `keyraft dev` still runs.
    pub fn dev_lives(&mut self) -> bool {
        self.dev.as_mut().is_some_and(|dev| dev.try_wait().expect("our own child").is_none())
    }

    /// `<data>/nodes/<i>`.
    pub fn node(&self, i: usize) -> PathBuf {
        self.data.join("nodes").join(i.to_string())
    }

    /// The process id of node i.
    pub fn pid(&self, i: usize) -> u32 {
        let text = fs::read_to_string(self.node(i).join("pid")).expect("a pid file");
        text.trim().parse().expect("a process id")
    }

    /// `kill -9` of node i.
    pub fn kill(&mut self, i: usize) {
        let pid = self.pid(i);
        signal_process(pid, Signal::KILL);
        // Its parent may take a while to bury it; a zombie has no command line.
        until("the killed node is gone", || !lives(pid));
        self.restarted.retain_mut(|node| node.try_wait().expect("our own child").is_none());
    }

    /// A signal to node i.
    pub fn tell(&self, i: usize, signal: Signal) {
        signal_process(self.pid(i), signal);
    }

    /// A signal to node i by which it ends in order.
    pub fn terminate(&mut self, i: usize, signal: Signal) {
        let pid = self.pid(i);
        signal_process(pid, signal);
        until("the node has ended", || !lives(pid));
        self.restarted.retain_mut(|node| node.try_wait().expect("our own child").is_none());
    }

    /// Starts node i again, as a user would after a kill.
    pub fn run(&mut self, i: usize) {
        self.restarted.push(Command::new(self.node(i).join("run")).spawn().expect("nodes/<i>/run starts"));
    }

    /// What `<data>/env` says.
    pub fn env(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.data.join("env")).expect("the env file");
        let unquoted = |value: &str| match value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(inner) => inner.replace(r"'\''", "'"),
            None => value.to_owned(),
        };
        let pair = |line: &str| {
            let (key, value) = line.split_once('=').expect("KEY=VALUE");
            (key.to_owned(), unquoted(value))
        };
        text.lines().map(pair).collect()
    }

    /// Runs a command of the CLI against the cluster.
    pub fn keyraft(&self, arguments: &[&str]) -> Output {
        let output = Command::new(KEYRAFT).args(arguments).envs(self.env()).output();
        output.expect("keyraft starts")
    }

    /// The same; it must succeed with JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.keyraft(&[arguments, &["-o", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// What node i says about the cluster; `None` while it cannot tell.
    pub fn status(&self, i: usize) -> Option<Value> {
        let address = self.env()["KEYRAFT_ADDRS"].split(',').nth(i)?.to_owned();
        let output = self.keyraft(&["status", "-o", "json", "--addr", &address]);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// The records of the audit logs of all nodes, a line each.
    pub fn audited(&self) -> String {
        let exported = |node| {
            let log = self.node(node).join("data/audit");
            let output =
                Command::new(KEYRAFT).args(["audit", "export"]).arg(log).output().expect("keyraft audit");
            text(&output.stdout)
        };
        (0..NODES).map(exported).collect()
    }

    /// The index of the leader.
    pub fn leader(&self) -> usize {
        let mut leader = None;
        until("there is a leader", || {
            let statuses = (0..NODES).filter_map(|i| self.status(i));
            leader = statuses.into_iter().find_map(|status| {
                let nodes = status["nodes"].as_array()?;
                nodes.iter().position(|node| node["role"] == "leader")
            });
            leader.is_some()
        });
        leader.expect("just seen")
    }

    /// Waits until node i is ready and misses nothing the leader has, by its own word and the leader's.
    pub fn caught_up(&self, i: usize) {
        until("the node is ready and has caught up", || {
            let witnesses = [i, self.leader()];
            witnesses.into_iter().all(|witness| {
                let status = self.status(witness).unwrap_or_default();
                status["nodes"][i]["ready"] == true && status["nodes"][i]["lag"] == 0
            })
        });
    }

    /// What a client needs to speak to these nodes as a service of a tenant.
    pub fn settings(&self, nodes: &[usize], tenant: &str, service: &str) -> Settings {
        let file = |name: String| fs::read(self.data.join(name)).expect("a file of the contract");
        let stem = format!("clients/{tenant}/{service}");
        let addresses = nodes.iter().map(|i| format!("127.0.0.1:{}", usize::from(self.ports.kmip) + i));
        let key = file(format!("{stem}.key")).into();
        Settings::new(addresses.collect(), file("ca/server.pem".into()), file(format!("{stem}.pem")), key)
    }

    /// Makes the certificate of a service of a tenant that `keyraft dev` does not know, where [`Self::settings`]
    /// looks for it.
    pub fn enroll(&self, tenant: &str, service: &str) {
        let authority = self.data.join("ca/clients-any");
        let read = |end: &str| fs::read_to_string(authority.with_extension(end)).expect("an authority");
        let key = KeyPair::from_pem(&read("key")).expect("its key");
        let authority = Issuer::from_ca_cert_pem(&read("pem"), key).expect("an authority");
        let uri = format!("spiffe://keyraft.local/tenant/{tenant}/service/{service}");
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let folder = self.data.join("clients").join(tenant);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("{service}.pem")), certificate.pem()).expect("a file");
        fs::write(folder.join(format!("{service}.key")), key.serialize_pem()).expect("a file");
    }

    /// A client of one node, as `mongodb` of a tenant.
    pub fn client(&self, node: usize, tenant: &str) -> Client {
        Client::new(&self.settings(&[node], tenant, "mongodb")).expect("settings that work")
    }

    /// The same, for what is expected to be refused: a retryable refusal is not asked again for long.
    pub fn impatient_client(&self, node: usize, tenant: &str) -> Client {
        let mut settings = self.settings(&[node], tenant, "mongodb");
        settings.timeouts.call = Duration::from_secs(1);
        Client::new(&settings).expect("settings that work")
    }

    /// One client per node.
    pub fn clients(&self, tenant: &str) -> Vec<Client> {
        (0..NODES).map(|node| self.client(node, tenant)).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for i in 0..NODES {
                let log = fs::read_to_string(self.node(i).join("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(15).collect();
                eprintln!("-- node {i} --\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
        self.stop(Signal::INT);
    }
}

/// `keyraft dev` on a folder and ports.
pub fn dev_command(data: &Path, ports: Ports) -> Command {
    let mut command = Command::new(KEYRAFT);
    command.arg("dev").arg("--data").arg(data).stdin(Stdio::null());
    let flags = [("--kmip-port", ports.kmip), ("--admin-port", ports.admin), ("--peer-port", ports.peer)];
    for (flag, port) in flags {
        command.args([flag, &port.to_string()]);
    }
    command
}

/// Whether a process runs; a zombie does not.
pub fn lives(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn signal_process(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = kill_process(pid, signal);
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(POLL),
            Ok(ended) => return ended,
            Err(_) => return None,
        }
    }
    None
}
