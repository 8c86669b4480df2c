//! Linearizable reads: one quorum round for all that arrived before it began, never more than one under
//! way (CONSISTENCY 4). A caller that arrives during a round waits for the next: only a round begun after
//! it arrived is proof for it.

use std::sync::Arc;
use std::time::Duration;

use model::id::LogIndex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Unavailable;
use super::inner::{Inner, Leader};
use super::lead::QUORUM_ROUND_MAX;
use crate::machine::Gen;
use crate::peer::client::Lane;
use crate::wire::AskIndex;
use crate::wire::method::GetReadIndex;

/// Readers waiting at once: more means that rounds fail, and failing fast is kinder.
pub(crate) const READERS_MAX: usize = 16_384;
/// A fail-over fits in; a client's own deadline is longer.
const READ_MAX: Duration = Duration::from_secs(2);
/// Pause between attempts while nobody leads.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One reader: told the index its read must see, or nothing.
pub(crate) type Waiting = oneshot::Sender<Option<LogIndex>>;

const NO_ROUND: Unavailable = Unavailable { reason: "no quorum confirmed that this node is up to date" };

impl Inner {
    /// See [`Store::read_index`](super::Store::read_index).
    pub async fn read_index(&self) -> Result<Arc<Gen>, Unavailable> {
        let (tell, told) = oneshot::channel();
        self.reads.try_send(tell).map_err(|_| Unavailable { reason: "too many reads are waiting" })?;
        let index = told.await.ok().flatten().ok_or(NO_ROUND)?;
        self.published(index, READ_MAX).await?;
        Ok(self.serving.load())
    }

    /// Runs the rounds, as long as the node lives.
    pub async fn run_reads(self: Arc<Self>, mut readers: mpsc::Receiver<Waiting>) {
        while let Some(first) = readers.recv().await {
            let mut round = vec![first];
            while let Ok(more) = readers.try_recv() {
                round.push(more);
            }
            let index = self.confirm_index().await;
            for reader in round {
                let _ = reader.send(index); // it may have given up
            }
        }
    }

    async fn confirm_index(&self) -> Option<LogIndex> {
        let deadline = Instant::now() + READ_MAX;
        loop {
            let index = match self.leader(&self.raft.view()) {
                None => None,
                Some(Leader::Here) => self.read_index_here().await.ok(),
                Some(Leader::There(target)) => {
                    let asked = self.peers.call::<GetReadIndex>(
                        &target,
                        Lane::Requests,
                        AskIndex {},
                        QUORUM_ROUND_MAX,
                    );
                    asked.await.ok().map(|reply| LogIndex(reply.index))
                }
            };
            if index.is_some() || Instant::now() >= deadline {
                return index;
            }
            self.look_again(LOOK_AGAIN).await;
        }
    }
}
