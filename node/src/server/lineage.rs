//! How a node comes into its cluster: it was there before, it makes a new one, or it joins one.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use crypto::Keyring;
use engine::Held;
use keystore::RootKeystore;
use model::id::{ClusterId, Realm};
use raft_store::join::JoinRequest;
use raft_store::store::Env as _;
use raft_store::{Addresses, Identity, Production, Settings, Store};

use super::backups::Maker;
use super::tls::Live;
use super::{DataDir, keyring};
use crate::backup::recover;
use crate::backup::target::Target;
use crate::config::{self, Config};

/// The highest format version this binary knows.
const FORMAT: u32 = model::state::FORMAT + if cfg!(feature = "danger-next-format") { 1 } else { 0 };
/// How long a node asks peers to let it in before it gives up: peers of a starting cluster take a while.
const JOIN_DEADLINE: Duration = Duration::from_secs(90);

/// A node that knows who it is and holds the barrier keyring.
pub struct Lineage {
    identity: Identity,
    kept: Arc<keyring::Kept>,
    bootstrap: bool,
    beginning: PathBuf,
}

/// Finds out, or decides, who this node is, and unseals the keyring.
///
/// # Errors
/// One sentence that says what is in the way.
pub async fn enter(
    config: &Config,
    data: &DataDir,
    env: &Production,
    root: Arc<dyn RootKeystore>,
) -> anyhow::Result<Lineage> {
    if recover::is_interrupted(&config.node.data_dir) {
        bail!(
            "a recovery of {} was interrupted: run keyraft operator recover again",
            config.node.data_dir.display()
        );
    }
    let known = raft_store::identity::load(&data.raft())?;
    let (identity, bootstrap) = match known {
        Some(identity) if identity.name != config.node.name => bail!(
            "{} belongs to node {:?}, but node.name is {:?}: use its own folder or its own name",
            data.raft().display(),
            identity.name,
            config.node.name
        ),
        // It began a cluster and died before that was done: it goes on where it was.
        Some(identity) => (identity, data.beginning().exists()),
        None if config.cluster.bootstrap => (make_cluster(config, data, root.as_ref()).await?, true),
        None if config.cluster.join.is_empty() => {
            bail!(
                "the data directory is empty: set cluster.join to peers of a cluster, or cluster.bootstrap = true once"
            )
        }
        None => (join(config, data, env).await?, false),
    };
    let kept = Arc::new(keyring::Kept::open(&data.keyring(), identity.realm, root).await?);
    Ok(Lineage { identity, kept, bootstrap, beginning: data.beginning() })
}

/// The keyring is on disk before the identity: a crash in between leaves an empty node, never one without
/// its keyring. Before both there is a note that a cluster begins, until its first membership is durable: an identity
/// alone would be a node that waits for others for ever.
async fn make_cluster(config: &Config, data: &DataDir, root: &dyn RootKeystore) -> anyhow::Result<Identity> {
    let (realm, cluster) = (Realm(crypto::random::bytes()), ClusterId(crypto::random::bytes()));
    let sealed = keyring::generate(realm, root).await?;
    note_beginning(&data.beginning())?;
    keyring::write(&data.keyring(), &sealed)?;
    let identity = raft_store::identity::bootstrap(&data.raft(), realm, cluster, &config.node.name)?;
    tracing::info!(%realm, %cluster, "a new cluster begins");
    Ok(identity)
}

fn note_beginning(note: &Path) -> anyhow::Result<()> {
    let folder = note.parent().context("the note lies in the data folder")?;
    let written = File::create(note).and_then(|file| file.sync_all());
    written.and_then(|()| File::open(folder)?.sync_all()).with_context(|| note.display().to_string())
}

async fn join(config: &Config, data: &DataDir, env: &Production) -> anyhow::Result<Identity> {
    let request = JoinRequest {
        name: config.node.name.clone(),
        addresses: addresses(config),
        peers: config.cluster.join.iter().map(ToString::to_string).collect(),
        token: join_token(config.cluster.join_token_file.as_deref())?,
        voter: config.cluster.voter,
        within: JOIN_DEADLINE,
    };
    // The keyring is on disk before the identity: a node with an identity can always unseal.
    let keep = |sealed: &[u8]| {
        keyring::write(&data.keyring(), sealed).map_err(|error| std::io::Error::other(format!("{error:#}")))
    };
    let surroundings = env.surroundings();
    let joined = raft_store::join::join(
        &data.raft(),
        &request,
        surroundings.transport,
        surroundings.entropy.as_ref(),
        keep,
    )
    .await?;
    if joined.region != config.node.region {
        bail!(
            "this cluster serves region {:?}, but node.region is {:?}: correct the configuration and start again",
            joined.region,
            config.node.region
        );
    }
    tracing::info!(node = %joined.identity.node, "joined the cluster");
    Ok(joined.identity)
}

fn join_token(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let file = file.context(
        "the data directory is empty and there is no cluster.join_token_file: make a token with \
         keyraft operator join-token",
    )?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().as_bytes().to_vec())
}

/// Zero stands for never.
fn unless_zero(seconds: u32) -> Option<Duration> {
    (seconds != 0).then(|| Duration::from_secs(seconds.into()))
}

fn addresses(config: &Config) -> Addresses {
    Addresses {
        peer: config.listen.peer.to_string(),
        kmip: config.listen.kmip.to_string(),
        admin: config.listen.admin.to_string(),
    }
}

impl Lineage {
    /// The barrier keyring, unsealed.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.kept.keyring()
    }

    /// Where it is kept.
    pub fn kept(&self) -> Arc<keyring::Kept> {
        Arc::clone(&self.kept)
    }

    /// What makes backups of this node's state.
    pub fn backups(&self, store: Store, settings: config::Backup, target: Option<Target>) -> Arc<Maker> {
        Arc::new(Maker::new(store, self.kept(), settings, target))
    }

    /// Starts the replicated store.
    ///
    /// # Errors
    /// If the data does not open, or the peer port cannot be used.
    pub async fn start(
        &self,
        config: &Config,
        env: Production,
        (held, inbox, live): (Arc<Held>, [u8; 32], Arc<Live>),
    ) -> anyhow::Result<Store> {
        let kept = self.kept();
        let counts = Arc::clone(&held);
        let settings = Settings {
            addresses: addresses(config),
            region: config.node.region.clone(),
            bootstrap: self.bootstrap,
            keyring: Arc::new(move || kept.sealed().to_vec()),
            voters: config.cluster.voters.into(),
            stabilisation: Duration::from_millis(config.cluster.stabilisation_ms.into()),
            dead_learner_after: unless_zero(config.cluster.dead_learner_s),
            dead_voter_after: unless_zero(config.cluster.dead_voter_s),
            format: FORMAT,
            format_after: Duration::from_secs(config.cluster.format_after_s.into()),
            certificates_expire: Arc::new(move || live.first_expiry()),
            inbox: Some(inbox),
            handed_over: Arc::new(move || counts.handed_over()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // A scan wants to see snapshots: made, purged for and sent, within a minute.
            #[cfg(feature = "danger-known-keys")]
            snapshot_every: super::danger::SNAPSHOT_EVERY,
            #[cfg(feature = "danger-known-keys")]
            log_kept: super::danger::LOG_KEPT,
            ..Settings::default()
        };
        let sealer = self.keyring();
        let store = env.start(settings, self.identity.clone(), sealer, held).await?;
        match std::fs::remove_file(&self.beginning) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| self.beginning.display().to_string());
            }
            _ => {}
        }
        Ok(store)
    }
}
