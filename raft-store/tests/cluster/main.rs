//! Whole clusters: first in memory, under one clock and one seed; then over real sockets, TLS and disks.

// A failed test panics, and its replay is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod commands;
mod net;
#[path = "../storage/sealer.rs"]
#[allow(dead_code)]
mod sealer;
mod sim;

mod chaos;
mod leases;
mod members;
mod peer_port;
mod ram;
mod tls;
