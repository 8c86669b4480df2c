//! The node's side: when to renew the lease, and when a reply becomes one.
//!
//! One holder per process start, driven by one task; leader, voters and learners use it alike. It
//! sends nothing and reads no clock: `begin_renewal` gives a request to send, replies and published
//! generations come back in, and the only thing it changes outside itself is its [`LeaseCell`].
//!
//! Invariants:
//! - A stored lease carries the time its renewal was *sent*, never the time of the reply: the
//!   leader's ReadIndex lies between the two, and only what was committed before `sent` is certain
//!   to be covered.
//! - It is stored only after a generation of at least its read index is published here.
//! - After [`Holder::surrender`] nothing is requested or stored any more.

use std::sync::Arc;
use std::time::Duration;

use model::id::{BootId, LogIndex, NodeId};

use super::cell::LeaseCell;
use super::class::LengthsInUse;
use super::clock::BootTime;
use crate::danger::{self, Bug};

/// Unanswered requests, and answers waiting for their generation, at most: twice as many as the
/// lifetime of a lease has renewals when all tenants use one length.
const KEPT_MAX: usize = 8;

/// Wait after a failed renewal. Fail-over must cost less than L − L/4 − 0.1 s (CONSISTENCY 13): two
/// tries fit into the 0.1 s.
pub const RETRY_AFTER: Duration = Duration::from_millis(50);

/// What a node sends to whom it believes is the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalRequest {
    /// The node that asks.
    pub node: NodeId,
    /// Its process start.
    pub boot: BootId,
    /// Names this request within the boot.
    pub nonce: u64,
    /// The generation this node has published: a report to the barrier that costs no message.
    pub published: LogIndex,
}

/// What the leader answers after a ReadIndex round begun when the request had arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalReply {
    /// The request's nonce.
    pub nonce: u64,
    /// R: everything committed before the request was sent has at most this index.
    pub read_index: LogIndex,
    /// The leader's term, for `status`; a lease granted by a deposed leader is as good as its
    /// quorum round was.
    pub term: u64,
}

/// "This boot of this node holds no lease and never asks for one again."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surrender {
    /// The node.
    pub node: NodeId,
    /// The process start that ends.
    pub boot: BootId,
}

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease is renewed.
    Stored,
    /// The lease begins once a generation of this index is published.
    Awaiting(LogIndex),
    /// The reply came after every lease it could give had run out.
    TooLate,
    /// Unknown nonce, a duplicate, or the lease was surrendered.
    Ignored,
}

/// A request that was sent and not answered.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    nonce: u64,
    sent: BootTime,
}

/// An answered request whose read index is not published here yet.
#[derive(Clone, Copy, Debug)]
struct Answered {
    sent: BootTime,
    read_index: LogIndex,
}

/// Renews one process's lease.
#[derive(Debug)]
pub struct Holder {
    node: NodeId,
    boot: BootId,
    cell: Arc<LeaseCell>,
    lengths: LengthsInUse,
    published: LogIndex,
    last_term: u64,
    next_nonce: u64,
    due: BootTime,
    in_flight: Vec<InFlight>,
    answered: Vec<Answered>,
    surrendered: bool,
}

impl Holder {
    /// A holder without a lease, due at once. `published` is the generation loaded from disk.
    #[must_use]
    pub fn new(
        node: NodeId,
        boot: BootId,
        lengths: LengthsInUse,
        published: LogIndex,
        now: BootTime,
    ) -> Self {
        Self {
            node,
            boot,
            cell: Arc::new(LeaseCell::new()),
            lengths,
            published,
            last_term: 0,
            next_nonce: 1,
            due: now,
            in_flight: Vec::new(),
            answered: Vec::new(),
            surrendered: false,
        }
    }

    /// The cell that requests read.
    #[must_use]
    pub fn cell(&self) -> Arc<LeaseCell> {
        Arc::clone(&self.cell)
    }

    /// When to call [`Self::begin_renewal`] next; `None` once surrendered.
    #[must_use]
    pub fn due(&self) -> Option<BootTime> {
        (!self.surrendered).then_some(self.due)
    }

    /// The highest term a leader answered with.
    #[must_use]
    pub fn last_term(&self) -> u64 {
        self.last_term
    }

