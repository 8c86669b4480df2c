//! Power loss at every position of the queue: whatever was acknowledged is there, and what is there is one
//! moment of the history.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use model::id::LogIndex;
use model::state::{Effect, State};
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use raft_store::storage::{Fatal, Options, RamDisk, Storage, Syncing};
use raft_store::types::{Entry, EntryId, LeaderId, TypeConfig, Vote, entry_id};

use crate::node::{self, Node};

/// What a crash may not take away.
#[derive(Clone, Default)]
struct Acknowledged {
    vote: Option<Vote>,
    last: Option<EntryId>,
    purged: Option<EntryId>,
}

struct World {
    disk: RamDisk,
    node: Node<RamDisk>,
    acknowledged: Acknowledged,
    /// The state after each index.
    states: Vec<State>,
    /// The entries that were ever appended and not truncated.
    entries: Vec<Entry>,
    checked: usize,
}

fn manual(disk: &RamDisk) -> Arc<Storage<RamDisk>> {
    Storage::open_ram(disk.clone(), Options { syncing: Syncing::Manual, ..Options::default() }).unwrap()
}

/// The state after each index of a history, applied without any disk trouble.
async fn states(entries: &[Entry]) -> Vec<State> {
    let mut node = Node::open(Storage::open_ram(RamDisk::default(), Options::default()).unwrap()).unwrap();
    node.append(entries.to_vec()).await;
    let mut states = Vec::new();
    for entry in entries {
        node.apply(entry.log_id.index, entry.log_id.index).await.unwrap();
        states.push(node.state());
    }
    states
}

impl World {
    async fn new(entries: Vec<Entry>) -> Self {
        let disk = RamDisk::default();
        let node = Node::open(manual(&disk)).unwrap();
        let states = states(&entries).await;
        Self { disk, node, acknowledged: Acknowledged::default(), states, entries, checked: 0 }
    }

    /// Opens what each possible crash leaves, and judges it.
    async fn crash_everywhere(&mut self) {
        for kept in 0..=self.disk.unsynced() {
            let disk = self.disk.after_crash(kept);
            let mut node = Node::open(manual(&disk)).unwrap();
            self.judge(&mut node, kept).await;
            self.checked += 1;
        }
    }

    async fn judge(&self, node: &mut Node<RamDisk>, kept: usize) {
        let acknowledged = &self.acknowledged;
        assert!(node.log.read_vote().await.unwrap() >= acknowledged.vote, "a vote was lost, kept {kept}");
        let log = node.log.get_log_state().await.unwrap();
        assert!(log.last_log_id >= acknowledged.last, "an entry was lost, kept {kept}");
        assert!(log.last_purged_log_id >= acknowledged.purged, "a purge was lost, kept {kept}");
        let applied = node.machine.applied_state().await.unwrap().0;
        assert!(applied <= log.last_log_id, "applied {applied:?} is ahead of {:?}", log.last_log_id);
        assert!(log.last_purged_log_id <= applied, "purged {:?} before {applied:?}", log.last_purged_log_id);
        let held = node.log.try_get_log_entries(..).await.unwrap();
        for entry in &held {
            let index = usize::try_from(entry.log_id.index).unwrap();
            assert_eq!(Some(&self.entries[index].log_id), Some(&entry.log_id), "another entry came back");
        }
        if let Some(applied) = applied {
            let index = usize::try_from(applied.index).unwrap();
            assert_eq!(node.state(), self.states[index], "the state is not that of {index}, kept {kept}");
        }
    }

    async fn vote(&mut self, term: u64) {
        let vote = Vote { leader_id: LeaderId { term, node_id: 1 }, committed: term.is_multiple_of(2) };
        let (mut log, storage) = (self.node.log.clone(), Arc::clone(&self.node.storage));
        let sync = async {
            self.crash_everywhere().await;
            storage.sync_now();
        };
        tokio::join!(async { log.save_vote(&vote).await.unwrap() }, sync);
        self.acknowledged.vote = Some(vote);
        self.crash_everywhere().await;
    }

