//! Every sync of a node fails with EIO: it must stop, and nothing may be acknowledged after the error.

use super::{Fault, Victim, bed_part};

pub const FAULT: Fault = Fault {
    name: "sync-error",
    victim: Victim::Any,
    lasts_ms: (1_000, 4_000),
    needs: |cluster| bed_part(cluster, |bed| &bed.shim),
    must_be_noticed: true,
    everyone: false,
    cuts_off: false,
    at_once: true,
    strike: |cluster, node| cluster.shim()?.fail_syncs(node, true),
    has_bitten: |cluster, node| cluster.shim().is_ok_and(|shim| shim.has_failed(node)),
    heal: |cluster, node| {
        cluster.shim()?.fail_syncs(node, false)?;
        cluster.kill_and_start(node)
    },
};
