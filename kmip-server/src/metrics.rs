//! What the KMIP service counts.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// KMIP operation.
    pub operation: &'static str,
    /// `ok` or the cause of the failure.
    pub result: &'static str,
    /// KMIP version.
    pub version: &'static str,
}

/// Labels of a refused connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// Why.
    pub reason: &'static str,
}

/// Upper bounds in seconds: finer around the promise of 5 ms, and up to the write deadline.
const LATENCY_BUCKETS_S: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Rows of the table of successes: every operation number below 64, in each of eight versions.
const SUCCESS_ROWS: usize = 64 * 8;

/// The service's metrics.
#[derive(Clone)]
pub struct Metrics {
    /// `keyraft_kmip_requests_total`.
    pub requests: Family<RequestLabels, Counter>,
    /// `keyraft_kmip_request_duration_seconds`: from the whole frame to the last byte of the answer.
    pub duration: Histogram,
    /// `keyraft_kmip_connections`.
    pub connections: Gauge<i64, AtomicI64>,
    /// `keyraft_kmip_connections_refused_total`.
    pub refused: Family<RefusalLabels, Counter>,
    /// Counters of successes by operation and version, once they were needed.
    successes: Arc<[OnceLock<Counter>]>,
}

impl Metrics {
    /// Fresh metrics, under their names in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Histogram::new(LATENCY_BUCKETS_S),
            connections: Gauge::default(),
            refused: Family::default(),
            successes: (0..SUCCESS_ROWS).map(|_| OnceLock::new()).collect(),
        };
        registry.register("keyraft_kmip_requests", "KMIP batch items served", metrics.requests.clone());
        registry.register(
            "keyraft_kmip_request_duration_seconds",
            "Time from a whole request to the last byte of its answer",
            metrics.duration.clone(),
        );
        registry.register("keyraft_kmip_connections", "Open KMIP connections", metrics.connections.clone());
        registry.register(
            "keyraft_kmip_connections_refused",
            "Connections ended before or against the protocol",
            metrics.refused.clone(),
        );
        metrics
    }

    /// Counts a served item; the counters of successes are found without a lock.
    pub fn count(&self, labels: RequestLabels, row: usize) {
        match self.successes.get(row) {
            Some(counter) if labels.result == "ok" => {
                counter.get_or_init(|| self.requests.get_or_create_owned(&labels)).inc();
            }
            _ => {
                self.requests.get_or_create(&labels).inc();
            }
        }
    }

    /// Counts a connection that was refused or ended against the protocol.
    pub fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&RefusalLabels { reason }).inc();
    }
}
