//! What a node does without being asked: it works on jobs, probes roots, rotates keys by age, and takes part when
//! the barrier is rotated.
//!
//! Every node runs the same loops. What must happen once in the cluster is done by the leader, or by the voter
//! whose turn it is, and is written as a command that has its effect once, whoever writes it and however
//! often: leadership here saves work, it protects nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::id::TenantHandle;
use raft_store::Role;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::engine::Engine;
use crate::{barrier, jobs, probes, rotation};

/// Pause between two looks when nothing changes: dates come due and time-outs pass.
const LOOK: Duration = Duration::from_secs(1);
/// A step that failed is not tried again before this.
const BACK_OFF: Duration = Duration::from_millis(500);
/// Pieces of work at once: each may hold an L2 key, a probe or a call to a root.
const WORKERS_MAX: usize = 16;

/// One piece of work; no two of a kind and tenant run at once on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    Step(TenantHandle),
    Proof(TenantHandle),
    Rotation(TenantHandle),
    Barrier,
    BarrierSwitch,
    Probes,
}

/// Runs until `stop` says so.
pub async fn run(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut changes = engine.store.changes();
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let under_way: Arc<Mutex<HashSet<Work>>> = Arc::default();
    let voters = Arc::new(probes::Voters::default());
    let mut workers = JoinSet::new();
    loop {
        let ticked = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            _ = tick.tick() => true,
            changed = changes.changed() => {
                if changed.is_err() {
                    break;
                }
                false
            }
        };
        while workers.try_join_next().is_some() {}
        for work in due(&engine, ticked) {
            let begins = workers.len() < WORKERS_MAX
                && under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(work);
            if begins {
                let (engine, under_way) = (Arc::clone(&engine), Arc::clone(&under_way));
                let voters = Arc::clone(&voters);
                workers.spawn(async move {
                    if !perform(&engine, &voters, work).await {
                        tokio::time::sleep(BACK_OFF).await;
                    }
                    under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&work);
                });
            }
        }
    }
    // A job's next step begins where this one was: nothing is lost by letting go.
    workers.shutdown().await;
}

/// What could be done now, by this node.
fn due(engine: &Engine, ticked: bool) -> Vec<Work> {
    let generation = engine.store.generation();
    let state = &generation.state;
    let node = engine.store.identity().node;
    let leads = || engine.store.status().role == Role::Leader;
    let mut work = Vec::new();
    let mut jobs = state.running_jobs().peekable();
    if jobs.peek().is_some() {
        let leads = leads();
        for job in jobs {
            if jobs::wants_proof(job, node) {
                work.push(Work::Proof(job.tenant));
            }
            if leads {
                work.push(Work::Step(job.tenant));
            }
        }
    }
    if barrier::is_due(engine, state) {
        work.push(Work::Barrier);
    }
    if state.barrier().spreading.is_some() && leads() {
        work.push(Work::BarrierSwitch);
    }
    if ticked {
        engine.roots.close_removed(state);
        work.push(Work::Probes);
        if leads() {
            let now = engine.store.now();
            work.extend(
                state
                    .tenants()
                    .filter(|tenant| rotation::is_due(state, tenant, now))
                    .map(|tenant| Work::Rotation(tenant.handle)),
            );
        }
    }
    work
}

/// Whether it went well, or nothing was left to do.
async fn perform(engine: &Engine, voters: &probes::Voters, work: Work) -> bool {
    match work {
        Work::Step(tenant) => jobs::step(engine, tenant).await,
        Work::Proof(tenant) => jobs::prove(engine, tenant).await,
        Work::Rotation(tenant) => rotation::rotate(engine, tenant).await,
        Work::Barrier => barrier::follow(engine).await,
        Work::BarrierSwitch => barrier::switch(engine).await,
        Work::Probes => probes::round(engine, voters).await,
    }
}
