//! I2 in memory: a node that knows a service to be suspended keeps none of its keys hot. A fill that crosses
//! the withdrawal must not bring one back.

use crypto::L3Place;
use model::id::L2Version;
use model::service::ServiceState;
use model::uid::Kdf;

use crate::promise::Promise;
use crate::sim::ledger::Verdict;
use crate::sim::world::World;

/// Looks at every running node.
pub fn judge(world: &World) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for at in world.up() {
        let Some(process) = world.running(at) else { continue };
        let generation = process.store.generation();
        for tenant in &world.realm.tenants {
            for service in &tenant.services {
                let known = generation.state.service(tenant.handle, service.handle);
                if known.is_none_or(|known| known.state == ServiceState::Active) {
                    continue;
                }
                let place = L3Place {
                    tenant: tenant.handle,
                    service: service.handle,
                    l2_version: L2Version(1),
                    kdf: Kdf::Hkdf,
                };
                let held = match process.cache.get(&place) {
                    None => Ok(()),
                    Some(_) => Err(format!("node {at} keeps the key of a suspended service hot")),
                };
                verdicts.push(Verdict { promise: Promise::I2, held });
            }
        }
    }
    verdicts
}
