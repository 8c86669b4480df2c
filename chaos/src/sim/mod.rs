//! Whole clusters under faults, planned by one seed each: the real store with its lease, barrier, Raft,
//! state machine and codec, over a simulated network, clock and disk, and requests served in the engine's
//! order. Hours pass in seconds.
//!
//! A run has two phases. In the first, faults strike one after the other while clients read, withdraw,
//! register and label, and every answer is held against the promises. Then all faults stop: the cluster
//! must be in order again within seconds, have lost nothing, and agree with itself. At the very end one
//! machine comes back on a disk that is not its own, and must be kept out; or all die, and a backup
//! is restored. What the engine does besides, TLS and RocksDB are not in it: the runs against real
//! processes have them.
//!
//! - [`campaign`]: many seeds, and what they met between them.
//! - [`run`]: one seed; it decides everything, to the last packet ([`trace`], [`still`]).
//! - [`world`], [`node parts`](disk): machines, their disks, clocks, audit logs and network.
//! - [`clients`], [`serve`]: what is asked of the cluster.
//! - [`faults`], [`invariants`]: one file each.
//! - [`bugs`]: mistakes put back in, which must be noticed.

pub mod audit;
pub mod bugs;
pub mod campaign;
pub mod clients;
pub mod clock;
pub mod dice;
pub mod disk;
pub mod faults;
pub mod invariants;
pub mod ledger;
pub mod net;
pub mod realm;
pub mod run;
pub mod serve;
pub mod still;
pub mod trace;
pub mod world;
