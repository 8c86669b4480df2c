//! What every request handler works with.

use std::sync::{Arc, OnceLock};

use engine::Engine;

use crate::auth::DevelopmentToken;
use crate::guest::Guest;
use crate::problem::Problem;

/// Renders the node's metrics as OpenMetrics text.
pub type Scrape = Arc<dyn Fn() -> String + Send + Sync>;

/// Shared by all requests. The engine comes later than the listener: a node that waits for its quorum
/// must still answer whether it is alive.
#[derive(Clone)]
pub struct App {
    engine: Arc<OnceLock<Arc<Engine>>>,
    kmip: Arc<OnceLock<Arc<dyn Guest>>>,
    token: Option<Arc<DevelopmentToken>>,
    scrape: Scrape,
}

impl App {
    /// An application without an engine yet.
    #[must_use]
    pub fn new(token: Option<DevelopmentToken>, scrape: Scrape) -> Self {
        Self { engine: Arc::default(), kmip: Arc::default(), token: token.map(Arc::new), scrape }
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
        self.token.as_deref()
    }

    pub(crate) fn metrics(&self) -> String {
        (self.scrape)()
    }

    /// Whether this node may answer KMIP requests now.
    pub(crate) fn is_ready(&self) -> bool {
        self.engine.get().is_some_and(|engine| engine.is_ready())
    }
}
