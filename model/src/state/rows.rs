//! The state as rows, and back: what a store keeps, and how maps that are found by other keys are rebuilt.
//!
//! Nothing is decided here; `super` decides.

use std::sync::Arc;

use super::{BadRow, State, ticket_key, uncount};
use crate::barrier::Barrier;
use crate::id::TenantHandle;
use crate::job::Job;
use crate::object::{Name, Object};
use crate::row::{Joined, Remembered, Row, RowKey};
use crate::service::{Service, ServiceState};
use crate::tenant::Tenant;
use crate::ticket::Ticket;

impl State {
    /// Rebuilds the state from its rows, in any order.
    ///
    /// # Errors
    /// [`BadRow`] if a row's content does not belong under its key, or the cluster row is missing.
    pub fn from_rows(rows: impl IntoIterator<Item = (RowKey, Row)>) -> Result<Self, BadRow> {
        let mut state = Self::new("");
        let mut cluster = None;
        for (key, row) in rows {
            match (key, row) {
                (RowKey::Cluster, Row::Cluster(row)) => cluster = Some(row),
                (RowKey::Tenant(handle), Row::Tenant(row)) if row.handle == handle => {
                    state.insert_tenant(row)
                }
                (RowKey::Service(tenant, handle), Row::Service(row))
                    if (row.tenant, row.handle) == (tenant, handle) =>
                {
                    state.insert_service(row);
                }
                (RowKey::Object(tenant, uid), Row::Object(row))
                    if row.uid == uid && uid.header.fields().tenant == tenant =>
                {
                    state.insert_object(tenant, row);
                }
                (RowKey::Idempotency(hash), Row::Idempotency(row)) => state.insert_remembered(hash, row),
                (RowKey::Boot(node), Row::Boot(row)) => {
                    state.boots.insert(node, row);
                }
                (RowKey::Node(node), Row::Node(row)) if row.node == node => state.insert_joined(row),
                (RowKey::Ticket(tenant, uid), Row::Ticket(row))
                    if row.uid == uid && uid.header.fields().tenant == tenant =>
                {
                    state.insert_ticket(row);
                }
                (RowKey::Group(tenant, service, group), Row::Group(row)) => {
                    state.group_cursors.insert((tenant, service, group), row);
                }
                (RowKey::Departure(node), Row::Departure(row)) => {
                    state.departures.insert(node, row);
                }
                (RowKey::Denial(id), Row::Denial(row)) => {
                    state.denied.insert(id, Arc::new(row));
                }
                (RowKey::Root(tenant, handle), Row::Root(row))
                    if (row.tenant, row.handle) == (tenant, handle) =>
                {
                    state.roots.insert((tenant, handle), Arc::new(row));
                }
                (RowKey::Job(tenant, id), Row::Job(row)) if (row.tenant, row.id) == (tenant, id) => {
                    state.insert_job(row);
                }
                (RowKey::L1(root), Row::L1(row)) => {
                    state.l1.insert(root, Arc::new(row));
                }
                (RowKey::JoinToken(hash), Row::JoinToken(row)) => {
                    state.join_tokens.insert(hash, row);
                }
                (RowKey::Voter(node), Row::Voter(row)) => {
                    state.voters.insert(node, row);
                }
                (RowKey::Workflow(tenant, id), Row::Workflow(row))
                    if (row.tenant, row.id) == (tenant, id) =>
                {
                    state.workflows.insert((tenant, id), Arc::new(row));
                }
                (RowKey::Event(place), Row::Event(row)) if row.place == place => {
                    state.events.insert(place, Arc::new(row));
                }
                (RowKey::Barrier, Row::Barrier(row)) => state.barrier = Arc::new(row),
                (key, _) => return Err(BadRow::Misplaced(key)),
            }
        }
        state.cluster = cluster.ok_or(BadRow::NoCluster)?;
        Ok(state)
    }

