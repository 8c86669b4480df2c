//! A file that holds room for the day the disk is full: removing it is the first thing an operator does.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

/// Bytes it holds: enough for RocksDB to open, write and compact while room is made.
const BYTES: u64 = 64 << 20;

/// Makes it where it is missing, if there is twice the room. A node starts without it all the same.
pub fn keep(folder: &Path) {
    let path = folder.join("ballast");
    if path.exists() || free_bytes(folder).is_some_and(|free| free < 2 * BYTES) {
        return;
    }
    let make = || -> std::io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, BYTES)?)
    };
    if let Err(error) = make() {
        tracing::warn!(path = %path.display(), %error, "there is no ballast: a full disk will be harder to repair");
        let _ = std::fs::remove_file(&path); // what there is of it holds no room
    }
}

/// Bytes free to this process where a folder lies.
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
