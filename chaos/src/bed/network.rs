//! Partitions between processes on one machine, on loopback: a control group per node, and filter rules that
//! mark what each sends on the peer ports and drop what another must not hear, or send it on a detour.
//!
//! Clients are not touched, so a node that is cut off from its peers can still be asked for keys: exactly the
//! node that must fall silent.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::relay::Relay;
use super::{Missing, must_be_root, run};

/// Where `nft` looks for control groups.
const NFT_ROOT: &str = "/sys/fs/cgroup";

/// The links between the nodes.
pub struct Network {
    /// Where control groups of version 2 are mounted.
    mount: PathBuf,
    /// Our group, with one below it for each node.
    group: String,
    table: String,
    /// The nodes' peer ports.
    ports: Vec<u16>,
    nodes: usize,
    /// Packets dropped before the cuts of now.
    before: Mutex<u64>,
    /// Whether this machine can send connections elsewhere.
    detours: Result<(), Missing>,
    /// The detour of now.
    relay: Mutex<Option<Relay>>,
}

/// What is done to packets.
#[derive(Clone, Copy)]
enum Fate {
    /// This share of them is lost, in percent.
    Lost(u8),
    /// Their connection is reset.
    Reset,
}

impl Network {
    /// Makes the groups and the table, without any cut.
    pub(super) fn new(peer_ports: &[u16]) -> anyhow::Result<Self> {
        must_be_root()?;
        run("nft", &["--version"])?;
        let mounts = std::fs::read_to_string("/proc/mounts").context("mounts cannot be read")?;
        let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = mount.into_iter().find(|words| words.get(2) == Some(&"cgroup2"));
        let mount = PathBuf::from(mount.context("no control groups of version 2 are mounted")?[1]);
        let id = std::process::id();
        let mut network = Self {
            mount,
            group: format!("keyraft-chaos-{id}"),
            table: format!("keyraft_chaos_{id}"),
            ports: peer_ports.to_vec(),
            nodes: peer_ports.len(),
            before: Mutex::new(0),
            detours: Err("not tried yet".to_owned()),
            relay: Mutex::new(None),
        };
        for node in 0..network.nodes {
            std::fs::create_dir_all(network.folder(node)).context("a control group cannot be made")?;
        }
        network.cut(&BTreeSet::new())?;
        // Whether this machine can at all is seen with a rule that nothing meets.
        let nat = format!(
            "add chain inet {0} nat {{ type nat hook output priority -100; }}\n\
             add rule inet {0} nat meta mark {1} tcp dport {2} redirect to :{2}\n\
             flush chain inet {0} nat\n",
            network.table,
            network.nodes + 1,
            network.ports[0],
        );
        network.detours = network.apply(&nat).map_err(|error| format!("{error:#}"));
        Ok(network)
    }

    /// Where a process writes its number to join a node's group.
    pub fn members(&self, node: usize) -> PathBuf {
        self.folder(node).join("cgroup.procs")
    }

    /// Loses from now on what these nodes send to those (sender, receiver), and nothing else.
    pub fn cut(&self, cuts: &BTreeSet<(usize, usize)>) -> anyhow::Result<()> {
        self.filter(cuts, Fate::Lost(100), "")
    }

    /// Loses this share, in percent, of what a node and the others send to each other.
    pub fn lose(&self, node: usize, percent: u8) -> anyhow::Result<()> {
        self.filter(&self.links_of(node), Fate::Lost(percent), "")
    }

    /// Why nothing can be delayed here, if so.
    pub const fn detours(&self) -> &Result<(), Missing> {
        &self.detours
    }

    /// Delays what a node and the others send to each other, each way: new connections take a detour through this
    /// process, those that did not are reset as soon as they carry anything.
    pub fn delay(&self, node: usize, by: Duration) -> anyhow::Result<()> {
        let relay = Relay::open(&self.ports, by)?;
        let mut detours = String::new();
        for (from, to) in self.links_of(node) {
            let port = self.ports[to];
            let detour = relay.to(port).context("every port has its detour")?;
            writeln!(
                detours,
                "add rule inet {} nat meta mark {} tcp dport {port} redirect to :{detour}",
                self.table,
                from + 1
            )?;
        }
        *self.relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(relay);
        self.filter(&self.links_of(node), Fate::Reset, &detours)
    }

