//! What the audit thread counts; `node` exports it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters of one log since it was opened. Reading them never waits.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Records made durable.
    pub records: AtomicU64,
    /// Group commits, each one sync.
    pub commits: AtomicU64,
    /// Bytes made durable.
    pub bytes: AtomicU64,
    /// Time spent in write and sync, in microseconds.
    pub sync_us_sum: AtomicU64,
    /// The longest write and sync, in microseconds.
    pub sync_us_max: AtomicU64,
    /// Processor time of the audit thread, in microseconds.
    pub cpu_us: AtomicU64,
    /// Requests waiting in the queue when the last commit began.
    pub queue_depth: AtomicU64,
    /// Appends refused because the queue stayed full.
    pub busy: AtomicU64,
    /// Segments begun.
    pub segments: AtomicU64,
    /// Whether the log has failed, for ever.
    pub failed: AtomicBool,
}

impl Metrics {
    pub(crate) fn count_commit(&self, records: u64, bytes: u64, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.records.fetch_add(records, Relaxed);
        self.commits.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.sync_us_sum.fetch_add(took_us, Relaxed);
        self.sync_us_max.fetch_max(took_us, Relaxed);
    }
}
