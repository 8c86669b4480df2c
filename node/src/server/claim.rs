//! What a node holds alone: its ports and its folder.
//!
//! Both are taken before anything is joined or opened, so that a second start by mistake is told at once.
//! A process that was killed lets go of its files a moment after it looks dead: whoever starts a node in that
//! moment waits for it, instead of failing.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::config::Config;

/// A dying process ends its last write to the disk before its files are closed: some seconds on a slow one.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Everything a node listens with.
pub struct Listeners {
    /// Clients.
    pub kmip: TcpListener,
    /// People and probes.
    pub admin: TcpListener,
    /// Operators, with a certificate.
    pub operator: TcpListener,
}

impl Listeners {
    /// Takes every port of the configuration.
    ///
    /// # Errors
    /// One sentence with the address and its setting.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        // The peers' port is bound by the store, later; that it is free is told now.
        drop(bind(config.listen.peer, "listen.peer").await?);
        Ok(Self {
            kmip: bind(config.listen.kmip, "listen.kmip").await?,
            admin: bind(config.listen.admin, "listen.admin").await?,
            operator: bind(config.listen.operator, "listen.operator").await?,
        })
    }
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    patiently(Errno::ADDRINUSE, async || listen(address).await)
        .await
        .with_context(|| format!("cannot listen on {address}: stop what listens there or change {setting}"))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Errno> {
    TcpListener::bind(address).await.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// The node's folder: readable by its owner alone, and used by one process.
pub struct DataDir {
    root: PathBuf,
    /// Freed by the kernel when this process ends, however it ends.
    _lock: File,
}

impl DataDir {
    /// Creates the folder where it is missing, and takes it for this process alone.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do.
    pub async fn open(root: &Path) -> anyhow::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
        let create = |folder: &Path| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        create(root).with_context(|| format!("cannot create {}", root.display()))?;
        let mode = std::fs::metadata(root)?.mode() & 0o777;
        if mode != 0o700 {
            bail!("{} has mode {mode:03o}: run chmod 700 on it, nobody else may read it", root.display());
        }
        let data = Self { _lock: lock(root).await?, root: root.to_owned() };
        for folder in [data.raft(), data.audit()] {
            create(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(data)
    }

    /// Identity, log and state.
    pub fn raft(&self) -> PathBuf {
        self.root.join("raft")
    }

    /// The note that this node begins a cluster; gone once that is done.
    pub fn beginning(&self) -> PathBuf {
        self.root.join("beginning")
    }

    /// The audit log.
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// The journal of everything applied.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The sealed barrier keyring.
    pub fn keyring(&self) -> PathBuf {
        self.root.join("keyring")
    }
}

async fn lock(root: &Path) -> anyhow::Result<File> {
    let path = root.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let taken = patiently(Errno::WOULDBLOCK, async || flock(&file, FlockOperation::NonBlockingLockExclusive));
    match taken.await {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => bail!("another process uses {}: stop it first", root.display()),
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Tries again while another process holds what is asked for, as long as a dying one may.
async fn patiently<T>(busy: Errno, mut take: impl AsyncFnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match take().await {
            Err(error) if error == busy && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_dying_process_still_holds_is_waited_for() {
        let held = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = held.local_addr().expect("its address");
        let mut held = Some(held);
        let (mut tries, deadline) = (0, Instant::now() + PATIENCE);
        let listener = patiently(Errno::ADDRINUSE, async || {
            tries += 1;
            if tries == 3 {
                held = None;
            }
            listen(address).await
        });
        listener.await.expect("free by now");
        assert!(tries >= 3 && Instant::now() < deadline);
    }

    #[tokio::test]
    async fn what_stays_taken_is_told_in_a_sentence() {
        let held = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = held.local_addr().expect("its address");
        let error = bind(address, "listen.kmip").await.expect_err("taken");
        let expected = format!("cannot listen on {address}: stop what listens there or change listen.kmip");
        assert_eq!(error.to_string(), expected);
    }

    #[tokio::test]
    async fn a_folder_has_one_process() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().join("node");
        let first = DataDir::open(&root).await.expect("free");
        let error = DataDir::open(&root).await.err().expect("taken");
        assert!(error.to_string().contains("another process uses"), "{error}");
        drop(first);
        DataDir::open(&root).await.expect("free again");
    }
}
