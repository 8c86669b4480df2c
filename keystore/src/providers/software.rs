//! `software`: a root key in a file. **A danger outside development.**
//!
//! Whoever reads the file owns every tenant under it, and a copy cannot be taken back. It exists so
//! that a laptop and a test need no HSM, and behaves like a real root where it can: the file is the
//! switch. Take its read permission away and the root is *disabled*, delete it and the root is
//! *destroyed*; every call looks before it uses the key.
//!
//! The file holds 32 random bytes, mode 0600, made by [`DangerSoftwareRoot::create`] and never
//! otherwise: a missing file is an error, not an invitation. The key rests in the arena; wraps are
//! KRW1 records (DESIGN 3) under it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crypto::wrap::{self, WrapError};
use crypto::{L1Payload, Secret, kdf};
use serde::Deserialize;

use super::{payload_from, probe_payload, same};
use crate::{BoxFuture, Context, Custody, Health, RootError, RootKeystore, Who, Withdrawal, Wrapped};

/// Name in configuration and in key references.
pub const NAME: &str = "software";

/// The label under which a key names itself: its file may move, its reference stays.
const ID_LABEL: &str = "keyraft/v1/software-root-id";

/// Bytes of the name: 128 bits, no two keys share it.
const ID_BYTES: usize = 16;

/// Permission bits that nobody may have on the file but its owner.
const OTHERS: u32 = 0o077;

/// The owner's permission to read: the switch.
const OWNER_READS: u32 = 0o400;

/// Settings of a [`DangerSoftwareRoot`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftwareSettings {
    /// The file with the root key, made by `keyraft root create`. The name says what it is.
    pub danger_key_file: PathBuf,
}

/// A root of trust without trust: its key is a file. Development only.
pub struct DangerSoftwareRoot {
    key: Secret,
    file: PathBuf,
    l1_ref: String,
}

impl DangerSoftwareRoot {
    /// Makes a new root key in a new file of mode 0600, durable before this returns.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] if the file exists (it is never overwritten) or cannot be made.
    pub fn create(file: &Path) -> Result<Self, RootError> {
        let key = Secret::generate()?;
        write_new(file, &key).map_err(|error| cannot_create(file, &error))?;
        Ok(Self::new(key, file))
    }

    /// Opens the root whose key is in the file of `settings`.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`]: no such file, readable by others, or not 32 bytes.
    pub fn open(settings: &SoftwareSettings) -> Result<Self, RootError> {
        Self::read(&settings.danger_key_file, |fault, file| fault.when_opening(file))
    }

    /// Opens a root again that was open before, in whatever process.
    ///
    /// # Errors
    /// What a call of an open root says: [`RootError::Withdrawn`] if the file no longer grants its key.
    pub fn reopen(l1_ref: &str, settings: &SoftwareSettings) -> Result<Self, RootError> {
        Self::read(&settings.danger_key_file, |fault, _file| fault.when_serving(l1_ref))
    }

    fn read(file: &Path, in_words: impl FnOnce(Fault, &Path) -> RootError) -> Result<Self, RootError> {
        let key = read_key(file).map_err(|fault| in_words(fault, file))?;
        tracing::warn!(file = %file.display(), "the root key is a file: never use this root outside development");
        Ok(Self::new(key, file))
    }

    fn new(key: Secret, file: &Path) -> Self {
        let id = key.with(|key| kdf::labelled_mac(key, ID_LABEL, &[]));
        let l1_ref = format!("{NAME}:{}", data_encoding::HEXLOWER.encode(&id[..ID_BYTES]));
        Self { key, file: file.to_owned(), l1_ref }
    }

    /// The key, as long as its file grants it.
    fn granted(&self) -> Result<&Secret, RootError> {
        check_grant(&self.file).map_err(|fault| fault.when_serving(&self.l1_ref))?;
        Ok(&self.key)
    }

    fn seal(&self, ctx: Context, payload: &L1Payload) -> Result<Wrapped, RootError> {
        let key = self.granted()?;
        let blob = payload.with(|bytes| wrap::seal(key, &ctx.aad(&self.l1_ref), bytes));
        Ok(Wrapped { l1_ref: self.l1_ref.clone(), blob })
    }

    fn open_wrap(&self, ctx: Context, wrapped: &Wrapped) -> Result<L1Payload, RootError> {
        let blob = wrapped.blob_of(&self.l1_ref)?;
        let opened = wrap::open(self.granted()?, &ctx.aad(&self.l1_ref), blob);
        let bytes = opened.map_err(|error| self.unopened(error))?;
        payload_from(&self.l1_ref, &bytes)
    }

    fn unopened(&self, error: WrapError) -> RootError {
        let detail = match error {
            WrapError::Malformed => "it is no KRW1 record",
            WrapError::NotAuthentic => "it was altered, or made for another place",
            WrapError::Arena(full) => return RootError::Memory(full),
        };
        RootError::Corrupt { root: self.l1_ref.clone(), detail: detail.into() }
    }

