//! What every request handler works with.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use engine::Engine;

use crate::auth::DevelopmentToken;
use crate::backups::Backups;
use crate::guest::Guest;
use crate::identity::Providers;
use crate::limits::Limits;
use crate::problem::Problem;

/// Renders the node's metrics as OpenMetrics text.
pub type Scrape = Arc<dyn Fn() -> String + Send + Sync>;

/// Shared by all requests. The engine comes later than the listener: a node that waits for its quorum
/// must still answer whether it is alive.
#[derive(Clone)]
pub struct App {
    engine: Arc<OnceLock<Arc<Engine>>>,
    kmip: Arc<OnceLock<Arc<dyn Guest>>>,
    backups: Arc<OnceLock<Arc<dyn Backups>>>,
    who: Arc<Who>,
    limits: Arc<Limits>,
    scrape: Scrape,
}

/// Whom a node believes.
#[derive(Default)]
pub struct Who {
    /// The bearer token of a platform operator; for development only.
    pub token: Option<DevelopmentToken>,
    /// Providers whose bearer tokens count.
    pub providers: Providers,
    /// Proxies whose word about the address behind them counts.
    pub proxies: Vec<IpAddr>,
}

impl App {
    /// An application without an engine yet.
    #[must_use]
    pub fn new(who: Who, scrape: Scrape) -> Self {
        Self {
            engine: Arc::default(),
            kmip: Arc::default(),
            backups: Arc::default(),
            who: Arc::new(who),
            limits: Arc::default(),
            scrape,
        }
    }

    /// Gives it the engine, once.
    pub fn start(&self, engine: Arc<Engine>) {
        let first = self.engine.set(engine);
        debug_assert!(first.is_ok(), "a node has one engine");
    }

    /// Gives it what answers `/kmip` on the operator port, once.
    pub fn mount_kmip(&self, kmip: Arc<dyn Guest>) {
        let first = self.kmip.set(kmip);
        debug_assert!(first.is_ok(), "a node has one KMIP service");
    }

    /// Gives it what makes backups, once.
    pub fn mount_backups(&self, backups: Arc<dyn Backups>) {
        let first = self.backups.set(backups);
        debug_assert!(first.is_ok(), "a node makes backups in one way");
    }

    /// What makes backups, if the node has come so far.
    ///
    /// # Errors
    /// A problem that says the node is starting.
    pub(crate) fn backups(&self) -> Result<&Arc<dyn Backups>, Problem> {
        self.backups.get().ok_or_else(Problem::starting)
    }

    /// What answers `/kmip`, if the node has come so far.
    ///
    /// # Errors
    /// A problem that says the node is starting.
    pub(crate) fn kmip(&self) -> Result<&Arc<dyn Guest>, Problem> {
        self.kmip.get().ok_or_else(Problem::starting)
    }

    /// The engine, if the node has come so far.
    ///
    /// # Errors
    /// A problem that says the node is starting.
    pub(crate) fn engine(&self) -> Result<&Arc<Engine>, Problem> {
        self.engine.get().ok_or_else(Problem::starting)
    }

    pub(crate) fn token(&self) -> Option<&DevelopmentToken> {
        self.who.token.as_ref()
    }

    pub(crate) fn providers(&self) -> &Providers {
        &self.who.providers
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether what a request says about the address behind a proxy counts.
    pub(crate) fn trusts_proxy(&self, address: IpAddr) -> bool {
        self.who.proxies.contains(&address.to_canonical())
    }

    pub(crate) fn metrics(&self) -> String {
        (self.scrape)()
    }

    /// Whether this node may answer KMIP requests now.
    pub(crate) fn is_ready(&self) -> bool {
        self.engine.get().is_some_and(|engine| engine.is_ready())
    }
}

/// For handlers that need nothing else of the application.
impl FromRequestParts<App> for Arc<Engine> {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.engine().cloned()
    }
}

/// What stands in a request's path where its route has `{name}`. A path has no escapes, so this is the text itself.
///
/// # Errors
/// If the route has no such part.
pub(crate) async fn in_path(parts: &mut Parts, app: &App, name: &str) -> Result<String, Problem> {
    let params = RawPathParams::from_request_parts(parts, app).await.ok();
    let value = params.as_ref().and_then(|params| params.iter().find(|(known, _)| *known == name));
    value.map(|(_, value)| value.to_owned()).ok_or_else(|| Problem::not_found(name))
}
