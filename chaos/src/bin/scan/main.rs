//! DANGER: searches a running cluster, and what it leaves behind, for keys everybody knows (I6).
//!
//! The `keyraft` beside this program is built with `danger-known-keys`: L2 keys and seeds are computed from
//! names, so the scan knows every L2, seed, L3 and L4 it looks for. Three nodes log at TRACE, serve every kind
//! of key, rotate, die, return, send snapshots, and meet clients that vanish or send nonsense. Then files,
//! metrics, audit exports, the memory of the live nodes and cores of them are searched.
//!
//! A second cluster keeps its keys in memory that the search can read, and unlinks a tenant: see `unlinked`.
//!
//! Nothing may be found, except one key that each node leaks on purpose: where that one is not found, the
//! search proves nothing, and the scan fails all the same.

mod errands;
mod places;
mod report;
mod unlinked;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chaos::cluster::{Cluster, NODES};
use chaos::needles::{Class, Needles};
use clap::Parser;
use crypto::{L3, L3Place};
use model::id::Realm;
use model::uid::{Kind, Uid};
use rustix::process::Signal;

use self::errands::{Errands, Known};
use self::places::{Searched, Wanted};

/// What a node is told in its environment: that it may start, that it shall leak, that it shall talk.
const VARIABLES: [(&str, &str); 3] =
    [("KEYRAFT_DANGER_KNOWN_KEYS", "1"), ("KEYRAFT_DANGER_LEAK", "1"), ("KEYRAFT_LOG", "trace")];
/// After the last answer: what is still on its way is done.
const QUIET: Duration = Duration::from_secs(2);
/// What the administration interface says to whoever asks.
const SPOKEN: [&str; 6] = [
    "/metrics",
    "/v1/cluster",
    "/v1/tenants",
    "/v1/tenants/tenant-a/versions",
    "/v1/tenants/tenant-a/services",
    "/health",
];

/// What to search.
#[derive(Debug, Parser)]
#[command(name = "scan", version, about = "Searches a keyraft cluster for keys that should be nowhere")]
struct Args {
    /// Ephemeral keys to make, before the rotation and after it
    #[arg(long, default_value_t = 1000)]
    keys: usize,
    /// The binary under test, built with danger-known-keys; the one beside this one when absent
    #[arg(long)]
    keyraft: Option<PathBuf>,
    /// Keep the cluster's folder, with its logs
    #[arg(long)]
    keep: bool,
}

#[allow(clippy::print_stderr)] // the failure of a command
fn main() -> ExitCode {
    let args = Args::parse();
    let outcome =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from);
    match outcome.and_then(|runtime| runtime.block_on(run(&args))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scan: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout)] // progress for whoever waits
async fn run(args: &Args) -> anyhow::Result<bool> {
    let beside = std::env::current_exe()?.with_file_name("keyraft");
    let keyraft = args.keyraft.as_deref().unwrap_or(&beside);
    refuses_unless_told(keyraft)?;
    println!("scan: {} refuses to start unless told, as it must", keyraft.display());
    let mut cluster = Cluster::start_with(keyraft, args.keep, &VARIABLES).await?;
    println!("scan: three nodes are ready in {}", cluster.folder().display());
    let errands = work(&mut cluster, args.keys).await?;
    tokio::time::sleep(QUIET).await;

    let hoard = Hoard::new(realm(&cluster).await?, &errands.known)?;
    let needles = Needles::new(hoard.bytes.iter().map(Vec::as_slice));
    println!("scan: searching for {} keys, {} needles", hoard.keys.len(), needles.count());
    let wanted = Wanted { needles: &needles, keys: &hoard.keys };
    plant(&cluster)?;
    let mut places = search_alive(&cluster, &wanted)?;
    drop(errands); // its connections stayed open until here: their buffers were searched too
    cluster.stop().await?;
    places.push(places::files("files, stopped", cluster.folder(), &wanted)?);
    places.push(audit_exports(&cluster, &wanted)?);
    let nowhere = report::print(&places, &hoard.keys, hoard.proven);
    println!(
        "\nscan: the same binary again, with keys in memory that can be read; a tenant will be unlinked"
    );
    Ok(unlinked::scan(keyraft, args.keep).await? && nowhere)
}

