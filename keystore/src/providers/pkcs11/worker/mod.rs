//! An HSM's module in a process of its own, `keyraft hsm-worker`.
//!
//! A vendor's library may crash, hang, leak or scribble over memory. Loaded here it costs its worker
//! alone: the node gives up the call in time, ends the worker and starts another.
//!
//! Node and worker speak over a socket pair that is the worker's standard input, in frames
//! ([`frame`]); what a library prints goes elsewhere. The worker serves one root and outlives
//! neither its node nor its socket. Its memory is capped.
//!
//! A PIN is never tried twice ([`ledger`]): the worker says when it is about to try one and what came
//! of it, and the node remembers, since the worker may not live to.

mod frame;
mod ledger;
mod live;
mod root;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;

pub use self::root::WorkerRoot;
pub use self::serve::run;

/// The program that becomes a worker.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// What it is told.
    pub args: Vec<OsString>,
}

impl Default for Program {
    /// This very program, even if its file was replaced meanwhile: both ends of the pipe are of one
    /// version.
    fn default() -> Self {
        Self { path: "/proc/self/exe".into(), args: vec!["hsm-worker".into()] }
    }
}
