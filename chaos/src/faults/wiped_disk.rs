//! A node comes back with its name and an empty disk: it forgot every vote. It is not let in by the token it
//! joined with, and ends with a sentence.

use super::{Fault, Victim, bed_part, kill};

pub const FAULT: Fault = Fault {
    name: "wiped-disk",
    victim: Victim::Joined,
    lasts_ms: (3_000, 5_000),
    needs: |cluster| bed_part(cluster, |bed| &bed.volumes),
    at_once: false, // the disk is exchanged first
    strike: |cluster, node| {
        cluster.kill_and_wait(node)?;
        cluster.volumes_mut()?.take_away(node)?;
        cluster.start_again(node)
    },
    has_bitten: |cluster, node| cluster.ended_with(node, "the join token was used by"),
    heal: |cluster, node| {
        cluster.kill_and_wait(node)?;
        cluster.volumes_mut()?.give_back(node)?;
        cluster.start_again(node)
    },
    ..kill::FAULT
};
