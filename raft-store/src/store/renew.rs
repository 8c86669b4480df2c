//! The lease of this process start: asks for its number, then renews as `lease::holder` says.

use std::sync::Arc;
use std::time::Duration;

use model::command::Answer;
use model::commands::IssueBootId;
use model::id::{BootId, LogIndex};
use model::time::ClusterTime;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::barriers::lengths;
use super::inner::{Inner, Leader};
use crate::lease::holder::{Holder, RenewalReply, RenewalRequest, Surrender};
use crate::peer::client::{CallError, Lane};
use crate::peer::gate::says_wipe;
use crate::wire::Renew;
use crate::wire::method::RenewLease;

/// A renewal that takes longer is worth less than the next one.
const RENEWAL_MAX: Duration = Duration::from_millis(1_500);
/// Pause before the number of this process start is asked for again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Renewals unanswered at once: the holder keeps as many.
const REPLIES_MAX: usize = 16;
/// Sleeping longer than this is pointless: something changes all the time.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// What became of a renewal.
struct Reply {
    request: RenewalRequest,
    answer: Option<(RenewalReply, ClusterTime)>,
}

impl Inner {
    /// Runs until the leases are surrendered; returns what to tell the leader, if there was a lease at all.
    pub async fn run_lease(self: Arc<Self>) -> Option<Surrender> {
        let boot = tokio::select! {
            boot = self.ask_boot_id() => boot,
            () = self.surrender.notified() => return None,
        };
        self.gate.booted(boot);
        let published = self.serving.load();
        let mut holder =
            Holder::new(self.me(), boot, lengths(&published.state), published.index, self.lease_now());
        drop(published);
        if self.lease.set(holder.cell()).is_err() {
            tracing::error!("a second lease task in one process: ignored");
            return None;
        }
        self.renew_until_surrender(&mut holder).await;
        Some(holder.surrender())
    }

    /// Repeating is harmless: numbers may be skipped, never given twice.
    async fn ask_boot_id(self: &Arc<Self>) -> BootId {
        let command = IssueBootId { node: self.me(), inbox: self.settings.inbox };
        loop {
            match self.propose(command.clone().into(), None).await {
                Ok(super::Proposed { answer: Answer::BootId(boot), .. }) => return boot,
                Ok(other) => tracing::error!(?other, "no boot id in the answer"),
                Err(error) => tracing::debug!(%error, "no boot id yet"),
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    async fn renew_until_surrender(self: &Arc<Self>, holder: &mut Holder) {
        let (tell, mut replies) = mpsc::channel(REPLIES_MAX);
        let mut applied = self.serving.applied();
        let mut raft = self.raft.changed();
        let mut leader = None;
        loop {
            let now = self.lease_now();
            if let Some(request) = holder.begin_renewal(now) {
                tokio::spawn(Arc::clone(self).renew(request, tell.clone()));
                continue;
            }
            let due = holder.due().and_then(|due| due.since(now)).unwrap_or(Duration::ZERO);
            tokio::select! {
                () = sleep(due.min(SLEEP_MAX)) => {}
                Some(reply) = replies.recv() => self.take(holder, &reply),
                Ok(()) = applied.changed() => {
                    let index: LogIndex = *applied.borrow_and_update();
                    holder.on_published(index);
                }
                runs = raft.changed() => {
                    if !runs {
                        return; // nothing will ever change again, and asking again would never rest
                    }
                    let known = self.raft.view().leader;
                    if known.is_some() && known != leader {
                        holder.leader_changed(self.lease_now());
                    }
                    leader = known.or(leader);
                }
                () = self.surrender.notified() => return,
            }
        }
    }

    fn take(&self, holder: &mut Holder, reply: &Reply) {
        let now = self.lease_now();
        match &reply.answer {
            None => holder.on_failure(reply.request.nonce, now),
            Some((answer, time)) => {
                holder.on_reply(*answer, now);
                self.time.learn(self.now(), *time);
                holder.lengths_changed(lengths(&self.serving.load().state), now);
            }
        }
    }

    async fn renew(self: Arc<Self>, request: RenewalRequest, tell: mpsc::Sender<Reply>) {
        let answer = match self.leader(&self.raft.view()) {
            None => None,
            Some(Leader::Here) => self.renew_here(&request).await.ok(),
            Some(Leader::There(target)) => {
                let wall_ms = self.around.clock.wall_ms();
                let ask = Renew { nonce: request.nonce, published: request.published.0, wall_ms };
                match self.peers.call::<RenewLease>(&target, Lane::Requests, ask, RENEWAL_MAX).await {
                    Ok(reply) => {
                        let read_index = LogIndex(reply.read_index);
                        let answer = RenewalReply { nonce: reply.nonce, read_index, term: reply.term };
                        Some((answer, ClusterTime(reply.time_ms)))
                    }
                    Err(CallError::NotDone(status)) if says_wipe(&status) => {
                        self.condemn(status.message()).await;
                        None
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the lease is not renewed");
                        None
                    }
                }
            }
        };
        let _ = tell.send(Reply { request, answer }).await; // the holder is gone: surrendered
    }
}
