//! Measures the audit log on this machine's disk: records per second, latency, and what the audit
//! thread costs. `cargo run --release -p audit --example throughput -- [tasks] [seconds] [rate] [folder]`;
//! rate 0 is as fast as it goes.
#![allow(clippy::print_stdout, reason = "an example that measures tells what it measured")]

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use audit::{AuditLog, Batch, Entry, Expect, Identity, Kind, Operation, Outcome, Settings, verify};
use model::id::{BootId, ClusterId, L2Version, NodeId, ServiceHandle, TenantHandle};

/// The two items of a Create+Get, each with every field.
fn request(task: u32) -> Batch {
    let identifier = "ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn";
    let create = Entry {
        tenant: Some(TenantHandle((task % 100).to_be_bytes())),
        service: Some(ServiceHandle([1; 4])),
        certificate: Some([0xce; 32]),
        peer: Some(([127, 0, 0, 1], 50000).into()),
        identifier,
        l2_version: Some(L2Version(1)),
        latency_us: 300,
        ..Entry::new(
            Kind::KeyOperation,
            Operation { code: 1, name: "Create" },
            Outcome::Ok,
            1_700_000_000_000,
        )
    };
    let get = Entry { operation: Operation { code: 10, name: "Get" }, item: 1, ..create };
    let mut batch = Batch::new();
    batch.push(&create);
    batch.push(&get);
    batch
}

async fn client(log: AuditLog, task: u32, until: Instant, pause: Duration) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut next = Instant::now();
    while Instant::now() < until {
        let began = Instant::now();
        log.append(request(task)).await.expect("the disk works while it is measured");
        latencies.push(began.elapsed());
        next += pause;
        tokio::time::sleep_until(next.into()).await;
    }
    latencies
}

fn main() {
    let argument = |nth: usize, default: u32| -> u32 {
        std::env::args().nth(nth).map_or(default, |text| text.parse().expect("a number"))
    };
    let (tasks, seconds, rate) = (argument(1, 64), argument(2, 5), argument(3, 0));
    let base = std::env::args().nth(4).unwrap_or_else(|| ".".into());
    let dir = std::path::Path::new(&base).join(format!("audit-throughput-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(measure(&dir, tasks, seconds, rate));
    let began = Instant::now();
    let report = verify(&dir, &Expect::default()).expect("what was just written is sound");
    println!("verify: {} records in {:.2?}", report.last_sequence, began.elapsed());
    std::fs::remove_dir_all(&dir).expect("the folder is ours");
}

async fn measure(dir: &std::path::Path, tasks: u32, seconds: u32, rate: u32) {
    let identity = Identity { cluster: ClusterId([1; 16]), node: NodeId(1), boot: BootId(1), now_ms: 0 };
    let log = AuditLog::open(dir, identity, Settings::default()).expect("the folder is new");
    let (began, lasts) = (Instant::now(), Duration::from_secs(seconds.into()));
    let per_task = if rate == 0 { Duration::ZERO } else { Duration::from_secs(tasks.into()) / rate };
    let clients: Vec<_> =
        (0..tasks).map(|task| tokio::spawn(client(log.clone(), task, began + lasts, per_task))).collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await.expect("a client ends"));
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[latencies.len() * percent / 100];
    let (took, metrics) = (began.elapsed().as_secs_f64(), log.metrics());
    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed) as f64;
    println!(
        "{tasks} tasks: {:.0} requests/s, {:.0} records/s, {:.1} records per sync, {:.0} bytes per record",
        latencies.len() as f64 / took,
        of(&metrics.records) / took,
        of(&metrics.records) / of(&metrics.commits),
        of(&metrics.bytes) / of(&metrics.records),
    );
    println!(
        "append p50 {:.2?} p95 {:.2?} p99 {:.2?}; sync mean {:.0} us, max {:.1} ms; audit thread {:.1} % of a core",
        at(50),
        at(95),
        at(99),
        of(&metrics.sync_us_sum) / of(&metrics.commits),
        of(&metrics.sync_us_max) / 1000.0,
        of(&metrics.cpu_us) / took / 10_000.0,
    );
    log.close().await;
}
