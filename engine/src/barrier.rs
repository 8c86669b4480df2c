//! Rotating the barrier: a new term is kept by every node before any of them seals with it.
//!
//! The proposer makes the key and commits it, sealed under the current term. Every node then takes it into its
//! keyring, has its root wrap the whole keyring anew, keeps that on its disk, and says so. Once all have, the
//! leader commits the switch. Each part is taken from the replicated state at every look: a node that died in
//! between begins again where it was, and nothing is rolled back, for until the switch nothing has changed.

use keystore::BoxFuture;
use model::barrier::Barrier;
use model::command::IdempotencyKey;
use model::commands::{NoteBarrierTerm, SpreadBarrierTerm, SwitchBarrierTerm};
use model::state::State;

use crate::admin::Administrator;
use crate::engine::Engine;
use crate::refused::Refused;

/// Where a node keeps its sealed keyring. The floor above owns the file and the root that wraps it.
pub trait KeyringFile: Send + Sync {
    /// Has the root wrap the keyring as it is now, and returns once that would survive a power cut.
    ///
    /// # Errors
    /// What the root or the disk said.
    fn keep(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// How far a rotation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarrierStatus {
    /// What the cluster agrees on.
    pub barrier: Barrier,
    /// Members that have yet to keep the new term, by name.
    pub missing: Vec<String>,
}

/// Whether this node has something to do: a term to keep, or one to seal with.
pub(crate) fn is_due(engine: &Engine, state: &State) -> bool {
    let barrier = state.barrier();
    let keyring = engine.hot.keyring();
    barrier.wanted_from(engine.store.identity().node).is_some() || keyring.current_term() < barrier.current
}

/// Keeps the new term and says so; seals with the one that every node keeps. Whether it went well.
pub(crate) async fn follow(engine: &Engine) -> bool {
    let generation = engine.store.generation();
    let barrier = generation.state.barrier();
    let node = engine.store.identity().node;
    let keyring = engine.hot.keyring();
    if keyring.current_term() < barrier.current {
        if let Err(error) = keyring.seal_with(barrier.current) {
            tracing::error!(%error, term = barrier.current, "this node lacks the term that seals");
            return false;
        }
        tracing::info!(term = barrier.current, "sealed under the new term from now on");
        // After a crash before it, the file says an older term: all of them open, and this is done again.
        return kept(engine).await;
    }
    let Some(spreading) = barrier.wanted_from(node) else { return true };
    if let Err(error) = keyring.install_term(&spreading.record) {
        tracing::error!(%error, term = spreading.term, "a new term of the barrier cannot be taken");
        return false;
    }
    let term = spreading.term;
    kept(engine).await && proposed(engine, term, "kept", NoteBarrierTerm { term, node }).await
}

/// Switches once every member keeps the new term; whether it did. Done by the leader.
pub(crate) async fn switch(engine: &Engine) -> bool {
    let status = engine.barrier_status().await;
    let Some(spreading) = &status.barrier.spreading else { return true };
    if !status.missing.is_empty() {
        tracing::info!(term = spreading.term, missing = %status.missing.join(", "), "a rotation of the barrier waits");
        return false;
    }
    let term = spreading.term;
    proposed(engine, term, "seals", SwitchBarrierTerm { term }).await
}

async fn kept(engine: &Engine) -> bool {
    match engine.keyring_file.keep().await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the keyring could not be kept; it is tried again");
            false
        }
    }
}

async fn proposed(engine: &Engine, term: u32, what: &str, step: impl Into<model::command::Action>) -> bool {
    let target = format!("barrier term {term}: {what}");
    match engine.act_alone(None, &target, step).await {
        Ok(()) => true,
        Err(refused) => {
            tracing::info!(term, %refused, "a step of the barrier's rotation was not taken");
            false
        }
    }
}

impl Engine {
    /// Begins a rotation of the barrier; every node takes part by itself.
    ///
    /// # Errors
    /// [`Refused::Refused`] if one is under way; [`Refused::Internal`] if the keyring holds all the terms it can.
    pub async fn rotate_barrier(
        &self,
        who: &Administrator,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<BarrierStatus, Refused> {
        let (name, target) = ("spread_barrier_term", "barrier term: spread");
        if self.answered_before(who, name, None, target, idempotency).await?.is_some() {
            return Ok(self.barrier_status().await);
        }
        let generation = self.store.read_index().await?;
        let current = generation.state.barrier().current;
        let keyring = self.hot.keyring();
        // Its own follower may not have come to it yet: the new key must lie under the term that all hold.
        keyring.seal_with(current).map_err(|_| Refused::Internal { cause: "barrier_term_missing" })?;
        let record =
            keyring.propose_term().map_err(|_| Refused::Internal { cause: "barrier_terms_used_up" })?;
        let term = current.saturating_add(1);
        let target = format!("barrier term {term}: spread");
        self.administer_cluster(who, &target, SpreadBarrierTerm { term, record }, idempotency).await?;
        Ok(self.barrier_status().await)
    }

    /// The barrier's terms as this node knows them, and which members a rotation waits for.
    pub async fn barrier_status(&self) -> BarrierStatus {
        let barrier = self.store.generation().state.barrier().clone();
        let Some(spreading) = &barrier.spreading else {
            return BarrierStatus { barrier, missing: Vec::new() };
        };
        let cluster = self.store.cluster_status().await;
        let missing = cluster.nodes.iter().filter(|node| !spreading.held_by.contains(&node.status.node));
        let missing = missing.map(|node| node.status.name.clone()).collect();
        BarrierStatus { barrier, missing }
    }
}
