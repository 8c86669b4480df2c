//! Each node's data on a file system of its own, in a file: it can run full and lose its power alone.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::{must_be_root, run, text};

/// Room for a run: the file is sparse, so a short one costs little.
const BYTES: u64 = 1 << 30;
/// Room on an empty one.
const EMPTY_BYTES: u64 = 256 << 20;
/// What fills a volume.
const FILLER: &str = "filler";
/// How much of it is written at once.
const FILLER_STEP: usize = 1 << 20;
/// How long a volume may be busy after its process was killed, and how often to look.
const BUSY_MAX: Duration = Duration::from_secs(5);
const BUSY_POLL: Duration = Duration::from_millis(20);
/// The source of the program that takes a volume's power, built where the run takes place.
const POWER: &str = include_str!("power.c");

/// The nodes' volumes.
pub struct Volumes {
    folder: PathBuf,
    power: PathBuf,
    /// Where a node's volume is mounted, once it is.
    mounted: Vec<Option<PathBuf>>,
}

impl Volumes {
    pub(super) fn new(folder: &Path, nodes: usize) -> anyhow::Result<Self> {
        must_be_root()?;
        let folder = folder.join("volumes");
        std::fs::create_dir_all(&folder)?;
        let (source, power) = (folder.join("power.c"), folder.join("power"));
        std::fs::write(&source, POWER)?;
        run("cc", &["-o", text(&power)?, text(&source)?])?;
        // Whether this machine can at all is seen with an empty one.
        let (image, mount) = (folder.join("try.img"), folder.join("try"));
        std::fs::create_dir_all(&mount)?;
        format(&image, 16 << 20)?;
        run("mount", &["-o", "loop", text(&image)?, text(&mount)?])?;
        run("umount", &[text(&mount)?])?;
        Ok(Self { folder, power, mounted: vec![None; nodes] })
    }

    /// Puts what lies in a stopped node's folder onto a volume of its own, mounted there.
    pub fn move_onto(&mut self, node: usize, data: &Path) -> anyhow::Result<()> {
        let image = self.image(node);
        let aside = self.folder.join(format!("aside-{node}"));
        format(&image, BYTES)?;
        std::fs::rename(data, &aside).context("the node's data cannot be moved")?;
        std::fs::create_dir(data)?;
        self.mount(node, data)?;
        run("cp", &["-a", &format!("{}/.", text(&aside)?), text(data)?])?;
        let mode = std::fs::metadata(&aside)?.permissions();
        std::fs::set_permissions(data, mode)?;
        // A power cut must lose what the node did not sync, not what was copied for it.
        run("sync", &["--file-system", text(data)?])?;
        std::fs::remove_dir_all(aside)?;
        Ok(())
    }

    /// Takes the power: what was not synced is lost. The node's process must stand still, and be killed then.
    pub fn cut_power(&self, node: usize) -> anyhow::Result<()> {
        run(text(&self.power)?, &[text(self.place(node)?)?]).map(drop)
    }

    /// Gives the power back; the node's process must be gone.
    pub fn restore_power(&mut self, node: usize) -> anyhow::Result<()> {
        let place = self.place(node)?.to_owned();
        unmount(&place)?;
        self.mount(node, &place)
    }

    /// Puts an empty volume into the place of a stopped node's own.
    pub fn take_away(&mut self, node: usize) -> anyhow::Result<()> {
        let place = self.place(node)?.to_owned();
        let mode = std::fs::metadata(&place)?.permissions();
        let empty = self.folder.join("empty.img");
        format(&empty, EMPTY_BYTES)?;
        unmount(&place)?;
        run("mount", &["-o", "loop", text(&empty)?, text(&place)?])?;
        Ok(std::fs::set_permissions(&place, mode)?)
    }

    /// Puts a stopped node's own volume back into its place.
    pub fn give_back(&mut self, node: usize) -> anyhow::Result<()> {
        self.restore_power(node)
    }

    /// Leaves no byte of space.
    pub fn fill(&self, node: usize) -> anyhow::Result<()> {
        let mut filler = File::create(self.place(node)?.join(FILLER))?;
        let mut step = vec![0x5a; FILLER_STEP];
        while !step.is_empty() {
            match filler.write_all(&step) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => step.truncate(step.len() / 2),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether a volume is full.
    pub fn is_full(&self, node: usize) -> bool {
        let probe = self.place(node).map(|place| place.join("probe"));
        probe.is_ok_and(|probe| {
            let wrote = std::fs::write(&probe, vec![0; FILLER_STEP / 16]);
            let _ = std::fs::remove_file(probe);
            wrote.is_err()
        })
    }

    /// Gives the space back.
    pub fn free(&self, node: usize) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.place(node)?.join(FILLER))?)
    }

    fn mount(&mut self, node: usize, place: &Path) -> anyhow::Result<()> {
        run("mount", &["-o", "loop", text(&self.image(node))?, text(place)?])?;
        self.mounted[node] = Some(place.to_owned());
        Ok(())
    }

    fn place(&self, node: usize) -> anyhow::Result<&Path> {
        match &self.mounted[node] {
            Some(place) => Ok(place),
            None => bail!("node {node} does not stand on a volume"),
        }
    }

    fn image(&self, node: usize) -> PathBuf {
        self.folder.join(format!("{node}.img"))
    }
}

impl Drop for Volumes {
    fn drop(&mut self) {
        for place in self.mounted.iter().flatten() {
            let _ = text(place).and_then(|place| run("umount", &["--lazy", place]));
        }
    }
}

/// Takes a volume from its place. The last thread of a process may still be on its way out.
fn unmount(place: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + BUSY_MAX;
    loop {
        match run("umount", &[text(place)?]) {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(BUSY_POLL),
            Ok(_) => return Ok(()),
        }
    }
}

/// An empty file system in a sparse file.
fn format(image: &Path, bytes: u64) -> anyhow::Result<()> {
    File::create(image)?.set_len(bytes)?;
    run("mkfs.ext4", &["-q", "-F", text(image)?]).map(drop)
}
