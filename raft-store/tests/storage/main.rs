//! The storage of a node: codec, log, state machine and snapshots, on both disks.

mod allocation;
mod codec;
mod crashes;
mod node;
mod rocks;
mod rows;
mod samples;
mod sealer;
mod snapshots;
mod suite;
mod throughput;
