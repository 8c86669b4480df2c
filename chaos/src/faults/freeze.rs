//! SIGSTOP for longer than a lease, then SIGCONT: a process that slept wakes up with old state and full
//! socket buffers, and must not serve from them.

use rustix::process::Signal;

use super::{Fault, Victim};

pub const FAULT: Fault = Fault {
    name: "freeze",
    victim: Victim::Any,
    lasts_ms: (4_000, 7_000), // above the default lease of 3 s
    needs: |_| Ok(()),
    must_be_noticed: true,
    cuts_off: false,
    everyone: false,
    at_once: true,
    strike: |cluster, node| cluster.signal(node, Signal::STOP),
    has_bitten: |cluster, node| cluster.is_frozen(node),
    heal: |cluster, node| cluster.signal(node, Signal::CONT),
};
