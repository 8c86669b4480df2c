//! `keyraft dev`: a whole cluster on loopback, as separate processes, for a first look and for tests.
//!
//! Its flags, files and environment are a contract that demonstrations and acceptance tests stand on
//! (DESIGN 11). It neither restarts a dead node nor exits when one dies.

pub mod certificates;
mod env;
mod layout;
mod nodes;
mod roots;

pub use self::roots::create_root_key;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use self::certificates::{Authority, Purpose, write_private};
use self::layout::{Layout, Shape};
use crate::cli::api::{Api, ApiError};

/// How long the cluster may take until every node is fresh: a cold machine under load needs a while.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// Pause between two looks at a starting cluster.
const POLL: Duration = Duration::from_millis(100);
/// Nodes on one machine: ports are spaced by one, and the operator ports begin 50 above.
const NODES_MAX: u16 = 49;
/// Every tenant of the demonstration gets certificates for these services.
const SERVICES: [&str; 4] = ["mongodb", "postgresql", "redis", "microservice"];
/// The trust domain of a development cluster.
const TRUST_DOMAIN: &str = "keyraft.local";

/// Starts a development cluster on loopback.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// How many nodes to start.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    nodes: u16,
    /// Folder for everything the cluster keeps.
    #[arg(long, default_value = "./.keyraft")]
    data: PathBuf,
    /// KMIP port of the first node; node i uses this plus i.
    #[arg(long, default_value_t = 5696)]
    kmip_port: u16,
    /// Administration port of the first node; the operator port is 50 above.
    #[arg(long, default_value_t = 8443)]
    admin_port: u16,
    /// Peer port of the first node.
    #[arg(long, default_value_t = 7400)]
    peer_port: u16,
    /// Tenants to create.
    #[arg(long, value_delimiter = ',', default_value = "tenant-a,tenant-b")]
    tenants: Vec<String>,
    /// The platform's root of trust.
    #[arg(long, value_enum, default_value_t = RootKind::Software)]
    root: RootKind,
    /// File with more settings for every node (TOML), joined with ours.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Delete what an earlier start left and begin anew.
    #[arg(long)]
    fresh: bool,
}

/// The platform's root of trust in development.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RootKind {
    /// Keys in files: for development only.
    Software,
    /// A SoftHSM2 token, through PKCS#11.
    Softhsm,
}

impl RootKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Softhsm => "softhsm",
        }
    }
}

/// Runs until interrupted; stops every node before it returns.
///
/// # Errors
/// One sentence that says what is in the way.
pub fn run(args: &DevArgs) -> anyhow::Result<()> {
    for tenant in &args.tenants {
        model::id::TenantName::parse(tenant).with_context(|| format!("--tenants: {tenant:?}"))?;
    }
    let shape = Shape {
        nodes: args.nodes,
        kmip_port: args.kmip_port,
        admin_port: args.admin_port,
        peer_port: args.peer_port,
        root: args.root.as_str().to_owned(),
    };
    let more = match &args.settings {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
        }
        None => String::new(),
    };
    // Before the folder is opened, or deleted: a cluster that runs in it holds its ports.
    nodes::refuse_taken_ports(&shape)?;
    let layout = Layout::open(&args.data, &shape, args.fresh)?;
    let pins = prepare(&layout, &shape, args)?;
    let stop = nodes::Stop::on_signals()?;
    let mut running = nodes::start(&layout, &shape, &pins, &more)?;
    let outcome = match serve(&layout, &shape, args, &mut running, &stop) {
        Ok(()) => {
            running.watch(&stop);
            Ok(())
        }
        Err(error) => Err(error),
    };
    let _ = std::fs::remove_file(layout.env_file());
    eprintln!("stopping {} nodes", shape.nodes);
    running.stop_all();
    outcome
}

