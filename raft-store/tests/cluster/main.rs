//! Whole clusters: first in memory, under one clock and one seed; then over real sockets, TLS and disks.

mod commands;
mod net;
#[path = "../storage/sealer.rs"]
#[allow(dead_code)]
mod sealer;
mod sim;

mod chaos;
mod ram;
mod tls;
