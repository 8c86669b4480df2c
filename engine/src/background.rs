//! What a node does without being asked: it works on jobs, probes roots, rotates keys by age, takes part when the
//! barrier is rotated, and while a root is silent takes over what other nodes hold.
//!
//! Every node runs the same loops. What must happen once in the cluster is done by the leader, or by the voter
//! whose turn it is, and is written as a command that has its effect once, whoever writes it and however
//! often: leadership here saves work, it protects nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::id::TenantHandle;
use model::root::{Gate, L1State};
use model::state::State;
use model::tenant::Tenant;
use model::time::ClusterTime;
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
/// Pieces of work at once beside the probes: each may hold an L2 key or a call to a root.
const WORKERS_MAX: usize = 16;

/// One piece of work; no two of a kind and tenant run at once on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    Step(TenantHandle),
    Proof(TenantHandle),
    Rotation(TenantHandle),
    Barrier,
    BarrierSwitch,
    TakeOver,
    Probes,
    SecondOpinions,
}

impl Work {
    /// Whether it has a place of its own, which no hanging job can take: a root's no must be heard in time. Second
    /// opinions do not wait for a round of probes either.
    fn has_its_own_place(self) -> bool {
        matches!(self, Self::Probes | Self::SecondOpinions)
    }
}

/// Runs until `stop` says so.
pub async fn run(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut changes = engine.store.changes();
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let under_way: UnderWay = Arc::default();
    let voters = Arc::new(probes::Voters::default());
    let taken_over = Arc::new(TakenOver::default());
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
        for work in due(&engine, &taken_over, ticked) {
            if let Some(place) = Place::take(&under_way, work) {
                let engine = Arc::clone(&engine);
                let (voters, taken_over) = (Arc::clone(&voters), Arc::clone(&taken_over));
                workers.spawn(async move {
                    if !perform(&engine, &voters, &taken_over, work).await {
                        tokio::time::sleep(BACK_OFF).await;
                    }
                    drop(place);
                });
            }
        }
    }
    // A job's next step begins where this one was: nothing is lost by letting go.
    workers.shutdown().await;
}

/// What is being worked on.
type UnderWay = Arc<Mutex<HashSet<Work>>>;

/// A piece of work that is under way, until this is dropped.
struct Place {
    work: Work,
    under_way: UnderWay,
}

impl Place {
    /// A place for this work; `None` if it is under way already, or all places are taken.
    fn take(under_way: &UnderWay, work: Work) -> Option<Self> {
        let mut begun = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let others = begun.iter().filter(|begun| !begun.has_its_own_place()).count();
        let begins = (work.has_its_own_place() || others < WORKERS_MAX) && begun.insert(work);
        begins.then(|| Self { work, under_way: Arc::clone(under_way) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.work);
    }
}

/// Tenants whose roots are silent and whose keys this node has taken over from the others: once an outage, and once
/// after a restart during one. So no key is lost with the node that happened to hold it.
#[derive(Default)]
struct TakenOver(Mutex<HashSet<TenantHandle>>);

impl TakenOver {
    fn wanted(&self, state: &State, now: ClusterTime) -> Vec<TenantHandle> {
        // A doubt is over in a moment, either way: nobody shares keys out for it.
        let is_fine = |state| matches!(state, L1State::Enabled | L1State::Refused);
        let healthy = |root| state.l1(root).is_none_or(|l1| is_fine(l1.state));
        let mut silent = HashSet::new();
        if !state.roots_in_use().all(healthy) {
            let counts_down = |tenant: &&Arc<Tenant>| matches!(state.gate(tenant, now), Gate::Grace { .. });
            silent.extend(state.tenants().filter(counts_down).map(|tenant| tenant.handle));
        }
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        done.retain(|tenant| silent.contains(tenant));
        silent.difference(&done).copied().collect()
    }

    fn done(&self, tenant: TenantHandle) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
    }
}

/// One tenant after the other: an outage of the platform's root concerns all of them.
async fn take_over(engine: &Engine, taken_over: &TakenOver) -> bool {
    let mut answered = true;
    for tenant in taken_over.wanted(&engine.store.generation().state, engine.store.now()) {
        if engine.take_over_all(tenant).await {
            taken_over.done(tenant);
        } else {
            answered = false;
        }
    }
    answered
}

/// What could be done now, by this node.
fn due(engine: &Engine, taken_over: &TakenOver, ticked: bool) -> Vec<Work> {
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
        engine.roots.close_outdated(state);
        work.push(Work::Probes);
        if !probes::doubted(engine, state).is_empty() {
            work.push(Work::SecondOpinions);
        }
        let now = engine.store.now();
        if !taken_over.wanted(state, now).is_empty() {
            work.push(Work::TakeOver);
        }
        if leads() {
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
async fn perform(engine: &Engine, voters: &probes::Voters, taken_over: &TakenOver, work: Work) -> bool {
    match work {
        Work::Step(tenant) => jobs::step(engine, tenant).await,
        Work::Proof(tenant) => jobs::prove(engine, tenant).await,
        Work::Rotation(tenant) => rotation::rotate(engine, tenant).await,
        Work::Barrier => barrier::follow(engine).await,
        Work::BarrierSwitch => barrier::switch(engine).await,
        Work::TakeOver => take_over(engine, taken_over).await,
        Work::Probes => probes::round(engine, voters).await,
        Work::SecondOpinions => probes::second_opinions(engine).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hanging_jobs_keep_no_probe_from_starting_nor_probes_a_job() {
        let under_way = UnderWay::default();
        let proof = |number: usize| Work::Proof(TenantHandle([u8::try_from(number).expect("few"); 4]));
        let mut hanging: Vec<Place> =
            (1..WORKERS_MAX).map(|number| Place::take(&under_way, proof(number)).expect("room")).collect();
        let probes = Place::take(&under_way, Work::Probes).expect("a place of their own");
        hanging.push(Place::take(&under_way, proof(0)).expect("the last place"));
        assert!(Place::take(&under_way, Work::TakeOver).is_none(), "all are taken");
        assert!(Place::take(&under_way, Work::Probes).is_none(), "they are under way");
        let opinions = Place::take(&under_way, Work::SecondOpinions);
        assert!(opinions.is_some(), "they wait for nothing");
        drop(probes);
        let probes = Place::take(&under_way, Work::Probes);
        assert!(probes.is_some(), "the jobs hang still");
        hanging.pop();
        assert!(Place::take(&under_way, Work::TakeOver).is_some());
    }
}
