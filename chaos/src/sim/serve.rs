//! A request for a key, in the order of the engine (CONSISTENCY 2): capture the lease, load one generation,
//! decide, check the lease, derive, make the audit record durable, check the captured lease again. A thread
//! may be held up between any two of these steps, for longer than a lease.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use crypto::{HotL3, L3Place};
use model::id::LogIndex;
use model::service::ServiceState;
use model::tenant::TenantState;
use raft_store::Gen;
use raft_store::lease::class::LeaseLength;
use raft_store::lease::clock::longest_life;
use tokio::time::sleep;

use super::bugs::Bug;
use super::dice::Dice;
use super::ledger::{Answer, Time};
use super::realm::Key;
use super::world::{Process, World};
use crate::outcome::Outcome;

/// Unwrapping an L2 key in microseconds, at least and at most.
const UNWRAP_US: (u64, u64) = (500, 60_000);
/// One step in so many is held up for seconds, and some more for milliseconds.
const HELD_UP: usize = 60;

/// Why there was no key.
enum No {
    /// A definite answer.
    Refused,
    /// The same request may be tried again, here or elsewhere.
    NotNow,
}

/// Asks a node for a key, as its own service or as a stranger, and writes down what came of it.
pub async fn request(world: Arc<World>, at: usize, index: usize, foreign: bool) {
    let Some(process) = world.running(at) else { return };
    let begun = world.ledger.moment();
    let key = world.realm.keys[index];
    world.ledger.asked(at, index, (key.tenant, key.service));
    let turn = Turn { world: &world, at, process: &process, key, foreign };
    let answered = turn.run().await;
    if world.running(at).is_none_or(|now| now.life != process.life) {
        return world.ledger.count("get", Outcome::Unknown); // the connection died with its process
    }
    match answered {
        Ok(Given { fingerprint, record, captured, usable }) => {
            world.ledger.count("get", Outcome::Ok);
            let ended = world.ledger.now();
            let answer =
                Answer { key: index, node: at, foreign, begun, ended, captured, usable, fingerprint, record };
            world.ledger.answered(&answer, (key.tenant, key.service));
        }
        Err(No::Refused) => world.ledger.count("get refused", Outcome::Ok),
        Err(No::NotNow) => world.ledger.count("get", Outcome::Failed),
    }
}

/// A key, and what it rests on.
struct Given {
    fingerprint: u64,
    record: u64,
    captured: Time,
    usable: Duration,
}

struct Turn<'a> {
    world: &'a World,
    at: usize,
    process: &'a Process,
    key: Key,
    foreign: bool,
}

impl Turn<'_> {
    async fn run(&self) -> Result<Given, No> {
        let Process { store, .. } = self.process;
        let early = match self.has(Bug::LookupBeforeCapture) {
            true => Some(store.generation()),
            false => None,
        };
        self.held_up().await;
        let lease = store.lease().capture().map_err(|_| No::NotNow)?;
        let captured = self.world.ledger.now();
        self.held_up().await;
        let generation = early.unwrap_or_else(|| store.generation());
        let length = self.decide(&generation)?;
        store.lease().check(lease, length, store.boot_now()).map_err(|_| No::NotNow)?;

        let hot = self.hot(generation.index).await?;
        let mut bytes = [0; 32];
        hot.l3().l4(&self.key.uid.header, None, &mut bytes).map_err(|_| No::Refused)?;
        drop(hot);
        self.held_up().await;

        let record = self.world.ledger.moment();
        let audit = &self.world.node(self.at).audit;
        if self.has(Bug::AnswerBeforeAudit) {
            let _ = audit.write(record);
        } else if !audit.append(record, &self.world.dice).await {
            return Err(No::NotNow);
        }
        let lease = match self.has(Bug::SecondCheckAgainstNewer) {
            true => store.lease().capture().map_err(|_| No::NotNow)?,
            false => lease,
        };
        store.lease().check(lease, length, store.boot_now()).map_err(|_| No::NotNow)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let usable = longest_life(length.duration());
        Ok(Given { fingerprint: hasher.finish(), record, captured, usable })
    }

    /// Everything from one generation; returns the length of the tenant's lease.
    fn decide(&self, generation: &Gen) -> Result<LeaseLength, No> {
        let realm = &self.world.realm;
        let own = realm.tenant_of(&self.key);
        let caller = match self.foreign {
            true => realm.tenants[(self.key.tenant + 1) % realm.tenants.len()].handle,
            false => own.handle,
        };
        if self.key.uid.header.fields().tenant != caller {
            return Err(No::Refused);
        }
        let state = &generation.state;
        let tenant = state.tenant(caller).filter(|tenant| tenant.state == TenantState::Active);
        let service = state.service(caller, realm.service_of(&self.key).handle);
        let service = service.filter(|service| service.state == ServiceState::Active);
        let destroyed =
            state.object(caller, &self.key.uid).is_some_and(|object| object.lifecycle.state.is_destroyed());
        match (tenant, service, destroyed) {
            (Some(tenant), Some(_), false) => {
                LeaseLength::from_millis(tenant.lease_ms).map_err(|_| No::Refused)
            }
            _ => Err(No::Refused),
        }
    }

    /// The service's key, unwrapped on first use under the guard that purges take.
    async fn hot(&self, generation: LogIndex) -> Result<Arc<HotL3>, No> {
        let cache = &self.process.cache;
        let place = L3Place::of(&self.key.uid.header);
        if let Some(hot) = cache.get(&place) {
            return Ok(hot);
        }
        let ticket = cache.begin_fill(place.tenant, generation).map_err(|_| No::NotNow)?;
        let realm = &self.world.realm;
        let l3 = realm.tenant_of(&self.key).l2.l3(place.kdf, &realm.service_of(&self.key).seed);
        let l3 = l3.map_err(|_| No::NotNow)?;
        sleep(self.world.dice.between_us(UNWRAP_US.0, UNWRAP_US.1)).await;
        self.held_up().await;
        let ticket = match self.has(Bug::UnguardedFill) {
            true => {
                let now = self.process.store.generation().index;
                cache.begin_fill(place.tenant, now).map_err(|_| No::NotNow)?
            }
            false => ticket,
        };
        cache.insert(&ticket, l3).map_err(|_| No::NotNow)
    }

    async fn held_up(&self) {
        let dice: &Dice = &self.world.dice;
        match dice.below(HELD_UP) {
            0 => sleep(dice.between_ms(300, 5_000)).await,
            1..4 => sleep(dice.between_ms(1, 80)).await,
            _ => {}
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.world.bug == Some(bug)
    }
}