    /// The rows that rebuild this state.
    pub fn rows(&self) -> impl Iterator<Item = (RowKey, Row)> + '_ {
        let cluster = std::iter::once((RowKey::Cluster, Row::Cluster(self.cluster.clone())));
        let tenants =
            self.tenants.iter().map(|(key, row)| (RowKey::Tenant(*key), Row::Tenant((**row).clone())));
        let services = self
            .services
            .iter()
            .map(|(key, row)| (RowKey::Service(key.0, key.1), Row::Service((**row).clone())));
        let objects = self
            .objects
            .iter()
            .map(|(key, row)| (RowKey::Object(key.0, key.1), Row::Object((**row).clone())));
        let remembered = self
            .remembered
            .iter()
            .map(|(key, row)| (RowKey::Idempotency(*key), Row::Idempotency((**row).clone())));
        let joined = self.joined.iter().map(|(key, row)| (RowKey::Node(*key), Row::Node((**row).clone())));
        let boots = self.boots.iter().map(|(key, row)| (RowKey::Boot(*key), Row::Boot(*row)));
        let tickets = self
            .tickets
            .iter()
            .map(|((tenant, _, uid), row)| (RowKey::Ticket(*tenant, *uid), Row::Ticket((**row).clone())));
        let groups = self
            .group_cursors
            .iter()
            .map(|(key, row)| (RowKey::Group(key.0, key.1, key.2), Row::Group(*row)));
        let departures =
            self.departures.iter().map(|(key, row)| (RowKey::Departure(*key), Row::Departure(*row)));
        let denied =
            self.denied.iter().map(|(key, row)| (RowKey::Denial(*key), Row::Denial((**row).clone())));
        let roots =
            self.roots.iter().map(|(key, row)| (RowKey::Root(key.0, key.1), Row::Root((**row).clone())));
        let jobs = self.jobs.iter().map(|(key, row)| (RowKey::Job(key.0, key.1), Row::Job((**row).clone())));
        let l1 = self.l1.iter().map(|(key, row)| (RowKey::L1(*key), Row::L1((**row).clone())));
        let tokens =
            self.join_tokens.iter().map(|(key, row)| (RowKey::JoinToken(*key), Row::JoinToken(*row)));
        let voters = self.voters.iter().map(|(key, row)| (RowKey::Voter(*key), Row::Voter(*row)));
        let workflows = self
            .workflows
            .iter()
            .map(|(key, row)| (RowKey::Workflow(key.0, key.1), Row::Workflow((**row).clone())));
        let events = self.events.iter().map(|(key, row)| (RowKey::Event(*key), Row::Event((**row).clone())));
        // Of a realm that never rotated there is no row.
        let rotated = *self.barrier != Barrier::default();
        let barrier = rotated.then(|| (RowKey::Barrier, Row::Barrier((*self.barrier).clone())));
        cluster
            .chain(tenants)
            .chain(services)
            .chain(objects)
            .chain(remembered)
            .chain(joined)
            .chain(boots)
            .chain(tickets)
            .chain(groups)
            .chain(departures)
            .chain(denied)
            .chain(roots)
            .chain(jobs)
            .chain(l1)
            .chain(tokens)
            .chain(voters)
            .chain(workflows)
            .chain(events)
            .chain(barrier)
    }

    pub(super) fn insert_tenant(&mut self, tenant: Tenant) {
        if let Some(old) = self.tenants.get(&tenant.handle) {
            uncount(&mut self.lease_lengths, old.lease_ms);
            uncount(&mut self.barrier_lengths, old.barrier_lease_ms());
        }
        *self.lease_lengths.entry(tenant.lease_ms).or_insert(0) += 1;
        *self.barrier_lengths.entry(tenant.barrier_lease_ms()).or_insert(0) += 1;
        match tenant.lowered {
            Some(lowered) => self.lowerings.insert(tenant.handle, lowered.at),
            None => self.lowerings.remove(&tenant.handle),
        };
        self.tenant_names.insert(tenant.name.clone(), tenant.handle);
        self.tenants.insert(tenant.handle, Arc::new(tenant));
    }

    /// A name stands for its service that is not shredded, else for the one shredded last; the rows say
    /// so themselves, in whatever order they come.
    pub(super) fn insert_service(&mut self, service: Service) {
        let rank = |service: &Service| (service.state != ServiceState::Shredded, service.withdrawn_at);
        let holder = self.service_named(service.tenant, &service.name);
        if holder.is_none_or(|known| known.handle == service.handle || rank(known) < rank(&service)) {
            self.service_names.insert((service.tenant, service.name.clone()), service.handle);
        }
        self.services.insert((service.tenant, service.handle), Arc::new(service));
    }

    pub(super) fn insert_object(&mut self, tenant: TenantHandle, object: Object) {
        let owner = (tenant, object.service());
        match self.objects.get(&(tenant, object.uid)) {
            Some(old) => {
                for name in &old.names {
                    let key = (tenant, name.value.clone());
                    if self.object_names.get(&key) == Some(&object.uid) {
                        self.object_names.remove(&key);
                    }
                }
            }
            None => *self.object_counts.entry(owner).or_insert(0) += 1,
        }
        if object.withdrawn_at > self.last_withdrawal(owner.0, owner.1) {
            self.object_withdrawals.insert(owner, object.withdrawn_at);
        }
        if let Some(alias) = &object.alias {
            let key = (owner.0, owner.1, alias.clone());
            if !object.lifecycle.state.is_destroyed() {
                self.object_aliases.insert(key, object.uid);
            } else if self.object_aliases.get(&key) == Some(&object.uid) {
                self.object_aliases.remove(&key);
            }
        }
        if !object.lifecycle.state.is_destroyed() {
            for name in object.names.iter().filter(|name| !Name::is_placeholder(&name.value)) {
                self.object_names.insert((tenant, name.value.clone()), object.uid);
            }
        }
        self.object_places.insert((tenant, object.place), object.uid);
        self.objects.insert((tenant, object.uid), Arc::new(object));
    }

    pub(super) fn insert_ticket(&mut self, ticket: Ticket) {
        self.tickets.insert(ticket_key(&ticket.uid), Arc::new(ticket));
    }

    pub(super) fn insert_job(&mut self, job: Job) {
        if job.step.is_running() {
            self.running_jobs.insert(job.tenant, job.id);
        } else if self.running_jobs.get(&job.tenant) == Some(&job.id) {
            self.running_jobs.remove(&job.tenant);
        }
        self.jobs.insert((job.tenant, job.id), Arc::new(job));
    }

    pub(super) fn insert_joined(&mut self, joined: Joined) {
        self.join_attempts.insert(joined.attempt, joined.node);
        self.joined.insert(joined.node, Arc::new(joined));
    }

    pub(super) fn insert_remembered(&mut self, key: [u8; 32], remembered: Remembered) {
        if let Some(old) = self.remembered.get(&key) {
            self.expiries.remove(&(old.expires, key));
        }
        self.expiries.insert((remembered.expires, key), ());
        self.remembered.insert(key, Arc::new(remembered));
    }
}
