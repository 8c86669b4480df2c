//! A third of what a node and its peers send to each other is lost: late heartbeats, late renewals, elections
//! that need not be. Slow is allowed, wrong is not.

use super::{Fault, Victim, isolate};

/// Share of the packets, in percent.
const LOST: u8 = 33;

pub const FAULT: Fault = Fault {
    name: "loss",
    victim: Victim::Any,
    must_be_noticed: false,
    everyone: true, // where the leader's links lose packets, others may lose their leases
    cuts_off: false,
    strike: |cluster, node| cluster.network()?.lose(node, LOST),
    ..isolate::FAULT
};
