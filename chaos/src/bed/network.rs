//! Partitions between processes on one machine, on loopback: a control group per node, and filter rules that
//! mark what each sends on the peer ports and drop what another must not hear.
//!
//! Clients are not touched, so a node that is cut off from its peers can still be asked for keys: exactly the
//! node that must fall silent.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};

use super::{must_be_root, run};

/// Where `nft` looks for control groups.
const NFT_ROOT: &str = "/sys/fs/cgroup";

/// The links between the nodes.
pub struct Network {
    /// Where control groups of version 2 are mounted.
    mount: PathBuf,
    /// Our group, with one below it for each node.
    group: String,
    table: String,
    ports: String,
    nodes: usize,
    /// Packets dropped before the cuts of now.
    before: Mutex<u64>,
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
        let network = Self {
            mount,
            group: format!("keyraft-chaos-{id}"),
            table: format!("keyraft_chaos_{id}"),
            ports: peer_ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            nodes: peer_ports.len(),
            before: Mutex::new(0),
        };
        for node in 0..network.nodes {
            std::fs::create_dir_all(network.folder(node)).context("a control group cannot be made")?;
        }
        network.cut(&BTreeSet::new())?;
        Ok(network)
    }

    /// Where a process writes its number to join a node's group.
    pub fn members(&self, node: usize) -> PathBuf {
        self.folder(node).join("cgroup.procs")
    }

    /// Loses from now on what these nodes send to those (sender, receiver), and nothing else.
    pub fn cut(&self, cuts: &BTreeSet<(usize, usize)>) -> anyhow::Result<()> {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = self.dropped();
        let Self { table, ports, group, .. } = self;
        let mut rules = format!(
            "add table inet {table}\nadd counter inet {table} dropped\n\
             add chain inet {table} out {{ type filter hook output priority -150; }}\n\
             add chain inet {table} in {{ type filter hook input priority 0; }}\n\
             flush chain inet {table} out\nflush chain inet {table} in\n"
        );
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
        for (from, to) in cuts {
            writeln!(
                rules,
                "add rule inet {table} in meta mark {} socket cgroupv2 level 2 \"{group}/node-{to}\" \
                 counter name dropped drop",
                from + 1
            )?;
        }
        self.filter(&rules)
    }

    /// Cuts a node off from all others, both ways.
    pub fn isolate(&self, node: usize) -> anyhow::Result<()> {
        let others = (0..self.nodes).filter(|other| *other != node);
        self.cut(&others.flat_map(|other| [(node, other), (other, node)]).collect())
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
    fn filter(&self, rules: &str) -> anyhow::Result<()> {
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
