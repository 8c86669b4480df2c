//! One bit of a node's write-ahead log flips while it is down: it refuses to start, rather than serve from less
//! than it had acknowledged.

use super::{Fault, kill};

pub const FAULT: Fault = Fault {
    name: "bit-rot",
    lasts_ms: (3_000, 5_000),
    at_once: false, // the bit is flipped first
    strike: |cluster, node| {
        cluster.kill_and_wait(node)?;
        cluster.flip_a_bit(node)?;
        cluster.start_again(node)
    },
    has_bitten: |cluster, node| cluster.ended_with(node, "Corruption"),
    heal: |cluster, node| {
        cluster.kill_and_wait(node)?;
        cluster.flip_back(node)?;
        cluster.start_again(node)
    },
    ..kill::FAULT
};
