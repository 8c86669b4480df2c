//! SIGTERM: the node surrenders its leases, hands leadership over and ends in order. Restarted one after the
//! other, nodes are replaced without anybody waiting for a lease.

use rustix::process::Signal;

use super::{Fault, Victim, kill};

pub const FAULT: Fault = Fault {
    name: "terminate",
    victim: Victim::Any,
    lasts_ms: (1_000, 4_000),
    strike: |cluster, node| cluster.signal(node, Signal::TERM),
    ..kill::FAULT
};