/// Puts the control where the search of files must find it too: deep, in the last bytes of a large file.
fn plant(cluster: &Cluster) -> anyhow::Result<()> {
    let mut bytes = vec![0x5a; 5 << 20];
    bytes.extend(crypto::danger::known_control());
    let folder = cluster.data().join("nodes").join("0").join("data").join("raft");
    std::fs::write(folder.join("planted-by-scan"), bytes).context("the control cannot be planted")
}

/// A binary that starts without being told might be mistaken for a release.
fn refuses_unless_told(keyraft: &Path) -> anyhow::Result<()> {
    let version = std::process::Command::new(keyraft).arg("--version").output();
    let version = version.with_context(|| format!("cannot run {}", keyraft.display()))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    ensure!(
        version.contains("DANGER"),
        "{} says {version:?}: it was not built with danger-known-keys",
        keyraft.display()
    );
    let folder = tempfile::Builder::new().prefix("keyraft-scan-").tempdir()?;
    let config = folder.path().join("none.toml");
    let started = std::process::Command::new(keyraft).arg("server").arg("--config").arg(config).output()?;
    let said = String::from_utf8_lossy(&started.stderr);
    ensure!(
        !started.status.success() && said.contains("danger-known-keys"),
        "a server with known keys started without being told to: {said}"
    );
    Ok(())
}

#[allow(clippy::print_stdout)] // progress for whoever waits
async fn work(cluster: &mut Cluster, keys: usize) -> anyhow::Result<Errands> {
    let mut errands = Errands::new(cluster)?;
    errands.ephemeral(keys).await?;
    errands.recorded(1).await?;
    errands.registered().await?;
    println!("scan: keys of every kind made, got everywhere, some destroyed");
    errands::act(cluster, &["tenant", "rotate", "tenant-a"])?;
    errands::act(cluster, &["tenant", "suspend", "tenant-b"])?;
    errands::act(cluster, &["tenant", "resume", "tenant-b"])?;
    errands.ephemeral(keys).await?;
    errands.recorded(2).await?;
    let leader = cluster.leader().await.context("no leader")?;
    errands.kill_and_return(cluster, (leader + 1) % NODES).await?;
    println!("scan: rotated, suspended, resumed; a node was killed and is back");
    errands.malformed(cluster).await?;
    errands.dropped_answers(cluster).await?;
    println!("scan: {} keys known; nonsense sent, answers dropped", errands.known.len());
    Ok(errands)
}

async fn realm(cluster: &Cluster) -> anyhow::Result<Realm> {
    let status = cluster.status().await.context("no node tells the status")?;
    Ok(status["realm"].as_str().context("the status names no realm")?.parse()?)
}

/// Every secret the cluster had to do with.
struct Hoard {
    keys: Vec<(Class, String)>,
    bytes: Vec<Vec<u8>>,
    /// Data keys that were derived here from the known L2 and seed, and equal what clients received.
    proven: usize,
}

impl Hoard {
    fn new(realm: Realm, known: &[Known]) -> anyhow::Result<Self> {
        let mut hoard = Self { keys: Vec::new(), bytes: Vec::new(), proven: 0 };
        hoard.add(Class::Control, "leaked on purpose".to_owned(), &crypto::danger::known_control());
        let mut places: BTreeSet<L3Place> = BTreeSet::new();
        for known in known {
            let name = known.identifier.clone().unwrap_or_else(|| "refused".to_owned());
            hoard.add(if known.material { Class::Material } else { Class::L4 }, name, &known.bytes);
            let Some(identifier) = &known.identifier else { continue };
            let uid = Uid::parse(identifier).with_context(|| format!("{identifier} is no identifier"))?;
            places.insert(L3Place::of(&uid.header));
            hoard.prove(realm, &uid, known)?;
        }
        hoard.add_hierarchy(realm, &places)?;
        Ok(hoard)
    }

