//! Every node loses its power at one moment: what was acknowledged is on the disks that come back.

use super::{Fault, power_cut};
use crate::cluster::NODES;

pub const FAULT: Fault = Fault {
    name: "power-cut-all",
    everyone: true,
    strike: |cluster, _| cluster.cut_power(&(0..NODES).collect::<Vec<_>>()),
    has_bitten: |cluster, _| (0..NODES).all(|node| !cluster.is_running(node)),
    heal: |cluster, _| {
        (0..NODES).try_for_each(|node| {
            cluster.restore_power(node)?;
            cluster.start_again(node)
        })
    },
    ..power_cut::FAULT
};
