//! The published figures: every run appends its result, with the commit and the machine, to one file with one
//! JSON object per line, and the page beside it is written anew from the latest result of each kind. A long run
//! of the simulator may be gathered in [`parts`]. Nothing on the page is typed by hand.

mod page;
mod parts;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

/// Appends a result and rewrites the page, which has the same name and the ending `md`.
///
/// # Errors
/// A file cannot be read or written.
pub fn append(file: &Path, result: &Value) -> anyhow::Result<()> {
    let mut line = result.clone();
    line["commit"] = json!(commit());
    line["machine"] = json!(machine());
    let cannot = || format!("cannot write {}", file.display());
    let mut figures = OpenOptions::new().create(true).append(true).open(file).with_context(cannot)?;
    writeln!(figures, "{line}").with_context(cannot)?;
    let all = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let results = all.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let page = page::page(&results.context("a line of the figures is no JSON")?);
    let path = file.with_extension("md");
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

/// How many there are of a time, and its median, 95th percentile and maximum in milliseconds; null for none.
#[must_use]
pub fn spread(times: impl IntoIterator<Item = Duration>) -> Value {
    let mut ms: Vec<u128> = times.into_iter().map(|time| time.as_millis()).collect();
    ms.sort_unstable();
    let at = |percent: usize| ms.get(ms.len() * percent / 100);
    json!({ "count": ms.len(), "p50": at(50), "p95": at(95), "max": ms.last() })
}

/// What was run: a commit, marked when the tree held more than it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--", ":!docs"]).is_none_or(|changes| !changes.is_empty());
    if changed { format!("{commit} with changes") } else { commit }
}

/// Where it was run: processors, memory, kernel.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let gib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() >> 20;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores of {processor}, {gib} GiB, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_of_nothing_are_null() {
        assert_eq!(spread([]), json!({ "count": 0, "p50": null, "p95": null, "max": null }));
        let times = [30, 10, 20].map(Duration::from_millis);
        assert_eq!(spread(times), json!({ "count": 3, "p50": 20, "p95": 30, "max": 30 }));
    }
}
