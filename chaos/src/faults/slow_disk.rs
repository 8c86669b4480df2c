//! A node's disk makes a few writes a second (etcd #13527: a stalled disk must not make two leaders).

use super::{Fault, Victim, bed_part};

pub const FAULT: Fault = Fault {
    name: "slow-disk",
    victim: Victim::Any,
    lasts_ms: (4_000, 7_000),
    needs: |cluster| bed_part(cluster, |bed| &bed.throttle),
    must_be_noticed: false,
    everyone: false,
    cuts_off: false,
    at_once: true,
    strike: |cluster, node| cluster.throttle()?.slow(node, cluster.pids()[node], &cluster.node_data(node)),
    has_bitten: |cluster, node| cluster.throttle().is_ok_and(|throttle| throttle.has_held_back(node)),
    heal: |cluster, node| cluster.throttle()?.release(node),
};
