//! DANGER: what a server built with `danger-known-keys` does besides, so that a scan can judge it.
//!
//! Its tenant keys and seeds are known to everybody. It therefore starts for nobody who does not ask for
//! exactly that, says so in its log, lets its memory be read like that of any other program, and leaks
//! one key when told to: a scan that does not find that one proves nothing.

use anyhow::bail;
use rustix::process::DumpableBehavior;

/// Must be `1`, or the server does not start.
const ADMIT: &str = "KEYRAFT_DANGER_KNOWN_KEYS";
/// When `1`, [`crypto::danger::known_control`] is left on the heap for ever.
const LEAK: &str = "KEYRAFT_DANGER_LEAK";
/// When `1`, keys rest in memory that a scan can read.
const OPEN_ARENA: &str = "KEYRAFT_DANGER_OPEN_ARENA";

/// Log entries between snapshots: the few hundred writes of a scan make several.
pub const SNAPSHOT_EVERY: u64 = 100;
/// Log entries kept behind a snapshot: a node that was away for longer gets the snapshot.
pub const LOG_KEPT: u64 = 20;

/// Comes first of all: a start without being told ends before anything is read.
///
/// # Errors
/// If the environment does not ask for a server whose keys everybody knows.
pub fn refuse_unless_told() -> anyhow::Result<()> {
    if is_set(ADMIT) {
        if is_set(OPEN_ARENA) {
            crypto::danger::danger_open_arena();
        }
        return Ok(());
    }
    bail!(
        "this keyraft was built with danger-known-keys, everybody knows its keys: use a release, or set {ADMIT}=1 to scan it"
    )
}

/// Says so in the log, opens the process to a scan, and leaks if told.
///
/// # Errors
/// If the kernel refuses, or there is no secret memory.
pub fn expose() -> anyhow::Result<()> {
    tracing::warn!("DANGER: built with danger-known-keys, everybody knows the keys of this node");
    // A scan need not run as root; what must stay unreadable is the arena, and that does.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    if is_set(LEAK) {
        let control = crypto::Secret::fill(|out| *out = crypto::danger::known_control())?;
        crypto::danger::danger_leak(&control);
        tracing::warn!("DANGER: a key was leaked on purpose ({LEAK}=1)");
    }
    Ok(())
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}
