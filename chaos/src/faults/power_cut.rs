//! A node loses its power: its file system forgets what was not synced, and the process with it.

use super::{Fault, Victim, bed_part};

pub const FAULT: Fault = Fault {
    name: "power-cut",
    victim: Victim::Any,
    lasts_ms: (300, 6_000),
    needs: |cluster| bed_part(cluster, |bed| &bed.volumes),
    must_be_noticed: true,
    everyone: false,
    cuts_off: false,
    at_once: true,
    strike: |cluster, node| cluster.cut_power(&[node]),
    has_bitten: |cluster, node| !cluster.is_running(node),
    heal: |cluster, node| {
        cluster.restore_power(node)?;
        cluster.start_again(node)
    },
};
