//! Logs and metrics.

use std::sync::{Arc, OnceLock};

use engine::Engine;
use model::root::Gate;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicI64, AtomicU64};

use super::backups::Maker;
use super::tls::Live;
use crate::config::{Log, LogFormat};

/// Installs the log output. `KEYRAFT_LOG` in the environment wins over the file.
///
/// # Errors
/// If the filter cannot be read.
pub fn install(log: &Log) -> anyhow::Result<()> {
    let filter = std::env::var("KEYRAFT_LOG").unwrap_or_else(|_| log.filter.clone());
    let filter = tracing_subscriber::EnvFilter::try_new(&filter)
        .map_err(|error| anyhow::anyhow!("log.filter {filter:?}: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// The node's metrics.
pub struct Metrics {
    registry: Arc<Registry>,
    kmip: kmip_server::Metrics,
    gauges: Gauges,
    engine: Arc<OnceLock<(Arc<Engine>, Arc<Maker>)>>,
    live: Arc<Live>,
}

/// Values that are read when they are asked for.
#[derive(Clone, Default)]
struct Gauges {
    lease_remaining_s: Gauge<f64, AtomicU64>,
    leader: Gauge<i64, AtomicI64>,
    applied: Gauge<i64, AtomicI64>,
    lag: Gauge<i64, AtomicI64>,
    ready: Gauge<i64, AtomicI64>,
    arena_slots: Gauge<i64, AtomicI64>,
    hot_keys: Gauge<i64, AtomicI64>,
    audit_healthy: Gauge<i64, AtomicI64>,
    audit_queue: Gauge<i64, AtomicI64>,
    journal_lag: Gauge<i64, AtomicI64>,
    journal_first: Gauge<i64, AtomicI64>,
    journal_bytes: Gauge<i64, AtomicI64>,
    backup_last_s: Gauge<i64, AtomicI64>,
    backups_failed: Gauge<i64, AtomicI64>,
    condemned: Gauge<i64, AtomicI64>,
    disk_low: Gauge<i64, AtomicI64>,
    locked_slots: Family<OfTenant, Gauge<i64, AtomicI64>>,
    grace_s: Family<OfTenant, Gauge<i64, AtomicI64>>,
    roots: Family<InState, Gauge<i64, AtomicI64>>,
    handed_over: Family<Direction, Gauge<i64, AtomicI64>>,
    jobs: Gauge<i64, AtomicI64>,
    term: Gauge<i64, AtomicI64>,
    tolerance: Gauge<f64, AtomicU64>,
    certificates: Family<Vec<(&'static str, &'static str)>, Gauge<i64, AtomicI64>>,
}

/// Names a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    tenant: String,
}

/// Names a state of a root's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// Names a direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

/// Most tenants with a series of their own: those that are locked or count down, and somebody looks at.
const TENANTS_MAX: usize = 1_000;

impl Metrics {
    /// All metrics at zero.
    pub fn new(live: Arc<Live>) -> Self {
        let mut registry = Registry::default();
        let kmip = kmip_server::Metrics::register(&mut registry);
        let gauges = Gauges::default();
        let rows: [(&str, &str, &Gauge<i64, AtomicI64>); 16] = [
            ("keyraft_raft_leader", "1 on the leader", &gauges.leader),
            ("keyraft_raft_term", "Term of the leader this node follows", &gauges.term),
            ("keyraft_raft_applied_index", "Log index applied here", &gauges.applied),
            ("keyraft_raft_lag_entries", "Entries not applied here yet", &gauges.lag),
            ("keyraft_ready", "1 while the node may serve", &gauges.ready),
            ("keyraft_arena_slots_in_use", "Keys in secret memory", &gauges.arena_slots),
            ("keyraft_hot_keys", "L3 keys at hand", &gauges.hot_keys),
            ("keyraft_audit_healthy", "1 while audit records become durable", &gauges.audit_healthy),
            ("keyraft_audit_queue", "Audit batches waiting", &gauges.audit_queue),
            ("keyraft_journal_lag_entries", "Applied entries not in the journal yet", &gauges.journal_lag),
            ("keyraft_journal_first_index", "Oldest entry in the journal", &gauges.journal_first),
            ("keyraft_journal_bytes", "Size of the journal", &gauges.journal_bytes),
            ("keyraft_backup_last_timestamp_seconds", "Last backup made here", &gauges.backup_last_s),
            (
                "keyraft_condemned",
                "1 on a node that must not serve: rewound, cloned, or of two lineages",
                &gauges.condemned,
            ),
            ("keyraft_disk_low", "1 while the disk has too little room to propose", &gauges.disk_low),
            ("keyraft_backup_failures", "Backups that could not be made here", &gauges.backups_failed),
        ];
        for (name, help, gauge) in rows {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "keyraft_tenant_arena_slots_in_use",
            "Keys in secret memory of a tenant that is locked: unlinked, or closed by its root",
            gauges.locked_slots.clone(),
        );
        registry.register(
            "keyraft_l1_grace_remaining_seconds",
            "What is left until a tenant whose roots do not answer is closed",
            gauges.grace_s.clone(),
        );
        registry.register("keyraft_roots", "Roots in use, by what they last said", gauges.roots.clone());
        registry.register(
            "keyraft_keys_handed_over",
            "Keys given to and taken over from other nodes since this one started, while roots were silent",
            gauges.handed_over.clone(),
        );
        registry.register("keyraft_jobs_running", "Jobs with work left", gauges.jobs.clone());
        registry.register(
            "keyraft_lease_remaining_seconds",
            "What is left of the freshness lease",
            gauges.lease_remaining_s.clone(),
        );
        registry.register(
            "keyraft_raft_failure_tolerance",
            "Voters that may still fail while a quorum remains, as the leader sees it; NaN on other nodes",
            gauges.tolerance.clone(),
        );
        registry.register(
            "keyraft_certificate_expires_seconds",
            "When the first certificate of a kind ends, since the epoch",
            gauges.certificates.clone(),
        );
        Self { registry: Arc::new(registry), kmip, gauges, engine: Arc::default(), live }
    }

    /// Those of the KMIP service.
    pub fn kmip(&self) -> kmip_server::Metrics {
        self.kmip.clone()
    }

    /// From now on values are read from this engine.
    pub fn watch(&self, engine: &Arc<Engine>, backups: &Arc<Maker>) {
        let _ = self.engine.set((Arc::clone(engine), Arc::clone(backups)));
    }

    /// Renders everything as OpenMetrics text.
    pub fn scrape(&self) -> admin_api::Scrape {
        let (registry, gauges, engine) =
            (Arc::clone(&self.registry), self.gauges.clone(), Arc::clone(&self.engine));
        let live = Arc::clone(&self.live);
        Arc::new(move || {
            for (kind, expires) in live.expiries().iter() {
                gauges.certificates.get_or_create(&vec![("kind", kind.as_str())]).set(*expires);
            }
            if let Some((engine, backups)) = engine.get() {
                gauges.read(engine, backups);
            }
            let mut text = String::new();
            // Writing into a String cannot fail.
            let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
            text
        })
    }
}

impl Gauges {
    fn read(&self, engine: &Engine, backups: &Maker) {
        let status = engine.store().status();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.lease_remaining_s.set(status.lease_remaining.as_secs_f64());
        self.leader.set(i64::from(status.leader == Some(status.node)));
        self.term.set(number(status.term));
        self.tolerance.set(engine.store().failure_tolerance().map_or(f64::NAN, f64::from));
        self.applied.set(number(status.applied.0));
        self.lag.set(number(status.lag));
        self.ready.set(i64::from(engine.is_ready()));
        self.arena_slots.set(count(crypto::arena_status().slots_in_use));
        self.hot_keys.set(count(engine.hot_keys()));
        self.audit_healthy.set(i64::from(engine.audit().healthy()));
        self.audit_queue.set(count(engine.audit().queue_length()));
        if let Some(journal) = engine.store().journal() {
            self.journal_lag.set(number((status.applied.0 + 1).saturating_sub(journal.next)));
            self.journal_first.set(number(journal.first));
            self.journal_bytes.set(number(journal.bytes));
        }
        self.condemned.set(i64::from(engine.store().condemned().is_some()));
        self.disk_low.set(i64::from(engine.store().disk_low()));
        self.backup_last_s.set(number(backups.last_s()));
        self.backups_failed.set(number(backups.failed()));
        self.read_roots(engine);
    }

    fn read_roots(&self, engine: &Engine) {
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let (generation, now) = (engine.store().generation(), engine.store().now());
        let state = &generation.state;
        self.locked_slots.clear();
        self.grace_s.clear();
        self.roots.clear();
        let handed_over = engine.held().handed_over();
        for (direction, keys) in [("given", handed_over.given), ("taken", handed_over.taken)] {
            let keys = i64::try_from(keys).unwrap_or(i64::MAX);
            self.handed_over.get_or_create(&Direction { direction }).set(keys);
        }
        self.jobs.set(count(state.running_jobs().count()));
        for root in state.roots_in_use() {
            let state = state.l1(root).map_or("not probed", |l1| l1.state.as_str());
            self.roots.get_or_create(&InState { state }).inc();
        }
        let concerned = state.tenants().filter_map(|tenant| {
            let gate = state.gate(tenant, now);
            (tenant.access.is_unlinked() || gate != Gate::Open).then_some((tenant, gate))
        });
        for (tenant, gate) in concerned.take(TENANTS_MAX) {
            let name = OfTenant { tenant: tenant.name.to_string() };
            match gate {
                Gate::Grace { until } if !tenant.access.is_unlinked() => {
                    let left = i64::try_from(until.0.saturating_sub(now.0) / 1000).unwrap_or(i64::MAX);
                    self.grace_s.get_or_create(&name).set(left);
                }
                _ => {
                    let slots = count(engine.held().slots_in_use(tenant.handle));
                    self.locked_slots.get_or_create(&name).set(slots);
                }
            }
        }
    }
}
