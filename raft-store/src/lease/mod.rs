//! Freshness lease and revocation barrier: why no node, not even a cut-off one, answers with a key
//! whose withdrawal was acknowledged before the request began (invariant I2).
//!
//! Pure state machines: `now` and messages are arguments, requests and outcomes are results. Nothing
//! here reads a clock, sends, waits, or knows openraft; the edge does.
//!
//! - [`clock`]: boot time, what we assume of it, and the waits that follow from that.
//! - [`class`]: how long a lease lasts, per tenant.
//! - [`cell`]: the current lease, lock-free; every request reads it twice.
//! - [`holder`]: the node's side, renews and stores.
//! - [`barrier`]: the leader's side, grants and holds acknowledgements back.
//!
//! # The rules
//!
//! A *lease* of a node is (s, R): its own boot clock when the renewal was sent, and the read index a
//! leader returned from a quorum round begun after the renewal arrived. It is stored once a generation
//! of index ≥ R is published. A request captures the lease, then loads the generation, and answers
//! only while `now − s < L`, checked before deriving and again right before the bytes go out.
//!
//! A leader acknowledges withdrawal I when for every node of the barrier set
//! (a) the node reported a published generation ≥ I, or
//! (b) W = L(1 + ρ)/(1 − ρ) + M passed on the leader's boot clock since its own apply of I; for an I
//!     older than its term, since the apply of its own no-op; or
//! (c) it is skipped: I led this whole term for W_max, and its last renewal reached me more than W ago
//!     or its process surrendered.
//!
//! The barrier set is every member and learner of every configuration lately in force, every retiring
//! node, and every (node, boot) that asked me lately.
//!
//! # The proof
//!
//! *Assumptions.* A1, the clocks ([`clock`]). A2, Raft is safe and disks are honest. A3, two processes
//! of one node do not live at once (data directory lock, twin detection; CONSISTENCY 10).
//!
//! **Lemma 1: a lease with R < I was sent before I was committed.** The leader that returned R had its
//! term accepted by a quorum after s. Had I been committed before s, that quorum would meet the one
//! that stored I, so the leader's term is not older than I's, and it holds I as committed: R ≥ I (a
//! leader's read index is at least its own no-op, which lies behind everything committed before its
//! election). This is where LeaseRead fails: a deposed leader answers without a quorum.
//!
//! **Lemma 2: an answer from a generation older than I is written under a lease with R < I.** The
//! generation was loaded after the capture and the lease stored after its publication, so its index is
//! at least R. Looking up first, telling the applied index before the swap, or checking a newer lease
//! at the end each break exactly this step. Cached keys obey it too: a fill inserts only if no epoch
//! was closed since its generation, and purging comes before the applied index is told.
//!
//! **Theorem.** Let the leader acknowledge I at real time T, and let a request begin after T. Suppose
//! a node answers it from a generation older than I; its lease (s, R) has R < I by lemma 2, hence s
//! lies before the commit of I by lemma 1, and the request runs under it after T. Then none of the
//! three cases held for that node:
//! - (a) A process that published ≥ I before T loads only such generations after T. Any later process
//!   of the node sends its renewals after the report, hence after the commit: R ≥ I. Earlier ones are
//!   dead (A3).
//! - (b) Every leader learns of I's commit at or after it happens, so its wait begins after s. Its W
//!   takes at least W/(1 + ρ) = L/(1 − ρ) + M/(1 + ρ) of real time, after which the node's clock has
//!   advanced by at least L since s (A1): its check fails. No grant needs to be known for this.
//! - (c) Case (b) with the arrival of the renewal in place of the commit: see below.
//!
//! And the node is in the barrier set. Whoever returned R had *applied* a configuration with it, at an
//! index ≥ R ([`Barrier::grant`](barrier::Barrier::grant) refuses otherwise). If it is a member no
//! more, the entry K that removed it lies behind R, so by lemma 1 (for K in place of I) s lies before
//! the commit of K, and a leader that applied K more than W_max ago knows that the lease ran out; one
//! that applied K less long ago still counts the node. A leader whose process began after it applied K
//! cannot tell when that was and finds the node `retiring`: removal is `retire`, then the membership
//! change, then W_max, then `retired`, and `retire` is replicated. ∎
//!
//! Without waiting at all, an answer is written at most L/(1 − ρ) + M after the commit of I, however
//! long its process was stopped in between: the second check sees to that.
//!
//! # A new leader
//!
//! It does not know its predecessors' grants, and must not need to. A predecessor's quorum round ended
//! before its quorum voted for somebody else, so every lease it granted was sent before the election
//! of the new leader, whose no-op is applied later still. Therefore:
//! - Silence proves nothing until W_max after the no-op ([`Barrier`](barrier::Barrier) calls it
//!   *knows all*): until then each member must report, or (b) must pass. From then on every lease in
//!   force is in the own table, and "not in the table" means "holds none".
//! - A renewal is entered on *arrival*, before its quorum round begins. Entered with the reply, one
//!   could be under way with R < I while a barrier decides that the node holds nothing.
//! - Reports and surrenders are facts about processes, not about terms; they outlive both.
//! - A surrender speaks for one boot. A late one must not hide the lease of the boot after it, so a
//!   young leader honours it only for the newest boot id that Raft ever handed out: a process asks for
//!   leases only after its boot id was committed, so a leader that applied its no-op knows every boot
//!   that a predecessor can have granted to. This keeps withdrawals fast while the former leader
//!   restarts; a leader past W_max needs no such knowledge.
//! - Admission is judged by the applied configuration. A learner of an appended configuration could
//!   hold a lease that a new leader, without that entry, has never heard of.
//! - A leader deposed without knowing it may complete barriers: what its successors grant has R at or
//!   beyond their no-op, behind every I it could have applied. It cannot grant, for want of a quorum.
//!
//! A removed node ought to close its cell when it applies its own removal; the proof does not need it.
//!
//! # What the edge must do
//!
//! 1. Read `CLOCK_BOOTTIME`: before sending a renewal, on arrival of one, *after* an apply, after a
//!    capture. An early reading of the last three would shorten a wait or lengthen a lease.
//! 2. Run the ReadIndex round after [`Barrier::request`](barrier::Barrier::request), wait until the
//!    read index is applied, then [`Barrier::grant`](barrier::Barrier::grant).
//! 3. Publish in order: close epochs, swap the generation, purge cached keys, then
//!    [`Holder::on_published`](holder::Holder::on_published), then report.
//! 4. Feed every applied fact to the barrier on every node, leader or not, before the index that
//!    covers it.
//! 5. Report at once after each withdrawal, and tell followers a new commit index at once: one
//!    heartbeat of delay is more than the whole budget of a healthy withdrawal.
//! 6. One boot id per process, in renewals, reports and the surrender alike.

mod answers;
mod applied;
pub mod barrier;
pub mod cell;
pub mod class;
pub mod clock;
mod grants;
pub mod holder;
mod members;
#[cfg(all(test, not(feature = "loom")))]
mod rules;
#[cfg(all(test, not(feature = "loom")))]
mod simulation;
