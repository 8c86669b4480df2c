//! Switches inside a node's process: a small library between it and the C library.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{run, text};

/// The library's source, built where the run takes place.
const SOURCE: &str = include_str!("shim.c");
/// Places in the control file; see the source.
const FAIL_SYNCS: u64 = 0;
const WALL_AHEAD_S: u64 = 8;
const FAILED: u64 = 16;
const READ_AHEAD: u64 = 24;
const CONTROL_BYTES: u64 = 4_096;

/// The library and one control file for each node.
pub struct Shim {
    library: PathBuf,
    controls: Vec<PathBuf>,
}

impl Shim {
    pub(super) fn new(folder: &Path, nodes: usize) -> anyhow::Result<Self> {
        let folder = folder.join("shim");
        std::fs::create_dir_all(&folder)?;
        let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
        File::create(&source)?.write_all(SOURCE.as_bytes())?;
        run("cc", &["-O1", "-shared", "-fPIC", "-o", text(&library)?, text(&source)?, "-ldl"])?;
        let controls: Vec<_> = (0..nodes).map(|node| folder.join(node.to_string())).collect();
        for control in &controls {
            File::create(control)?.set_len(CONTROL_BYTES)?;
        }
        Ok(Self { library, controls })
    }

    /// What a node's process finds in its environment.
    pub(super) fn variables(&self, node: usize) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("KEYRAFT_CHAOS_CONTROL", &self.controls[node])]
    }

    /// Lets every sync of a node fail, or succeed again.
    pub fn fail_syncs(&self, node: usize, fail: bool) -> anyhow::Result<()> {
        self.set(node, FAILED, 0)?;
        self.set(node, FAIL_SYNCS, i64::from(fail))
    }

    /// Whether a sync of a node failed since then.
    pub fn has_failed(&self, node: usize) -> bool {
        self.is_set(node, FAILED)
    }

    /// Whether the node read a wall clock that was ahead.
    pub fn has_read_ahead(&self, node: usize) -> bool {
        self.is_set(node, READ_AHEAD)
    }

    fn is_set(&self, node: usize, place: u64) -> bool {
        let mut value = [0; 8];
        let read = File::open(&self.controls[node]).and_then(|file| file.read_exact_at(&mut value, place));
        read.is_ok() && value != [0; 8]
    }

    /// Sets a node's wall clock this many seconds ahead of the machine's.
    pub fn set_wall_ahead(&self, node: usize, seconds: i64) -> anyhow::Result<()> {
        self.set(node, READ_AHEAD, 0)?;
        self.set(node, WALL_AHEAD_S, seconds)
    }

    fn set(&self, node: usize, place: u64, value: i64) -> anyhow::Result<()> {
        let file =
            OpenOptions::new().write(true).open(&self.controls[node]).context("the control file is gone")?;
        Ok(file.write_all_at(&value.to_ne_bytes(), place)?)
    }
}
