//! `keyraft server`: one node, from its configuration to its last answer.
//!
//! The order of the start is the order of trust: harden the process, judge the configuration, open the
//! roots, unseal the keyring, join Raft, open the audit log under a fresh boot id, and only then listen
//! for keys.

mod backups;
mod ballast;
mod certificates;
mod claim;
#[cfg(feature = "danger-known-keys")]
mod danger;
mod hardening;
mod https;
pub mod keyring;
mod lineage;
mod listed;
mod revocations;
mod telemetry;
pub mod tls;
mod usage;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use admin_api::{App, DevelopmentToken, Door, Providers, Who};
use anyhow::{Context as _, bail};
use audit::AuditLog;
use clap::Args;
use crypto::{Inbox, L3Cache};
use engine::{Engine, Held, Parts, Roots};
use raft_store::Production;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub use self::claim::DataDir;
use self::claim::Listeners;
use crate::backup::target::Target;
use crate::config::Config;

/// How long a node waits for its cluster before it says again that it does.
const WAIT_NOTICE: Duration = Duration::from_secs(10);

/// Runs one node.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The node's configuration
    #[arg(long)]
    config: PathBuf,
    /// File to write the process id to
    #[arg(long)]
    pid_file: Option<PathBuf>,
}

/// Runs until SIGTERM or SIGINT, then drains and hands over.
///
/// # Errors
/// One sentence that says what is wrong and what to do.
pub fn run(args: &ServerArgs) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "danger-known-keys")]
    danger::refuse_unless_told()?;
    // Before any thread starts: some of it holds for threads started later only.
    let report = crypto::process::harden();
    let config = Config::load(&args.config)?;
    telemetry::install(&config.log)?;
    #[cfg(feature = "danger-known-keys")]
    danger::expose()?;
    hardening::judge(&report, config.node.allow_root)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("keyraft").build()?;
    runtime.block_on(serve(&config, args.pid_file.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: &Config, pid_file: Option<&Path>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let certificates = tls::load(config)?;
    let target = Target::of(&config.backup)?;
    let listeners = Listeners::bind(config).await?;
    let data = DataDir::open(&config.node.data_dir).await?;
    ballast::keep(&config.node.data_dir);
    // Only now, with ports and folder ours: a second start by mistake leaves the first one's file alone.
    if let Some(file) = pid_file {
        std::fs::write(file, std::process::id().to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }

    let barrier_root = config.platform_root.barrier.open(&config.roots).await?;
    let tenants_root = config.platform_root.tenants.open(&config.roots).await?;
    if barrier_root.l1_ref() == tenants_root.l1_ref() {
        bail!(
            "platform_root.barrier and platform_root.tenants are one key: use two, with distinct permissions"
        );
    }
    let env = Production::new(&data.raft(), config.listen.peer, certificates.live.peer.clone())?;
    let env = env.with_journal(&data.journal());
    let lineage = lineage::enter(config, &data, &env, barrier_root).await?;
    let cache = Arc::new(L3Cache::new(crypto::cache::CAPACITY_DEFAULT));
    let held = Arc::new(Held::new(lineage.keyring(), cache));
    let inbox = Inbox::generate(lineage.keyring().realm())?;
    let parts = (Arc::clone(&held), inbox.public(), Arc::clone(&certificates.live));
    let store = lineage.start(config, env, parts).await?;

    let metrics = telemetry::Metrics::new(Arc::clone(&certificates.live));
    let app = App::new(who(config).await?, metrics.scrape());
    let (drain, draining) = watch::channel(false);
    let doors = [
        (Door::Public, listeners.admin, certificates.public.clone()),
        (
            Door::Operator { operators: Arc::clone(&certificates.live.operators) as Arc<_> },
            listeners.operator,
            certificates.operator.clone(),
        ),
    ];
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn({
        let following =
            certificates::follow(Arc::new(config.clone()), Arc::clone(&certificates.live), draining.clone());
        async move {
            if let Err(error) = following.await {
                tracing::error!(%error, "certificates are not followed: changes need a restart");
            }
        }
    });
    for (door, listener, tls) in doors {
        servers.spawn(admin_api::serve(app.clone(), door, listener, tls, draining.clone()));
    }

    tokio::select! {
        ready = wait_ready(&store) => ready?,
        _ = terminate.recv() => return leave(store, None, drain, servers).await,
        _ = interrupt.recv() => return leave(store, None, drain, servers).await,
    }
    let boot = store.boot().context("a ready node has its boot id")?;
    let audit = open_audit(&data, &store, boot)?;
    let engine = Arc::new(Engine::new(Parts {
        store: store.clone(),
        audit: audit.clone(),
        roots: Roots::new(lineage.keyring(), tenants_root, Arc::new(config.roots.clone())),
        held,
        keyring_file: lineage.kept(),
        inbox,
        boot,
    })?);
    engine::hand_over(&engine);
    let maker = lineage.backups(store.clone(), config.backup.clone(), target);
    metrics.watch(&engine, &maker);
    app.mount_backups(Arc::clone(&maker) as Arc<_>);
    servers.spawn(maker.follow(draining.clone()));
    app.start(Arc::clone(&engine));
    let service = Arc::new(kmip_server::Service {
        engine: Arc::clone(&engine),
        authorities: Arc::clone(&certificates.live.authorities),
        tls: certificates.kmip.clone(),
        metrics: metrics.kmip(),
        quotas: NonZeroU32::new(config.kmip.tenant_items_per_s).map(kmip_server::Quotas::new),
    });
    kmip_server::answer_parts(&service);
    let lists = (Arc::new(config.clone()), Arc::clone(&certificates.live.authorities));
    servers.spawn(revocations::follow(lists.0, lists.1, Arc::clone(&engine), draining.clone()));
    servers.spawn(usage::follow(Arc::clone(&engine), draining.clone()));
    servers.spawn(engine::run_background(Arc::clone(&engine), draining.clone()));
    kmip_server::announce_https(config.listen.operator.port());
    app.mount_kmip(Arc::new(https::KmipOverHttps(Arc::clone(&service))));
    servers.spawn(kmip_server::serve(service, listeners.kmip, draining));
    tracing::info!(
        node = %store.identity().node, %boot, kmip = %config.listen.kmip, admin = %config.listen.admin,
        "serving"
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    leave(store, Some(audit), drain, servers).await
}

/// Not ready, drain, hand over leadership, close: in this order nothing is cut off and nothing waits.
async fn leave(
    store: raft_store::Store,
    audit: Option<AuditLog>,
    drain: watch::Sender<bool>,
    mut servers: tokio::task::JoinSet<()>,
) -> anyhow::Result<()> {
    tracing::info!("stopping: no new connections, open requests end");
    let _ = drain.send(true);
    while servers.join_next().await.is_some() {}
    store.shutdown().await;
    if let Some(audit) = audit {
        audit.close().await;
    }
    tracing::info!("stopped");
    Ok(())
}

async fn wait_ready(store: &raft_store::Store) -> anyhow::Result<()> {
    loop {
        match store.wait_ready(WAIT_NOTICE).await {
            Ok(()) => return Ok(()),
            Err(waiting) => tracing::warn!(%waiting, "waiting for the cluster"),
        }
        if let Some(why) = store.condemned() {
            bail!("this node stops for good: {why}");
        }
    }
}

fn open_audit(
    data: &DataDir,
    store: &raft_store::Store,
    boot: model::id::BootId,
) -> anyhow::Result<AuditLog> {
    let identity = store.identity();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let identity = audit::Identity {
        cluster: identity.cluster,
        node: identity.node,
        boot,
        now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
    };
    Ok(AuditLog::open(&data.audit(), identity, audit::Settings::default())?)
}

/// Whom the administration believes, beside operators by their certificates.
async fn who(config: &Config) -> anyhow::Result<Who> {
    let admin = &config.admin;
    Ok(Who {
        token: development_token(config)?,
        providers: Providers::open(admin.identity_provider.clone()).await?,
        proxies: admin.trusted_proxies.clone(),
    })
}

fn development_token(config: &Config) -> anyhow::Result<Option<DevelopmentToken>> {
    let Some(file) = &config.admin.development_token_file else { return Ok(None) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    tracing::warn!("a bearer token of a platform operator is configured: for development only");
    let token = DevelopmentToken::new(&text).map_err(|what| anyhow::anyhow!("{}: {what}", file.display()))?;
    Ok(Some(token))
}
