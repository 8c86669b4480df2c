//! A bit of a node's disk that flips, and flips back.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Cluster;

/// The byte with the bit that was flipped.
pub struct Flipped {
    log: PathBuf,
    at: u64,
}

impl Cluster {
    /// Flips one bit in the middle of a stopped node's write-ahead log.
    ///
    /// # Errors
    /// It has none.
    pub fn flip_a_bit(&mut self, node: usize) -> anyhow::Result<()> {
        let (log, bytes) = newest_log(&self.node_data(node))?;
        let flipped = Flipped { log, at: bytes / 2 };
        flip(&flipped)?;
        self.flipped = Some(flipped);
        Ok(())
    }

    /// Flips it back.
    ///
    /// # Errors
    /// The file is gone.
    pub fn flip_back(&mut self, node: usize) -> anyhow::Result<()> {
        flip(&self.flipped.take().with_context(|| format!("no bit of node {node} was flipped"))?)
    }
}

/// The write-ahead log of RocksDB that was begun last, of those that hold anything, and its length.
fn newest_log(data: &Path) -> anyhow::Result<(PathBuf, u64)> {
    let mut logs = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let about = std::fs::symlink_metadata(&path)?;
            if about.is_dir() {
                folders.push(path);
            } else if is_write_ahead_log(&path) && about.len() > 0 {
                logs.push((path, about.len()));
            }
        }
    }
    let none = || format!("{} holds no write-ahead log", data.display());
    logs.into_iter().max().with_context(none)
}

/// RocksDB names them by their number; the audit log's segments end alike.
fn is_write_ahead_log(path: &Path) -> bool {
    let number = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    path.extension().is_some_and(|ending| ending == "log") && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Flips the lowest bit of the byte.
fn flip(flipped: &Flipped) -> anyhow::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(&flipped.log)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, flipped.at)?;
    file.write_all_at(&[byte[0] ^ 1], flipped.at)?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_log_is_found_and_a_bit_flips_back() {
        let data = tempfile::tempdir().expect("a folder");
        assert!(newest_log(data.path()).is_err());
        std::fs::create_dir(data.path().join("raft")).expect("a folder");
        let files =
            [("000004.log", 9), ("000009.log", 5), ("000011.log", 0), ("000012.sst", 7), ("audit-1.log", 7)];
        for (name, bytes) in files {
            std::fs::write(data.path().join("raft").join(name), vec![6; bytes]).expect("a file");
        }
        let (log, bytes) = newest_log(data.path()).expect("a log");
        assert!(log.ends_with("raft/000009.log") && bytes == 5, "{}", log.display());
        let flipped = Flipped { log: log.clone(), at: 2 };
        flip(&flipped).expect("flips");
        assert_eq!(std::fs::read(&log).expect("there"), [6, 6, 7, 6, 6]);
        flip(&flipped).expect("flips");
        assert_eq!(std::fs::read(&log).expect("there"), [6; 5]);
    }
}
