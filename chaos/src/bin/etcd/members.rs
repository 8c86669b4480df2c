//! The members of an etcd cluster on loopback.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use ureq::Agent;

/// Members of the cluster.
pub const MEMBERS: usize = 3;
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

/// A running cluster; its members end with it.
pub struct Etcd {
    folder: PathBuf,
    port: u16,
    members: Vec<Child>,
    agent: Agent,
}

impl Etcd {
    /// Starts every member.
    ///
    /// # Errors
    /// etcd cannot be run.
    pub fn start(folder: &Path, port: u16) -> anyhow::Result<Self> {
        let mut cluster = Self { folder: folder.to_owned(), port, members: Vec::new(), agent: agent() };
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

    /// Where a member takes requests.
    pub fn client(&self, member: usize) -> String {
        format!("http://127.0.0.1:{}", usize::from(self.port) + member)
    }

    /// The leader, once every member knows the same one.
    ///
    /// # Errors
    /// They do not agree on one.
    pub fn leader(&self) -> anyhow::Result<usize> {
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
    ///
    /// # Errors
    /// No write is acknowledged any more.
    pub fn without(&mut self, member: usize) -> anyhow::Result<Duration> {
        let struck = Instant::now();
        self.members[member].kill()?;
        let (tell, told) = mpsc::channel();
        let tell = Arc::new(tell);
        let gap = loop {
            for other in (0..MEMBERS).filter(|other| *other != member) {
                let (agent, address, tell) = (self.agent.clone(), self.client(other), Arc::clone(&tell));
                thread::spawn(move || {
                    if put(&agent, &address, "a2V5", "dmFsdWU=").is_ok() {
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

/// What keeps connections to members.
pub fn agent() -> Agent {
    let config = Agent::config_builder().timeout_global(Some(CALL_TIMEOUT)).http_status_as_error(true);
    Agent::from(config.build())
}

/// A durable write; key and value in base64.
///
/// # Errors
/// It was not acknowledged.
pub fn put(agent: &Agent, address: &str, key: &str, value: &str) -> anyhow::Result<()> {
    call(agent, address, "kv/put", &json!({ "key": key, "value": value })).map(drop)
}

/// One call of etcd's JSON gateway.
fn call(agent: &Agent, address: &str, method: &str, body: &Value) -> anyhow::Result<Value> {
    let mut answer = agent.post(format!("{address}/v3/{method}")).send_json(body)?;
    Ok(answer.body_mut().read_json()?)
}