    /// Appends without waiting; returns what will tell of the sync.
    async fn append(&mut self, from: usize, through: usize) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = TypeConfig::oneshot();
        let entries = self.entries[from..=through].to_vec();
        self.node.log.append(entries, IOFlushed::signal(sender)).await.unwrap();
        let read = self.node.log.try_get_log_entries(from as u64..=through as u64).await.unwrap();
        assert_eq!(read.len(), through - from + 1, "an append is readable at return");
        async move { receiver.await.unwrap().unwrap() }
    }

    async fn purge(&mut self, through: usize) {
        let id = self.entries[through].log_id;
        let (mut log, storage) = (self.node.log.clone(), Arc::clone(&self.node.storage));
        let sync = async {
            self.crash_everywhere().await;
            storage.sync_now();
        };
        tokio::join!(async { log.purge(id).await.unwrap() }, sync);
        self.acknowledged.purged = Some(id);
        self.crash_everywhere().await;
    }
}

#[tokio::test]
async fn every_crash_keeps_what_was_acknowledged() {
    let mut world = World::new(node::history(1, 0, 60)).await;
    world.vote(1).await;
    for round in 0..6_usize {
        let from = round * 10;
        let first = world.append(from, from + 4).await;
        world.crash_everywhere().await;
        world.node.apply(from as u64, from as u64 + 2).await.unwrap();
        world.crash_everywhere().await;
        let second = world.append(from + 5, from + 9).await;
        world.node.apply(from as u64 + 3, from as u64 + 7).await.unwrap();
        world.crash_everywhere().await;
        world.node.storage.sync_now();
        tokio::join!(first, second);
        world.acknowledged.last = Some(world.entries[from + 9].log_id);
        world.crash_everywhere().await;
        world.node.apply(from as u64 + 8, from as u64 + 9).await.unwrap();
        if round % 2 == 1 {
            world.purge(from + 6).await;
        }
        world.vote(round as u64 + 2).await;
    }
    assert!(world.checked > 60, "only {} crashes were judged", world.checked);
    assert_eq!(world.node.storage.durable_mark().last, world.acknowledged.last);
    assert_eq!(world.node.storage.durable_mark().vote, world.acknowledged.vote);
}

/// A node with these entries, all durable.
async fn with(parts: &[Vec<Entry>]) -> (RamDisk, Node<RamDisk>) {
    let disk = RamDisk::default();
    let mut node = Node::open(manual(&disk)).unwrap();
    for part in parts {
        let (sender, _) = TypeConfig::oneshot();
        node.log.append(part.clone(), IOFlushed::signal(sender)).await.unwrap();
    }
    node.storage.sync_now();
    (disk, node)
}

/// Cuts the tail behind an entry off, durably.
async fn truncate(node: &Node<RamDisk>, after: EntryId) {
    let (mut log, storage) = (node.log.clone(), Arc::clone(&node.storage));
    tokio::join!(async { log.truncate_after(Some(after)).await.unwrap() }, async { storage.sync_now() });
}

async fn ids(storage: &Arc<Storage<RamDisk>>) -> Vec<EntryId> {
    let entries = storage.log_store().try_get_log_entries(..).await.unwrap();
    entries.iter().map(|entry| entry.log_id).collect()
}

fn ids_of<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Vec<EntryId> {
    entries.into_iter().map(|entry| entry.log_id).collect()
}

#[tokio::test]
async fn a_truncated_tail_does_not_come_back_under_its_successor() {
    let (old, new) = (node::history(1, 0, 9), node::history(2, 6, 7));
    let (disk, mut node) = with(std::slice::from_ref(&old)).await;
    truncate(&node, old[5].log_id).await;
    assert_eq!(node.log.get_log_state().await.unwrap().last_log_id, Some(old[5].log_id));
    let (sender, receiver) = TypeConfig::oneshot();
    node.log.append(new.clone(), IOFlushed::signal(sender)).await.unwrap();
    assert_eq!(ids(&manual(&disk.after_crash(0))).await, ids_of(&old[..6]));
    assert_eq!(ids(&manual(&disk.after_crash(1))).await, ids_of(old[..6].iter().chain(&new)));
    node.storage.sync_now();
    receiver.await.unwrap().unwrap();
    assert_eq!(node.storage.durable_mark().last, Some(entry_id(2, 1, 7)));
}

