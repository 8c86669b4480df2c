//! Who this data directory is: written once, fsynced, never changed.
//!
//! An empty directory is a new node, whatever its host is called: the name comes from the certificate, the
//! id from the log (CONSISTENCY 10). There is no way to get an identity by waiting: either an operator
//! says "bootstrap" on an empty directory, or a cluster lets the node join.
//!
//! The checksum is against hands and bit rot, not against an attacker: who can write this file can as
//! well copy the whole disk, and that is what durable marks are for.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use model::id::{ClusterId, NodeId, Realm};

const FILE: &str = "identity";
const ATTEMPT_FILE: &str = "join-attempt";
/// The first line; a later format gets another number.
const HEADING: &str = "keyraft identity 1";
/// An identity has six short lines: a larger file is something else.
const BYTES_MAX: u64 = 4096;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Bound into every derivation.
    pub realm: Realm,
    /// The lineage it belongs to.
    pub cluster: ClusterId,
    /// Its member id: 1 for the bootstrap node, else the index of its join entry.
    pub node: NodeId,
    /// Its name, as in its peer certificate.
    pub name: String,
}

/// Why a data directory is not usable.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Others could read or change what lies there.
    #[error("{path} has mode {mode:04o}, not {wanted:04o}: others can reach it; run chmod {wanted:o}")]
    Mode {
        /// Which file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they must be.
        wanted: u32,
    },
    /// It belongs to somebody else.
    #[error("{path} belongs to user {owner}, this process runs as {me}")]
    Owner {
        /// Which file or directory.
        path: PathBuf,
        /// Its user id.
        owner: u32,
        /// Ours.
        me: u32,
    },
    /// The file was edited or damaged.
    #[error("{path} is damaged or was edited: {what}; wipe the directory and join as a new node")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// An identity exists, or the directory holds something.
    #[error("{path} is not empty: bootstrapping or joining would hide what it holds")]
    NotEmpty {
        /// Which directory.
        path: PathBuf,
    },
    /// The name in the file is not the one in the certificate or configuration.
    #[error(
        "the data directory belongs to node {stored:?}, but this process is configured as {configured:?}"
    )]
    OtherNode {
        /// The name in the file.
        stored: String,
        /// The name given.
        configured: String,
    },
}

/// Reads the identity of a data directory, making the directory if it does not exist. `None` means that
/// it has none yet: bootstrap or join.
///
/// # Errors
/// Wrong permissions, another owner, a damaged file.
pub fn load(dir: &Path) -> Result<Option<Identity>, IdentityError> {
    prepare(dir)?;
    let path = dir.join(FILE);
    let text = match read_private(&path)? {
        Some(text) => text,
        None => return Ok(None),
    };
    parse(&text).map(Some).map_err(|what| IdentityError::Damaged { path, what })
}

/// Like [`load`], and the node must bear this name.
///
/// # Errors
/// As [`load`]; [`IdentityError::OtherNode`].
pub fn load_as(dir: &Path, name: &str) -> Result<Option<Identity>, IdentityError> {
    let identity = load(dir)?;
    match identity {
        Some(found) if found.name != name => {
            Err(IdentityError::OtherNode { stored: found.name, configured: name.to_owned() })
        }
        other => Ok(other),
    }
}

/// Makes this directory the first node of a new cluster.
///
/// # Errors
/// The directory is not empty, or cannot be written.
pub fn bootstrap(
    dir: &Path,
    realm: Realm,
    cluster: ClusterId,
    name: &str,
) -> Result<Identity, IdentityError> {
    prepare(dir)?;
    refuse_unless_empty(dir)?;
    let identity = Identity { realm, cluster, node: NodeId(1), name: name.to_owned() };
    write(dir, &identity)?;
    Ok(identity)
}

/// Stores the identity a cluster gave to a joining node.
pub(crate) fn write(dir: &Path, identity: &Identity) -> Result<(), IdentityError> {
    write_once(dir, FILE, &render(identity))
}

/// The number of this directory's attempt to join: drawn once, so that a retry gets the same node id and
/// a wiped directory another.
pub(crate) fn join_attempt(dir: &Path, draw: impl FnOnce() -> [u8; 16]) -> Result<[u8; 16], IdentityError> {
    prepare(dir)?;
    let path = dir.join(ATTEMPT_FILE);
    if let Some(text) = read_private(&path)? {
        return unhex(text.trim())
            .ok_or(IdentityError::Damaged { path, what: "not 16 bytes in hexadecimal" });
    }
    refuse_unless_empty(dir)?;
    let attempt = draw();
    write_once(dir, ATTEMPT_FILE, &format!("{}\n", hex(&attempt)))?;
    Ok(attempt)
}

/// The attempt was refused and no node came of it.
pub(crate) fn forget_attempt(dir: &Path) -> Result<(), IdentityError> {
    let path = dir.join(ATTEMPT_FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
        _ => Ok(()),
    }
}

fn render(identity: &Identity) -> String {
    let Identity { realm, cluster, node, name } = identity;
    let body = format!("{HEADING}\nrealm {realm}\ncluster {cluster}\nnode {node}\nname {name}\n");
    let sum = crc32c::crc32c(body.as_bytes());
    format!("{body}sum {sum:08x}\n")
}

