//! A cluster of its own: `keyraft dev` in a temporary folder, on ports nobody else uses.
//!
//! Signals go only to processes whose command line names a file in that folder. Dropping the cluster stops
//! every one of them.

mod members;
mod rot;

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

pub use self::members::member;
use crate::bed::{Bed, Missing, Network, Shim, Throttle, Volumes};
use crate::environment::Environment;

/// Nodes: the smallest cluster that survives the loss of one.
pub const NODES: usize = 3;
/// `keyraft dev` itself gives up after 120 s.
const START_TIMEOUT: Duration = Duration::from_secs(130);
/// `keyraft dev` stops its nodes within 20 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(20);
/// Where to look for free ports, and how far apart: KMIP, peers, administration and operators.
const PORTS_FROM: u16 = 21_000;
const PORTS_STEP: u16 = 200;

/// The running cluster.
pub struct Cluster {
    /// What can be done to single nodes; first, because its mounts lie in the folder.
    bed: Option<Bed>,
    folder: Folder,
    keyraft: PathBuf,
    dev: Child,
    /// Nodes that we started again; `keyraft dev` is not their parent.
    restarted: Vec<Child>,
    pids: Vec<u32>,
    environment: Environment,
    /// What every process of the cluster finds in its environment besides ours.
    variables: Vec<(String, String)>,
    /// The first of the peer ports.
    peer_port: u16,
    /// The bit that was flipped and not yet back.
    flipped: Option<rot::Flipped>,
}

