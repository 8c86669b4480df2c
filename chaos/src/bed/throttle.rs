//! Slow disks: the kernel lets a node's processes write a few times a second.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{major, minor};

use super::must_be_root;

/// Where control groups of version 1 limit block devices.
const ROOT: &str = "/sys/fs/cgroup/blkio";
/// Writes a second: a sync takes hundreds of milliseconds then.
const WRITES: u32 = 8;

/// One control group for each node.
pub struct Throttle {
    groups: Vec<PathBuf>,
}

impl Throttle {
    pub(super) fn new(nodes: usize) -> anyhow::Result<Self> {
        must_be_root()?;
        let id = std::process::id();
        let groups: Vec<_> =
            (0..nodes).map(|node| Path::new(ROOT).join(format!("keyraft-chaos-{id}-{node}"))).collect();
        for group in &groups {
            std::fs::create_dir(group).context("the kernel has no control groups for block devices here")?;
        }
        Ok(Self { groups })
    }

    /// Slows a node's writes to the disk on which `folder` lies.
    pub fn slow(&self, node: usize, pid: u32, folder: &Path) -> anyhow::Result<()> {
        let device = std::fs::metadata(folder)?.dev();
        let limit = format!("{}:{} {WRITES}", major(device), minor(device));
        let group = &self.groups[node];
        std::fs::write(group.join("blkio.throttle.write_iops_device"), limit)
            .context("this disk cannot be slowed")?;
        Ok(std::fs::write(group.join("cgroup.procs"), pid.to_string())?)
    }

    /// Whether a node's writes were counted against the limit.
    pub fn has_held_back(&self, node: usize) -> bool {
        let served = std::fs::read_to_string(self.groups[node].join("blkio.throttle.io_serviced"));
        let writes = |line: &str| {
            let (what, count) = line.rsplit_once(' ')?;
            (what.ends_with("Write") && count.parse::<u64>().is_ok_and(|count| count > 0)).then_some(())
        };
        served.unwrap_or_default().lines().any(|line| writes(line).is_some())
    }

    /// Ends that.
    pub fn release(&self, node: usize) -> anyhow::Result<()> {
        let members = std::fs::read_to_string(self.groups[node].join("cgroup.procs"))?;
        for pid in members.lines() {
            std::fs::write(Path::new(ROOT).join("cgroup.procs"), pid)?;
        }
        Ok(())
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        for group in &self.groups {
            let _ = std::fs::remove_dir(group); // the nodes are gone by now
        }
    }
}
