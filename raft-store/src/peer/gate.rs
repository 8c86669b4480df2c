//! The header of every call: made here, checked here, before openraft sees anything (CONSISTENCY 10).
//!
//! A caller must belong to this lineage, mean this node, be who its certificate says, and show a disk
//! that remembers everything its node ever showed us. A process that was followed by another of the same
//! node id is dead or a twin; either way it is not listened to again.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use model::id::{BootId, ClusterId, NodeId, Realm};
use model::sealer::{Sealer, lp};
use prost::Message;
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;
use tonic::{Code, Status};

use crate::danger::{self, Bug};
use crate::identity::Identity;
use crate::wire::{Header, Mark};

/// Ended processes remembered per node: a twin is met within one or two restarts.
const ENDED_MAX: usize = 16;

/// Durable state the gate needs from the storage.
pub(crate) trait Marks: Send + Sync + 'static {
    /// What a sync of our own disk has confirmed.
    fn own(&self) -> Mark;
    /// The highest mark kept of a node.
    fn load(&self, node: NodeId) -> Option<Mark>;
    /// Keeps a higher one, with the next write of any kind.
    fn keep(&self, node: NodeId, mark: Mark);
}

/// Makes our headers and judges those of others.
pub(crate) struct Gate {
    realm: Realm,
    cluster: ClusterId,
    me: NodeId,
    process: u64,
    boot: AtomicU64,
    sealer: Arc<dyn Sealer>,
    /// Our own [`proof`].
    let_in: [u8; 32],
    marks: Box<dyn Marks>,
    seen: Mutex<HashMap<NodeId, Seen>>,
    /// How another lineage of this realm was met, if one was.
    met: OnceLock<String>,
    meeting: Notify,
}

#[derive(Default)]
struct Seen {
    highest: Option<Mark>,
    process: Option<u64>,
    ended: VecDeque<u64>,
}

/// Who called: all of it checked.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub node: NodeId,
    pub boot: BootId,
    pub name: Arc<str>,
    /// A member; or it proved to hold the realm's secret, which nodes are given when they are let in.
    pub let_in: bool,
}

/// Why a call is refused before it is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no header that can be read")]
    NoHeader,
    #[error("cluster id mismatch: this node belongs to {ours}")]
    OtherCluster { ours: ClusterId },
    #[error(
        "another lineage of this realm lives: this node is of cluster {ours}, the caller of {theirs}; \
         both stop serving until the nodes of one are gone"
    )]
    OtherLineage { ours: ClusterId, theirs: ClusterId },
    #[error("meant for node {meant}, this is node {me}: the address belongs to another node now")]
    NotMe { meant: NodeId, me: NodeId },
    #[error("the caller claims to be this very node {me}: its data directory was cloned")]
    Myself { me: NodeId },
    #[error("node {node} is {expected:?}, but the certificate says {name:?}")]
    OtherName { node: NodeId, expected: String, name: String },
    #[error("node {node} is not a member")]
    NotAMember { node: NodeId },
    #[error("node {node} was removed from the cluster; wipe its data directory and join as a new node")]
    Removed { node: NodeId },
    #[error(
        "node {node} was rewound or cloned: it showed a newer disk before; wipe it and join as a new node"
    )]
    Rewound { node: NodeId },
    #[error("node {me} has forgotten what it showed node {node}: its disk was wiped; join as a new node")]
    Forgotten { me: NodeId, node: NodeId },
    #[error("node {node} runs twice: a later process of it is known; wipe it and join as a new node")]
    Twin { node: NodeId },
}

/// Sets these proofs apart from hashes of rows and tokens.
const LET_IN: &[u8] = b"keyraft/v1/let-in";

/// What a node shows to members that have not heard of it yet: a keyed hash of its id and name. With the name in it,
/// it is of use only beside that name's certificate.
fn proof(sealer: &dyn Sealer, cluster: ClusterId, node: NodeId, name: &str) -> [u8; 32] {
    sealer.set_hash(LET_IN, &lp(&[&cluster.0, &node.0.to_be_bytes(), name.as_bytes()]))
}

/// Marks refusals that mean "this data directory must never be used again".
const FATAL_KEY: &str = "keyraft-wipe";
/// Marks refusals that mean "two lineages of one realm live".
const LINEAGE_KEY: &str = "keyraft-lineage";

