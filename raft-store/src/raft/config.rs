//! openraft's settings. Each differs from the default for a reason.

use openraft::{Config, ConfigError, SnapshotPolicy};

use crate::store::Settings;

/// A heartbeat every 60 ms (CONSISTENCY 13).
pub(crate) const HEARTBEAT_MS: u64 = 60;
/// Shorter would make elections of hiccups of a busy disk or processor.
pub(crate) const ELECTION_MIN_MS: u64 = 250;
/// Longer would miss the fail-over target: a follower waits this long, then one election timeout.
pub(crate) const ELECTION_MAX_MS: u64 = 400;
/// A leader without a quorum falls silent in turns, so that a partial partition elects another
/// (openraft asks for at least the leader's lease and one election timeout: 2 × 400).
const QUORUM_LOSS_PROBE_MS: u64 = 800;
/// Entries between snapshots: some tens of megabytes of log.
pub(crate) const SNAPSHOT_EVERY: u64 = 20_000;
/// Entries kept behind a snapshot: a transfer does not hold back the purge, so this must cover what is
/// written while one runs, and a node that was away for a coffee break catches up from the log.
pub(crate) const LOG_KEPT: u64 = 20_000;
/// Entries per message; the network cuts by bytes as well.
pub(crate) const ENTRIES_PER_MESSAGE: u64 = 256;
/// A snapshot may take this long to travel, ten minutes; a stalled one ends much earlier.
const SNAPSHOT_MS: u64 = 600_000;

/// The settings all nodes share.
pub(crate) fn config(settings: &Settings) -> Result<Config, ConfigError> {
    let Settings { snapshot_every, log_kept, entries_per_message, .. } = *settings;
    Config {
        cluster_name: "keyraft".to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        quorum_loss_probe_interval: Some(QUORUM_LOSS_PROBE_MS),
        // A restarted leader must be elected again: it may have applied less than it had acknowledged.
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        // A disk that lost entries must never be taken for a slow one.
        allow_log_reversion: Some(false),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(snapshot_every),
        max_in_snapshot_log_to_keep: log_kept,
        // A follower further behind gets a snapshot: more than a snapshot's distance and what is kept.
        replication_lag_threshold: snapshot_every + log_kept,
        max_payload_entries: entries_per_message,
        install_snapshot_timeout: SNAPSHOT_MS,
        // Unreachable nodes are tried again soon: a partition that healed must not cost a lease.
        backoff: "20ms 40ms 80ms ...300ms".to_owned(),
        ..Config::default()
    }
    .validate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openraft_accepts_the_settings() {
        let config = config(&Settings::default()).unwrap();
        assert_eq!(config.enable_leader_restore, Some(false));
        const { assert!(HEARTBEAT_MS * 4 < ELECTION_MIN_MS, "three lost heartbeats are no election") };
        const { assert!(QUORUM_LOSS_PROBE_MS >= 2 * ELECTION_MAX_MS) };
    }
}
