//! The clients of a run: readers and strangers everywhere, and writers that withdraw, register and label.
//!
//! Writers are impatient: they give up after a while and repeat the request elsewhere, as real clients do, so
//! that answers to repeated requests are put to the test as much as first ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use model::command::{Action, Answer, IdempotencyKey};
use model::commands::{DestroyObject, ResumeService, SetTenantLabels, SuspendService};
use raft_store::env::Entropy as _;
use raft_store::{ProposeError, Proposed};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::invariants::cold;
use super::realm::{REGISTERS, register_handle};
use super::serve::request;
use super::world::World;
use crate::linearizable::{self, Operation};
use crate::outcome::Outcome;

/// Readers, and their pause between two requests in milliseconds.
const READERS: usize = 4;
const READ_PAUSE_MS: (u64, u64) = (5, 40);
/// One request in so many is a stranger's.
const FOREIGN: usize = 8;
/// Clients of each register.
const LABELLERS: usize = 2;
/// How often a node that is cut off is asked for a key that was withdrawn.
const INSISTING: usize = 20;
/// How long a writer waits for one attempt, in milliseconds.
const ATTEMPT_MS: (u64, u64) = (200, 4_000);
/// Attempts at one write before its outcome counts as unknown.
const ATTEMPTS: usize = 4;

/// The clients, until [`Clients::stop`].
pub struct Clients {
    world: Arc<World>,
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Clients {
    /// Starts all of them.
    pub fn start(world: &Arc<World>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        let client = || Client { world: Arc::clone(world), stopping: Arc::clone(&stopping) };
        for _ in 0..READERS {
            tasks.spawn(client().read());
        }
        for tenant in 0..world.realm.tenants.len() {
            tasks.spawn(client().suspend_and_resume(tenant));
        }
        let next = Arc::new(AtomicU32::new(0));
        tasks.spawn(client().destroy());
        tasks.spawn(client().register(Arc::clone(&next)));
        tasks.spawn(client().look_for_hot_keys());
        for register in 0..REGISTERS {
            for _ in 0..LABELLERS {
                tasks.spawn(client().label(register));
            }
        }
        Self { world: Arc::clone(world), stopping, tasks }
    }

    /// Ends all of them; writes under way are finished.
    ///
    /// # Errors
    /// One of them panicked.
    pub async fn stop(mut self) -> anyhow::Result<Arc<World>> {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended?;
        }
        Ok(self.world)
    }
}

struct Client {
    world: Arc<World>,
    stopping: Arc<AtomicBool>,
}

/// What became of a write after all attempts.
enum Written {
    Acknowledged(Proposed),
    Failed,
    Unknown,
}

impl Written {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Acknowledged(_) => Outcome::Ok,
            Self::Failed => Outcome::Failed,
            Self::Unknown => Outcome::Unknown,
        }
    }
}