    /// The process start this holder renews for. Reports to the leader carry it.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.boot
    }

    /// The generation published here, as last told: what a report to the leader says.
    #[must_use]
    pub fn published(&self) -> LogIndex {
        self.published
    }

    /// Takes over other lengths, as an applied command set them.
    pub fn lengths_changed(&mut self, lengths: LengthsInUse, now: BootTime) {
        self.lengths = lengths;
        self.due = self.due.min(now + lengths.renew_every());
    }

    /// Another leader is known: ask it at once, the old one may never answer.
    pub fn leader_changed(&mut self, now: BootTime) {
        self.due = self.due.min(now);
    }

    /// Begins a renewal: `now` becomes the time of the lease, so read the clock, call this, then
    /// send. `None` when not due, or surrendered.
    pub fn begin_renewal(&mut self, now: BootTime) -> Option<RenewalRequest> {
        self.forget_late(now);
        if self.surrendered || now < self.due {
            return None;
        }
        if self.in_flight.len() == KEPT_MAX {
            self.in_flight.remove(0); // the oldest could only give the shortest lease
        }
        let nonce = self.next_nonce;
        self.next_nonce += 1;
        self.in_flight.push(InFlight { nonce, sent: now });
        self.due = now + (self.lengths.renew_every() - self.jitter(nonce));
        Some(RenewalRequest { node: self.node, boot: self.boot, nonce, published: self.published })
    }

    /// The request got no usable answer: refused, no leader, connection lost. Tries again soon.
    pub fn on_failure(&mut self, nonce: u64, now: BootTime) {
        self.in_flight.retain(|request| request.nonce != nonce);
        self.due = self.due.min(now + RETRY_AFTER);
    }

    /// Takes a leader's answer.
    pub fn on_reply(&mut self, reply: RenewalReply, now: BootTime) -> Renewal {
        let Some(at) = self.in_flight.iter().position(|request| request.nonce == reply.nonce) else {
            return Renewal::Ignored;
        };
        let asked = self.in_flight.remove(at).sent;
        let sent = if danger::has(Bug::StampedAtReply) { now } else { asked };
        self.last_term = self.last_term.max(reply.term);
        if is_late(sent, self.lengths.longest.duration(), now) {
            return Renewal::TooLate;
        }
        // The oldest wait for the lowest generations, the newest gives the longest lease: keep both.
        self.answered.truncate(KEPT_MAX - 1);
        self.answered.push(Answered { sent, read_index: reply.read_index });
        self.store_covered();
        if reply.read_index <= self.published { Renewal::Stored } else { Renewal::Awaiting(reply.read_index) }
    }

    /// A generation of `index` is published: call it after the swap, never before (CONSISTENCY 2:
    /// close epochs, publish `Gen`, purge cached keys, then this).
    pub fn on_published(&mut self, index: LogIndex) {
        self.published = self.published.max(index);
        self.store_covered();
    }

    /// Gives the lease up for ever. Call it after the last response was written, then send the
    /// result to the leader; the barrier stops waiting for this boot.
    pub fn surrender(&mut self) -> Surrender {
        self.cell.close();
        self.surrendered = true;
        self.in_flight.clear();
        self.answered.clear();
        Surrender { node: self.node, boot: self.boot }
    }

    fn store_covered(&mut self) {
        let published = self.published;
        for lease in self.answered.iter().filter(|lease| lease.read_index <= published) {
            self.cell.store(lease.sent, lease.read_index);
        }
        self.answered.retain(|lease| lease.read_index > published);
    }

    /// Drops what could only give a lease that has run out for every tenant.
    fn forget_late(&mut self, now: BootTime) {
        let longest = self.lengths.longest.duration();
        self.in_flight.retain(|request| !is_late(request.sent, longest, now));
        self.answered.retain(|lease| !is_late(lease.sent, longest, now));
    }

    /// Up to an eighth of the period, so that nodes started together do not renew together. It only
    /// shortens: a quarter of L is the longest pause.
    fn jitter(&self, nonce: u64) -> Duration {
        let mixed = mix(self.node.0 ^ mix(self.boot.0 ^ mix(nonce)));
        self.lengths.renew_every() / 8 * (mixed % 1_024) as u32 / 1_024
    }
}

