//! Parts of messages that another node began (see `streams`): passed on, and answered for others.

use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use model::id::NodeId;
use raft_store::parts::{Keeper, NotAnswered, Part};
use tokio::runtime::Handle;

use crate::caller::Caller;
use crate::engine::Engine;
use crate::refused::Refused;
use crate::turn::Turn;

/// Whoever answers KMIP messages; the engine knows none.
pub trait Answerer: Send + Sync + 'static {
    /// The response message to a request message of one item, which another node has verified the caller of.
    ///
    /// # Errors
    /// A sentence, for a message that is no part of another.
    fn answer<'a>(
        &'a self,
        engine: &'a Engine,
        caller: &'a Caller,
        request: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, &'static str>>;
}

/// Lets this node answer the parts that other nodes pass on, as long as the engine lives. Call it on the runtime that
/// serves clients: heartbeats share the peer port's threads.
pub fn answer_parts(engine: &Arc<Engine>, answerer: Arc<dyn Answerer>) {
    let door = Door { engine: Arc::downgrade(engine), answerer, runtime: Handle::current() };
    engine.store.answer_parts_by(Arc::new(door));
}

struct Door {
    engine: Weak<Engine>,
    answerer: Arc<dyn Answerer>,
    runtime: Handle,
}

impl Keeper for Door {
    fn answer(&self, part: Part) -> BoxFuture<'_, Result<Vec<u8>, NotAnswered>> {
        let stops = || NotAnswered("this node stops".to_owned());
        let answerer = Arc::clone(&self.answerer);
        let answered = self.engine.upgrade().map(|engine| {
            self.runtime.spawn(async move {
                let Part { from, tenant, service, service_type, certificate, names, address, request } = part;
                let passed_by = Some(from);
                let caller = Caller { tenant, service, service_type, certificate, names, address, passed_by };
                let answer = answerer.answer(&engine, &caller, &request).await;
                answer.map_err(|reason| NotAnswered(reason.to_owned()))
            })
        });
        Box::pin(async move {
            answered.ok_or_else(stops)?.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a part of another node's was not answered");
                Err(NotAnswered("the answer was not made; the node's log has the details".to_owned()))
            })
        })
    }
}

impl Turn<'_> {
    /// Passes a request message of one item on to the node that [`Refused::BegunElsewhere`] names, in this caller's
    /// name, and brings back the response message.
    ///
    /// # Errors
    /// [`Refused::NotNow`] if that node does not answer: the message has to be begun again; also in a batch that may be
    /// undone.
    pub async fn pass_part(&mut self, node: NodeId, request: Vec<u8>) -> Result<Vec<u8>, Refused> {
        if self.staged.is_some() {
            // What this batch changes is seen here alone until its end, and what is done there is not undone.
            let reason =
                format!("the message was begun on node {node}, where alone such a batch goes on with it");
            return Err(Refused::NotNow { reason });
        }
        self.passed_to = Some(node);
        let Caller { tenant, service, service_type, certificate, names, address, .. } = self.caller.clone();
        let from = self.engine.store.identity().node;
        let part = Part { from, tenant, service, service_type, certificate, names, address, request };
        self.engine.store.pass_part(node, part).await.map_err(|error| {
            tracing::debug!(%node, %error, "a part of a message was not answered");
            let reason =
                format!("node {node}, where the message was begun, does not go on with it; begin it again");
            Refused::NotNow { reason }
        })
    }
}
