//! The node processes of a development cluster: their configuration, start, watch and end.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::layout::{Layout, Shape};
use super::roots;

/// How long a node may take to stop by itself: it drains requests and hands over leadership first.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause between two looks at the processes.
const POLL: Duration = Duration::from_millis(100);
/// The first line of every configuration.
const WRITTEN: &str = "# Written by keyraft dev at every start.\n";

/// An authority of clients and the one tenant it may speak for; `None` means any.
pub struct ClientPin {
    /// Its certificate.
    pub file: PathBuf,
    /// The tenant.
    pub tenant: Option<String>,
}

/// The name of node `i`.
pub fn name(i: u16) -> String {
    format!("node-{i}")
}

/// Says which port is taken before anything is started.
pub fn refuse_taken_ports(shape: &Shape) -> anyhow::Result<()> {
    for i in 0..shape.nodes {
        let ports = shape.ports(i);
        let wanted = [
            (ports.kmip, "--kmip-port"),
            (ports.admin, "--admin-port"),
            (ports.operator, "--admin-port"),
            (ports.peer, "--peer-port"),
        ];
        for (port, flag) in wanted {
            if TcpListener::bind(("127.0.0.1", port)).is_err() {
                bail!("port {port} is in use; stop what listens there or choose another {flag}");
            }
        }
    }
    Ok(())
}

/// Set by SIGINT, SIGTERM or SIGHUP.
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Catches the signals from now on.
    pub fn on_signals() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let flag = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ]
        };
        let seen = Arc::clone(&flag);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let [interrupt, terminate, hangup] = &mut signals;
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            });
            seen.store(true, Ordering::SeqCst);
        })?;
        Ok(Self(flag))
    }

    /// Whether one arrived.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The processes started here, and the folders of those a user started again by `run`.
pub struct Running {
    children: Vec<(u16, Child, bool)>,
    folders: Vec<PathBuf>,
}

/// Writes every node's configuration and `run` file, and starts the first and those that have joined before.
pub fn start(layout: &Layout, shape: &Shape, pins: &[ClientPin], more: &str) -> anyhow::Result<Running> {
    let mut running = Running { children: Vec::new(), folders: Vec::new() };
    for i in 0..shape.nodes {
        let folder = layout.node(i);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let text = merged(configuration(layout, shape, i, pins), more)?;
        super::write_private(&folder.join("config.toml"), &text)?;
        write_run(layout, &folder)?;
        running.folders.push(folder);
    }
    for i in (0..shape.nodes).filter(|i| *i == 0 || has_joined(layout, *i)) {
        running.spawn(layout, i)?;
    }
    Ok(running)
}

/// What we write with the user's settings in it: tables are joined, lists grow, and where both say something
/// the user's counts.
fn merged(ours: String, theirs: &str) -> anyhow::Result<String> {
    let theirs: toml::Table = theirs.parse().context("--settings")?;
    if theirs.is_empty() {
        return Ok(ours);
    }
    let mut all: toml::Table = ours.parse().context("our own configuration")?;
    join(&mut all, theirs);
    Ok(format!("{WRITTEN}{}", toml::to_string(&all)?))
}

fn join(all: &mut toml::Table, more: toml::Table) {
    for (key, value) in more {
        match (all.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(new)) => join(known, new),
            (Some(toml::Value::Array(known)), toml::Value::Array(new)) => known.extend(new),
            (_, value) => drop(all.insert(key, value)),
        }
    }
}

/// Whether a node has an identity: it needs no token any more.
fn has_joined(layout: &Layout, i: u16) -> bool {
    layout.node(i).join("data").join("raft").join("identity").exists()
}

fn configuration(layout: &Layout, shape: &Shape, i: u16, pins: &[ClientPin]) -> String {
    let ports = shape.ports(i);
    let folder = layout.node(i);
    let path = |file: PathBuf| toml_text(&file);
    let tls = folder.join("tls");
    let ca = layout.ca();
    let cluster = if i == 0 {
        "bootstrap = true".to_owned()
    } else {
        let token = path(layout.join_token_file(i));
        format!("join = [\"127.0.0.1:{}\"]\njoin_token_file = {token}", shape.ports(0).peer)
    };
    let mut text = format!(
        "{WRITTEN}[node]\nname = \"{}\"\ndata_dir = {}\nregion = \"local\"\ntrust_domain = \"{}\"\nallow_root = true\n\n\
         [listen]\nkmip = \"127.0.0.1:{}\"\nadmin = \"127.0.0.1:{}\"\noperator = \"127.0.0.1:{}\"\n\
         peer = \"127.0.0.1:{}\"\n\n\
         [tls]\nserver_cert = {}\nserver_key = {}\npeer_cert = {}\npeer_key = {}\npeer_ca = {}\n\
         operator_ca = {}\n\n\
         [cluster]\n{cluster}\nstabilisation_ms = 300\n\n\
         [admin]\ndevelopment_token_file = {}\n\n[backup]\ntarget = {}\n\n",
        name(i),
        path(folder.join("data")),
        super::TRUST_DOMAIN,
        ports.kmip,
        ports.admin,
        ports.operator,
        ports.peer,
        path(tls.join("server.pem")),
        path(tls.join("server.key")),
        path(tls.join("peer.pem")),
        path(tls.join("peer.key")),
        path(ca.join("peers.pem")),
        path(ca.join("operators.pem")),
        path(layout.token_file()),
        path(layout.backups()),
    );
    for pin in pins {
        let tenants = pin.tenant.as_ref().map_or("\"any\"".to_owned(), |tenant| format!("[\"{tenant}\"]"));
        text += &format!("[[client_ca]]\nfile = {}\ntenants = {tenants}\n\n", path(pin.file.clone()));
    }
    text + &roots::configuration(layout, &shape.root)
}