/// Certificates, tokens and roots; returns the authorities of clients and the tenants they may speak for.
fn prepare(layout: &Layout, shape: &Shape, args: &DevArgs) -> anyhow::Result<Vec<nodes::ClientPin>> {
    let ca = layout.ca();
    let server = Authority::open_or_create(&ca, "server")?;
    let peers = Authority::open_or_create(&ca, "peers")?;
    let operators = Authority::open_or_create(&ca, "operators")?;
    for i in 0..shape.nodes {
        let folder = layout.node(i).join("tls");
        server.issue(&Purpose::Server, TRUST_DOMAIN, &folder, "server")?;
        peers.issue(&Purpose::Peer { node: &nodes::name(i) }, TRUST_DOMAIN, &folder, "peer")?;
    }
    operators.issue(&Purpose::Operator, TRUST_DOMAIN, &layout.root.join("operators"), "dev")?;

    let any = Authority::open_or_create(&ca, "clients-any")?;
    let mut pins = vec![nodes::ClientPin { file: any.file().to_owned(), tenant: None }];
    for tenant in &args.tenants {
        let authority = Authority::open_or_create(&ca, &format!("clients-{tenant}"))?;
        for service in SERVICES {
            let purpose = Purpose::Service { tenant, service };
            authority.issue(&purpose, TRUST_DOMAIN, &layout.clients(tenant), service)?;
        }
        pins.push(nodes::ClientPin { file: authority.file().to_owned(), tenant: Some(tenant.clone()) });
    }
    if !layout.token_file().exists() {
        write_private(&layout.token_file(), &random_token()?)?;
    }
    roots::prepare(layout, args.root)?;
    Ok(pins)
}

/// Waits for the cluster, creates the tenants, tells the user.
fn serve(
    layout: &Layout,
    shape: &Shape,
    args: &DevArgs,
    running: &mut nodes::Running,
    stop: &nodes::Stop,
) -> anyhow::Result<()> {
    let token = std::fs::read_to_string(layout.token_file())?;
    let addresses: Vec<String> =
        (0..shape.nodes).map(|i| format!("https://127.0.0.1:{}", shape.ports(i).admin)).collect();
    let ca = layout.ca().join("server.pem");
    let first = Api::new(vec![addresses[0].clone()], &ca, Some(token.clone()))?;
    running.start_new(layout, shape, |running| {
        let (mut made, key) = (serde_json::Value::Null, random_token()?);
        until(running, stop, || {
            made = first.post("/v1/members/join-tokens", &json!({}), &key)?;
            Ok(())
        })?;
        Ok(made["token"].as_str().context("a token")?.to_owned())
    })?;
    for address in &addresses {
        let api = Api::new(vec![address.clone()], &ca, None)?;
        until(running, stop, || api.get("/readyz").map(drop))?;
    }
    let api = Api::new(addresses, &ca, Some(token.clone()))?;
    for tenant in &args.tenants {
        let body = json!({ "name": tenant });
        let key = format!("keyraft-dev-{tenant}");
        until(running, stop, || match api.post("/v1/tenants", &body, &key) {
            Ok(_) | Err(ApiError::Problem { status: 409, .. }) => Ok(()),
            Err(error) => Err(error),
        })?;
    }
    env::write(layout, shape, &args.tenants, &token, &running.pids())?;
    env::print_table(layout, shape, &args.tenants);
    Ok(())
}

/// Repeats an attempt until it succeeds; gives up when a node died, the user interrupts, or time is up.
fn until(
    running: &mut nodes::Running,
    stop: &nodes::Stop,
    mut attempt: impl FnMut() -> Result<(), ApiError>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        let Err(error) = attempt() else { return Ok(()) };
        running.fail_if_one_died()?;
        if stop.requested() {
            bail!("interrupted before the cluster was ready");
        }
        if Instant::now() > deadline {
            return Err(error).context("the cluster did not become ready; see nodes/*/log");
        }
        std::thread::sleep(POLL);
    }
}

/// 32 random bytes as hexadecimal.
fn random_token() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).context("the kernel gave no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
