//! A node's wall clock jumps an hour ahead: leases do not care, a leader whose clock is off hands over, and
//! cluster time does not follow.

use super::{Fault, Victim, bed_part};

/// Ahead, because a certificate made a minute ago is not yet valid an hour earlier.
const AHEAD_S: i64 = 3_600;

pub const FAULT: Fault = Fault {
    name: "clock-jump",
    victim: Victim::Leader,
    lasts_ms: (4_000, 7_000),
    needs: |cluster| bed_part(cluster, |bed| &bed.shim),
    must_be_noticed: false,
    everyone: false,
    cuts_off: false,
    at_once: true,
    strike: |cluster, node| cluster.shim()?.set_wall_ahead(node, AHEAD_S),
    has_bitten: |cluster, node| cluster.shim().is_ok_and(|shim| shim.has_read_ahead(node)),
    heal: |cluster, node| cluster.shim()?.set_wall_ahead(node, 0),
};
