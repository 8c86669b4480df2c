//! The replicated state: persistent maps, so that a serving generation is a clone in constant time.
//!
//! `State::apply` is the only way it changes. It is deterministic: ordered maps only, time from the log
//! entry, no randomness, no I/O. Every change names the row to write; the rows alone rebuild the state.

mod approvals;
mod rows;

use imbl::OrdMap;
use std::sync::Arc;

use crate::barrier::Barrier;
use crate::certificate::{CertificateId, Denial};
use crate::command::{Action, Answer, Applied, Command, IdempotencyKey};
use crate::departure::Departure;
use crate::event::{EVENTS_MAX, Event, What};
use crate::id::{
    BootId, JobId, LogIndex, NodeId, RootHandle, RootName, ServiceHandle, ServiceName, TenantHandle,
    TenantName, WorkflowId,
};
use crate::job::{Job, Step};
use crate::object::{Object, Place};
use crate::refusal::{Limit, Refusal};
use crate::root::{Gate, L1, L1State, Root, WhichRoot};
use crate::row::{Booted, Cluster, JoinToken, Joined, Remembered, Row, RowKey};
use crate::service::{Service, ServiceState};
use crate::tenant::{Access, LEASE_MS_DEFAULT, Tenant, TenantState};
use crate::ticket::Ticket;
use crate::time::ClusterTime;
use crate::uid::Uid;
use crate::workflow::Workflow;

/// The highest replicated format version this code knows (CONSISTENCY 9).
pub const FORMAT: u32 = 1;
/// The format version every log begins with, whatever its first binary knows: all replay it alike.
pub const FORMAT_FIRST: u32 = 1;
/// How long an idempotency key is remembered: a day covers every retry of a person or a job.
pub const IDEMPOTENCY_MS: u64 = 24 * 60 * 60 * 1000;
/// Idempotency keys forgotten per command: an apply touches a bounded number of rows.
const FORGET_MAX: usize = 8;
/// Rows one service may own: each is held in memory by every node.
pub const OBJECTS_PER_SERVICE_MAX: u64 = 2_000_000;

/// The moment a command takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Its log index.
    pub index: LogIndex,
    /// Cluster time, never before that of an earlier command.
    pub time: ClusterTime,
    /// Position within the entry, where it holds several actions.
    pub item: u16,
}

/// What the rest of the node must do about an applied command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows to write (or delete, where `None`), in order.
    pub rows: Vec<(RowKey, Option<Row>)>,
    /// Cached keys that may no longer be used.
    pub effects: Vec<Effect>,
    /// What is to be told as events; empty once the command has been applied.
    pub(crate) told: Vec<(Option<TenantHandle>, What)>,
}

impl Changes {
    /// Tells of something that this command led to.
    pub(crate) fn tell(&mut self, tenant: Option<TenantHandle>, what: What) {
        self.told.push((tenant, what));
    }
}

/// Which cached keys a command made unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// All keys of a tenant.
    PurgeTenant(TenantHandle),
    /// All keys of a service.
    PurgeService(TenantHandle, ServiceHandle),
}

/// Everything the cluster agrees on. Cloning is cheap: maps share their structure.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(crate) cluster: Cluster,
    pub(crate) tenants: OrdMap<TenantHandle, Arc<Tenant>>,
    pub(crate) tenant_names: OrdMap<TenantName, TenantHandle>,
    /// How many tenants have a lease of so many milliseconds.
    pub(crate) lease_lengths: OrdMap<u32, u64>,
    /// How many tenants' barriers wait for a lease of so many milliseconds.
    pub(crate) barrier_lengths: OrdMap<u32, u64>,
    /// Tenants whose lease was lowered and is not in effect everywhere, and the command that lowered it.
    pub(crate) lowerings: OrdMap<TenantHandle, LogIndex>,
    pub(crate) services: OrdMap<(TenantHandle, ServiceHandle), Arc<Service>>,
    pub(crate) service_names: OrdMap<(TenantHandle, ServiceName), ServiceHandle>,
    pub(crate) objects: OrdMap<(TenantHandle, Uid), Arc<Object>>,
    pub(crate) object_names: OrdMap<(TenantHandle, String), Uid>,
    pub(crate) object_aliases: OrdMap<(TenantHandle, ServiceHandle, String), Uid>,
    pub(crate) object_places: OrdMap<(TenantHandle, Place), Uid>,
    pub(crate) object_counts: OrdMap<(TenantHandle, ServiceHandle), u64>,
    /// The last withdrawal among the objects of a service.
    pub(crate) object_withdrawals: OrdMap<(TenantHandle, ServiceHandle), LogIndex>,
    pub(crate) tickets: OrdMap<(TenantHandle, ServiceHandle, Uid), Arc<Ticket>>,
    pub(crate) group_cursors: OrdMap<(TenantHandle, ServiceHandle, [u8; 32]), Place>,
    pub(crate) remembered: OrdMap<[u8; 32], Arc<Remembered>>,
    pub(crate) expiries: OrdMap<(ClusterTime, [u8; 32]), ()>,
    pub(crate) boots: OrdMap<NodeId, Booted>,
    pub(crate) joined: OrdMap<NodeId, Arc<Joined>>,
    pub(crate) join_attempts: OrdMap<[u8; 16], NodeId>,
    pub(crate) departures: OrdMap<NodeId, Departure>,
    pub(crate) denied: OrdMap<CertificateId, Arc<Denial>>,
    pub(crate) roots: OrdMap<(TenantHandle, RootHandle), Arc<Root>>,
    pub(crate) jobs: OrdMap<(TenantHandle, JobId), Arc<Job>>,
    /// The one job of a tenant that has work left.
    pub(crate) running_jobs: OrdMap<TenantHandle, JobId>,
    pub(crate) l1: OrdMap<WhichRoot, Arc<L1>>,
    pub(crate) join_tokens: OrdMap<[u8; 32], JoinToken>,
    pub(crate) voters: OrdMap<NodeId, bool>,
    pub(crate) workflows: OrdMap<(TenantHandle, WorkflowId), Arc<Workflow>>,
    pub(crate) events: OrdMap<Place, Arc<Event>>,
    pub(crate) barrier: Arc<Barrier>,
}

