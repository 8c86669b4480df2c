//! Whether the process is hardened enough to hold keys.

use anyhow::bail;
use crypto::process::Hardening;

/// Refuses to run as root unless told, and says what the kernel did not grant.
///
/// # Errors
/// If the process runs as root and was not allowed to.
pub fn judge(report: &Hardening, allow_root: bool) -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        if !allow_root {
            bail!("refusing to run as root: use an account of its own, or set node.allow_root = true");
        }
        tracing::warn!("running as root: the kernel lets root read this process's memory");
    }
    if !report.is_complete() {
        tracing::warn!(?report, "the process could not be hardened completely");
    }
    Ok(())
}
