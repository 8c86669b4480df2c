//! DANGER: what the kill switch leaves in memory: nothing of that tenant.
//!
//! The arena is unreadable for everybody, this program included. The nodes of this cluster therefore keep their
//! keys in ordinary locked memory, so that the search reads the arena too. It must find the L3 keys of both
//! tenants before one of them is unlinked, and afterwards those of the other still: otherwise it proves nothing.
#![allow(clippy::print_stdout)] // the answer of a command

use std::path::Path;

use anyhow::Context as _;
use chaos::cluster::{Cluster, NODES};
use chaos::needles::{Class, Needles};
use model::id::TenantHandle;
use model::uid::Uid;
use rustix::process::Signal;

use crate::errands::{self, Errands, Known};
use crate::places::{self, Wanted};
use crate::{Hoard, VARIABLES, realm, spoken};

/// Keys of both tenants together; every third is asked for on every node, so that each holds both L3 keys.
const KEYS: usize = 60;
/// Keeps keys where they can be read.
const OPEN_ARENA: (&str, &str) = ("KEYRAFT_DANGER_OPEN_ARENA", "1");
/// What a node says of a tenant's keys in its memory.
const SLOTS: &str = "keyraft_tenant_arena_slots_in_use{tenant=\"tenant-a\"} ";

/// One tenant's keys, ready to be looked for.
struct Of {
    name: &'static str,
    hoard: Hoard,
    needles: Needles,
}

/// Windows found in the memory of the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    l3: usize,
    all: usize,
}

/// Unlinks a tenant and searches; whether nothing of it was found, and would have been.
///
/// # Errors
/// The cluster does not do what it is told.
pub async fn scan(keyraft: &Path, keep: bool) -> anyhow::Result<bool> {
    let variables = [VARIABLES.as_slice(), &[OPEN_ARENA]].concat();
    let mut cluster = Cluster::start_with(keyraft, keep, &variables).await?;
    let mut errands = Errands::new(&cluster)?;
    errands.ephemeral(KEYS).await?;
    let realm = realm(&cluster).await?;
    let first = tenant(&errands.known[0])?;
    let (mine, others) = split(&errands.known, first)?;
    let identifiers: Vec<&str> = mine.iter().filter_map(|known| known.identifier.as_deref()).collect();
    let tenants =
        [Of::new("tenant-a", Hoard::new(realm, &mine)?), Of::new("tenant-b", Hoard::new(realm, &others)?)];

    let before = tenants.each_ref().map(|of| of.search(&cluster));
    errands::act(&cluster, &["tenant", "unlink", "tenant-a"])?;
    // From here on the switch is acknowledged. Memory first: whoever asks a node afterwards changes it.
    let after = tenants.each_ref().map(|of| of.search(&cluster));
    let served = errands.served(&identifiers).await?;
    let slots = slots(&cluster)?;
    cluster.stop().await?;

    println!("\n  8-byte windows of a tenant's keys in the memory of {NODES} nodes, the arena included\n");
    println!("  {:<10} {:>16} {:>12} {:>16} {:>12}", "tenant", "L3, linked", "all", "L3, unlinked", "all");
    let mut rows = Vec::new();
    for (of, (before, after)) in tenants.iter().zip(before.into_iter().zip(after)) {
        let (before, after) = (before?, after?);
        println!("  {:<10} {:>16} {:>12} {:>16} {:>12}", of.name, before.l3, before.all, after.l3, after.all);
        rows.push((before, after));
    }
    println!("\n  keys of tenant-a answered after the acknowledgement: {served}");
    println!("  slots of secret memory that nodes count for it: {slots:?}\n");
    let seen = rows.iter().all(|(before, _)| before.l3 > 0) && rows[1].1.l3 > 0;
    if !seen {
        println!("  the L3 keys were not found where they must be: not exercised");
    }
    let passed = seen && rows[0].1.all == 0 && served == 0 && slots == [0; NODES];
    println!("scan: {}", if passed { "an unlinked tenant's keys are gone" } else { "FAILED" });
    Ok(passed)
}

impl Of {
    fn new(name: &'static str, hoard: Hoard) -> Self {
        // The control is everybody's.
        let needles = Needles::new(hoard.bytes.iter().skip(1).map(Vec::as_slice));
        let hoard = Hoard { keys: hoard.keys[1..].to_vec(), ..hoard };
        Self { name, hoard, needles }
    }

    /// Searches the memory of every node while it stands still.
    fn search(&self, cluster: &Cluster) -> anyhow::Result<Found> {
        let wanted = Wanted { needles: &self.needles, keys: &self.hoard.keys };
        let mut found = Found::default();
        for (node, pid) in cluster.pids().iter().enumerate() {
            cluster.signal(node, Signal::STOP)?;
            let searched = places::memory(format!("memory of node {node}"), *pid, &wanted);
            cluster.signal(node, Signal::CONT)?;
            let searched = searched?;
            found.l3 += searched.count(Class::L3, &self.hoard.keys);
            found.all += searched.windows.len();
        }
        Ok(found)
    }
}

fn tenant(known: &Known) -> anyhow::Result<TenantHandle> {
    let identifier = known.identifier.as_deref().context("a key without an identifier")?;
    let uid = Uid::parse(identifier).with_context(|| format!("{identifier} is no identifier"))?;
    Ok(uid.header.fields().tenant)
}

/// The keys of one tenant, and those of all others.
fn split(known: &[Known], of: TenantHandle) -> anyhow::Result<(Vec<Known>, Vec<Known>)> {
    let (mut mine, mut others) = (Vec::new(), Vec::new());
    for known in known {
        if tenant(known)? == of { &mut mine } else { &mut others }.push(known.clone());
    }
    Ok((mine, others))
}

/// What every node counts for the tenant.
fn slots(cluster: &Cluster) -> anyhow::Result<Vec<usize>> {
    let texts = spoken(cluster)?;
    let metrics = texts.iter().filter(|(place, _)| place.ends_with("/metrics"));
    metrics
        .map(|(place, text)| {
            let text = String::from_utf8_lossy(text);
            let value = text.lines().find_map(|line| line.strip_prefix(SLOTS));
            let value = value.with_context(|| format!("{place} does not tell the tenant's slots"))?;
            Ok(value.parse()?)
        })
        .collect()
}