/// A new leader's entries may be older than those they replace, as long as its own first one has not come: another
/// message, or a crash in between.
#[tokio::test]
async fn an_honest_disk_never_shows_less_than_before() {
    let (disk, mut node) = with(&[node::history(1, 0, 5), node::history(3, 6, 8)]).await;
    let mut shown = node.storage.durable_mark().last;
    assert_eq!(shown, Some(entry_id(3, 1, 8)));
    truncate(&node, entry_id(1, 1, 5)).await;
    for part in [node::history(2, 6, 7), node::history(2, 8, 9), node::history(4, 10, 10)] {
        let (sender, _) = TypeConfig::oneshot();
        node.log.append(part, IOFlushed::signal(sender)).await.unwrap();
        for kept in 0..=disk.unsynced() {
            let found = manual(&disk.after_crash(kept)).durable_mark();
            assert!(found.last >= shown, "kept {kept}: {found:?} after {shown:?}");
        }
        node.storage.sync_now();
        shown = shown.max(node.storage.durable_mark().last);
    }
    assert_eq!(shown, Some(entry_id(4, 1, 10)));
}

#[tokio::test]
async fn a_snapshot_that_is_older_than_what_was_cut_takes_nothing_back() {
    for (upto, shown) in [(entry_id(2, 1, 7), entry_id(3, 1, 8)), (entry_id(4, 1, 12), entry_id(4, 1, 12))] {
        let (disk, node) = with(&[node::history(1, 0, 5), node::history(3, 6, 8)]).await;
        truncate(&node, entry_id(1, 1, 5)).await;
        let (mut log, storage) = (node.log.clone(), Arc::clone(&node.storage));
        tokio::join!(async { log.purge(upto).await.unwrap() }, async { storage.sync_now() });
        for storage in [storage, manual(&disk.after_crash(0))] {
            assert_eq!(ids(&storage).await, []);
            assert_eq!(storage.durable_mark().last, Some(shown));
        }
    }
}

/// A store that tells instead of aborting.
fn observed(disk: &RamDisk, syncing: Syncing) -> (Arc<Storage<RamDisk>>, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let on_fatal = Fatal::new({
        let told = Arc::clone(&told);
        move |why| told.lock().unwrap().push(why.to_owned())
    });
    let storage =
        Storage::open_ram(disk.clone(), Options { syncing, on_fatal, ..Options::default() }).unwrap();
    (storage, told)
}

#[tokio::test]
async fn a_failed_sync_acknowledges_nothing_and_stops_the_node() {
    let disk = RamDisk::default();
    let (storage, told) = observed(&disk, Syncing::Manual);
    let mut log = storage.log_store();
    let (sender, receiver) = TypeConfig::oneshot();
    log.append(vec![node::blank(1, 0)], IOFlushed::signal(sender)).await.unwrap();
    disk.fail_syncs();
    storage.sync_now();
    assert!(receiver.await.unwrap().is_err(), "an append was acknowledged after a failed sync");
    assert_eq!(told.lock().unwrap().len(), 1);
    assert_eq!(storage.durable_mark().last, None);
    let (sender, _) = TypeConfig::oneshot();
    let again = log.append(vec![node::blank(1, 1)], IOFlushed::signal(sender)).await;
    assert!(again.unwrap_err().to_string().contains("the store has stopped"));
    assert_eq!(told.lock().unwrap().len(), 1, "the first failure is the one that counts");
}

#[tokio::test]
async fn a_failed_write_stops_the_node() {
    let disk = RamDisk::default();
    let (storage, told) = observed(&disk, Syncing::Inline);
    let vote = Vote { leader_id: LeaderId { term: 1, node_id: 1 }, committed: false };
    disk.fail_writes();
    assert!(storage.log_store().save_vote(&vote).await.is_err());
    assert_eq!(*told.lock().unwrap(), ["the database failed to write: no space left"]);
    assert_eq!(storage.log_store().read_vote().await.unwrap(), None);
}