    fn check(&self) -> Result<Health, RootError> {
        let start = Instant::now();
        let on_file = read_key(&self.file).map_err(|fault| fault.when_serving(&self.l1_ref))?;
        if Self::new(on_file, &self.file).l1_ref != self.l1_ref {
            return Err(Fault::Replaced.when_serving(&self.l1_ref));
        }
        let payload = probe_payload()?;
        let back = self.open_wrap(Context::PROBE, &self.seal(Context::PROBE, &payload)?)?;
        assert!(same(&payload, &back), "a record opens to what was sealed");
        let custody = Custody::DangerSoftwareFile;
        Ok(Health { l1_ref: self.l1_ref.clone(), round_trip: start.elapsed(), custody })
    }
}

/// The calls do no I/O beyond one look at a small local file, so they run where they are polled.
impl RootKeystore for DangerSoftwareRoot {
    fn l1_ref(&self) -> &str {
        &self.l1_ref
    }

    fn wrap<'a>(&'a self, ctx: Context, payload: L1Payload) -> BoxFuture<'a, Result<Wrapped, RootError>> {
        Box::pin(async move { self.seal(ctx, &payload) })
    }

    fn unwrap<'a>(
        &'a self,
        ctx: Context,
        wrapped: &'a Wrapped,
    ) -> BoxFuture<'a, Result<L1Payload, RootError>> {
        Box::pin(async move { self.open_wrap(ctx, wrapped) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, RootError>> {
        Box::pin(async move { self.check() })
    }
}

/// What can be wrong with the file; whether that is a mistake or a withdrawal depends on when.
enum Fault {
    Missing,
    Unreadable,
    ReadableByOthers { mode: u32 },
    Length { bytes: u64 },
    Replaced,
    Io(io::Error),
    Root(RootError),
}

impl From<crypto::ArenaError> for Fault {
    fn from(error: crypto::ArenaError) -> Self {
        Self::Root(error.into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Unreadable,
            _ => Self::Io(error),
        }
    }
}

impl Fault {
    fn when_opening(self, file: &Path) -> RootError {
        let file = file.display();
        let (missing, fix) = match self {
            Self::Missing => {
                (format!("there is no file {file}"), format!("make one: keyraft root create {file}"))
            }
            Self::Unreadable => (format!("{file} cannot be read"), format!("chmod 600 {file}")),
            Self::ReadableByOthers { mode } => {
                (format!("{file} has mode {mode:03o}, others may read it"), format!("chmod 600 {file}"))
            }
            Self::Length { bytes } => {
                (format!("{file} has {bytes} bytes, a root key has 32"), "restore the right file".to_owned())
            }
            Self::Replaced => unreachable!("nothing to compare with before the root is open"),
            Self::Io(error) => (format!("{file}: {error}"), "repair the file system".to_owned()),
            Self::Root(error) => return error,
        };
        RootError::Misconfigured { root: NAME.to_owned(), who: Who::Operator, missing, fix }
    }

    fn when_serving(self, l1_ref: &str) -> RootError {
        let root = l1_ref.to_owned();
        let withdrawn = |withdrawal, detail: &str| RootError::Withdrawn {
            root: root.clone(),
            withdrawal,
            detail: detail.to_owned(),
        };
        match self {
            Self::Missing => withdrawn(Withdrawal::Destroyed, "its file is gone"),
            Self::Replaced => withdrawn(Withdrawal::Destroyed, "its file holds another key"),
            Self::Length { .. } => withdrawn(Withdrawal::Destroyed, "its file no longer holds a key"),
            Self::Unreadable => withdrawn(Withdrawal::Disabled, "its file may not be read"),
            Self::ReadableByOthers { .. } => {
                withdrawn(Withdrawal::Denied, "others may read its file: chmod 600")
            }
            Self::Io(error) => RootError::Unreachable { root, detail: error.to_string() },
            Self::Root(error) => error,
        }
    }
}

fn read_key(file: &Path) -> Result<Secret, Fault> {
    check_grant(file)?;
    let mut source = File::open(file)?;
    Secret::try_fill(|key| source.read_exact(key).map_err(Fault::from))
}

/// The file is there, is a key's length, and its owner alone may read it.
fn check_grant(file: &Path) -> Result<(), Fault> {
    let metadata = std::fs::metadata(file)?;
    let mode = metadata.mode() & 0o777;
    if mode & OWNER_READS == 0 {
        return Err(Fault::Unreadable);
    }
    if mode & OTHERS != 0 {
        return Err(Fault::ReadableByOthers { mode });
    }
    if metadata.len() != 32 {
        return Err(Fault::Length { bytes: metadata.len() });
    }
    Ok(())
}

fn write_new(file: &Path, key: &Secret) -> io::Result<()> {
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    key.with(|key| target.write_all(key))?;
    target.sync_all()?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn cannot_create(file: &Path, error: &io::Error) -> RootError {
    let fix = match error.kind() {
        io::ErrorKind::AlreadyExists => "a root key is never overwritten: use it, or name another file",
        _ => "make the folder, and let this user write to it",
    };
    RootError::Misconfigured {
        root: NAME.to_owned(),
        who: Who::Operator,
        missing: format!("{} cannot be made: {error}", file.display()),
        fix: fix.to_owned(),
    }
}
