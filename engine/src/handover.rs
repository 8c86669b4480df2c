//! Keys from node to node while a root of trust is silent (DESIGN 3 and 7).
//!
//! A node that restarts during an outage holds nothing and can unwrap nothing. It asks the others for what they
//! still hold, sealed to this very process. A key that came so is worth exactly what it was worth where it came
//! from: each request is judged on the replicated evidence, whose grace ends for every node at the same moment.
//!
//! Invariants: a key is given and taken only while the tenant is served, linked, and held open by a root that was
//! heard within its grace; a root that says no ends that at once. The giver captures its lease first and checks it
//! last, as for any answer; the taker judges anew when the key arrives, and a purge meanwhile refuses it. Both have
//! a durable record before anything leaves or is used.

use std::sync::{Arc, Weak};

use crypto::{FillTicket, HpkeError, L3, L3Place, Road, SealedL3};
use futures::future::BoxFuture;
use model::id::{NodeId, TenantHandle};
use model::root::Gate;
use model::service::ServiceState;
use model::state::State;
use model::tenant::{Tenant, TenantState};
use model::time::ClusterTime;
use raft_store::handover::{Asker, Giver, Handed, KeyName, NotHanded, Sealed, Wanted, Wish};
use raft_store::lease::class::LeaseLength;
use tokio::runtime::Handle;

use crate::engine::Engine;
use crate::refused::Refused;

/// Keys in one answer: sealing one takes a tenth of a millisecond, and clients of this node wait no longer than ten.
const KEYS_AT_ONCE: usize = 64;
/// Answers of one node about one tenant: so many services and versions nobody has; a node that says "more" for
/// ever is not asked for ever.
const ANSWERS_MAX: usize = 1_024;

/// Lets other nodes be handed keys by this one, as long as the engine lives. Call it on the runtime that serves
/// clients: keys are sealed there, since heartbeats share the peer port's threads.
pub fn hand_over(engine: &Arc<Engine>) {
    let door = Door { engine: Arc::downgrade(engine), runtime: Handle::current() };
    engine.store.hand_over_by(Arc::new(door));
}

struct Door {
    engine: Weak<Engine>,
    runtime: Handle,
}

impl Giver for Door {
    fn give(&self, to: Asker, wish: Wish) -> BoxFuture<'_, Result<Handed, NotHanded>> {
        let stops = || NotHanded("this node stops".to_owned());
        let given = self
            .engine
            .upgrade()
            .map(|engine| self.runtime.spawn(async move { engine.give(to, wish).await }));
        Box::pin(async move { given.ok_or_else(stops)?.await.unwrap_or_else(|_| Err(stops())) })
    }
}

/// Until when keys of a tenant may go from node to node, by the evidence this node has; a reason why they may not.
fn judge(state: &State, tenant: &Tenant, now: ClusterTime) -> Result<ClusterTime, &'static str> {
    if tenant.state != TenantState::Active {
        return Err("the tenant is not served");
    }
    if tenant.access.is_unlinked() {
        return Err("the tenant is unlinked from its root of trust");
    }
    if let Gate::Closed { .. } = state.gate(tenant, now) {
        return Err("the tenant's root of trust keeps it closed");
    }
    let heard = state.heard(tenant, now).ok_or("no root of the tenant was ever heard")?;
    if now < heard.plus_ms(tenant.l1_grace_ms) { Ok(heard) } else { Err("the grace is over") }
}

/// Whether a key's service is served and its version known.
fn is_served(state: &State, tenant: &Tenant, place: L3Place) -> bool {
    let service = state.service(tenant.handle, place.service);
    service.is_some_and(|service| service.state == ServiceState::Active && service.seed.is_some())
        && tenant.version(place.l2_version).is_some()
}

fn place_of(tenant: TenantHandle, name: KeyName) -> L3Place {
    L3Place { tenant, service: name.service, l2_version: name.l2_version, kdf: name.kdf }
}

fn name_of(place: L3Place) -> KeyName {
    KeyName { service: place.service, l2_version: place.l2_version, kdf: place.kdf }
}

/// The giving side.
impl Engine {
    async fn give(&self, to: Asker, wish: Wish) -> Result<Handed, NotHanded> {
        let no = |reason: &str| NotHanded(reason.to_owned());
        let lease = self.store.lease().capture().map_err(|stale| NotHanded(stale.to_string()))?;
        let generation = self.store.generation();
        let tenant = generation.state.tenant(wish.tenant).ok_or_else(|| no("no such tenant"))?;
        let heard = judge(&generation.state, tenant, self.store.now()).map_err(no)?;
        let road = Road {
            cluster: self.store.identity().cluster,
            from: self.store.identity().node,
            to: to.node,
            to_boot: to.boot,
        };
        let mut places = self.held().cache.places_of(wish.tenant);
        places.retain(|place| {
            let asked_for = match wish.keys {
                Wanted::One(name) => name_of(*place) == name,
                Wanted::After(name) => name.is_none_or(|name| name_of(*place) > name),
            };
            asked_for && is_served(&generation.state, tenant, *place)
        });
        let more = places.len() > KEYS_AT_ONCE;
        places.truncate(KEYS_AT_ONCE);
        let sealed =
            places.into_iter().filter_map(|place| self.seal(place, &to.inbox, &road, heard).transpose());
        let keys: Vec<Sealed> = sealed.collect::<Result<_, HpkeError>>().map_err(|error| {
            tracing::error!(%error, node = %to.node, "a key could not be sealed for another node");
            NotHanded(error.to_string())
        })?;
        if !keys.is_empty() {
            self.note_keys("give_keys", tenant, &keys, &road, heard)
                .await
                .map_err(|error| NotHanded(error.to_string()))?;
            let length = LeaseLength::from_millis(tenant.lease_ms).map_err(|_| no("lease out of range"))?;
            let checked = self.store.lease().check(lease, length, self.store.boot_now());
            checked.map_err(|stale| NotHanded(stale.to_string()))?;
            self.held().gave(keys.len());
        }
        Ok(Handed { heard, keys, more })
    }