#[tokio::test]
async fn a_command_this_version_does_not_know_stops_the_node_by_name() {
    let disk = RamDisk::default();
    let (storage, told) = observed(&disk, Syncing::Inline);
    let mut node = Node::open(storage).unwrap();
    let mut history = node::history(1, 0, 3);
    let raft_store::types::EntryPayload::Normal(command) = &mut history[2].payload else {
        unreachable!("entry 2 is a command")
    };
    command.sealed[30] ^= 1;
    let id = command.id;
    node.append(history).await;
    assert!(node.apply(0, 3).await.is_err());
    let told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("log entry 2 cannot be applied") && told[0].contains(&id.to_string()),
        "{told:?}"
    );
    assert_eq!(node.index().0, 0, "nothing of the step was published");
}

#[tokio::test]
async fn one_sync_answers_all_who_waited_in_their_order() {
    let disk = RamDisk::default();
    let node = Node::open(manual(&disk)).unwrap();
    let mut receivers = Vec::new();
    for index in 0..10 {
        let (sender, receiver) = TypeConfig::oneshot();
        node.log.clone().append(vec![node::blank(1, index)], IOFlushed::signal(sender)).await.unwrap();
        receivers.push(receiver);
    }
    assert_eq!((node.storage.waiting(), disk.unsynced()), (10, 10));
    assert_eq!(node.storage.durable_mark().last, None);
    node.storage.sync_now();
    for receiver in receivers {
        receiver.await.unwrap().unwrap();
    }
    assert_eq!((node.storage.waiting(), disk.unsynced()), (0, 0));
}

#[tokio::test]
async fn records_of_the_owner_travel_with_the_next_batch() {
    let disk = RamDisk::default();
    let node = Node::open(manual(&disk)).unwrap();
    node.storage.stage_meta("peer/2", vec![7]);
    assert_eq!(node.storage.meta("peer/2").unwrap(), Some(vec![7]));
    assert_eq!(disk.unsynced(), 0);
    let (sender, _) = TypeConfig::oneshot();
    node.log.clone().append(vec![node::blank(1, 0)], IOFlushed::signal(sender)).await.unwrap();
    assert_eq!(manual(&disk.after_crash(1)).meta("peer/2").unwrap(), Some(vec![7]));
    assert_eq!(manual(&disk.after_crash(0)).meta("peer/2").unwrap(), None);
}

/// CONSISTENCY 2: close epochs → publish the generation → purge → publish the index.
#[tokio::test]
async fn a_generation_is_published_between_closing_and_purging() {
    struct Order {
        serving: Mutex<Option<raft_store::machine::Serving>>,
        seen: Mutex<Vec<(&'static str, u64, u64)>>,
        calls: AtomicUsize,
    }
    impl Order {
        fn note(&self, what: &'static str) {
            let serving = self.serving.lock().unwrap();
            let serving = serving.as_ref().unwrap();
            let (generation, applied) = (serving.load().index.0, serving.applied().borrow().0);
            self.seen.lock().unwrap().push((what, generation, applied));
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }
    impl raft_store::machine::CacheGuard for Order {
        fn close_epochs(&self, _: LogIndex, _: &[Effect]) {
            self.note("close");
        }
        fn purge(&self, _: LogIndex, _: &[Effect]) {
            self.note("purge");
        }
    }
    let storage = Storage::open_ram(RamDisk::default(), Options::default()).unwrap();
    let order =
        Arc::new(Order { serving: Mutex::new(None), seen: Mutex::default(), calls: AtomicUsize::new(0) });
    let guard = Arc::clone(&order) as Arc<dyn raft_store::machine::CacheGuard>;
    let options = raft_store::machine::MachineOptions {
        sealer: node::sealer(),
        guard,
        region: "eu-1".into(),
        format: 1,
    };
    let (mut machine, serving) = raft_store::machine::Machine::open(&storage, options).unwrap();
    *order.serving.lock().unwrap() = Some(serving.clone());
    let mut entries = node::history(1, 0, 4);
    entries.push(node::entry(1, 5, model::commands::SuspendTenant { tenant: node::TENANT_A }));
    for entry in entries {
        machine.apply(futures::stream::iter([Ok((entry, None))])).await.unwrap();
    }
    assert_eq!(*order.seen.lock().unwrap(), [("close", 4, 4), ("purge", 5, 4)]);
    assert_eq!(serving.applied().borrow().0, 5);
}
