//! What only a leader does for others: propose, confirm an index, grant a lease.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::command::{Answer, Command};
use model::id::{BootId, LogIndex, NodeId, TenantHandle};
use model::time::ClusterTime;
use tokio::time::{sleep, timeout};

use super::inner::Inner;
use crate::danger::{self, Bug};
use crate::lease::barrier::{CannotWait, Outcome, Refused};
use crate::lease::clock::BootTime;
use crate::lease::holder::{RenewalReply, RenewalRequest};
use crate::peer::client::Lane;
use crate::raft::consensus::{ReadError, WriteError};
use crate::raft::network::target;
use crate::types::{BadCommand, SealedCommand};
use crate::wire::AskPublished;
use crate::wire::method::AwaitPublished;

/// A quorum round takes a few milliseconds; after this there is no quorum.
pub(crate) const QUORUM_ROUND_MAX: Duration = Duration::from_millis(1_000);
/// A node that does not publish within this is asked again, by a call that can fail anew.
const PUBLISH_PATIENCE: Duration = Duration::from_millis(1_000);
/// Pause before a node that failed to answer is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A proposal that was applied.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub index: LogIndex,
    pub answer: Answer,
    pub withdrawal: Option<LogIndex>,
    /// Whether the barrier of that withdrawal has passed; without one, there is nothing to hold.
    pub holds: Holds,
}

/// Since or from when a withdrawal is effective on every node, in cluster time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// No request that begins from now on is answered with what was withdrawn. At the time given, or before.
    Since(ClusterTime),
    /// Committed, but a node that cannot be reached may still serve it until the time given.
    From(ClusterTime),
}

/// A proposal that has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDone {
    #[error("nothing was proposed: {0}")]
    NotProposed(&'static str),
    #[error("the outcome is unknown")]
    Unknown,
    #[error("the command cannot be proposed: {0}")]
    Bad(#[from] BadCommand),
}

impl Inner {
    /// Stamps, seals, proposes, and lets a withdrawal pass its barrier.
    pub async fn propose_here(
        self: &Arc<Self>,
        mut command: Command,
        commit_within: Duration,
    ) -> Result<Done, NotDone> {
        let handed_over = self.handed_over.load(Ordering::Acquire);
        if handed_over != 0 && handed_over == self.raft.view().term {
            return Err(NotDone::NotProposed("leadership is being handed over"));
        }
        if self.clocks.are_off(&self.raft.view().voters(), self.now()) {
            return Err(NotDone::NotProposed("the leader's clock is off a quorum's"));
        }
        if self.disk_low() {
            return Err(NotDone::NotProposed("the leader's disk is nearly full"));
        }
        command.stamp.time = self.stamp();
        let tenant = command.action.tenant();
        let sealed = SealedCommand::seal(&*self.sealer, &command)?;
        let outcome = match timeout(commit_within, self.raft.write(sealed)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(WriteError::NotLeader)) => return Err(NotDone::NotProposed("this node does not lead")),
            Ok(Err(WriteError::Unknown)) | Err(_) => return Err(NotDone::Unknown),
        };
        let answer = outcome.answer.ok_or(NotDone::Unknown)?;
        let fresh =
            |withdrawal: &LogIndex| *withdrawal == outcome.index || !danger::has(Bug::BarrierFromRecord);
        let holds = match outcome.withdrawal.filter(fresh) {
            Some(withdrawal) => self.pass_barrier(withdrawal, tenant, Duration::MAX).await,
            None => Holds::Since(self.stamp()),
        };
        Ok(Done { index: outcome.index, answer, withdrawal: outcome.withdrawal, holds })
    }

    /// Waits until the withdrawal is effective everywhere, or patience ends. `tenant` is whose lease decides
    /// how long that takes; none across tenants.
    pub async fn pass_barrier(
        self: &Arc<Self>,
        withdrawal: LogIndex,
        tenant: Option<TenantHandle>,
        patience: Duration,
    ) -> Holds {
        let outcome = match self.barriers.wait(withdrawal, tenant, patience) {
            Ok((outcome, to_ask)) => {
                for node in to_ask {
                    tokio::spawn(Arc::clone(self).ask_published(node));
                }
                outcome.await
            }
            Err(CannotWait::TooMany { effective_everywhere_at }) => {
                return Holds::From(self.in_cluster_time(effective_everywhere_at));
            }
            Err(CannotWait::NotLeader) => return Holds::From(self.after_any_lease()),
        };
        match outcome {
            Ok(Outcome::Effective) => Holds::Since(self.stamp()),
            Ok(
                Outcome::TimedOut { effective_everywhere_at }
                | Outcome::LeadershipLost { effective_everywhere_at },
            ) => Holds::From(self.in_cluster_time(effective_everywhere_at)),
            Err(_) => Holds::From(self.after_any_lease()),
        }
    }

    /// Asks a node until it has published what is waited for, or nobody waits for it any more. One such
    /// task per node, however many withdrawals wait.
    async fn ask_published(self: Arc<Self>, node: NodeId) {
        let mut told = LogIndex(0);
        while let Some(wanted) = self.barriers.still_wanted(node) {
            if wanted <= told {
                // What stands in the way is an earlier process of it, which only time ends.
                sleep(ASK_AGAIN_AFTER).await;
            }
            match self.ask_published_once(node, wanted).await {
                Some(published) => told = published,
                None => sleep(ASK_AGAIN_AFTER).await,
            }
        }
    }

    async fn ask_published_once(&self, node: NodeId, wanted: LogIndex) -> Option<LogIndex> {
        let view = self.raft.view();
        let patience_ms = u64::try_from(PUBLISH_PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let ask = AskPublished { index: wanted.0, patience_ms };
        let to = target(node, view.member(node)?);
        match self.peers.call::<AwaitPublished>(&to, Lane::Requests, ask, PUBLISH_PATIENCE * 2).await {
            Ok(reply) => {
                self.barriers.report(node, BootId(reply.boot), LogIndex(reply.index));
                Some(LogIndex(reply.index))
            }
            Err(error) => {
                tracing::debug!(%node, %error, "a node does not say what it published");
                None
            }
        }
    }

    /// A quorum-confirmed index, by a round that begins now.
    pub async fn read_index_here(&self) -> Result<LogIndex, ReadError> {
        let round = timeout(QUORUM_ROUND_MAX, self.raft.read_index()).await;
        round.unwrap_or(Err(ReadError::NoQuorum)).map(LogIndex)
    }

    /// Grants a lease: recorded on arrival, confirmed by a quorum, covered by what is applied here.
    pub async fn renew_here(&self, request: &RenewalRequest) -> Result<(RenewalReply, ClusterTime), Refused> {
        let time = self.stamp();
        let ticket = self.barriers.request(request)?;
        let read_index = match danger::has(Bug::LeaseRead) {
            true => self.serving.load().index,
            false => self.read_index_here().await.map_err(|_| Refused::NotLeader)?,
        };
        Ok((self.barriers.grant(ticket, read_index).await?, time))
    }

    fn in_cluster_time(&self, at: BootTime) -> ClusterTime {
        let left = at.since(self.now()).unwrap_or_default();
        self.stamp().plus_ms(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).saturating_add(1))
    }

    /// From when a withdrawal that was applied before now holds, whoever leads.
    fn after_any_lease(&self) -> ClusterTime {
        let wait = super::barriers::lengths(&self.serving.load().state).longest.wait();
        self.in_cluster_time(self.now() + wait)
    }
}