fn parse(text: &str) -> Result<Identity, &'static str> {
    let (body, sum) = text.rsplit_once("sum ").ok_or("no checksum")?;
    let sum = u32::from_str_radix(sum.trim_end(), 16).map_err(|_| "no checksum")?;
    if crc32c::crc32c(body.as_bytes()) != sum {
        return Err("the checksum does not match");
    }
    let mut lines = body.lines();
    if lines.next() != Some(HEADING) {
        return Err("not an identity of a format this binary knows");
    }
    let mut field = |name: &'static str| {
        let line =
            lines.next().and_then(|line| line.strip_prefix(name)).and_then(|rest| rest.strip_prefix(' '));
        line.ok_or(name)
    };
    Ok(Identity {
        realm: field("realm")?.parse().map_err(|_| "realm")?,
        cluster: field("cluster")?.parse().map_err(|_| "cluster")?,
        node: NodeId(field("node")?.parse().ok().filter(|id| *id != 0).ok_or("node")?),
        name: field("name")?.to_owned(),
    })
}

/// Makes the directory or checks that only this user reaches it.
fn prepare(dir: &Path) -> Result<(), IdentityError> {
    if !dir.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at(dir))?;
    }
    check_private(dir, 0o700)
}

/// Drafts that a crash left are nothing: the next writing begins them anew.
fn refuse_unless_empty(dir: &Path) -> Result<(), IdentityError> {
    let ours = [ATTEMPT_FILE.to_owned(), draft_of(ATTEMPT_FILE), draft_of(FILE)];
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let name = entry.map_err(at(dir))?.file_name();
        if !ours.iter().any(|our| name == our.as_str()) {
            return Err(IdentityError::NotEmpty { path: dir.to_owned() });
        }
    }
    Ok(())
}

fn check_private(path: &Path, wanted: u32) -> Result<(), IdentityError> {
    let found = fs::symlink_metadata(path).map_err(at(path))?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & !wanted != 0 {
        return Err(IdentityError::Mode { path: path.to_owned(), mode, wanted });
    }
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        return Err(IdentityError::Owner { path: path.to_owned(), owner: found.uid(), me });
    }
    Ok(())
}

fn read_private(path: &Path) -> Result<Option<String>, IdentityError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(IdentityError::Io { path: path.to_owned(), source }),
        Ok(found) if !found.is_file() || found.len() > BYTES_MAX => {
            return Err(IdentityError::Damaged { path: path.to_owned(), what: "not a small regular file" });
        }
        Ok(_) => {}
    }
    check_private(path, 0o600)?;
    let bytes = fs::read(path).map_err(at(path))?;
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| IdentityError::Damaged { path: path.to_owned(), what: "not text" })
}

/// Writes a file that must not exist yet, so that it is there whole or not at all after a crash.
fn write_once(dir: &Path, name: &str, text: &str) -> Result<(), IdentityError> {
    let path = dir.join(name);
    let draft = dir.join(draft_of(name));
    if path.exists() {
        return Err(IdentityError::NotEmpty { path: dir.to_owned() });
    }
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(at(&path))
}

fn draft_of(name: &str) -> String {
    format!(".{name}.new")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> IdentityError + use<> {
    let path = path.to_owned();
    move |source| IdentityError::Io { path, source }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    text.parse::<ClusterId>().ok().map(|id| id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: Realm = Realm([7; 16]);
    const CLUSTER: ClusterId = ClusterId([9; 16]);

    fn scratch() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        dir
    }

    #[test]
    fn an_identity_survives_the_disk_and_is_written_once() {
        let dir = scratch();
        assert_eq!(load(dir.path()).unwrap(), None);
        let made = bootstrap(dir.path(), REALM, CLUSTER, "node-a").unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(made));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let again = bootstrap(dir.path(), REALM, CLUSTER, "node-a");
        assert!(matches!(again, Err(IdentityError::NotEmpty { .. })));
        assert!(matches!(load_as(dir.path(), "node-b"), Err(IdentityError::OtherNode { .. })));
    }

    #[test]
    fn every_edited_byte_is_noticed() {
        let dir = scratch();
        bootstrap(dir.path(), REALM, CLUSTER, "node-a").unwrap();
        let path = dir.path().join(FILE);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() - 1 {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(load(dir.path()).is_err(), "byte {at}");
        }
        fs::write(&path, &good).unwrap();
        assert!(load(dir.path()).is_ok());
    }

    #[test]
    fn what_others_can_reach_is_refused() {
        let dir = scratch();
        bootstrap(dir.path(), REALM, CLUSTER, "node-a").unwrap();
        fs::set_permissions(dir.path().join(FILE), Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(dir.path()), Err(IdentityError::Mode { mode: 0o640, .. })));
        fs::set_permissions(dir.path().join(FILE), Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(load(dir.path()), Err(IdentityError::Mode { mode: 0o755, .. })));
    }

    #[test]
    fn a_retried_attempt_to_join_keeps_its_number_and_a_full_directory_has_none() {
        let dir = scratch();
        assert_eq!(join_attempt(dir.path(), || [1; 16]).unwrap(), [1; 16]);
        assert_eq!(join_attempt(dir.path(), || [2; 16]).unwrap(), [1; 16]);
        let torn = scratch();
        for name in [FILE, ATTEMPT_FILE] {
            fs::write(torn.path().join(draft_of(name)), "half of").unwrap();
        }
        assert_eq!(join_attempt(torn.path(), || [3; 16]).unwrap(), [3; 16], "a crash left drafts");
        bootstrap(torn.path(), REALM, CLUSTER, "node-a").unwrap();
        let full = scratch();
        fs::write(full.path().join("CURRENT"), "x").unwrap();
        assert!(matches!(join_attempt(full.path(), || [1; 16]), Err(IdentityError::NotEmpty { .. })));
    }
}