impl Refused {
    /// Whether the caller's data directory is to be wiped.
    fn is_fatal(&self) -> bool {
        matches!(self, Self::Rewound { .. } | Self::Twin { .. } | Self::Myself { .. } | Self::Removed { .. })
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let mut status = Self::new(Code::FailedPrecondition, refused.to_string());
        if matches!(refused, Refused::OtherLineage { .. }) {
            status.metadata_mut().insert(LINEAGE_KEY, tonic::metadata::MetadataValue::from_static("1"));
        }
        if refused.is_fatal() {
            status.metadata_mut().insert(FATAL_KEY, tonic::metadata::MetadataValue::from_static("1"));
        }
        status
    }
}

/// Whether a peer said that our data directory was rewound or cloned, or its node removed.
pub(crate) fn says_wipe(status: &Status) -> bool {
    status.code() == Code::FailedPrecondition && status.metadata().contains_key(FATAL_KEY)
}

impl Gate {
    pub fn new(identity: &Identity, process: u64, sealer: Arc<dyn Sealer>, marks: Box<dyn Marks>) -> Self {
        let Identity { realm, cluster, node: me, ref name } = *identity;
        Self {
            realm,
            cluster,
            me,
            process,
            boot: AtomicU64::new(0),
            let_in: proof(&*sealer, cluster, me, name),
            sealer,
            marks,
            seen: Mutex::default(),
            met: OnceLock::new(),
            meeting: Notify::new(),
        }
    }

    /// A peer's refusal may tell that two lineages live.
    pub fn hear(&self, refusal: &Status) {
        if refusal.metadata().contains_key(LINEAGE_KEY) {
            self.meet(refusal.message());
        }
    }

    /// Returns, with how, once a node of another lineage of this realm was met (CONSISTENCY 12).
    pub async fn other_lineage(&self) -> String {
        loop {
            if let Some(how) = self.met.get() {
                return how.clone();
            }
            self.meeting.notified().await;
        }
    }

    fn meet(&self, how: &str) {
        if self.met.set(how.to_owned()).is_ok() {
            self.meeting.notify_one();
        }
    }

    /// Raft handed out the boot id of this process.
    pub fn booted(&self, boot: BootId) {
        self.boot.store(boot.0, Ordering::Release);
    }

    /// The boot id of this process, once there is one.
    pub fn boot(&self) -> Option<BootId> {
        Some(BootId(self.boot.load(Ordering::Acquire))).filter(|boot| boot.0 != 0)
    }

    /// The header of a call to `to`.
    pub fn header(&self, to: NodeId) -> Header {
        Header {
            cluster: self.cluster.0.to_vec(),
            from: self.me.0,
            to: to.0,
            boot: self.boot.load(Ordering::Acquire),
            process: self.process,
            mark: Some(self.marks.own()),
            realm: self.realm.0.to_vec(),
            known: self.seen().entry(to).or_insert_with(|| self.load(to)).highest,
            let_in: self.let_in.to_vec(),
        }
    }

