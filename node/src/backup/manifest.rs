//! What a backup is, in words a person can read and a keyed hash a machine can check.

use std::path::Path;

use anyhow::{Context as _, bail};
use crypto::digest::Sha256Stream;
use model::sealer::Sealer;
use model::time::utc;
use raft_store::Exported;
use raft_store::snapshot::SnapshotData;
use raft_store::types::members_by_id;
use serde::{Deserialize, Serialize};

use super::{MANIFEST, moment};

/// The format this code writes, and the newest it reads.
pub const FORMAT: u64 = 1;
/// Begins the keyed hash of a manifest.
const LABEL: &[u8] = b"keyraft/v1/backup-manifest";
/// A manifest has a line per node: a larger file is something else.
const BYTES_MAX: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of the backup.
    pub format: u64,
    /// `keyraft-<moment>-<last index>`: the order of names is the order of time.
    pub name: String,
    /// When it was made, by the clock of the node that made it.
    pub created: String,
    /// The version that made it.
    pub software: String,
    /// The realm all derivations are bound to.
    pub realm: String,
    /// The lineage it was made in.
    pub cluster_id: String,
    /// The region of the cluster.
    pub region: String,
    /// The replicated format version of the state.
    pub replicated_format: u32,
    /// The last entry of the log in it.
    pub last: Last,
    /// Cluster time of that entry, in milliseconds since the epoch.
    pub cluster_time_ms: u64,
    /// The nodes of the cluster at that entry.
    pub nodes: Vec<Node>,
    /// Tenants in it, terminated ones included.
    pub tenants: u64,
    /// Rows in it.
    pub rows: u64,
    /// The additive keyed hash of all rows.
    pub set_hash: String,
    /// The state.
    pub snapshot: File,
    /// The sealed keyring.
    pub keyring: File,
    /// Keyed hash of everything above.
    pub seal: String,
}

/// The place of an entry in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Last {
    /// Term of its leader.
    pub term: u64,
    /// That leader.
    pub node: u64,
    /// Its index.
    pub index: u64,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where clients reached it.
    pub kmip: String,
    /// Whether it voted.
    pub voter: bool,
}

/// A file of the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: String,
}

/// Bytes read at once.
pub const PIECE_BYTES: usize = 1 << 20;

impl File {
    /// Describes bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let sha256 = data_encoding::HEXLOWER.encode(&crypto::digest::sha256(&[bytes]));
        Self { bytes: bytes.len() as u64, sha256 }
    }

    /// Describes a snapshot, which is read for that.
    ///
    /// # Errors
    /// It does not read.
    pub fn of_snapshot(data: &SnapshotData) -> std::io::Result<Self> {
        let mut hash = Sha256Stream::default();
        let mut bytes = 0;
        while bytes < data.len() {
            let piece = data.read_at(bytes, PIECE_BYTES)?;
            hash.update(&piece);
            bytes += piece.len() as u64;
        }
        Ok(Self { bytes, sha256: data_encoding::HEXLOWER.encode(&hash.finish()) })
    }
}

impl Manifest {
    /// The manifest of an exported state; the seal comes last.
    #[must_use]
    pub fn new(
        exported: &Exported,
        identity: &raft_store::Identity,
        snapshot: File,
        keyring: File,
        sealer: &dyn Sealer,
    ) -> Self {
        let created = moment::now_s();
        let id = exported.meta.last_log_id.unwrap_or_else(|| raft_store::types::entry_id(0, 0, 0));
        let last = Last { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index };
        let members = &exported.meta.last_membership;
        let voters: Vec<u64> = members.membership().voter_ids().collect();
        let nodes = members_by_id(members).into_iter().map(|(id, member)| Node {
            id,
            name: member.name,
            kmip: member.kmip,
            voter: voters.contains(&id),
        });
        let cluster = exported.state.cluster();
        let mut manifest = Self {
            format: FORMAT,
            name: format!("keyraft-{}-{}", moment::compact(created), last.index),
            created: utc(created),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            realm: identity.realm.to_string(),
            cluster_id: identity.cluster.to_string(),
            region: cluster.region.clone(),
            replicated_format: cluster.format,
            last,
            cluster_time_ms: cluster.time.0,
            nodes: nodes.collect(),
            tenants: exported.state.tenants().count() as u64,
            rows: exported.digest.rows,
            set_hash: data_encoding::HEXLOWER.encode(&exported.digest.sum),
            snapshot,
            keyring,
            seal: String::new(),
        };
        manifest.seal = manifest.expected_seal(sealer);
        manifest
    }

    /// The seal it must bear.
    #[must_use]
    pub fn expected_seal(&self, sealer: &dyn Sealer) -> String {
        let unsealed = Self { seal: String::new(), ..self.clone() };
        let text = serde_json::to_vec(&unsealed).expect("a manifest is plain data");
        data_encoding::HEXLOWER.encode(&sealer.set_hash(LABEL, &text))
    }

    /// Reads the manifest of a backup's folder.
    ///
    /// # Errors
    /// One sentence: there is none, it is of a newer format, or it is damaged.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let length = std::fs::metadata(&path).map(|found| found.len());
        let length = length.with_context(|| format!("{} is no backup", folder.display()))?;
        if length > BYTES_MAX {
            bail!("{} is too large for a manifest", path.display());
        }
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        let value: serde_json::Value = serde_json::from_slice(text).context("the manifest is damaged")?;
        match value["format"].as_u64() {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => bail!(
                "the backup has format {newer}, this keyraft reads formats up to {FORMAT}: use a newer keyraft"
            ),
            _ => bail!("the manifest is damaged: it names no format"),
        }
        serde_json::from_value(value).context("the manifest is damaged")
    }
}
