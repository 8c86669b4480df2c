//! What a node serves from: one immutable generation at a time, and the index it has reached.
//!
//! Order of publishing (CONSISTENCY 2): close epochs → publish the generation → purge cached keys → publish
//! the applied index → report. Whoever sees index n therefore finds a generation of at least n.

use std::sync::Arc;

use arc_swap::ArcSwap;
use model::id::LogIndex;
use model::state::{Effect, State};
use tokio::sync::watch;

use crate::danger::{self, Bug};

/// One generation of the serving state.
#[derive(Debug)]
pub struct Gen {
    /// Log index of the last entry in it; 0 before the first.
    pub index: LogIndex,
    /// The state after that entry.
    pub state: State,
}

/// What must happen to cached keys around the publishing of a generation.
pub trait CacheGuard: Send + Sync + 'static {
    /// From now on nothing derived under generations before `index` enters the cache; that generation
    /// follows.
    fn close_epochs(&self, index: LogIndex, effects: &[Effect]);

    /// Ends the use of the cached keys concerned; the new generation is public.
    fn purge(&self, index: LogIndex, effects: &[Effect]);
}

/// The reading side, cheap to clone.
#[derive(Clone)]
pub struct Serving {
    generation: Arc<ArcSwap<Gen>>,
    applied: watch::Receiver<LogIndex>,
}

impl Serving {
    /// The generation of this moment. Load it once for each request.
    #[must_use]
    pub fn load(&self) -> Arc<Gen> {
        self.generation.load_full()
    }

    /// Follows the published index.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<LogIndex> {
        self.applied.clone()
    }

    /// Returns once a generation of at least `index` is published; false if this node has stopped.
    pub async fn reached(&self, index: LogIndex) -> bool {
        self.applied.clone().wait_for(|applied| *applied >= index).await.is_ok()
    }
}

/// The publishing side.
pub(super) struct Publisher {
    generation: Arc<ArcSwap<Gen>>,
    applied: watch::Sender<LogIndex>,
    guard: Arc<dyn CacheGuard>,
}

impl Publisher {
    pub(super) fn new(first: Gen, guard: Arc<dyn CacheGuard>) -> (Self, Serving) {
        let (sender, receiver) = watch::channel(first.index);
        let generation = Arc::new(ArcSwap::from_pointee(first));
        let serving = Serving { generation: Arc::clone(&generation), applied: receiver };
        (Self { generation, applied: sender, guard }, serving)
    }

    pub(super) fn publish(&self, next: Gen, effects: &[Effect]) {
        let index = next.index;
        if !effects.is_empty() {
            self.guard.close_epochs(index, effects);
        }
        if danger::has(Bug::AppliedBeforeGeneration) {
            danger::publish_late(Arc::clone(&self.generation), next);
        } else {
            self.generation.store(Arc::new(next));
        }
        if !effects.is_empty() {
            self.guard.purge(index, effects);
        }
        self.applied.send_replace(index);
    }
}
