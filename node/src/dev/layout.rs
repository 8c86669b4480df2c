//! Where a development cluster keeps what, and what each node is told.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::certificates::write_private;

/// Marks a folder as ours: `--fresh` deletes no other.
const MARKER: &str = ".keyraft-dev.json";

/// What must not change between two starts of the same cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Number of nodes.
    pub nodes: u16,
    /// First KMIP port.
    pub kmip_port: u16,
    /// First administration port; the operator port is 50 above.
    pub admin_port: u16,
    /// First peer port.
    pub peer_port: u16,
    /// `software` or `softhsm`.
    pub root: String,
}

/// The distance from a node's administration port to its operator port (DESIGN 10).
pub const OPERATOR_PORT_OFFSET: u16 = 50;

/// The ports of one node.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// KMIP.
    pub kmip: u16,
    /// Administration.
    pub admin: u16,
    /// Operators.
    pub operator: u16,
    /// Other nodes.
    pub peer: u16,
}

impl Shape {
    /// The ports of node `i`.
    #[must_use]
    pub const fn ports(&self, i: u16) -> Ports {
        Ports {
            kmip: self.kmip_port + i,
            admin: self.admin_port + i,
            operator: self.admin_port + OPERATOR_PORT_OFFSET + i,
            peer: self.peer_port + i,
        }
    }
}

/// The folder of a development cluster.
pub struct Layout {
    /// Absolute.
    pub root: PathBuf,
    /// The marker, locked while `keyraft dev` runs: no other deletes or starts the same cluster meanwhile.
    _lock: File,
}

impl Layout {
    /// Opens, or makes, or makes anew the folder of a cluster of this shape.
    ///
    /// # Errors
    /// If the folder holds something else, or a cluster of another shape.
    pub fn open(folder: &Path, shape: &Shape, fresh: bool) -> anyhow::Result<Self> {
        let root = std::path::absolute(folder)?;
        let marker = root.join(MARKER);
        if fresh && root.exists() {
            if !marker.exists() && fs::read_dir(&root)?.next().is_some() {
                bail!("{} was not made by keyraft dev; --fresh deletes nothing else", root.display());
            }
            let _lock = if marker.exists() { Some(lock(&root, &marker)?) } else { None };
            fs::remove_dir_all(&root).with_context(|| root.display().to_string())?;
        }
        Self::claim(&root, &marker, shape)?;
        let layout = Self { _lock: lock(&root, &marker)?, root };
        let _ = fs::remove_file(layout.env_file());
        Ok(layout)
    }

    fn claim(root: &Path, marker: &Path, shape: &Shape) -> anyhow::Result<()> {
        if marker.exists() {
            let known: Shape = serde_json::from_str(&fs::read_to_string(marker)?)
                .with_context(|| format!("{} was changed by hand", marker.display()))?;
            if known != *shape {
                bail!(
                    "{} holds a cluster started with --nodes {} --kmip-port {} --admin-port {} --peer-port {} \
                     --root {}; start it like that, or make it anew with --fresh",
                    root.display(),
                    known.nodes,
                    known.kmip_port,
                    known.admin_port,
                    known.peer_port,
                    known.root
                );
            }
            return Ok(());
        }
        if root.exists() && fs::read_dir(root)?.next().is_some() {
            bail!("{} is not empty and holds no keyraft cluster; choose another --data", root.display());
        }
        fs::create_dir_all(root).with_context(|| format!("cannot create {}", root.display()))?;
        fs::set_permissions(root, fs::Permissions::from_mode(0o700))?;
        write_private(marker, &serde_json::to_string_pretty(shape)?)
    }

    /// The file with everything a client needs.
    pub fn env_file(&self) -> PathBuf {
        self.root.join("env")
    }

    /// Authorities.
    pub fn ca(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// Roots of trust.
    pub fn roots(&self) -> PathBuf {
        self.root.join("roots")
    }

    /// The folder of node `i`.
    pub fn node(&self, i: u16) -> PathBuf {
        self.root.join("nodes").join(i.to_string())
    }

    /// Certificates of a tenant's services.
    pub fn clients(&self, tenant: &str) -> PathBuf {
        self.root.join("clients").join(tenant)
    }

    /// Backups, of all nodes.
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }

    /// The bearer token of the platform operator.
    pub fn token_file(&self) -> PathBuf {
        self.root.join("operator-token")
    }

    /// The token by which node `i` joins, once.
    pub fn join_token_file(&self, i: u16) -> PathBuf {
        self.node(i).join("join-token")
    }
}

/// Freed by the kernel when this process ends, however it ends.
fn lock(root: &Path, marker: &Path) -> anyhow::Result<File> {
    let file = File::open(marker).with_context(|| format!("cannot open {}", marker.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            bail!("another keyraft dev runs the cluster in {}; stop it first", root.display())
        }
        Err(error) => return Err(error).with_context(|| format!("cannot lock {}", marker.display())),
    }
    Ok(file)
}