/// A path as a TOML string.
pub fn toml_text(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// A path as one word of a POSIX shell.
pub fn shell_text(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// `<data>/nodes/<i>/run`: starts the node again in the foreground, exactly as before.
fn write_run(layout: &Layout, folder: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let file = folder.join("run");
    let filter = std::env::var("KEYRAFT_LOG").unwrap_or_default();
    let script = format!(
        "#!/bin/sh\n# Starts this node in the foreground; its output goes to the file log beside this one.\n\
         {}{}exec {} server --config {} --pid-file {} >>{} 2>&1\n",
        roots::environment(layout),
        if filter.is_empty() { String::new() } else { format!("export KEYRAFT_LOG={filter:?}\n") },
        shell_text(&program),
        shell_text(&folder.join("config.toml")),
        shell_text(&folder.join("pid")),
        shell_text(&folder.join("log")),
    );
    // Replaced by rename: a node started by the old file may still be reading it.
    let fresh = folder.join("run.new");
    super::write_private(&fresh, &script)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700))?;
    fs::rename(&fresh, &file).with_context(|| file.display().to_string())
}

impl Running {
    /// Starts the nodes that have not joined yet, each with a token of its own.
    pub fn start_new(
        &mut self,
        layout: &Layout,
        shape: &Shape,
        mut token: impl FnMut(&mut Self) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        for i in (1..shape.nodes).filter(|i| !has_joined(layout, *i)) {
            let token = token(self)?;
            super::write_private(&layout.join_token_file(i), &token)?;
            self.spawn(layout, i)?;
        }
        Ok(())
    }

    fn spawn(&mut self, layout: &Layout, i: u16) -> anyhow::Result<()> {
        // A group of its own: Ctrl-C reaches this process alone, which then stops the nodes in order.
        let child = Command::new(layout.node(i).join("run"))
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", name(i)))?;
        self.children.push((i, child, true));
        self.children.sort_by_key(|(i, ..)| *i);
        Ok(())
    }

    /// The process ids of the servers, in node order.
    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().map(|(_, child, _)| child.id()).collect()
    }

    /// During the start a dead node is an error: its last words say why.
    pub fn fail_if_one_died(&mut self) -> anyhow::Result<()> {
        for (i, child, _) in &mut self.children {
            if let Some(status) = child.try_wait()? {
                let log = self.folders[usize::from(*i)].join("log");
                let text = fs::read_to_string(&log).unwrap_or_default();
                let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no output");
                bail!("{} ended ({status}): {last}\nits log is {}", name(*i), log.display());
            }
        }
        Ok(())
    }

    /// Says when a node dies; returns when the user interrupts.
    pub fn watch(&mut self, stop: &Stop) {
        while !stop.requested() {
            for (i, child, alive) in &mut self.children {
                if *alive && let Ok(Some(status)) = child.try_wait() {
                    *alive = false;
                    let run = self.folders[usize::from(*i)].join("run");
                    eprintln!("{} ended ({status}); start it again with {}", name(*i), run.display());
                }
            }
            std::thread::sleep(POLL);
        }
    }

    /// Stops every node, those started again by `run` included.
    pub fn stop_all(&mut self) {
        let pids = self.living();
        for pid in &pids {
            let _ = kill_process(*pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            for (_, child, _) in &mut self.children {
                let _ = child.try_wait();
            }
            if self.living().is_empty() {
                return;
            }
            std::thread::sleep(POLL);
        }
        for pid in self.living() {
            eprintln!(
                "process {} did not stop within {} s; killed",
                pid.as_raw_nonzero(),
                STOP_TIMEOUT.as_secs()
            );
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// The nodes that run now, by their pid files; a pid that is another program's by now is left alone.
    fn living(&self) -> Vec<Pid> {
        let living = |folder: &PathBuf| {
            let pid: i32 = fs::read_to_string(folder.join("pid")).ok()?.trim().parse().ok()?;
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let ours = folder.join("config.toml");
            let found =
                command.split(|byte| *byte == 0).any(|word| word == ours.as_os_str().as_encoded_bytes());
            if found { Pid::from_raw(pid) } else { None }
        };
        let mut pids: Vec<Pid> = self.folders.iter().filter_map(living).collect();
        for (_, child, _) in &self.children {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid
                && fs::read(format!("/proc/{}/cmdline", child.id())).is_ok_and(|line| !line.is_empty())
                && !pids.contains(&pid)
            {
                pids.push(pid);
            }
        }
        pids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_user_go_into_the_tables_that_are_there() {
        let ours = "[roots]\nallow = [\"a:1\"]\n[log]\nfilter = \"info\"\n";
        assert_eq!(merged(ours.to_owned(), "").expect("as it was"), ours);
        let theirs =
            "[roots]\nca_bundle = \"/ca\"\nallow = [\"b:2\"]\n[log]\nfilter = \"trace\"\n[[x]]\ny = 1\n";
        let all: toml::Table = merged(ours.to_owned(), theirs).expect("TOML").parse().expect("TOML");
        let expected = "[roots]\nca_bundle = \"/ca\"\nallow = [\"a:1\", \"b:2\"]\n[log]\nfilter = \"trace\"\n[[x]]\ny = 1\n";
        assert_eq!(all, expected.parse().expect("TOML"));
        assert!(merged(ours.to_owned(), "nonsense").is_err());
    }
}
