//! The surroundings of a real node: boot clock, TCP with mutual TLS, RocksDB, and threads of its own.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use model::sealer::Sealer;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::env::{Clock, Entropy, Surroundings, Transport};
use crate::host::HostClock;
use crate::identity::Identity;
use crate::journal::{self, Journal, JournalError};
use crate::lease::clock::BootTime;
use crate::machine::CacheGuard;
use crate::peer::tcp::TcpTransport;
use crate::peer::tls::PeerTls;
use crate::storage::{Options, RocksDisk, Storage, StoreError};
use crate::store::{Env, FreeSpace, Settings, StartError, Store};

/// Threads for Raft, its timers and its connections: two, so that one long task never delays a heartbeat.
const THREADS: usize = 2;
/// Where the database lies in the data directory.
pub(crate) const DATABASE: &str = "raft";

/// A real node's surroundings. Made once, before [`Store::start`](crate::store::Store::start).
pub struct Production {
    dir: PathBuf,
    journal: Option<PathBuf>,
    surroundings: Surroundings,
    threads: Mutex<Option<Threads>>,
}

impl Production {
    /// Listens at `listen` once started; keeps the database in `dir`.
    ///
    /// # Errors
    /// The threads cannot be made.
    pub fn new(dir: &Path, listen: SocketAddr, tls: PeerTls) -> io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("raft").enable_all().build()?;
        let surroundings = Surroundings {
            clock: Arc::new(SystemClock::open()),
            transport: Arc::new(TcpTransport::new(listen, tls)),
            entropy: Arc::new(SystemEntropy),
            runtime: runtime.handle().clone(),
        };
        Ok(Self {
            dir: dir.to_owned(),
            journal: None,
            surroundings,
            threads: Mutex::new(Some(Threads(Some(runtime)))),
        })
    }

    /// Keeps a journal of everything applied in a folder of its own.
    #[must_use]
    pub fn with_journal(self, dir: &Path) -> Self {
        Self { journal: Some(dir.to_owned()), ..self }
    }

    /// For [`join`](crate::join::join), before there is a store.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.surroundings.transport)
    }

    /// [`Store::start`] on these surroundings. Not generic: all of Raft is compiled here, once, and not
    /// again in the binary.
    ///
    /// # Errors
    /// [`StartError`] says what stands in the way.
    pub fn start(
        self,
        settings: Settings,
        identity: Identity,
        sealer: Arc<dyn Sealer>,
        guard: Arc<dyn CacheGuard>,
    ) -> BoxFuture<'static, Result<Store, StartError>> {
        Box::pin(Store::start(self, settings, identity, sealer, guard))
    }

    /// The threads of Raft.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.surroundings.runtime
    }
}

impl Env for Production {
    type Disk = RocksDisk;

    fn surroundings(&self) -> Surroundings {
        self.surroundings.clone()
    }

    fn open(&self) -> Result<Arc<Storage<RocksDisk>>, StoreError> {
        Storage::<RocksDisk>::open(&self.dir.join(DATABASE), Options::default())
    }

    fn journal(
        &self,
        identity: &Identity,
        sealer: &Arc<dyn Sealer>,
    ) -> Result<Option<Journal>, JournalError> {
        let open = |dir| Journal::open(dir, identity, Arc::clone(sealer), journal::Options::default());
        self.journal.as_deref().map(open).transpose()
    }

    fn free_space(&self) -> FreeSpace {
        let dir = self.dir.clone();
        Arc::new(move || {
            let found = rustix::fs::statvfs(&dir).ok()?;
            Some(found.f_bavail.saturating_mul(found.f_frsize))
        })
    }

    fn keep(&self) -> Box<dyn Any + Send + Sync> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::new(Mutex::new(threads))
    }
}

/// A runtime that may be dropped anywhere: its threads end by themselves.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// `CLOCK_BOOTTIME` and `CLOCK_REALTIME`, and the host's clock where there is one.
pub struct SystemClock {
    host: Option<HostClock>,
}

impl SystemClock {
    /// The clocks of this machine.
    #[must_use]
    pub fn open() -> Self {
        Self { host: HostClock::open(boot_nanos) }
    }
}

fn boot_nanos() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

impl Clock for SystemClock {
    fn boot(&self) -> BootTime {
        BootTime::from_nanos(boot_nanos())
    }

    fn lease(&self) -> BootTime {
        let boot = boot_nanos();
        BootTime::from_nanos(boot.saturating_add(self.host.as_ref().map_or(0, |host| host.lost(boot))))
    }

    fn notices_pauses(&self) -> bool {
        self.host.is_some()
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The kernel's random bytes.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("Linux always has random bytes once it has booted");
    }
}
