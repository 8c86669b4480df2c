//! kill -9 of any node: what was acknowledged survives, the others go on, the node comes back by itself.

use rustix::process::Signal;

use super::{Fault, Victim};

pub const FAULT: Fault = Fault {
    name: "kill",
    victim: Victim::Any,
    lasts_ms: (300, 6_000), // below and above the default lease of 3 s
    needs: |_| Ok(()),
    must_be_noticed: true,
    cuts_off: false,
    everyone: false,
    at_once: true,
    strike: |cluster, node| cluster.signal(node, Signal::KILL),
    has_bitten: |cluster, node| !cluster.is_running(node),
    heal: |cluster, node| cluster.start_again(node),
};