/// The cluster's folder, removed at the end unless asked otherwise.
enum Folder {
    Removed(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Removed(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}

impl Cluster {
    /// Starts the cluster and waits until every node is ready.
    ///
    /// # Errors
    /// Says what `keyraft dev` said.
    pub async fn start(keyraft: &Path, keep: bool) -> anyhow::Result<Self> {
        Self::start_with(keyraft, keep, &[]).await
    }

    /// As [`Cluster::start`], with variables in the environment of every process of it.
    ///
    /// # Errors
    /// Says what `keyraft dev` said.
    pub async fn start_with(keyraft: &Path, keep: bool, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        if !keyraft.is_file() {
            bail!("{} does not exist: build it first, or pass --keyraft", keyraft.display());
        }
        let folder = tempfile::Builder::new().prefix("keyraft-chaos-").tempdir()?;
        let folder = if keep { Folder::Kept(folder.keep()) } else { Folder::Removed(folder) };
        let data = folder.path().join("data");
        let base = free_ports()?;
        let log = File::create(folder.path().join("dev.log"))?;
        let dev = Command::new(keyraft)
            .arg("dev")
            .arg("--data")
            .arg(&data)
            .args(["--nodes", &NODES.to_string()])
            .args(["--kmip-port", &base.to_string()])
            .args(["--peer-port", &(base + 20).to_string()])
            .args(["--admin-port", &(base + 40).to_string()])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0) // Ctrl-C reaches us alone; we stop the cluster in order
            .spawn()
            .with_context(|| format!("cannot start {}", keyraft.display()))?;
        let environment = Environment::default();
        let mut cluster = Self {
            folder,
            keyraft: keyraft.to_owned(),
            dev,
            restarted: Vec::new(),
            pids: Vec::new(),
            environment,
            variables: variables
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            peer_port: base + 20,
            bed: None,
            flipped: None,
        };
        cluster.await_ready().await?;
        Ok(cluster)
    }

    async fn await_ready(&mut self) -> anyhow::Result<()> {
        let file = self.data().join("env");
        let deadline = Instant::now() + START_TIMEOUT;
        while !file.exists() {
            if let Some(status) = self.dev.try_wait()? {
                let said = std::fs::read_to_string(self.folder().join("dev.log")).unwrap_or_default();
                bail!("keyraft dev ended ({status}): {}", said.trim());
            }
            if Instant::now() > deadline {
                bail!("keyraft dev was not ready within {} s", START_TIMEOUT.as_secs());
            }
            sleep(POLL).await;
        }
        self.environment = Environment::read(&file)?;
        self.pids = self.environment.numbers("KEYRAFT_PIDS")?;
        if self.pids.len() != NODES {
            bail!("<data>/env names {} processes, not {NODES}", self.pids.len());
        }
        Ok(())
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where `keyraft dev` keeps everything.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// What clients need.
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Sends a signal to a node's process.
    pub fn signal(&self, node: usize, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid(node).with_context(|| format!("node {node} does not run"))?;
        kill_process(pid, signal).with_context(|| format!("cannot signal node {node}"))
    }

    /// The node's process, if it is one of ours and not dead.
    fn pid(&self, node: usize) -> Option<Pid> {
        let pid = self.pids[node];
        (self.is_ours(pid) && process_state(pid)? != 'Z').then(|| Pid::from_raw(i32::try_from(pid).ok()?))?
    }

    fn is_ours(&self, pid: u32) -> bool {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let folder = self.folder().as_os_str().as_encoded_bytes();
        line.split(|byte| *byte == 0).any(|word| word.starts_with(folder))
    }

    /// Whether the node's process exists and is not dead.
    pub fn is_running(&self, node: usize) -> bool {
        self.pid(node).is_some()
    }

    /// Whether the node's process is stopped by a signal.
    pub fn is_frozen(&self, node: usize) -> bool {
        process_state(self.pids[node]) == Some('T')
    }

    /// Starts a dead node again, by its own `run`.
    pub fn start_again(&mut self, node: usize) -> anyhow::Result<()> {
        if self.is_running(node) {
            bail!("node {node} is still running");
        }
        let run = self.node_folder(node).join("run");
        let mut command = match &self.bed {
            Some(bed) => bed.command(node, &run),
            None => Command::new(&run),
        };
        let child = command
            .envs(self.variables.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", run.display()))?;
        self.pids[node] = child.id();
        self.restarted.push(child);
        self.reap();
        Ok(())
    }

    /// Puts every node onto a testbed, one after the other, so that more than signals can be done to it.
    ///
    /// # Errors
    /// A node does not come back.
    pub async fn prepare(&mut self) -> anyhow::Result<()> {
        let ports: Vec<u16> = (self.peer_port..).take(NODES).collect();
        self.bed = Some(Bed::prepare(self.folder(), &ports));
        for node in 0..NODES {
            self.signal(node, Signal::TERM)?;
            self.await_gone(node).await?;
            let data = self.node_data(node);
            if let Some(Bed { volumes: Ok(volumes), .. }) = &mut self.bed {
                volumes.move_onto(node, &data)?;
            }
            self.start_again(node)?;
            self.await_all_ready().await?;
        }
        Ok(())
    }

    async fn await_gone(&mut self, node: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.is_running(node) {
            if Instant::now() > deadline {
                bail!("node {node} does not stop; its log ends with:\n{}", self.last_words(node));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn await_all_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        let ready = |status: serde_json::Value| {
            let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
            nodes.len() == NODES && nodes.iter().all(|node| node["ready"] == true)
        };
        while !self.status().await.is_some_and(ready) {
            if Instant::now() > deadline {
                bail!("not every node is ready within {} s", START_TIMEOUT.as_secs());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// The testbed, once the nodes stand on one.
    #[must_use]
    pub const fn bed(&self) -> Option<&Bed> {
        self.bed.as_ref()
    }

    /// Cuts links.
    ///
    /// # Errors
    /// The machine cannot.
    pub fn network(&self) -> anyhow::Result<&Network> {
        self.part(|bed| &bed.network)
    }

    /// Fills disks and takes their power.
    ///
    /// # Errors
    /// The machine cannot.
    pub fn volumes(&self) -> anyhow::Result<&Volumes> {
        self.part(|bed| &bed.volumes)
    }

    /// Exchanges disks.
    ///
    /// # Errors
    /// The machine cannot.
    pub fn volumes_mut(&mut self) -> anyhow::Result<&mut Volumes> {
        let bed = self.bed.as_mut().context("the nodes stand on no testbed")?;
        bed.volumes.as_mut().map_err(|missing| anyhow::anyhow!("{missing}"))
    }

    /// Fails syncs and moves clocks.
    ///
    /// # Errors
    /// The machine cannot.
    pub fn shim(&self) -> anyhow::Result<&Shim> {
        self.part(|bed| &bed.shim)
    }

    /// Slows disks.
    ///
    /// # Errors
    /// The machine cannot.
    pub fn throttle(&self) -> anyhow::Result<&Throttle> {
        self.part(|bed| &bed.throttle)
    }

    fn part<T>(&self, part: fn(&Bed) -> &Result<T, Missing>) -> anyhow::Result<&T> {
        let bed = self.bed.as_ref().context("the nodes stand on no testbed")?;
        part(bed).as_ref().map_err(|missing| anyhow::anyhow!("{missing}"))
    }

    /// Takes the power of machines, all at one moment: what their nodes' disks were not asked to keep is lost, and
    /// the processes with it.
    ///
    /// The processes are stopped first. A file system that is shut down may still answer a sync that is under way
    /// with success and lose it (ext4 on Linux 6.18: 35 of 400 times), and no machine without power tells others
    /// of a sync.
    ///
    /// # Errors
    /// A disk cannot be shut down, or a process not be stopped.
    pub fn cut_power(&self, nodes: &[usize]) -> anyhow::Result<()> {
        for node in nodes {
            self.signal_if_running(*node, Signal::STOP)?;
        }
        for node in nodes {
            self.await_stopped(*node)?;
        }
        for node in nodes {
            self.volumes()?.cut_power(*node)?;
        }
        nodes.iter().try_for_each(|node| self.signal_if_running(*node, Signal::KILL))
    }

    /// Waits until no thread of a node runs: each is stopped, or in the kernel and stopped when it comes back.
    fn await_stopped(&self, node: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        while !threads(self.pids[node]).iter().all(|state| matches!(state, 'T' | 't' | 'D' | 'Z' | 'X')) {
            if Instant::now() > deadline {
                bail!("node {node} cannot be stopped");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Gives a node's disk its power back; waits until the process that died with it is gone.
    ///
    /// # Errors
    /// The disk cannot be mounted again.
    pub fn restore_power(&mut self, node: usize) -> anyhow::Result<()> {
        self.reap();
        match &mut self.bed {
            Some(Bed { volumes: Ok(volumes), .. }) => volumes.restore_power(node),
            _ => bail!("node {node} stands on no volume"),
        }
    }

    /// Kills a node, if it still runs, and starts it again.
    ///
    /// # Errors
    /// It does not start.
    pub fn kill_and_start(&mut self, node: usize) -> anyhow::Result<()> {
        self.kill_and_wait(node)?;
        self.start_again(node)
    }

    /// Kills a node, if it still runs, and waits until nothing is left of its process.
    ///
    /// # Errors
    /// The signal cannot be sent, or the process does not end.
    pub fn kill_and_wait(&mut self, node: usize) -> anyhow::Result<()> {
        self.signal_if_running(node, Signal::KILL)?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.is_running(node) {
            if Instant::now() > deadline {
                bail!("node {node} survived kill -9");
            }
            std::thread::sleep(POLL);
        }
        self.reap();
        Ok(())
    }

    /// Sends a signal to a node's process, if there is one.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn signal_if_running(&self, node: usize, signal: Signal) -> anyhow::Result<()> {
        let Some(pid) = self.pid(node) else { return Ok(()) };
        match kill_process(pid, signal) {
            // A node whose disk is gone ends by itself, perhaps at this moment.
            Err(Errno::SRCH) => Ok(()),
            sent => sent.with_context(|| format!("cannot signal node {node}")),
        }
    }

    fn node_folder(&self, node: usize) -> PathBuf {
        self.data().join("nodes").join(node.to_string())
    }

    /// Where a node keeps its own.
    #[must_use]
    pub fn node_data(&self, node: usize) -> PathBuf {
        self.node_folder(node).join("data")
    }

    fn reap(&mut self) {
        self.restarted.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// The cluster as `keyraft status -o json` tells it; `None` when no node answers.
    pub async fn status(&self) -> Option<serde_json::Value> {
        let mut command = tokio::process::Command::new(&self.keyraft);
        command.args(["status", "-o", "json"]).envs(self.environment.all()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(5), command.output()).await.ok()?.ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Which node leads.
    pub async fn leader(&self) -> Option<usize> {
        let ports: Vec<u16> = self.environment.numbers("KMIP_PORTS").ok()?;
        leader_in(&self.status().await?, &ports)
    }

    /// The processes of the nodes, as they were started last.
    #[must_use]
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// `keyraft <arguments>` as the platform operator of this cluster.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.keyraft);
        command.args(arguments).envs(self.environment.all()).stdin(Stdio::null());
        command
    }

    /// `keyraft audit <what>` on the log of a node.
    pub fn audit_command(&self, what: &str, node: usize) -> Command {
        let log = self.data().join("nodes").join(node.to_string()).join("data").join("audit");
        let mut command = Command::new(&self.keyraft);
        command.args(["audit", what]).arg(log).stdin(Stdio::null());
        command
    }

    /// Whether a node's process ended, and its last line says so.
    pub fn ended_with(&self, node: usize, words: &str) -> bool {
        let said = self.last_words(node);
        !self.is_running(node) && said.lines().last().is_some_and(|line| line.contains(words))
    }

    /// The last lines of a node's log.
    pub fn last_words(&self, node: usize) -> String {
        let log = self.data().join("nodes").join(node.to_string()).join("log");
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Stops every node and waits until they are gone.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.ask_to_stop();
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.dev.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("keyraft dev did not stop within {} s", STOP_TIMEOUT.as_secs());
            }
            sleep(POLL).await;
        }
        let left: Vec<usize> = (0..self.pids.len()).filter(|node| self.is_running(*node)).collect();
        if !left.is_empty() {
            bail!("keyraft dev ended, but nodes {left:?} still run");
        }
        Ok(())
    }

    /// A frozen process could not follow the request.
    fn ask_to_stop(&self) {
        for node in 0..self.pids.len() {
            if self.is_frozen(node) {
                let _ = self.signal(node, Signal::CONT);
            }
        }
        if let Some(dev) = i32::try_from(self.dev.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(dev, Signal::TERM);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if matches!(self.dev.try_wait(), Ok(None)) {
            self.ask_to_stop();
            let deadline = Instant::now() + STOP_TIMEOUT;
            while matches!(self.dev.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
        }
        let _ = self.dev.kill();
        let _ = self.dev.wait();
        for node in 0..self.pids.len() {
            let _ = self.signal(node, Signal::KILL);
        }
        for child in &mut self.restarted {
            let _ = child.wait();
        }
    }
}

/// Which of these KMIP ports the leader serves.
fn leader_in(status: &serde_json::Value, ports: &[u16]) -> Option<usize> {
    let leader = status["nodes"].as_array()?.iter().find(|node| node["role"] == "leader")?;
    let port: u16 = leader["kmip"].as_str()?.rsplit_once(':')?.1.parse().ok()?;
    ports.iter().position(|known| *known == port)
}

/// The one-letter state of a process: field 3 of `/proc/<pid>/stat`.
fn process_state(pid: u32) -> Option<char> {
    state_in(Path::new(&format!("/proc/{pid}")))
}

/// The states of a process's threads; none of a process that is gone.
fn threads(pid: u32) -> Vec<char> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| state_in(&task.path())).collect()
}

/// The state in the folder of a process or thread.
fn state_in(folder: &Path) -> Option<char> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// A base port with every port of the cluster free above it.
fn free_ports() -> anyhow::Result<u16> {
    let first = u16::try_from(std::process::id() % 100)? * PORTS_STEP + PORTS_FROM;
    let bases =
        (0..100_u16).map(|step| (first - PORTS_FROM + step * PORTS_STEP) % (100 * PORTS_STEP) + PORTS_FROM);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    bases.into_iter().find(|base| (*base..base + 100).all(is_free)).context("no free ports on loopback")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_leader_is_found_by_its_port() {
        let status = json!({ "nodes": [
            { "role": "follower", "kmip": "127.0.0.1:5697" },
            { "role": "leader", "kmip": "127.0.0.1:5696" },
        ] });
        assert_eq!(leader_in(&status, &[5696, 5697]), Some(0));
        assert_eq!(leader_in(&json!({ "nodes": [{ "role": "follower" }] }), &[5696]), None);
    }

    #[test]
    fn states_of_processes_are_read() {
        assert!(matches!(process_state(std::process::id()), Some('R' | 'S' | 'D')));
        assert_eq!(process_state(u32::MAX), None);
        assert!(!threads(std::process::id()).is_empty() && threads(u32::MAX).is_empty());
    }
}
