//! Opening a log: lock, read the last segment, cut an interrupted write, record the boot.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::id::{BootId, ClusterId, NodeId};

use crate::batch::Batch;
use crate::checkpoint::Published;
use crate::disk::{Disk, Folder, UNFINISHED};
use crate::entry::{Entry, Kind, Operation, Outcome};
use crate::finding::{Fault, Finding};
use crate::ledger::{Chain, Ledger};
use crate::log::{Identity, Settings, Shared};
use crate::segment;
use crate::walk::{Position, Walk, may_follow};
use crate::writer::Writer;

/// Why a log does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the audit folder {} is in use by another process: stop that one first", .0.display())]
    InUse(PathBuf),
    /// It holds another node's records.
    #[error("the audit folder belongs to node {node} of cluster {cluster}: give each node its own folder")]
    OtherNode {
        /// Whose folder it is.
        node: NodeId,
        /// The lineage it was written in.
        cluster: ClusterId,
    },
    /// It already holds a later boot of this node.
    #[error(
        "the audit folder already holds boot {recorded}, and this is boot {boot}: \
         one of the two disks was rewound or cloned; wipe this node and join it as a new one"
    )]
    Rewound {
        /// The boot on disk.
        recorded: BootId,
        /// The boot that wanted to open it.
        boot: BootId,
    },
    /// It is damaged where it was once whole.
    #[error(
        "the audit log is damaged: {0}; keep the folder as evidence, run `keyraft audit verify` on it, \
         and start this node with an empty audit folder"
    )]
    Damaged(#[source] Finding),
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system answered.
        source: io::Error,
    },
}

/// What the last segment told.
struct Past {
    ledger: Ledger,
    /// Chains with a record in the last segment: the next checkpoint states them again.
    recent: BTreeSet<Chain>,
    /// The segment to go on with.
    resume: Option<Position>,
    /// What was cut off, in words.
    repair: String,
}

/// Opens the folder and makes this boot's first record durable.
pub(crate) fn open<D: Disk>(
    dir: &Path,
    identity: Identity,
    settings: &Settings,
    disk: impl FnOnce(Folder) -> D,
    shared: &Shared,
) -> Result<Writer<D>, OpenError> {
    let lock = lock(dir)?;
    remove_unfinished(dir).map_err(io("removing an unfinished audit segment"))?;
    let past = read_past(dir, &identity)?;
    let mut folder = Folder::new(dir, settings.segment_bytes, lock);
    if let Some(position) = &past.resume {
        folder.resume(&position.path, position.offset).map_err(io("resuming the last audit segment"))?;
    }
    Published::lock(&shared.published).advance(&past.ledger, past.recent.into_iter());
    let record_bytes = past.resume.map(|position| position.record_bytes);
    let mut writer = Writer::new(disk(folder), identity, past.ledger, settings.segment_bytes, record_bytes);
    let boot = boot_batch(&identity, &past.repair);
    writer.commit([&boot].into_iter(), shared).map_err(io("writing the audit log's boot record"))?;
    Ok(writer)
}

fn io(doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { doing, source }
}

/// Makes the folder if need be and takes it for this process.
fn lock(dir: &Path) -> Result<File, OpenError> {
    make_durably(dir).map_err(io("making the audit folder"))?;
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(io("opening the audit folder's lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io("locking the audit folder")(source)),
    }
}

/// Makes the folder and its missing parents, and syncs the names: a record is no safer than the path to it.
fn make_durably(dir: &Path) -> io::Result<()> {
    let dir = std::path::absolute(dir)?;
    let missing: Vec<&Path> = dir.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// A segment under its unfinished name never held a record.
fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let segment = name.to_str().and_then(|name| name.strip_suffix(UNFINISHED));
        if segment.and_then(segment::first_of).is_some() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn read_past(dir: &Path, identity: &Identity) -> Result<Past, OpenError> {
    let Some(mut walk) = Walk::begin(dir, u64::MAX).map_err(OpenError::Damaged)? else {
        return Ok(Past {
            ledger: Ledger::default(),
            recent: BTreeSet::new(),
            resume: None,
            repair: String::new(),
        });
    };
    let mut recent = BTreeSet::new();
    let repair = loop {
        match walk.next() {
            Ok(Some(record)) => {
                recent.insert(record.tenant);
            }
            Ok(None) => break String::new(),
            Err(finding) if matches!(finding.fault, Fault::Truncated(_)) => break repair_note(&finding),
            Err(finding) => return Err(OpenError::Damaged(finding)),
        }
    };
    check_identity(&walk, identity)?;
    let resume = Some(walk.position());
    Ok(Past { ledger: walk.ledger, recent, resume, repair })
}

fn check_identity(walk: &Walk, identity: &Identity) -> Result<(), OpenError> {
    let old = walk.author();
    let new = (identity.cluster, identity.node, identity.boot);
    if may_follow(old, new) {
        return Ok(());
    }
    let (cluster, node, recorded) = old;
    Err(if node == identity.node {
        OpenError::Rewound { recorded, boot: identity.boot }
    } else {
        OpenError::OtherNode { node, cluster }
    })
}

fn repair_note(finding: &Finding) -> String {
    format!("an interrupted write was cut off {} at offset {}", finding.segment, finding.offset)
}

fn boot_batch(identity: &Identity, repair: &str) -> Batch {
    let operation = Operation { code: 0, name: "Boot" };
    let reason = if repair.is_empty() { "" } else { "torn-tail" };
    let mut batch = Batch::new();
    batch.push_any(&Entry {
        reason,
        detail: repair,
        ..Entry::new(Kind::Boot, operation, Outcome::Ok, identity.now_ms)
    });
    batch
}
