//! What may be said of a withdrawal: that it holds, or from when on it will (CONSISTENCY 3).
//!
//! A resource whose withdrawal is committed and not yet effective on every node is shown on its way there
//! (`suspending`), never arrived: whoever reads `suspended` may conclude that no node serves it any more.

use engine::Engine;
use model::id::{LogIndex, TenantHandle};
use model::time::ClusterTime;
use raft_store::Holds;

/// How far a withdrawal has come.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// Whether no node answers any more with what was withdrawn.
    pub holds: bool,
    /// In cluster time: since when, or from when on, that is so; as far as it is known.
    pub effective_everywhere_at: Option<ClusterTime>,
}

impl Effect {
    /// There is nothing to wait for.
    pub const NOTHING: Self = Self { holds: true, effective_everywhere_at: None };

    /// A withdrawal that was answered: its barrier has passed, and with it that of every earlier one.
    #[must_use]
    pub const fn done(at: ClusterTime) -> Self {
        Self { holds: true, effective_everywhere_at: Some(at) }
    }

    /// The last withdrawal of a tenant or a service of it, as it stands now. Where no leader can say, it does not
    /// hold as far as anybody knows.
    pub async fn of(engine: &Engine, withdrawn_at: LogIndex, tenant: TenantHandle) -> Self {
        match engine.holds(withdrawn_at, tenant).await {
            Ok(Holds::Since(_)) => Self::NOTHING,
            Ok(Holds::From(at)) => Self { holds: false, effective_everywhere_at: Some(at) },
            Err(_) => Self { holds: false, effective_everywhere_at: None },
        }
    }

    /// The time for an answer.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        crate::problem::seconds(self.effective_everywhere_at)
    }
}
