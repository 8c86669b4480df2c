//! The connections between a node and its peers are reset, and on the next ones every byte is late: longer than
//! a heartbeat's time, shorter than an election's.

use std::time::Duration;

use super::{Fault, Victim, bed_part, isolate};

/// Each way.
const LATE: Duration = Duration::from_millis(80);

pub const FAULT: Fault = Fault {
    name: "delay",
    victim: Victim::Any,
    needs: |cluster| {
        bed_part(cluster, |bed| &bed.network)?;
        cluster.network().map_err(|error| format!("{error:#}"))?.detours().clone()
    },
    must_be_noticed: false,
    everyone: true, // where it is the leader, everybody's renewals are late
    cuts_off: false,
    strike: |cluster, node| cluster.network()?.delay(node, LATE),
    has_bitten: |cluster, _| cluster.network().is_ok_and(|network| network.has_relayed()),
    ..isolate::FAULT
};