fn is_late(sent: BootTime, longest: Duration, now: BootTime) -> bool {
    now.since(sent).is_none_or(|age| age >= longest)
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014): spreads a counter over 64 bits.
fn mix(counter: u64) -> u64 {
    let z = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::lease::class::LeaseLength;

    fn at(millis: u64) -> BootTime {
        BootTime::from_nanos(millis * 1_000_000)
    }

    fn holder() -> Holder {
        Holder::new(NodeId(1), BootId(10), LengthsInUse::default(), LogIndex(5), at(1_000))
    }

    fn reply(request: RenewalRequest, read_index: u64) -> RenewalReply {
        RenewalReply { nonce: request.nonce, read_index: LogIndex(read_index), term: 3 }
    }

    fn sent(holder: &Holder) -> Option<BootTime> {
        holder.cell().capture().ok().map(|lease| lease.sent())
    }

    #[test]
    fn the_lease_carries_the_time_of_sending() {
        let mut holder = holder();
        let request = holder.begin_renewal(at(1_000)).unwrap();
        assert_eq!(request.published, LogIndex(5));
        assert_eq!(holder.on_reply(reply(request, 5), at(1_700)), Renewal::Stored);
        assert_eq!(sent(&holder), Some(at(1_000)));
        assert_eq!(holder.last_term(), 3);
    }

    #[test]
    fn the_lease_waits_for_its_generation() {
        let mut holder = holder();
        let request = holder.begin_renewal(at(1_000)).unwrap();
        assert_eq!(holder.on_reply(reply(request, 7), at(1_010)), Renewal::Awaiting(LogIndex(7)));
        holder.on_published(LogIndex(6));
        assert_eq!(sent(&holder), None);
        holder.on_published(LogIndex(7));
        assert_eq!(sent(&holder), Some(at(1_000)));
    }

    #[test]
    fn renewals_keep_the_pace_and_failures_retry_soon() {
        let mut holder = holder();
        let request = holder.begin_renewal(at(1_000)).unwrap();
        let due = holder.due().unwrap();
        assert!(due > at(1_650) && due <= at(1_750), "{due:?}");
        assert_eq!(holder.begin_renewal(at(1_100)), None);
        holder.on_failure(request.nonce, at(1_100));
        assert_eq!(holder.due(), Some(at(1_150)));
        holder.leader_changed(at(1_120));
        assert!(holder.begin_renewal(at(1_120)).is_some());
        assert_eq!(holder.on_reply(reply(request, 5), at(1_130)), Renewal::Ignored, "given up before");
    }

    #[test]
    fn a_stricter_tenant_hastens_the_next_renewal() {
        let mut holder = holder();
        holder.begin_renewal(at(1_000)).unwrap();
        let strict = LengthsInUse { shortest: LeaseLength::STRICT, longest: LeaseLength::DEFAULT };
        holder.lengths_changed(strict, at(1_001));
        assert_eq!(holder.due(), Some(at(1_501)));
    }

    #[test]
    fn a_reply_after_the_longest_lease_is_useless() {
        let mut holder = holder();
        let request = holder.begin_renewal(at(1_000)).unwrap();
        assert_eq!(holder.on_reply(reply(request, 5), at(4_000)), Renewal::TooLate);
        assert_eq!(sent(&holder), None);
    }

    #[test]
    fn lost_requests_do_not_block_new_ones() {
        let mut holder = holder();
        holder.lengths_changed(
            LengthsInUse { longest: LeaseLength::RELAXED_MAX, ..Default::default() },
            at(1_000),
        );
        let last = (1..=40).map(|second| holder.begin_renewal(at(second * 1_000)).unwrap()).last().unwrap();
        assert_eq!(holder.in_flight.len(), KEPT_MAX);
        assert_eq!(holder.on_reply(reply(last, 5), at(40_001)), Renewal::Stored);
    }

    #[test]
    fn a_surrendered_boot_never_renews() {
        let mut holder = holder();
        let cell = holder.cell();
        let [first, second] = [1_000, 2_000].map(|t| holder.begin_renewal(at(t)).unwrap());
        holder.on_reply(reply(first, 5), at(2_001));
        let captured = cell.capture().unwrap();
        assert_eq!(holder.surrender(), Surrender { node: NodeId(1), boot: BootId(10) });
        assert!(cell.check(captured, LeaseLength::DEFAULT, at(2_002)).is_err());
        assert_eq!(holder.on_reply(reply(second, 5), at(2_003)), Renewal::Ignored);
        holder.leader_changed(at(9_000));
        assert_eq!((holder.due(), holder.begin_renewal(at(9_000))), (None, None));
        assert_eq!(sent(&holder), None);
    }
}
