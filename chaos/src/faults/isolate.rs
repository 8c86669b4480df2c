//! A node is cut off from its peers, both ways, and still asked by clients: it must fall silent when its lease
//! has run out.

use super::{Fault, Victim, bed_part};

pub const FAULT: Fault = Fault {
    name: "isolate",
    victim: Victim::Any,
    lasts_ms: (5_000, 8_000), // above the default lease of 3 s and its margin
    needs: |cluster| bed_part(cluster, |bed| &bed.network),
    must_be_noticed: true,
    everyone: false,
    cuts_off: true,
    at_once: true,
    strike: |cluster, node| cluster.network()?.isolate(node),
    has_bitten: |cluster, _| cluster.network().is_ok_and(|network| network.has_dropped()),
    heal: |cluster, _| cluster.network()?.heal(),
};
