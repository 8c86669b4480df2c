//! What the machine lets us do to single nodes beyond signals: cut their links, slow or fill or fail their
//! disks, take their power, move their clocks.
//!
//! Each part is prepared on its own and says why when the machine cannot do it; the faults that need it are
//! then skipped, visibly. Everything is undone when the cluster is dropped: mounts, control groups and filter
//! rules carry the number of this process and touch nothing else.

mod network;
mod relay;
mod shim;
mod throttle;
mod volumes;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

pub use network::Network;
pub use shim::Shim;
pub use throttle::Throttle;
pub use volumes::Volumes;

/// Why a part cannot be had.
pub type Missing = String;

/// The parts, as far as this machine has them.
pub struct Bed {
    /// Cuts links between nodes.
    pub network: Result<Network, Missing>,
    /// Nodes' disks as file systems of their own.
    pub volumes: Result<Volumes, Missing>,
    /// Failing syncs and jumping clocks inside a node's process.
    pub shim: Result<Shim, Missing>,
    /// Slow disks.
    pub throttle: Result<Throttle, Missing>,
}

impl Bed {
    /// Prepares what can be prepared in a cluster's folder. The nodes do not stand on it before they are
    /// started again.
    pub fn prepare(folder: &Path, peer_ports: &[u16]) -> Self {
        let nodes = peer_ports.len();
        let said = |error: anyhow::Error| format!("{error:#}");
        Self {
            network: Network::new(peer_ports).map_err(said),
            volumes: Volumes::new(folder, nodes).map_err(said),
            shim: Shim::new(folder, nodes).map_err(said),
            throttle: Throttle::new(nodes).map_err(said),
        }
    }

    /// The command that starts a node's program on what was prepared.
    pub fn command(&self, node: usize, program: &Path) -> Command {
        let mut command = match &self.network {
            // A socket belongs to the control group in which it was made: move first, then become the node.
            Ok(network) => {
                let mut command = Command::new("sh");
                command.args(["-c", "echo $$ >\"$0\" && exec \"$1\""]);
                command.arg(network.members(node)).arg(program);
                command
            }
            Err(_) => Command::new(program),
        };
        if let Ok(shim) = &self.shim {
            command.envs(shim.variables(node));
        }
        command
    }
}

/// Runs a tool that must succeed, and says what it said when it does not.
fn run(tool: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(tool).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{tool} cannot be run"))?;
    if !output.status.success() {
        bail!("{tool} says: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Paths of ours are made of letters, digits and dashes.
fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}

/// Most parts need it.
fn must_be_root() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root may do this");
    }
    Ok(())
}