    fn load(&self, node: NodeId) -> Seen {
        Seen { highest: self.marks.load(node), ..Seen::default() }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<NodeId, Seen>> {
        // Its values are replaced whole: a panic elsewhere leaves them valid.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges the header of a call from a link that proved `name`. `known` looks a member's name up.
    pub fn check(
        &self,
        header: &Header,
        name: &Arc<str>,
        known: impl FnOnce(NodeId) -> Option<String>,
    ) -> Result<Caller, Refused> {
        let (from, to) = (NodeId(header.from), NodeId(header.to));
        if header.cluster != self.cluster.0 {
            return Err(self.stranger(header));
        }
        if to != self.me {
            return Err(Refused::NotMe { meant: to, me: self.me });
        }
        if from == self.me {
            return Err(Refused::Myself { me: self.me });
        }
        let expected = known(from);
        let proves = || proof(&*self.sealer, self.cluster, from, name).ct_eq(&header.let_in).into();
        let let_in = expected.is_some() || proves();
        if let Some(expected) = expected.filter(|expected| **expected != **name) {
            return Err(Refused::OtherName { node: from, expected, name: name.to_string() });
        }
        // An empty disk alone: one that is in use may lie below an earlier mark, between cutting the log of a
        // former leader and the first entry of the next.
        let showed_something = header.known.is_some_and(|known| known != Mark::default());
        if showed_something && self.marks.own() == Mark::default() && !danger::has(Bug::IdReuse) {
            return Err(Refused::Forgotten { me: self.me, node: from });
        }
        self.witness(from, header.process, header.mark.unwrap_or_default())?;
        Ok(Caller { node: from, boot: BootId(header.boot), name: name.clone(), let_in })
    }

    /// A caller of another cluster: no concern of ours, unless it has our realm.
    fn stranger(&self, header: &Header) -> Refused {
        let ours = self.cluster;
        match header.cluster.as_slice().try_into() {
            Ok(theirs) if header.realm == self.realm.0 => {
                let refused = Refused::OtherLineage { ours, theirs: ClusterId(theirs) };
                self.meet(&refused.to_string());
                refused
            }
            _ => Refused::OtherCluster { ours },
        }
    }

    /// Compares a node's disk with what it showed before. Within one process calls overtake each other,
    /// so only the first mark of a new process must not lie below.
    fn witness(&self, node: NodeId, process: u64, mark: Mark) -> Result<(), Refused> {
        let mut all = self.seen();
        let seen = all.entry(node).or_insert_with(|| self.load(node));
        if seen.ended.contains(&process) {
            return Err(Refused::Twin { node });
        }
        if seen.process != Some(process) {
            if seen.highest.is_some_and(|highest| mark < highest) && !danger::has(Bug::IdReuse) {
                return Err(Refused::Rewound { node });
            }
            if let Some(ended) = seen.process.replace(process) {
                seen.ended.push_back(ended);
                if seen.ended.len() > ENDED_MAX {
                    seen.ended.pop_front();
                }
            }
        }
        if seen.highest.is_none_or(|highest| highest < mark) {
            seen.highest = Some(mark);
            self.marks.keep(node, mark);
        }
        Ok(())
    }
}

/// A mark as kept by the storage.
pub(crate) fn encode_mark(mark: &Mark) -> Vec<u8> {
    mark.encode_to_vec()
}

/// Reads a kept mark; what does not decode is none, and the next call brings it back.
pub(crate) fn decode_mark(bytes: &[u8]) -> Option<Mark> {
    Mark::decode(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::Plain;

    struct Ram(Arc<Mutex<HashMap<NodeId, Mark>>>);

    impl Marks for Ram {
        fn own(&self) -> Mark {
            Mark { log_index: 7, ..Mark::default() }
        }
        fn load(&self, node: NodeId) -> Option<Mark> {
            self.0.lock().unwrap().get(&node).copied()
        }
        fn keep(&self, node: NodeId, mark: Mark) {
            self.0.lock().unwrap().insert(node, mark);
        }
    }

    const CLUSTER: ClusterId = ClusterId([1; 16]);
    const REALM: Realm = Realm([9; 16]);

    fn gate(me: u64, kept: &Arc<Mutex<HashMap<NodeId, Mark>>>) -> Gate {
        let identity =
            Identity { realm: REALM, cluster: CLUSTER, node: NodeId(me), name: format!("node-{me}") };
        Gate::new(&identity, me, Arc::new(Plain), Box::new(Ram(Arc::clone(kept))))
    }

    fn call(from: u64, process: u64, index: u64) -> Header {
        let mark = Some(Mark { log_index: index, ..Mark::default() });
        let (cluster, realm) = (vec![1; 16], vec![9; 16]);
        Header { cluster, from, to: 1, boot: 5, process, mark, realm, ..Header::default() }
    }

    fn check(gate: &Gate, header: &Header) -> Result<Caller, Refused> {
        gate.check(header, &"node-b".into(), |node| (node == NodeId(2)).then(|| "node-b".into()))
    }

    #[test]
    fn a_caller_is_of_this_cluster_means_this_node_and_is_who_it_says() {
        let gate = gate(1, &Arc::default());
        assert_eq!(check(&gate, &call(2, 9, 3)).unwrap().boot, BootId(5));
        let other = Header { cluster: vec![2; 16], realm: vec![8; 16], ..call(2, 9, 3) };
        assert_eq!(check(&gate, &other).unwrap_err(), Refused::OtherCluster { ours: CLUSTER });
        let astray = Header { to: 3, ..call(2, 9, 3) };
        assert!(matches!(check(&gate, &astray), Err(Refused::NotMe { .. })));
        assert!(matches!(check(&gate, &call(1, 9, 3)), Err(Refused::Myself { .. })));
        let liar = gate.check(&call(2, 9, 3), &"node-c".into(), |_| Some("node-b".into()));
        assert!(matches!(liar, Err(Refused::OtherName { .. })));
    }

    #[test]
    fn who_is_not_known_yet_proves_that_it_was_let_in() {
        let ours = gate(1, &Arc::default());
        assert!(check(&ours, &call(2, 9, 3)).unwrap().let_in, "a member");
        let header = |from: u64| Header { to: 1, ..gate(from, &Arc::default()).header(NodeId(1)) };
        let let_in = |header: &Header, name: &str| ours.check(header, &name.into(), |_| None).unwrap().let_in;
        assert!(let_in(&header(7), "node-7"));
        assert!(!let_in(&header(7), "node-8"), "another's certificate");
        assert!(!let_in(&Header { from: 8, ..header(7) }, "node-7"), "another id");
        assert!(!let_in(&Header { let_in: Vec::new(), ..header(7) }, "node-7"), "a certificate alone");
    }

    #[tokio::test]
    async fn two_lineages_of_one_realm_are_told_to_both() {
        let ours = gate(1, &Arc::default());
        let stray = Header { cluster: vec![2; 16], ..call(2, 9, 3) };
        let refused = check(&ours, &stray).unwrap_err();
        assert_eq!(refused, Refused::OtherLineage { ours: CLUSTER, theirs: ClusterId([2; 16]) });
        assert_eq!(ours.other_lineage().await, refused.to_string());
        let theirs = gate(2, &Arc::default());
        theirs.hear(&Status::unavailable("no leader"));
        assert!(theirs.met.get().is_none());
        theirs.hear(&refused.clone().into());
        assert_eq!(theirs.other_lineage().await, refused.to_string());
    }

    #[test]
    fn a_disk_never_goes_back_across_processes_and_restarts_of_ours() {
        let kept = Arc::default();
        let before = gate(1, &kept);
        check(&before, &call(2, 9, 30)).unwrap();
        check(&before, &call(2, 9, 20)).expect("calls of one process overtake each other");
        assert_eq!(check(&before, &call(2, 10, 29)).unwrap_err(), Refused::Rewound { node: NodeId(2) });
        let restarted = gate(1, &kept);
        assert_eq!(check(&restarted, &call(2, 10, 29)).unwrap_err(), Refused::Rewound { node: NodeId(2) });
        check(&restarted, &call(2, 11, 30)).expect("an honest restart shows what it had");
    }

    /// A disk nothing was ever written to.
    struct Empty;

    impl Marks for Empty {
        fn own(&self) -> Mark {
            Mark::default()
        }
        fn load(&self, _: NodeId) -> Option<Mark> {
            None
        }
        fn keep(&self, _: NodeId, _: Mark) {}
    }

    #[test]
    fn a_node_with_an_empty_disk_learns_from_callers_that_it_had_another() {
        let known =
            |index| Header { known: Some(Mark { log_index: index, ..Mark::default() }), ..call(2, 9, 3) };
        let used = gate(1, &Arc::default());
        check(&used, &known(8)).expect("a log that is being cut is no reason to stop");
        assert_eq!(used.header(NodeId(2)).known.map(|mark| mark.log_index), Some(3), "what it showed us");
        let empty = Gate { marks: Box::new(Empty), ..gate(1, &Arc::default()) };
        check(&empty, &known(0)).expect("a new node is known to nobody");
        let forgotten = check(&empty, &known(8)).unwrap_err();
        assert_eq!(forgotten, Refused::Forgotten { me: NodeId(1), node: NodeId(2) });
        assert!(!says_wipe(&forgotten.into()), "the caller's disk is well");
    }

    #[test]
    fn of_two_live_processes_the_earlier_is_not_heard_again() {
        let gate = gate(1, &Arc::default());
        check(&gate, &call(2, 9, 3)).unwrap();
        check(&gate, &call(2, 10, 3)).unwrap();
        let twin = check(&gate, &call(2, 9, 4)).unwrap_err();
        assert_eq!(twin, Refused::Twin { node: NodeId(2) });
        assert!(says_wipe(&twin.into()));
    }

    #[test]
    fn marks_are_ordered_vote_first() {
        let low = Mark { vote_term: 3, log_term: 3, log_index: 90, ..Mark::default() };
        let high = Mark { vote_term: 4, log_term: 2, log_index: 10, ..Mark::default() };
        assert!(low < high, "a new leader may cut the log, but not before its vote is on disk");
        assert_eq!(decode_mark(&encode_mark(&high)), Some(high));
    }
}