impl Client {
    fn goes_on(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    async fn pause_ms(&self, from: u64, to: u64) {
        sleep(self.world.dice.between_ms(from, to)).await;
    }

    async fn read(self) {
        let dice = &self.world.dice;
        while self.goes_on() {
            self.pause_ms(READ_PAUSE_MS.0, READ_PAUSE_MS.1).await;
            if let Some(at) = self.world.any_up() {
                let key = dice.below(self.world.realm.keys.len());
                tokio::spawn(request(Arc::clone(&self.world), at, key, dice.once_in(FOREIGN)));
            }
        }
    }

    /// Every node is asked for a key at once, right after its withdrawal was acknowledged; and one that is cut off,
    /// which cannot have heard of it, again and again.
    fn ask_everywhere(&self, key: usize) {
        for at in self.world.up() {
            let times = if self.world.ledger.book().cut_off.contains_key(&at) { INSISTING } else { 1 };
            let world = Arc::clone(&self.world);
            tokio::spawn(async move {
                for _ in 0..times {
                    tokio::spawn(request(Arc::clone(&world), at, key, false));
                    sleep(world.dice.between_ms(READ_PAUSE_MS.0, READ_PAUSE_MS.1)).await;
                }
            });
        }
    }

    async fn destroy(self) {
        let keys = &self.world.realm.keys;
        for (index, key) in keys.iter().enumerate().filter(|(_, key)| key.service > 0) {
            tokio::select! {
                () = self.pause_ms(50, 900) => {}
                () = self.world.urged.notified() => {}
            }
            if !self.goes_on() {
                return;
            }
            // KMIP's Destroy has no idempotency key: identifier and operation are the key.
            let idempotency = self.world.dice.once_in(2).then(|| self.idempotency());
            let written =
                self.write("destroy", DestroyObject { uid: key.uid }.into(), idempotency, ATTEMPTS).await;
            // "Already destroyed" tells that it is, whoever did it.
            let done = matches!(&written, Written::Acknowledged(done) if done.withdrawal.is_some());
            let refused = matches!(&written, Written::Acknowledged(done) if done.withdrawal.is_none());
            let moment = self.world.ledger.moment();
            {
                let facts = &mut self.world.ledger.book().keys[index];
                facts.destroyed = done.then_some(moment);
                facts.destruction = Some(if refused { Outcome::Failed } else { written.outcome() });
            }
            if done {
                self.ask_everywhere(index);
            }
        }
    }

    async fn suspend_and_resume(self, tenant: usize) {
        let handles =
            (self.world.realm.tenants[tenant].handle, self.world.realm.tenants[tenant].services[0].handle);
        let (tenant_handle, service) = handles;
        while self.goes_on() {
            self.pause_ms(100, 2_500).await;
            let suspend = SuspendService { tenant: tenant_handle, service };
            if !self.write_until_known("suspend", suspend.into()).await {
                return;
            }
            let moment = self.world.ledger.moment();
            self.world.ledger.book().suspended.insert((tenant, 0), moment);
            let keys = self.world.realm.keys.iter().enumerate();
            let own =
                keys.filter(|(_, key)| (key.tenant, key.service) == (tenant, 0)).map(|(index, _)| index);
            own.take(3).for_each(|key| self.ask_everywhere(key));
            self.pause_ms(100, 3_000).await;
            self.world.ledger.book().suspended.remove(&(tenant, 0));
            if !self
                .write_until_known("resume", ResumeService { tenant: tenant_handle, service }.into())
                .await
            {
                return;
            }
        }
    }

    async fn register(self, next: Arc<AtomicU32>) {
        while self.goes_on() {
            self.pause_ms(20, 400).await;
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Ok(action) = self.world.realm.another_service(number) else { continue };
            let idempotency = self.world.dice.once_in(2).then(|| self.idempotency());
            // Without an idempotency key a second attempt would be another request.
            let attempts = if idempotency.is_some() { ATTEMPTS } else { 1 };
            let written = self.write("register", action, idempotency, attempts).await;
            self.world.ledger.book().registered.insert(number, written.outcome());
        }
    }

    async fn label(self, register: usize) {
        while self.goes_on() {
            self.pause_ms(30, 500).await;
            let begun = self.world.ledger.moment();
            let (action, ended) = if self.world.dice.once_in(2) {
                match self.write_label(register, begun).await {
                    Some(ended) => (linearizable::Action::Write(begun), ended),
                    None => continue,
                }
            } else {
                match self.read_label(register).await {
                    Some(value) => (linearizable::Action::Read(value), true),
                    None => continue,
                }
            };
            let ended = ended.then(|| self.world.ledger.moment());
            self.world.ledger.book().registers[register].push(Operation { action, begun, ended });
        }
    }

    /// Whether it was acknowledged; `None` if it surely failed.
    async fn write_label(&self, register: usize, value: u64) -> Option<bool> {
        let labels = BTreeMap::from([("value".to_owned(), value.to_string())]);
        let action = SetTenantLabels { tenant: register_handle(register), labels, if_revision: None };
        match self.write("label", action.into(), None, 1).await {
            Written::Acknowledged(Proposed { answer: Answer::Done, .. }) => Some(true),
            Written::Acknowledged(_) | Written::Failed => None,
            Written::Unknown => Some(false),
        }
    }

    async fn read_label(&self, register: usize) -> Option<u64> {
        let process = self.world.running(self.world.any_up()?)?;
        let Ok(generation) = process.store.read_index().await else {
            self.world.ledger.count("read label", Outcome::Failed);
            return None;
        };
        self.world.ledger.count("read label", Outcome::Ok);
        let tenant = generation.state.tenant(register_handle(register))?;
        Some(tenant.labels.get("value").and_then(|value| value.parse().ok()).unwrap_or_default())
    }

    async fn look_for_hot_keys(self) {
        while self.goes_on() {
            sleep(Duration::from_millis(100)).await;
            for verdict in cold::judge(&self.world) {
                self.world.ledger.note(verdict);
            }
        }
    }

    fn idempotency(&self) -> IdempotencyKey {
        let mut key = [0; 32];
        self.world.dice.fill(&mut key);
        IdempotencyKey { key, request: key }
    }

    /// Repeats a request until it is acknowledged: false when the run ends first.
    async fn write_until_known(&self, name: &'static str, action: Action) -> bool {
        let idempotency = self.idempotency();
        while self.goes_on() {
            let written = self.write(name, action.clone(), Some(idempotency), ATTEMPTS).await;
            if let Written::Acknowledged(_) = written {
                return true;
            }
        }
        false
    }

    /// One write, in several attempts at different nodes.
    async fn write(
        &self,
        name: &'static str,
        action: Action,
        idempotency: Option<IdempotencyKey>,
        attempts: usize,
    ) -> Written {
        let dice = &self.world.dice;
        let mut written = Written::Failed;
        for _ in 0..attempts {
            let Some(process) = self.world.any_up().and_then(|at| self.world.running(at)) else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let patience = dice.between_ms(ATTEMPT_MS.0, ATTEMPT_MS.1);
            match timeout(patience, process.store.propose(action.clone(), idempotency)).await {
                Ok(Ok(proposed)) => {
                    written = Written::Acknowledged(proposed);
                    break;
                }
                Ok(Err(ProposeError::Unavailable { .. } | ProposeError::TooLarge)) => {}
                Ok(Err(ProposeError::OutcomeUnknown | ProposeError::BarrierPending { .. })) | Err(_) => {
                    written = Written::Unknown;
                }
            }
        }
        self.world.ledger.count(name, written.outcome());
        written
    }
}