    /// Whether anything took the detour.
    pub fn has_relayed(&self) -> bool {
        let relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner);
        relay.as_ref().is_some_and(|relay| relay.relayed() > 0)
    }

    /// Undoes whatever was done to any link.
    pub fn heal(&self) -> anyhow::Result<()> {
        self.cut(&BTreeSet::new())?;
        *self.relay.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Both directions between a node and each other.
    fn links_of(&self, node: usize) -> BTreeSet<(usize, usize)> {
        let others = (0..self.nodes).filter(|other| *other != node);
        others.flat_map(|other| [(node, other), (other, node)]).collect()
    }

    /// From now on this is what happens on these links, and nothing else but these detours.
    fn filter(&self, links: &BTreeSet<(usize, usize)>, fate: Fate, detours: &str) -> anyhow::Result<()> {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = self.dropped();
        let Self { table, group, .. } = self;
        let ports = self.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut rules = format!(
            "add table inet {table}\nadd counter inet {table} dropped\n\
             add chain inet {table} out {{ type filter hook output priority -150; }}\n\
             add chain inet {table} in {{ type filter hook input priority 0; }}\n\
             flush chain inet {table} out\nflush chain inet {table} in\n"
        );
        if self.detours.is_ok() {
            writeln!(rules, "flush chain inet {table} nat")?;
        }
        for node in 0..self.nodes {
            for port in ["dport", "sport"] {
                writeln!(
                    rules,
                    "add rule inet {table} out socket cgroupv2 level 2 \"{group}/node-{node}\" \
                     tcp {port} {{ {ports} }} meta mark set {}",
                    node + 1
                )?;
            }
        }
        rules.push_str(detours);
        let what = match fate {
            Fate::Lost(100) => "counter name dropped drop".to_owned(),
            Fate::Lost(percent) => format!("numgen random mod 100 < {percent} counter name dropped drop"),
            Fate::Reset => "counter name dropped reject with tcp reset".to_owned(),
        };
        for (from, to) in links {
            writeln!(
                rules,
                "add rule inet {table} in meta mark {} socket cgroupv2 level 2 \"{group}/node-{to}\" {what}",
                from + 1
            )?;
        }
        self.apply(&rules)
    }

    /// Cuts a node off from all others, both ways.
    pub fn isolate(&self, node: usize) -> anyhow::Result<()> {
        self.cut(&self.links_of(node))
    }

    /// Whether the cuts of now dropped anything.
    pub fn has_dropped(&self) -> bool {
        self.dropped() > *self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dropped(&self) -> u64 {
        let said = run("nft", &["list", "counter", "inet", &self.table, "dropped"]).unwrap_or_default();
        let packets = said.split_whitespace().skip_while(|word| *word != "packets").nth(1);
        packets.and_then(|packets| packets.parse().ok()).unwrap_or_default()
    }

    fn folder(&self, node: usize) -> PathBuf {
        self.mount.join(&self.group).join(format!("node-{node}"))
    }

    /// `nft` resolves groups below one fixed folder: where they lie elsewhere, it gets its own view.
    fn apply(&self, rules: &str) -> anyhow::Result<()> {
        let mut nft = if self.mount == Path::new(NFT_ROOT) {
            Command::new("nft")
        } else {
            let mut nft = Command::new("unshare");
            nft.args(["--mount", "sh", "-c", "mount --bind \"$0\" \"$1\" && shift && exec nft -f -"]);
            nft.arg(&self.mount).arg(NFT_ROOT);
            nft
        };
        if self.mount == Path::new(NFT_ROOT) {
            nft.args(["-f", "-"]);
        }
        let mut child =
            nft.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().context("nft cannot be run")?;
        child.stdin.take().context("nft takes no rules")?.write_all(rules.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("nft says: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = run("nft", &["delete", "table", "inet", &self.table]);
        for node in 0..self.nodes {
            let _ = std::fs::remove_dir(self.folder(node)); // the nodes are gone by now
        }
        let _ = std::fs::remove_dir(self.mount.join(&self.group));
    }
}
