//! A node's disk has no byte left. It may stop or refuse, the others go on; with space it comes back.

use super::{Fault, Victim, bed_part};

pub const FAULT: Fault = Fault {
    name: "full-disk",
    victim: Victim::Any,
    lasts_ms: (3_000, 6_000),
    needs: |cluster| bed_part(cluster, |bed| &bed.volumes),
    must_be_noticed: false,
    everyone: false,
    cuts_off: false,
    at_once: true,
    strike: |cluster, node| cluster.volumes()?.fill(node),
    has_bitten: |cluster, node| cluster.volumes().is_ok_and(|volumes| volumes.is_full(node)),
    heal: |cluster, node| {
        cluster.volumes()?.free(node)?;
        // A node whose disk failed answers nothing any more: it is to be started again.
        cluster.kill_and_start(node)
    },
};
