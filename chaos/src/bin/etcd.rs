//! The nemesis's question about the loss of a leader, put to etcd: how long until writes are back?
//!
//! Three members on loopback with etcd's own defaults; the leader is killed with SIGKILL, and both others are
//! asked to write, again and again, until one acknowledges. What `chaos --faults kill-leader` says of keyraft
//! then stands beside it, from the same machine. Kills only processes it started.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chaos::figures;
use clap::Parser;
use serde_json::{Value, json};
use ureq::Agent;

/// Members of the cluster.
const MEMBERS: usize = 3;
/// Between two rounds of writes, as in the nemesis.
const WRITE_PROBE_PAUSE: Duration = Duration::from_millis(25);
/// A call that takes longer is given up.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Whatever has no figure of its own must happen within it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const POLL: Duration = Duration::from_millis(50);
/// How long the killed member stays away, as in the nemesis at least.
const AWAY: Duration = Duration::from_secs(2);

/// How often, and where to.
#[derive(Debug, Parser)]
#[command(name = "etcd", version, about = "Kills the leader of an etcd cluster and times its writes")]
struct Args {
    /// How many leaders to kill
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    kills: u32,
    /// First of six ports on loopback
    #[arg(long, default_value_t = 23_790, value_parser = clap::value_parser!(u16).range(1024..65_000))]
    port: u16,
    /// Appends the result to this file of figures and rewrites the page beside it
    #[arg(long)]
    figures: Option<PathBuf>,
}

#[allow(clippy::print_stderr)] // the failure of a command
fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("etcd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout)] // the answer of a command
fn run(args: &Args) -> anyhow::Result<()> {
    let version = Command::new("etcd").arg("--version").output();
    let version = version.context("etcd is not installed; Debian has it as etcd-server")?;
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default().to_owned();
    let folder = tempfile::tempdir()?;
    let mut cluster = Etcd::start(folder.path(), args.port)?;
    let mut gaps = Vec::new();
    for kill in 1..=args.kills {
        let leader = cluster.leader()?;
        let gap = cluster.without(leader)?;
        println!("etcd: {kill:>4}  writes paused {:.2} s", gap.as_secs_f64());
        gaps.push(gap);
    }
    let value = json!({ "kind": "etcd", "version": version, "write_gap_after_leader_loss_ms": figures::spread(gaps) });
    println!("{value:#}");
    args.figures.as_deref().map_or(Ok(()), |file| figures::append(file, &value))
}

/// A running cluster; its members end with it.
struct Etcd {
    folder: PathBuf,
    port: u16,
    members: Vec<Child>,
    agent: Agent,
}

impl Etcd {
    fn start(folder: &Path, port: u16) -> anyhow::Result<Self> {
        let config = Agent::config_builder().timeout_global(Some(CALL_TIMEOUT)).http_status_as_error(true);
        let agent = Agent::from(config.build());
        let mut cluster = Self { folder: folder.to_owned(), port, members: Vec::new(), agent };
        for member in 0..MEMBERS {
            let process = cluster.launch(member)?;
            cluster.members.push(process);
        }
        Ok(cluster)
    }

    fn launch(&self, member: usize) -> anyhow::Result<Child> {
        let peer = |member: usize| format!("http://127.0.0.1:{}", usize::from(self.port) + MEMBERS + member);
        let peers: Vec<String> = (0..MEMBERS).map(|each| format!("m{each}={}", peer(each))).collect();
        let (name, data) = (format!("m{member}"), self.folder.join(member.to_string()));
        let (client, own) = (self.client(member), peer(member));
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.args(["--name", &name, "--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &own, "--initial-advertise-peer-urls", &own]);
        command.args(["--initial-cluster", &peers.join(","), "--initial-cluster-state", "new"]);
        command.spawn().context("etcd does not start")
    }

    fn client(&self, member: usize) -> String {
        format!("http://127.0.0.1:{}", usize::from(self.port) + member)
    }

    /// The leader, once every member knows the same one.
    fn leader(&self) -> anyhow::Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let status = |member| call(&self.agent, &self.client(member), "maintenance/status", &json!({}));
            let all: Vec<Value> = (0..MEMBERS).filter_map(|member| status(member).ok()).collect();
            let leads = |status: &Value| status["header"]["member_id"] == status["leader"];
            let agreed = all.iter().all(|status| status["leader"] == all[0]["leader"]);
            if all.len() == MEMBERS
                && agreed
                && let Some(leader) = all.iter().position(leads)
            {
                return Ok(leader);
            }
            sleep(POLL);
        }
        bail!("etcd's members agreed on no leader within {} s", PATIENCE.as_secs())
    }

    /// Kills a member and starts it again; from the kill to the next write that another acknowledged.
    fn without(&mut self, member: usize) -> anyhow::Result<Duration> {
        let struck = Instant::now();
        self.members[member].kill()?;
        let (tell, told) = mpsc::channel();
        let tell = Arc::new(tell);
        let gap = loop {
            for other in (0..MEMBERS).filter(|other| *other != member) {
                let (agent, address, tell) = (self.agent.clone(), self.client(other), Arc::clone(&tell));
                thread::spawn(move || {
                    if call(&agent, &address, "kv/put", &json!({ "key": "a2V5", "value": "dmFsdWU=" }))
                        .is_ok()
                    {
                        let _ = tell.send(Instant::now());
                    }
                });
            }
            if let Ok(at) = told.recv_timeout(WRITE_PROBE_PAUSE) {
                break at - struck;
            }
            if struck.elapsed() > PATIENCE {
                bail!("no write was acknowledged within {} s of the kill", PATIENCE.as_secs());
            }
        };
        self.members[member].wait()?;
        sleep(AWAY.saturating_sub(struck.elapsed()));
        self.members[member] = self.launch(member)?;
        Ok(gap)
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

/// One call of etcd's JSON gateway.
fn call(agent: &Agent, address: &str, method: &str, body: &Value) -> anyhow::Result<Value> {
    let mut answer = agent.post(format!("{address}/v3/{method}")).send_json(body)?;
    Ok(answer.body_mut().read_json()?)
}