impl State {
    /// The empty state of a new cluster in a region.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self {
            cluster: Cluster {
                format: FORMAT_FIRST,
                region: region.to_owned(),
                last_boot: BootId(0),
                time: ClusterTime(0),
            },
            tenants: OrdMap::new(),
            tenant_names: OrdMap::new(),
            lease_lengths: OrdMap::new(),
            barrier_lengths: OrdMap::new(),
            lowerings: OrdMap::new(),
            services: OrdMap::new(),
            service_names: OrdMap::new(),
            objects: OrdMap::new(),
            object_names: OrdMap::new(),
            object_aliases: OrdMap::new(),
            object_places: OrdMap::new(),
            object_counts: OrdMap::new(),
            object_withdrawals: OrdMap::new(),
            tickets: OrdMap::new(),
            group_cursors: OrdMap::new(),
            remembered: OrdMap::new(),
            expiries: OrdMap::new(),
            boots: OrdMap::new(),
            joined: OrdMap::new(),
            join_attempts: OrdMap::new(),
            departures: OrdMap::new(),
            denied: OrdMap::new(),
            roots: OrdMap::new(),
            jobs: OrdMap::new(),
            running_jobs: OrdMap::new(),
            l1: OrdMap::new(),
            join_tokens: OrdMap::new(),
            voters: OrdMap::new(),
            workflows: OrdMap::new(),
            events: OrdMap::new(),
            barrier: Arc::default(),
        }
    }

    /// Applies one command at its place in the log. Refusals are answers like any other; only
    /// accepted commands change anything.
    pub fn apply(&mut self, index: LogIndex, command: &Command) -> Applied {
        let at = At { index, time: self.cluster.time.max(command.stamp.time), item: 0 };
        if let Some(applied) = self.replay(command, &at) {
            return applied;
        }
        let mut changes = Changes::default();
        let answer = match command.action.check(self, &at) {
            Ok(()) => command.action.apply(self, &at, &mut changes),
            Err(refusal) => {
                let withdrawal = refusal.withdrawal();
                return Applied { answer: Answer::Refused(refusal), withdrawal, changes };
            }
        };
        for event in Event::of(&command.action, &answer, self, &at, &mut changes) {
            self.put_event(event, &mut changes);
        }
        let withdrawal = command.action.withdraws(at.time).then_some(index);
        if let Some(key) = command.idempotency {
            let expires = at.time.plus_ms(IDEMPOTENCY_MS);
            let answer = answer.clone();
            let remembered = Remembered { request: key.request, answer, index, withdrawal, expires };
            self.put_remembered(key.key, remembered, &mut changes);
        }
        self.forget_expired(at.time, &mut changes);
        self.cluster.time = at.time;
        changes.rows.push((RowKey::Cluster, Some(Row::Cluster(self.cluster.clone()))));
        Applied { answer, withdrawal, changes }
    }

    /// Whether a command would be accepted now; touches nothing. A repeated administration request is
    /// accepted like the original: it gets the original's answer.
    ///
    /// # Errors
    /// The refusal `apply` would answer.
    pub fn check(&self, command: &Command) -> Result<(), Refusal> {
        let at = self.unplaced(command.stamp.time, 0);
        match self.replay(command, &at) {
            Some(Applied { answer: Answer::Refused(refusal), .. }) => Err(refusal),
            Some(_) => Ok(()),
            None => command.action.check(self, &at),
        }
    }

    /// Tries one action of a list that is to be committed together, on a copy of the state kept for that;
    /// `item` is its position in the list. What the copy answers is provisional until the commit.
    ///
    /// # Errors
    /// The refusal; the copy is then as before.
    pub fn stage(&mut self, action: &Action, time: ClusterTime, item: u16) -> Result<(), Refusal> {
        let at = self.unplaced(time, item);
        action.check(self, &at)?;
        action.apply(self, &at, &mut Changes::default());
        Ok(())
    }

    /// A moment whose log index is not known yet.
    fn unplaced(&self, time: ClusterTime, item: u16) -> At {
        At { index: LogIndex(u64::MAX), time: self.cluster.time.max(time), item }
    }

    /// The original answer to a repeated administration request.
    fn replay(&self, command: &Command, at: &At) -> Option<Applied> {
        let (answer, withdrawal) = self.repeated(command.idempotency?, at.time)?;
        Some(Applied { answer, withdrawal, changes: Changes::default() })
    }

    /// What [`State::apply`] would answer at a moment to a request that bears this key, whatever it asks for: the
    /// answer it had when it came first, with the withdrawal that answer stood for. `None` if it is new.
    #[must_use]
    pub fn repeated(&self, key: IdempotencyKey, now: ClusterTime) -> Option<(Answer, Option<LogIndex>)> {
        let known = self.remembered.get(&key.key).filter(|known| known.expires > now)?;
        Some(if known.request == key.request {
            (known.answer.clone(), known.withdrawal)
        } else {
            (Answer::Refused(Refusal::IdempotencyKeyReused), None)
        })
    }

    fn forget_expired(&mut self, now: ClusterTime, changes: &mut Changes) {
        for _ in 0..FORGET_MAX {
            let Some(&((expires, key), ())) = self.expiries.get_min() else { return };
            if expires > now {
                return;
            }
            self.expiries.remove(&(expires, key));
            self.remembered.remove(&key);
            changes.rows.push((RowKey::Idempotency(key), None));
        }
    }

    // -- reading ------------------------------------------------------------------------------

    /// Facts about the cluster as a whole.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A tenant by handle.
    #[must_use]
    pub fn tenant(&self, handle: TenantHandle) -> Option<&Arc<Tenant>> {
        self.tenants.get(&handle)
    }

    /// A tenant by name.
    #[must_use]
    pub fn tenant_named(&self, name: &TenantName) -> Option<&Arc<Tenant>> {
        self.tenants.get(self.tenant_names.get(name)?)
    }

    /// All tenants, by handle.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }

    /// A service by handle.
    #[must_use]
    pub fn service(&self, tenant: TenantHandle, handle: ServiceHandle) -> Option<&Arc<Service>> {
        self.services.get(&(tenant, handle))
    }

    /// A service by name; a shredded one keeps its name until an administrator enables it again.
    #[must_use]
    pub fn service_named(&self, tenant: TenantHandle, name: &ServiceName) -> Option<&Arc<Service>> {
        self.service(tenant, *self.service_names.get(&(tenant, name.clone()))?)
    }

    /// All services of a tenant, by handle.
    pub fn services(&self, tenant: TenantHandle) -> impl Iterator<Item = &Arc<Service>> {
        let range = (tenant, ServiceHandle([0; 4]))..=(tenant, ServiceHandle([0xff; 4]));
        self.services.range(range).map(|(_, service)| service)
    }

    /// The row of an object.
    #[must_use]
    pub fn object(&self, tenant: TenantHandle, uid: &Uid) -> Option<&Arc<Object>> {
        self.objects.get(&(tenant, *uid))
    }

    /// The object that bears a name in a tenant.
    #[must_use]
    pub fn object_named(&self, tenant: TenantHandle, name: &str) -> Option<&Arc<Object>> {
        self.object(tenant, self.object_names.get(&(tenant, name.to_owned()))?)
    }

    /// The object of a service that is not destroyed and whose owner chose this identifier at Import.
    #[must_use]
    pub fn object_aliased(
        &self,
        tenant: TenantHandle,
        service: ServiceHandle,
        alias: &str,
    ) -> Option<&Arc<Object>> {
        self.object(tenant, self.object_aliases.get(&(tenant, service, alias.to_owned()))?)
    }

    /// All objects of a tenant, newest first.
    pub fn objects(&self, tenant: TenantHandle) -> impl Iterator<Item = &Arc<Object>> {
        let first = Place { index: LogIndex(0), item: 0 };
        let last = Place { index: LogIndex(u64::MAX), item: u16::MAX };
        self.object_places
            .range((tenant, first)..=(tenant, last))
            .rev()
            .filter_map(move |(_, uid)| self.object(tenant, uid))
    }

    /// A ticket, whether it has ended or not.
    #[must_use]
    pub fn ticket(&self, uid: &Uid) -> Option<&Arc<Ticket>> {
        self.tickets.get(&ticket_key(uid))
    }

    /// The tickets of a service, ended ones included until room is made.
    pub fn tickets(
        &self,
        tenant: TenantHandle,
        service: ServiceHandle,
    ) -> impl Iterator<Item = &Arc<Ticket>> {
        let all = (tenant, service, Uid::LEAST)..;
        self.tickets
            .range(all)
            .take_while(move |(key, _)| (key.0, key.1) == (tenant, service))
            .map(|(_, ticket)| ticket)
    }

    /// The place of the member of a group that was given out last.
    #[must_use]
    pub fn group_cursor(
        &self,
        tenant: TenantHandle,
        service: ServiceHandle,
        group: &[u8; 32],
    ) -> Option<Place> {
        self.group_cursors.get(&(tenant, service, *group)).copied()
    }

    /// The newest process start of every node that ever asked for a number.
    pub fn boots(&self) -> impl Iterator<Item = (NodeId, BootId)> + '_ {
        self.boots.iter().map(|(node, booted)| (*node, booted.boot))
    }

    /// The newest process start of a node.
    #[must_use]
    pub fn booted(&self, node: NodeId) -> Option<Booted> {
        self.boots.get(&node).copied()
    }

    /// A node that was let in.
    #[must_use]
    pub fn joined(&self, node: NodeId) -> Option<&Arc<Joined>> {
        self.joined.get(&node)
    }

    /// The node an attempt to join led to.
    #[must_use]
    pub fn joined_by(&self, attempt: &[u8; 16]) -> Option<&Arc<Joined>> {
        self.joined(*self.join_attempts.get(attempt)?)
    }

    /// Every node that was let in, those that left included.
    pub fn joined_nodes(&self) -> impl Iterator<Item = &Arc<Joined>> {
        self.joined.values()
    }

    /// Whether a node of this id was ever part of the cluster: it was let in, or it began a lineage and started.
    #[must_use]
    pub fn knows_node(&self, node: NodeId) -> bool {
        node == NodeId(1) || self.joined.contains_key(&node) || self.boots.contains_key(&node)
    }

    /// Whether a node may vote: as an operator decided last, else as it asked for when it joined. One that began
    /// a lineage never joined; it may.
    #[must_use]
    pub fn may_vote(&self, node: NodeId) -> bool {
        let asked = || self.joined(node).is_none_or(|joined| joined.voter);
        self.voters.get(&node).copied().unwrap_or_else(asked)
    }

    /// A join token by its keyed hash.
    #[must_use]
    pub fn join_token(&self, hash: &[u8; 32]) -> Option<&JoinToken> {
        self.join_tokens.get(hash)
    }

    /// Rows of a service.
    #[must_use]
    pub fn object_count(&self, tenant: TenantHandle, service: ServiceHandle) -> u64 {
        self.object_counts.get(&(tenant, service)).copied().unwrap_or(0)
    }

    /// Log index of the last withdrawal among the objects of a service; 0 if there was none.
    #[must_use]
    pub fn last_withdrawal(&self, tenant: TenantHandle, service: ServiceHandle) -> LogIndex {
        self.object_withdrawals.get(&(tenant, service)).copied().unwrap_or_default()
    }

    /// The shortest lease that requests are judged by and the longest that a node may still apply, in
    /// milliseconds; in constant time.
    #[must_use]
    pub fn lease_ms_bounds(&self) -> (u32, u32) {
        let of = |found: Option<&(u32, u64)>| found.map_or(LEASE_MS_DEFAULT, |(ms, _)| *ms);
        (of(self.lease_lengths.get_min()), of(self.barrier_lengths.get_max()))
    }

    /// Tenants whose lowered lease is not in effect everywhere, each with the command that lowered it.
    pub fn lowerings(&self) -> impl Iterator<Item = (TenantHandle, LogIndex)> + '_ {
        self.lowerings.iter().map(|(tenant, at)| (*tenant, *at))
    }

    /// How far a node's removal has come; `None` for one that stays.
    #[must_use]
    pub fn departure(&self, node: NodeId) -> Option<Departure> {
        self.departures.get(&node).copied()
    }

    /// Nodes that are leaving: every barrier counts them, whatever the membership says.
    pub fn retiring(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.departures.iter().filter(|(_, departure)| departure.is_retiring()).map(|(node, _)| *node)
    }

    /// A workflow.
    #[must_use]
    pub fn workflow(&self, tenant: TenantHandle, id: WorkflowId) -> Option<&Arc<Workflow>> {
        self.workflows.get(&(tenant, id))
    }

    /// The workflows of a tenant, in no order that means anything.
    pub fn workflows(&self, tenant: TenantHandle) -> impl Iterator<Item = &Arc<Workflow>> {
        let all = (tenant, WorkflowId([0; 16]))..=(tenant, WorkflowId([0xff; 16]));
        self.workflows.range(all).map(|(_, workflow)| workflow)
    }

    /// What happened after a place, oldest first, as far as it is kept.
    pub fn events_after(&self, place: Place) -> impl Iterator<Item = &Arc<Event>> {
        let after = (std::ops::Bound::Excluded(place), std::ops::Bound::Unbounded);
        self.events.range(after).map(|(_, event)| event)
    }

    /// The oldest event that is kept, where older ones have made room.
    #[must_use]
    pub fn events_begin(&self) -> Option<&Arc<Event>> {
        let full = self.events.len() >= EVENTS_MAX;
        self.events.get_min().filter(|_| full).map(|(_, oldest)| oldest)
    }

    /// The denial of a certificate.
    #[must_use]
    pub fn denial(&self, id: &CertificateId) -> Option<&Arc<Denial>> {
        self.denied.get(id)
    }

    /// All certificates that are denied.
    pub fn denials(&self) -> impl Iterator<Item = (&CertificateId, &Arc<Denial>)> {
        self.denied.iter()
    }

    /// A root of a tenant's own.
    #[must_use]
    pub fn root(&self, tenant: TenantHandle, handle: RootHandle) -> Option<&Arc<Root>> {
        self.roots.get(&(tenant, handle))
    }

    /// A root of a tenant's own, by name.
    #[must_use]
    pub fn root_named(&self, tenant: TenantHandle, name: &RootName) -> Option<&Arc<Root>> {
        self.roots(tenant).find(|root| root.name == *name)
    }

    /// The roots a tenant has configured, used or not.
    pub fn roots(&self, tenant: TenantHandle) -> impl Iterator<Item = &Arc<Root>> {
        let range = (tenant, RootHandle([0; 4]))..=(tenant, RootHandle([0xff; 4]));
        self.roots.range(range).map(|(_, root)| root)
    }

    /// What is known of a root's health; `None` before its first probe.
    #[must_use]
    pub fn l1(&self, root: WhichRoot) -> Option<&Arc<L1>> {
        self.l1.get(&root)
    }

    /// The revision of a root's description; none of the platform's, which each node has in a file.
    #[must_use]
    pub fn described(&self, root: WhichRoot) -> Option<LogIndex> {
        root.and_then(|(tenant, handle)| Some(self.root(tenant, handle)?.revision))
    }

    /// Whether a root's token refused the very PIN that the root is described with.
    #[must_use]
    pub fn pin_refused(&self, root: WhichRoot) -> bool {
        let refused = self.l1(root).filter(|l1| l1.state == L1State::PinRefused);
        self.described(root).zip(refused).is_some_and(|(described, l1)| described < l1.closed_at)
    }

    /// Every root that wraps a tenant's keys, with the tenants' own ones in the order of their tenants.
    pub fn roots_in_use(&self) -> impl Iterator<Item = WhichRoot> + '_ {
        let own = self
            .roots
            .keys()
            .filter(|(tenant, root)| self.tenant(*tenant).is_some_and(|tenant| tenant.roots.contains(root)));
        std::iter::once(None).chain(own.copied().map(Some))
    }

    /// Whether a tenant's roots allow its keys to be used at a moment.
    #[must_use]
    pub fn gate(&self, tenant: &Tenant, now: ClusterTime) -> Gate {
        let of = |root: WhichRoot| self.l1(root).map_or(Gate::Open, |l1| l1.gate(tenant.l1_grace_ms, now));
        let own = tenant.roots.iter().map(|root| of(Some((tenant.handle, *root))));
        own.reduce(Gate::or).unwrap_or_else(|| of(None))
    }

    /// The barrier's terms.
    #[must_use]
    pub fn barrier(&self) -> &Barrier {
        &self.barrier
    }

    /// When the roots that hold a tenant open at a moment were last heard to, in cluster time; `None` if none does, or
    /// none was probed yet. One that is closed says nothing for the others, however lately it was heard before.
    #[must_use]
    pub fn heard(&self, tenant: &Tenant, now: ClusterTime) -> Option<ClusterTime> {
        let holds = |l1: &L1| !matches!(l1.gate(tenant.l1_grace_ms, now), Gate::Closed { .. });
        let of = |root: WhichRoot| self.l1(root).filter(|l1| holds(l1)).map(|l1| l1.ok_at);
        if tenant.roots.is_empty() {
            return of(None);
        }
        tenant.roots.iter().filter_map(|root| of(Some((tenant.handle, *root)))).max()
    }

    /// A job of a tenant.
    #[must_use]
    pub fn job(&self, tenant: TenantHandle, id: JobId) -> Option<&Arc<Job>> {
        self.jobs.get(&(tenant, id))
    }

    /// All jobs of a tenant that are remembered.
    pub fn jobs_of(&self, tenant: TenantHandle) -> impl Iterator<Item = &Arc<Job>> {
        let range = (tenant, JobId([0; 8]))..=(tenant, JobId([0xff; 8]));
        self.jobs.range(range).map(|(_, job)| job)
    }

    /// The job of a tenant that has work left.
    #[must_use]
    pub fn running_job(&self, tenant: TenantHandle) -> Option<&Arc<Job>> {
        self.job(tenant, *self.running_jobs.get(&tenant)?)
    }

    /// Every job that has work left.
    pub fn running_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.running_jobs.iter().filter_map(|(tenant, id)| self.job(*tenant, *id))
    }

    // -- what commands ask and do ------------------------------------------------------------

    /// A tenant that is not terminated.
    pub(crate) fn living_tenant(&self, handle: TenantHandle) -> Result<&Arc<Tenant>, Refusal> {
        let tenant = self.tenant(handle).ok_or(Refusal::TenantUnknown)?;
        match tenant.state {
            TenantState::Terminated => Err(Refusal::TenantTerminated { at: tenant.withdrawn_at }),
            TenantState::Active | TenantState::Suspended | TenantState::Quarantined => Ok(tenant),
        }
    }

    /// A tenant that is neither terminated nor unlinked.
    pub(crate) fn linked_tenant(&self, handle: TenantHandle) -> Result<&Arc<Tenant>, Refusal> {
        let tenant = self.living_tenant(handle)?;
        match tenant.access {
            Access::Unlinked | Access::UnlinkedReadOnly => {
                Err(Refusal::TenantUnlinked { at: tenant.withdrawn_at })
            }
            Access::Open | Access::ReadOnly => Ok(tenant),
        }
    }

    /// A tenant that may have new keys.
    pub(crate) fn growing_tenant(&self, handle: TenantHandle) -> Result<&Arc<Tenant>, Refusal> {
        let tenant = self.active_tenant(handle)?;
        match tenant.access {
            Access::ReadOnly | Access::UnlinkedReadOnly => {
                Err(Refusal::TenantReadOnly { at: tenant.withdrawn_at })
            }
            Access::Open | Access::Unlinked => Ok(tenant),
        }
    }

    /// The tenants a root serves, each with its grace in milliseconds.
    pub(crate) fn hanging_on(&self, root: WhichRoot) -> impl Iterator<Item = (TenantHandle, u64)> + '_ {
        let own = root.and_then(|(tenant, _)| self.tenant(tenant)).into_iter();
        let platform = self.tenants.values().filter(move |tenant| root.is_none() && tenant.roots.is_empty());
        own.filter(move |tenant| root.is_some_and(|(_, root)| tenant.roots.contains(&root)))
            .chain(platform)
            .map(|tenant| (tenant.handle, tenant.l1_grace_ms))
    }

    /// See [`State::gate`].
    pub(crate) fn gate_of(&self, tenant: TenantHandle, now: ClusterTime) -> Option<Gate> {
        self.tenant(tenant).map(|tenant| self.gate(tenant, now))
    }

    /// A tenant that is served.
    pub(crate) fn active_tenant(&self, handle: TenantHandle) -> Result<&Arc<Tenant>, Refusal> {
        let tenant = self.linked_tenant(handle)?;
        match tenant.state {
            TenantState::Suspended | TenantState::Quarantined => {
                Err(Refusal::TenantSuspended { at: tenant.withdrawn_at })
            }
            TenantState::Active | TenantState::Terminated => Ok(tenant),
        }
    }

    /// A service that is not shredded, of a tenant that is not terminated.
    pub(crate) fn living_service(
        &self,
        tenant: TenantHandle,
        handle: ServiceHandle,
    ) -> Result<&Arc<Service>, Refusal> {
        self.living_tenant(tenant)?;
        let service = self.service(tenant, handle).ok_or(Refusal::ServiceUnknown)?;
        match service.state {
            ServiceState::Shredded => Err(Refusal::ServiceShredded { at: service.withdrawn_at }),
            ServiceState::Active | ServiceState::Suspended => Ok(service),
        }
    }

    /// A service that is served, of a tenant that is served.
    pub(crate) fn active_service(
        &self,
        tenant: TenantHandle,
        handle: ServiceHandle,
    ) -> Result<&Arc<Service>, Refusal> {
        self.active_tenant(tenant)?;
        let service = self.living_service(tenant, handle)?;
        match service.state {
            ServiceState::Suspended => Err(Refusal::ServiceSuspended { at: service.withdrawn_at }),
            ServiceState::Active | ServiceState::Shredded => Ok(service),
        }
    }

    /// Room for one more row of a service.
    pub(crate) fn room_for_object(
        &self,
        tenant: TenantHandle,
        service: ServiceHandle,
    ) -> Result<(), Refusal> {
        if self.object_count(tenant, service) < OBJECTS_PER_SERVICE_MAX {
            return Ok(());
        }
        Err(Refusal::LimitReached { what: Limit::ObjectsPerService, max: OBJECTS_PER_SERVICE_MAX })
    }

    pub(crate) fn put_tenant(&mut self, tenant: Tenant, changes: &mut Changes) {
        changes.rows.push((RowKey::Tenant(tenant.handle), Some(Row::Tenant(tenant.clone()))));
        self.insert_tenant(tenant);
    }

    pub(crate) fn put_service(&mut self, service: Service, changes: &mut Changes) {
        let key = RowKey::Service(service.tenant, service.handle);
        changes.rows.push((key, Some(Row::Service(service.clone()))));
        self.insert_service(service);
    }

    pub(crate) fn put_object(&mut self, tenant: TenantHandle, object: Object, changes: &mut Changes) {
        changes.rows.push((RowKey::Object(tenant, object.uid), Some(Row::Object(object.clone()))));
        self.insert_object(tenant, object);
    }

    pub(crate) fn put_ticket(&mut self, ticket: Ticket, changes: &mut Changes) {
        let key = RowKey::Ticket(ticket.uid.header.fields().tenant, ticket.uid);
        changes.rows.push((key, Some(Row::Ticket(ticket.clone()))));
        self.insert_ticket(ticket);
    }

    pub(crate) fn remove_ticket(&mut self, uid: &Uid, changes: &mut Changes) {
        self.tickets.remove(&ticket_key(uid));
        changes.rows.push((RowKey::Ticket(uid.header.fields().tenant, *uid), None));
    }

    pub(crate) fn put_group_cursor(
        &mut self,
        tenant: TenantHandle,
        service: ServiceHandle,
        group: [u8; 32],
        last: Place,
        changes: &mut Changes,
    ) {
        changes.rows.push((RowKey::Group(tenant, service, group), Some(Row::Group(last))));
        self.group_cursors.insert((tenant, service, group), last);
    }

    fn put_remembered(&mut self, key: [u8; 32], remembered: Remembered, changes: &mut Changes) {
        changes.rows.push((RowKey::Idempotency(key), Some(Row::Idempotency(remembered.clone()))));
        self.insert_remembered(key, remembered);
    }

    pub(crate) fn put_boot(&mut self, node: NodeId, booted: Booted, changes: &mut Changes) {
        changes.rows.push((RowKey::Boot(node), Some(Row::Boot(booted))));
        self.boots.insert(node, booted);
    }

    pub(crate) fn put_joined(&mut self, joined: Joined, changes: &mut Changes) {
        changes.rows.push((RowKey::Node(joined.node), Some(Row::Node(joined.clone()))));
        self.insert_joined(joined);
    }

    pub(crate) fn put_departure(&mut self, node: NodeId, departure: Departure, changes: &mut Changes) {
        changes.rows.push((RowKey::Departure(node), Some(Row::Departure(departure))));
        self.departures.insert(node, departure);
    }

    pub(crate) fn put_denial(&mut self, id: CertificateId, denial: Option<Denial>, changes: &mut Changes) {
        changes.rows.push((RowKey::Denial(id), denial.clone().map(Row::Denial)));
        match denial {
            Some(denial) => self.denied.insert(id, Arc::new(denial)),
            None => self.denied.remove(&id),
        };
    }

    pub(crate) fn put_root(&mut self, root: Root, changes: &mut Changes) {
        let key = (root.tenant, root.handle);
        changes.rows.push((RowKey::Root(key.0, key.1), Some(Row::Root(root.clone()))));
        self.roots.insert(key, Arc::new(root));
    }

    /// Forgets a root with what is known of its health.
    pub(crate) fn remove_root(&mut self, tenant: TenantHandle, root: RootHandle, changes: &mut Changes) {
        self.roots.remove(&(tenant, root));
        changes.rows.push((RowKey::Root(tenant, root), None));
        self.forget_l1(Some((tenant, root)), changes);
    }

    pub(crate) fn forget_l1(&mut self, root: WhichRoot, changes: &mut Changes) {
        if self.l1.remove(&root).is_some() {
            changes.rows.push((RowKey::L1(root), None));
        }
    }

    /// The end of a tenant: its roots' configurations are erased, and no job has work left.
    pub(crate) fn forget_roots(&mut self, tenant: TenantHandle, at: &At, changes: &mut Changes) {
        let roots: Vec<RootHandle> = self.roots(tenant).map(|root| root.handle).collect();
        for root in roots {
            self.remove_root(tenant, root, changes);
        }
        if let Some(job) = self.running_job(tenant).map(|job| Job::clone(job)) {
            let detail = "the tenant was terminated".to_owned();
            let (updated, revision) = (at.time, at.index);
            changes.tell(Some(tenant), What::JobRolledBack(job.id, job.kind));
            self.put_job(Job { step: Step::RolledBack, detail, updated, revision, ..job }, changes);
        }
    }

    pub(crate) fn put_job(&mut self, job: Job, changes: &mut Changes) {
        changes.rows.push((RowKey::Job(job.tenant, job.id), Some(Row::Job(job.clone()))));
        self.insert_job(job);
    }

    pub(crate) fn remove_job(&mut self, tenant: TenantHandle, id: JobId, changes: &mut Changes) {
        self.jobs.remove(&(tenant, id));
        changes.rows.push((RowKey::Job(tenant, id), None));
    }

    pub(crate) fn put_l1(&mut self, root: WhichRoot, l1: L1, changes: &mut Changes) {
        changes.rows.push((RowKey::L1(root), Some(Row::L1(l1.clone()))));
        self.l1.insert(root, Arc::new(l1));
    }

    pub(crate) fn put_barrier(&mut self, barrier: Barrier, changes: &mut Changes) {
        changes.rows.push((RowKey::Barrier, Some(Row::Barrier(barrier.clone()))));
        self.barrier = Arc::new(barrier);
    }

    pub(crate) fn put_join_token(&mut self, hash: [u8; 32], token: JoinToken, changes: &mut Changes) {
        changes.rows.push((RowKey::JoinToken(hash), Some(Row::JoinToken(token))));
        self.join_tokens.insert(hash, token);
    }

    pub(crate) fn use_join_token(&mut self, hash: [u8; 32], node: NodeId, changes: &mut Changes) {
        if let Some(token) = self.join_token(&hash).copied() {
            self.put_join_token(hash, JoinToken { used_by: Some(node), ..token }, changes);
        }
    }

    pub(crate) fn remove_join_token(&mut self, hash: &[u8; 32], changes: &mut Changes) {
        self.join_tokens.remove(hash);
        changes.rows.push((RowKey::JoinToken(*hash), None));
    }

    pub(crate) fn put_voter(&mut self, node: NodeId, voter: bool, changes: &mut Changes) {
        changes.rows.push((RowKey::Voter(node), Some(Row::Voter(voter))));
        self.voters.insert(node, voter);
    }

    pub(crate) fn put_workflow(&mut self, workflow: Workflow, changes: &mut Changes) {
        let key = RowKey::Workflow(workflow.tenant, workflow.id);
        changes.rows.push((key, Some(Row::Workflow(workflow.clone()))));
        self.workflows.insert((workflow.tenant, workflow.id), Arc::new(workflow));
    }

    pub(crate) fn remove_workflow(&mut self, tenant: TenantHandle, id: WorkflowId, changes: &mut Changes) {
        changes.rows.push((RowKey::Workflow(tenant, id), None));
        self.workflows.remove(&(tenant, id));
    }

    /// The newest are kept.
    fn put_event(&mut self, event: Event, changes: &mut Changes) {
        if self.events.len() >= EVENTS_MAX
            && let Some(oldest) = self.events.get_min().map(|(place, _)| *place)
        {
            self.events.remove(&oldest);
            changes.rows.push((RowKey::Event(oldest), None));
        }
        changes.rows.push((RowKey::Event(event.place), Some(Row::Event(event.clone()))));
        self.events.insert(event.place, Arc::new(event));
    }
}

/// One fewer of a length.
fn uncount(lengths: &mut OrdMap<u32, u64>, length: u32) {
    match lengths.get(&length) {
        Some(&count) if count > 1 => lengths.insert(length, count - 1),
        _ => lengths.remove(&length),
    };
}

/// Tickets lie by service, so that those of one are found together.
fn ticket_key(uid: &Uid) -> (TenantHandle, ServiceHandle, Uid) {
    let fields = uid.header.fields();
    (fields.tenant, fields.service, *uid)
}

/// Rows that do not make a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    /// A row lies under the key of another.
    #[error("the row under {0:?} belongs elsewhere")]
    Misplaced(RowKey),
    /// The one row about the cluster is missing.
    #[error("the row about the cluster is missing")]
    NoCluster,
}
