//! The durable half of a node in one hand: log, machine, and the entries they are fed.

use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use model::command::Action;
use model::id::{LogIndex, TenantHandle};
use model::sealer::Sealer;
use model::state::{Effect, State};
use openraft::storage::{RaftLogReader, RaftLogStorageExt, RaftStateMachine};
use raft_store::machine::{CacheGuard, Machine, MachineOptions, Serving};
use raft_store::storage::disk::Disk;
use raft_store::storage::{LogStore, Storage, StoreError};
use raft_store::types::{Entry, EntryPayload, Member, Membership, SealedCommand, entry_id};

use crate::samples;
use crate::sealer::InsecureSealer;

pub const TENANT_A: TenantHandle = samples::TENANT;
pub const TENANT_B: TenantHandle = TenantHandle([0xaa, 0xbb, 0xcc, 0xdd]);

/// Remembers the order in which it was called.
#[derive(Default)]
pub struct Watcher(pub Mutex<Vec<(&'static str, Vec<Effect>)>>);

impl CacheGuard for Watcher {
    fn close_epochs(&self, _: LogIndex, effects: &[Effect]) {
        self.0.lock().unwrap().push(("close", effects.to_vec()));
    }

    fn purge(&self, _: LogIndex, effects: &[Effect]) {
        self.0.lock().unwrap().push(("purge", effects.to_vec()));
    }
}

pub struct Node<D: Disk> {
    pub storage: Arc<Storage<D>>,
    pub log: LogStore<D>,
    pub machine: Machine<D>,
    pub serving: Serving,
    pub watcher: Arc<Watcher>,
}

pub fn sealer() -> Arc<dyn Sealer> {
    Arc::new(InsecureSealer::default())
}

impl<D: Disk> Node<D> {
    pub fn open(storage: Arc<Storage<D>>) -> Result<Self, StoreError> {
        let watcher = Arc::new(Watcher::default());
        let guard = Arc::clone(&watcher) as Arc<dyn CacheGuard>;
        let options = MachineOptions { sealer: sealer(), guard, region: "eu-1".into(), format: 1 };
        let (machine, serving) = Machine::open(&storage, options)?;
        Ok(Self { log: storage.log_store(), storage, machine, serving, watcher })
    }

    /// Appends and waits until it is durable.
    pub async fn append(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.log.blocking_append(entries).await.unwrap();
    }

    /// Applies what the log holds from one index through another.
    pub async fn apply(&mut self, from: u64, through: u64) -> Result<(), std::io::Error> {
        let entries: Vec<Entry> = self.log.entries_stream(from..=through).await.try_collect().await.unwrap();
        let items = entries.into_iter().map(|entry| Ok((entry, None)));
        self.machine.apply(futures::stream::iter(items).boxed()).await
    }

    pub fn state(&self) -> State {
        self.serving.load().state.clone()
    }

    pub fn index(&self) -> LogIndex {
        self.serving.load().index
    }
}

pub fn blank(term: u64, index: u64) -> Entry {
    Entry { log_id: entry_id(term, 1, index), payload: EntryPayload::Blank }
}

pub fn membership(term: u64, index: u64) -> Entry {
    let members = [1, 2, 3].map(|id| (id, Member { name: format!("node-{id}"), ..Member::default() }));
    let voters = [1, 2, 3].into_iter().collect();
    let membership = Membership::new(vec![voters], std::collections::BTreeMap::from(members)).unwrap();
    Entry { log_id: entry_id(term, 1, index), payload: EntryPayload::Membership(membership) }
}

pub fn entry(term: u64, index: u64, action: impl Into<Action>) -> Entry {
    let mut command = samples::command(u8::try_from(index % 251).unwrap(), action);
    command.stamp.time.0 += index;
    let sealed = SealedCommand::seal(&*sealer(), &command).unwrap();
    Entry { log_id: entry_id(term, 1, index), payload: EntryPayload::Normal(sealed) }
}

/// A history in which something happens at every index: two tenants, a service each, objects that come and
/// change, a suspension.
pub fn history(term: u64, from: u64, through: u64) -> Vec<Entry> {
    (from..=through).map(|index| step(term, index)).collect()
}

fn step(term: u64, index: u64) -> Entry {
    let tenant = if index.is_multiple_of(2) { TENANT_A } else { TENANT_B };
    let number = u32::try_from(index).unwrap();
    match index {
        0 => membership(term, 0),
        1 => entry(term, 1, samples::create_tenant(TENANT_B, "tenant-b")),
        2 => entry(term, 2, samples::create_tenant(TENANT_A, "tenant-a")),
        3 | 4 => entry(term, index, samples::register_service(tenant)),
        _ if index.is_multiple_of(13) => blank(term, index),
        _ if index.is_multiple_of(7) => {
            let uid = samples::uid(tenant, model::uid::Kind::Recorded, number.saturating_sub(12));
            entry(term, index, model::commands::DestroyObject { uid })
        }
        _ => entry(term, index, samples::record_object(tenant, number)),
    }
}
