//! Where to look: files, what the cluster says aloud, the memory of live nodes, and their cores.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use chaos::needles::{Class, Hit, NEEDLE_BYTES_MAX, Needles};

/// Bytes read at once.
const CHUNK: usize = 4 << 20;
/// Windows of which the first place is shown, for each haystack; all are counted.
const SAMPLES_MAX: usize = 12;
/// Memory of the kernel's own that cannot be read like memory.
const NOT_MEMORY: [&str; 3] = ["[vvar]", "[vvar_vclock]", "[vsyscall]"];

/// What is looked for: the needles, and whose they are.
pub struct Wanted<'a> {
    /// Every window of every key.
    pub needles: &'a Needles,
    /// The class and the name of each key.
    pub keys: &'a [(Class, String)],
}

/// What one haystack held.
pub struct Searched {
    /// What it is, for the report.
    pub name: String,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes the kernel refused: secret memory.
    pub refused: u64,
    /// Distinct windows found.
    pub windows: BTreeSet<(u32, u8)>,
    /// Some of the places.
    pub samples: Vec<String>,
}

impl Searched {
    fn new(name: String) -> Self {
        Self { name, bytes: 0, refused: 0, windows: BTreeSet::new(), samples: Vec::new() }
    }

    /// Distinct windows of keys of this class.
    pub fn count(&self, class: Class, keys: &[(Class, String)]) -> usize {
        self.windows.iter().filter(|(key, _)| keys[*key as usize].0 == class).count()
    }

    fn note(&mut self, hit: Hit, wanted: &Wanted<'_>, place: &str) {
        let (class, name) = &wanted.keys[hit.key as usize];
        let is_new = self.windows.insert((hit.key, hit.window));
        if is_new && *class != Class::Control && self.samples.len() < SAMPLES_MAX {
            self.samples.push(format!(
                "{} {name}, window {}, {}, {place}",
                class.name(),
                hit.window,
                hit.spelling
            ));
        }
    }

    fn text(&mut self, bytes: &[u8], wanted: &Wanted<'_>, place: &str) {
        self.bytes += bytes.len() as u64;
        wanted.needles.search(bytes, |hit| self.note(hit, wanted, place));
    }

    /// Searches `from..to` of a file; where the kernel refuses to read, a page is skipped and counted.
    fn range(&mut self, file: &File, from: u64, to: u64, wanted: &Wanted<'_>, place: &str) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK + NEEDLE_BYTES_MAX];
        let mut at = from;
        while at < to {
            let want = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
            match file.read_at(&mut buffer[..want], at) {
                Ok(0) => break,
                Ok(read) => {
                    wanted.needles.search(&buffer[..read], |hit| {
                        self.note(hit, wanted, &format!("{place} at {:#x}", at + hit.at as u64));
                    });
                    // The next piece begins where a needle cut in two begins.
                    let step = if at + read as u64 >= to {
                        read
                    } else {
                        read.saturating_sub(NEEDLE_BYTES_MAX).max(1)
                    };
                    self.bytes += step as u64;
                    at += step as u64;
                }
                Err(error) if error.raw_os_error() == Some(5) => {
                    let page = 4096.min(to - at);
                    self.refused += page;
                    at += page;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Every file below a folder.
///
/// # Errors
/// If one that is still there cannot be read.
pub fn files(name: &str, folder: &Path, wanted: &Wanted<'_>) -> anyhow::Result<Searched> {
    let mut searched = Searched::new(name.to_owned());
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let file = match File::open(&path) {
                    Ok(file) => file,
                    // RocksDB deletes files while it runs.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error).context(path.display().to_string()),
                };
                let place = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                let length = file.metadata()?.len();
                searched.range(&file, 0, length, wanted, &place).with_context(|| place.clone())?;
            }
        }
    }
    Ok(searched)
}

/// Texts that were received.
pub fn texts(name: &str, texts: &[(String, Vec<u8>)], wanted: &Wanted<'_>) -> Searched {
    let mut searched = Searched::new(name.to_owned());
    for (place, text) in texts {
        searched.text(text, wanted, place);
    }
    searched
}

/// Every readable mapping of a process, which should be stopped.
///
/// # Errors
/// If the kernel does not let us read its memory at all.
pub fn memory(name: String, pid: u32, wanted: &Wanted<'_>) -> anyhow::Result<Searched> {
    let mut searched = Searched::new(name);
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory =
        File::open(format!("/proc/{pid}/mem")).with_context(|| format!("the memory of process {pid}"))?;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let place = words.nth(3).unwrap_or("[anonymous]");
        let Some((from, to)) = range.split_once('-') else { continue };
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        if rights.starts_with('r') && !NOT_MEMORY.contains(&place) {
            searched.range(&memory, from, to, wanted, place)?;
        }
    }
    Ok(searched)
}

/// A core of a live process, with what asks not to be dumped; `None` where there is no gdb.
///
/// # Errors
/// If gdb makes none.
pub fn core(name: String, pid: u32, folder: &Path, wanted: &Wanted<'_>) -> anyhow::Result<Option<Searched>> {
    let file = folder.join(format!("core.{pid}"));
    let hostile = ["set pagination off", "set use-coredump-filter off", "set dump-excluded-mappings on"];
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-p", &pid.to_string()]);
    for command in hostile {
        gdb.args(["-ex", command]);
    }
    gdb.arg("-ex").arg(format!("generate-core-file {}", file.display()));
    let output = match gdb.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    let core = File::open(&file).with_context(|| {
        format!("gdb made no core of process {pid}: {}", String::from_utf8_lossy(&output.stderr).trim())
    })?;
    let mut searched = Searched::new(name);
    let length = core.metadata()?.len();
    searched.range(&core, 0, length, wanted, "core")?;
    std::fs::remove_file(&file)?;
    Ok(Some(searched))
}