    fn seal(
        &self,
        place: L3Place,
        inbox: &[u8; 32],
        road: &Road,
        heard: ClusterTime,
    ) -> Result<Option<Sealed>, HpkeError> {
        let Some(hot) = self.held().cache.get(&place) else { return Ok(None) };
        let SealedL3 { enc, sealed, .. } = hot.l3().seal_for(inbox, road, heard)?;
        Ok(Some(Sealed { name: name_of(place), enc, sealed: sealed.to_vec() }))
    }

    /// Records that keys went this road; `keys` is not empty.
    async fn note_keys(
        &self,
        what: &'static str,
        tenant: &Tenant,
        keys: &[Sealed],
        road: &Road,
        heard: ClusterTime,
    ) -> Result<(), Refused> {
        let generation = self.store.generation();
        let service = keys[0].name.service;
        let service = generation.state.service(tenant.handle, service);
        let service = service.map(|service| service.name.as_str()).unwrap_or_default();
        let target = match keys {
            [key] => format!("{}/{service} {}", tenant.name, tenant.l2_name(key.name.l2_version)),
            keys => format!("{} keys of {}", keys.len(), tenant.name),
        };
        let detail = format!(
            "node {} to process {} of node {}; root last heard at {heard}",
            road.from, road.to_boot, road.to
        );
        self.note_action(None, what, Some(tenant.handle), &target, &detail, None).await
    }
}

/// The taking side.
impl Engine {
    /// A key that another node holds; `None` if none may give it.
    pub(crate) async fn take_over(&self, place: L3Place) -> Option<L3> {
        let wish = Wish { tenant: place.tenant, keys: Wanted::One(name_of(place)) };
        for node in self.store.others() {
            match self.store.ask_for_keys(node, wish).await {
                Ok(handed) => {
                    let taken = self.open(node, place.tenant, &handed).await;
                    if let Some(l3) = taken.into_iter().find(|l3| l3.place() == place) {
                        return Some(l3);
                    }
                }
                Err(refused) => tracing::debug!(%node, %refused, "no key from another node"),
            }
        }
        None
    }

    /// Takes over every key of a tenant that other nodes hold and this one does not; whether one of them answered.
    pub(crate) async fn take_over_all(&self, tenant: TenantHandle) -> bool {
        let others = self.store.others();
        let mut answered = others.is_empty();
        for node in others {
            let mut after = None;
            for _ in 0..ANSWERS_MAX {
                let index = self.store.generation().index;
                let Ok(ticket) = self.held().cache.begin_fill(tenant, index) else { break };
                let wish = Wish { tenant, keys: Wanted::After(after) };
                let Ok(handed) = self.store.ask_for_keys(node, wish).await else { break };
                answered = true;
                after = handed.keys.last().map(|key| key.name);
                let more = handed.more && after.is_some();
                self.keep(&ticket, node, handed).await;
                if !more {
                    break;
                }
            }
        }
        answered
    }

    async fn keep(&self, ticket: &FillTicket, node: NodeId, mut handed: Handed) {
        let tenant = ticket.tenant();
        handed.keys.retain(|key| self.held().cache.get(&place_of(tenant, key.name)).is_none());
        for l3 in self.open(node, tenant, &handed).await {
            if let Err(refused) = self.held().cache.insert(ticket, l3) {
                tracing::debug!(%node, %refused, "a key of another node is not kept");
            }
        }
    }

    /// Opens what a node sent, if its tenant still is as it must be, and records it.
    async fn open(&self, node: NodeId, tenant: TenantHandle, handed: &Handed) -> Vec<L3> {
        if handed.keys.is_empty() {
            return Vec::new();
        }
        let generation = self.store.generation();
        let Some(tenant) = generation.state.tenant(tenant) else { return Vec::new() };
        let now = self.store.now();
        let until = handed.heard.plus_ms(tenant.l1_grace_ms);
        if judge(&generation.state, tenant, now).is_err() || now >= until {
            return Vec::new();
        }
        let identity = self.store.identity();
        let road = Road { cluster: identity.cluster, from: node, to: identity.node, to_boot: self.boot() };
        let noted = self.note_keys("take_over_keys", tenant, &handed.keys, &road, handed.heard).await;
        if noted.is_err() {
            return Vec::new();
        }
        let mut opened = Vec::with_capacity(handed.keys.len());
        for key in &handed.keys {
            let place = place_of(tenant.handle, key.name);
            if !is_served(&generation.state, tenant, place) {
                continue;
            }
            let Ok(sealed) = key.sealed.as_slice().try_into() else { continue };
            let sealed = SealedL3 { place, heard: handed.heard, enc: key.enc, sealed };
            match self.inbox.open(&road, &sealed) {
                Ok(l3) => opened.push(l3),
                Err(error) => tracing::error!(%node, %error, "a key of another node does not open"),
            }
        }
        self.held().took(opened.len());
        opened
    }
}
