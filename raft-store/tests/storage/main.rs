//! The storage of a node: codec, log, state machine and snapshots, on both disks.
#![allow(clippy::unwrap_used)] // helpers of tests stop at the first surprise, as tests do
#![allow(clippy::print_stdout)] // the measurement prints what it measured

mod allocation;
mod codec;
mod crashes;
mod journal;
mod node;
mod offline;
mod rocks;
mod rows;
mod samples;
mod sealer;
mod snapshots;
mod suite;
mod throughput;