    fn add(&mut self, class: Class, name: String, bytes: &[u8]) {
        self.keys.push((class, name));
        self.bytes.push(bytes.to_vec());
    }

    /// The search for L2, seed and L3 means something only if these are the ones in use.
    fn prove(&mut self, realm: Realm, uid: &Uid, known: &Known) -> anyhow::Result<()> {
        if matches!(uid.header.fields().kind, Kind::EphemeralActive | Kind::EphemeralPreActive) {
            let mut derived = vec![0; known.bytes.len()];
            l3(realm, &L3Place::of(&uid.header))?.l4(&uid.header, None, &mut derived)?;
            ensure!(derived == known.bytes, "{} is not derived from the known keys", uid.encode().as_str());
            self.proven += 1;
        }
        Ok(())
    }

    fn add_hierarchy(&mut self, realm: Realm, places: &BTreeSet<L3Place>) -> anyhow::Result<()> {
        for place in places {
            let name = format!("{}/{} v{}", place.tenant, place.service, place.l2_version);
            self.add(Class::L3, name, &crypto::danger::expose_l3(&l3(realm, place)?));
        }
        let tenants: BTreeSet<_> = places.iter().map(|place| (place.tenant, place.l2_version)).collect();
        for (tenant, version) in tenants {
            self.add(Class::L2, format!("{tenant} v{version}"), &crypto::danger::known_l2(tenant, version));
        }
        let services: BTreeSet<_> = places.iter().map(|place| (place.tenant, place.service)).collect();
        for (tenant, service) in services {
            self.add(
                Class::Seed,
                format!("{tenant}/{service}"),
                &crypto::danger::known_seed(tenant, service),
            );
        }
        Ok(())
    }
}

fn l3(realm: Realm, place: &L3Place) -> anyhow::Result<L3> {
    Ok(crypto::danger::known_l3(realm, place)?)
}

/// What can be searched while the nodes live. Memory first: whoever asks a node afterwards changes it.
fn search_alive(cluster: &Cluster, wanted: &Wanted<'_>) -> anyhow::Result<Vec<Searched>> {
    let mut places = Vec::new();
    for (node, pid) in cluster.pids().iter().enumerate() {
        cluster.signal(node, Signal::STOP)?;
        let memory = places::memory(format!("memory of node {node}"), *pid, wanted);
        let core = places::core(format!("core of node {node}"), *pid, cluster.folder(), wanted);
        cluster.signal(node, Signal::CONT)?;
        places.push(memory?);
        places.extend(core?);
    }
    places.push(places::texts("metrics and REST", &spoken(cluster)?, wanted));
    places.push(places::files("files, running", cluster.folder(), wanted)?);
    Ok(places)
}

/// What every node says on its administration port.
fn spoken(cluster: &Cluster) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};
    let environment = cluster.environment();
    let pem = std::fs::read(environment.get("KEYRAFT_CACERT")?)?;
    let roots: Vec<Certificate<'static>> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| if let Ok(PemItem::Certificate(one)) = item { Some(one) } else { None })
        .collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    let token = format!("Bearer {}", environment.get("KEYRAFT_TOKEN")?);
    let mut texts = Vec::new();
    for address in environment.get("KEYRAFT_ADDRS")?.split(',') {
        for path in SPOKEN {
            let place = format!("{address}{path}");
            let answer = agent.get(&place).header("authorization", &token).call();
            let text = answer.with_context(|| place.clone())?.body_mut().read_to_vec()?;
            texts.push((place, text));
        }
    }
    Ok(texts)
}

fn audit_exports(cluster: &Cluster, wanted: &Wanted<'_>) -> anyhow::Result<Searched> {
    let export = |node| -> anyhow::Result<(String, Vec<u8>)> {
        let output = cluster.audit_command("export", node).output()?;
        ensure!(
            output.status.success(),
            "keyraft audit export: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok((format!("export of node {node}"), output.stdout))
    };
    let texts = (0..NODES).map(export).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(places::texts("audit exports", &texts, wanted))
}
