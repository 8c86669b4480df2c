//! Hardening of the process at its start: no dumps, no debugger, no group-readable files.
//!
//! Each step is tried and reported; none is silently skipped, and the caller decides which failure
//! it can live with.

use std::fmt;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// What [`harden`] achieved; for the log and for `status`.
#[derive(Clone, Copy, Debug)]
pub struct Hardening {
    /// `PR_SET_DUMPABLE 0`: no core dump; `/proc/self/mem` and ptrace closed to the same user.
    pub not_dumpable: Result<(), Errno>,
    /// `RLIMIT_CORE 0`.
    pub no_core: Result<(), Errno>,
    /// `no_new_privs`: no set-uid program gains rights in a child.
    pub no_new_privileges: Result<(), Errno>,
    /// The limit on locked memory now, bytes (`None`: unlimited), after raising soft to hard.
    pub locked_memory_max: Option<u64>,
    /// The process runs as root, which bypasses `not_dumpable`.
    pub is_root: bool,
}

/// Hardens this process. Call it once, first of all: `no_new_privs` holds for the calling thread and
/// those it starts later.
#[must_use]
pub fn harden() -> Hardening {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    Hardening {
        not_dumpable: rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable),
        no_core: rustix::process::setrlimit(Resource::Core, no_core),
        no_new_privileges: rustix::thread::set_no_new_privs(true),
        locked_memory_max: raise_locked_memory(),
        is_root: rustix::process::geteuid().is_root(),
    }
}

impl Hardening {
    /// Whether every step succeeded and no right bypasses them.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.not_dumpable.is_ok() && self.no_core.is_ok() && self.no_new_privileges.is_ok() && !self.is_root
    }
}

impl fmt::Display for Hardening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = |step: &Result<(), Errno>| match step {
            Ok(()) => "yes".to_owned(),
            Err(errno) => format!("no ({errno})"),
        };
        write!(f, "not dumpable: {}, ", state(&self.not_dumpable))?;
        write!(f, "no core: {}, ", state(&self.no_core))?;
        write!(f, "no new privileges: {}, ", state(&self.no_new_privileges))?;
        match self.locked_memory_max {
            Some(bytes) => write!(f, "locked memory: at most {bytes} bytes, ")?,
            None => write!(f, "locked memory: unlimited, ")?,
        }
        write!(f, "root: {}", if self.is_root { "yes" } else { "no" })
    }
}

/// Raises the soft limit on locked memory to the hard one; the arena lives within it.
fn raise_locked_memory() -> Option<u64> {
    let hard = rustix::process::getrlimit(Resource::Memlock).maximum;
    // A failure leaves the old limit in force, and that is what the next line reports.
    let _ = rustix::process::setrlimit(Resource::Memlock, Rlimit { current: hard, maximum: hard });
    rustix::process::getrlimit(Resource::Memlock).current
}
