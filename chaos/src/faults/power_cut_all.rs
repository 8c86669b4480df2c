//! Every node loses its power at one moment: what was acknowledged is on the disks that come back.

use rustix::process::Signal;

use super::{Fault, power_cut};
use crate::cluster::NODES;

pub const FAULT: Fault = Fault {
    name: "power-cut-all",
    everyone: true,
    strike: |cluster, _| {
        (0..NODES).try_for_each(|node| cluster.volumes()?.cut_power(node))?;
        (0..NODES).try_for_each(|node| cluster.signal_if_running(node, Signal::KILL))
    },
    has_bitten: |cluster, _| (0..NODES).all(|node| !cluster.is_running(node)),
    heal: |cluster, _| {
        (0..NODES).try_for_each(|node| {
            cluster.restore_power(node)?;
            cluster.start_again(node)
        })
    },
    ..power_cut::FAULT
};
