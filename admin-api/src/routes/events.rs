//! What happened: as a list, or as a stream that is resumed where it broke off.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use engine::Engine;
use futures::stream::{self, Stream};
use model::event::{BEGINNING, Event, What, WhichName};
use model::id::{LogIndex, TenantName};
use model::object::Place;
use model::state::State as Cluster;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::roots::PLATFORM;
use crate::auth::Caller;
use crate::page::{Asked, page};
use crate::problem::Problem;

/// A stream ends after this, and is resumed with a credential that is judged again.
const STREAM_LIFE: Duration = Duration::from_secs(15 * 60);
/// A sign of life on a silent stream, for proxies that would cut it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Something happened.
#[derive(Clone, Serialize, ToSchema)]
pub struct EventView {
    /// Its number among all events; `after` and `Last-Event-ID` take it.
    id: String,
    /// What: `key_rotation`, `tenant_created`, `workflow_moved`, …
    event: &'static str,
    /// To whom; none for the cluster as a whole.
    tenant_id: Option<String>,
    /// When it took effect, in seconds since the epoch.
    effective_time: u64,
    /// For `key_rotation`: whose key, `L2_internal` or `L2_customer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    /// For `key_rotation`: the new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u16>,
    /// For a service's: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// For a root's: its name, or `platform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    /// For `roots_switched`: the roots by name, or `platform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    roots: Option<Vec<String>>,
    /// For `root_grace_started`: when the tenant closes unless a root answers, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// For a job's: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// For a job's beginning and end: `migrate` or `rewrap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// For `workflow_moved`: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    /// For `workflow_moved`: to where; for `job_moved`: the step; for `root_closed`: what the root said.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// For a node's: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<u64>,
    /// For the barrier's: the new term.
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<u32>,
    /// For certificates: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates: Option<u32>,
}

/// Events.
#[derive(Serialize, ToSchema)]
pub struct EventList {
    /// Oldest first.
    items: Vec<EventView>,
    /// `after` of the next page.
    next: Option<String>,
}

/// Which events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    limit: Option<usize>,
    after: Option<String>,
    tenant: Option<String>,
    event: Option<String>,
}

/// What a caller wants to see, and may.
struct Filter {
    caller: Caller,
    tenant: Option<TenantName>,
    event: Option<String>,
}

fn number(place: Place) -> String {
    format!("{}-{}", place.index, place.item)
}

fn parse_number(text: &str) -> Result<Place, Problem> {
    let parts =
        text.split_once('-').and_then(|(index, item)| Some((index.parse().ok()?, item.parse().ok()?)));
    let place = parts.map(|(index, item)| Place { index: LogIndex(index), item });
    place.ok_or_else(|| Problem::bad_request("that is no number of an event"))
}

impl Filter {
    /// The event as this caller sees it; `None` if it is not theirs, or not wanted.
    fn show(&self, state: &Cluster, event: &Event) -> Option<EventView> {
        let tenant = event.tenant.and_then(|handle| state.tenant(handle));
        let theirs = match tenant {
            Some(tenant) => self.caller.sees(&tenant.name),
            None => self.caller.grants.sees_platform(),
        };
        let about =
            self.tenant.as_ref().is_none_or(|wanted| tenant.is_some_and(|tenant| tenant.name == *wanted));
        let named = self.event.as_deref().is_none_or(|wanted| wanted == event.what.as_str());
        if !theirs || !about || !named {
            return None;
        }
        Some(view(state, event, tenant.map(|tenant| tenant.name.to_string())))
    }
}

fn view(state: &Cluster, event: &Event, tenant: Option<String>) -> EventView {
    let mut view = EventView {
        id: number(event.place),
        event: event.what.as_str(),
        tenant_id: tenant,
        effective_time: event.time.as_secs(),
        level: None,
        version: None,
        service: None,
        root: None,
        roots: None,
        until: None,
        job: None,
        kind: None,
        workflow: None,
        state: None,
        node: None,
        term: None,
        certificates: None,
    };
    match &event.what {
        What::KeyRotation(version, level) => {
            view.level = Some(level.as_str());
            view.version = Some(version.0);
        }
        What::ServiceRegistered(service)
        | What::ServiceChanged(service)
        | What::ServiceSuspended(service)
        | What::ServiceResumed(service)
        | What::ServiceShredded(service) => {
            let known = event.tenant.and_then(|tenant| state.service(tenant, *service));
            view.service = known.map(|service| service.name.to_string());
        }
        What::WorkflowMoved(workflow, to) => {
            view.workflow = Some(workflow.to_string());
            view.state = Some(to.as_str());
        }
        What::BarrierRotationStarted(term) | What::BarrierRotated(term) => view.term = Some(*term),
        What::NodeJoined(node) | What::NodeLeaving(node) => view.node = Some(node.0),
        What::CertificatesDenied(count) | What::CertificatesAllowed(count) => {
            view.certificates = Some(*count)
        }
        What::RootConfigured(root) | What::RootCredentialsReplaced(root) | What::RootRemoved(root) => {
            view.root = Some(root.to_string());
        }
        What::RootsSwitched(roots) if roots.is_empty() => view.roots = Some(vec![PLATFORM.to_owned()]),
        What::RootsSwitched(roots) => view.roots = Some(roots.iter().map(ToString::to_string).collect()),
        What::RootGraceStarted(root, until) => {
            view.root = name(root);
            view.until = until.map(|until| until.as_secs());
        }
        What::RootGraceEnded(root) | What::RootOpened(root) => view.root = name(root),
        What::RootClosed(root, state) => {
            view.root = name(root);
            view.state = Some(state.as_str());
        }
        What::JobStarted(job, kind) | What::JobFinished(job, kind) | What::JobRolledBack(job, kind) => {
            view.job = Some(job.to_string());
            view.kind = Some(kind.as_str());
        }
        What::JobMoved(job, step) => {
            view.job = Some(job.to_string());
            view.state = Some(step.as_str());
        }
        What::TenantCreated
        | What::TenantChanged
        | What::TenantSuspended
        | What::TenantResumed
        | What::TenantTerminated
        | What::TenantUnlinked
        | What::TenantRelinked
        | What::TenantDisabled
        | What::TenantEnabled => {}
    }
    view
}

fn name(root: &WhichName) -> Option<String> {
    Some(root.as_ref().map_or_else(|| PLATFORM.to_owned(), ToString::to_string))
}

/// What happened to the caller's tenants, oldest first. With `Accept: text/event-stream` it goes on as things
/// happen, from `Last-Event-ID` if that is given.
#[utoipa::path(get, path = "/v1/events", params(("limit" = Option<usize>, Query), ("after" = Option<String>, Query),
    ("tenant" = Option<String>, Query), ("event" = Option<String>, Query)),
    responses((status = 200, body = EventList)))]
pub async fn list(
    engine: Arc<Engine>,
    caller: Caller,
    headers: HeaderMap,
    Asked(query): Asked<EventQuery>,
) -> Result<Response, Problem> {
    let tenant = query.tenant.as_deref().map(TenantName::parse).transpose();
    let tenant = tenant.map_err(|_| Problem::not_found("tenant"))?;
    let filter = Filter { caller, tenant, event: query.event };
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = resumed.or(query.after.as_deref()).map_or(Ok(BEGINNING), parse_number)?;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.starts_with("text/event-stream") {
        let frames = follow(engine, filter, after);
        return Ok(Sse::new(frames).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response());
    }
    let generation = engine.store().read_index().await.map_err(engine::Refused::from)?;
    let shown =
        generation.state.events_after(after).filter_map(|event| filter.show(&generation.state, event));
    let (items, next) = page(shown, query.limit, |event| event.id.clone())?;
    Ok(Json(EventList { items, next }).into_response())
}

/// Where a stream has come.
struct Following {
    engine: Arc<Engine>,
    filter: Filter,
    after: Place,
    waiting: std::collections::VecDeque<EventView>,
    until: Instant,
}

fn follow(
    engine: Arc<Engine>,
    filter: Filter,
    after: Place,
) -> impl Stream<Item = Result<Frame, Infallible>> {
    let until = Instant::now() + STREAM_LIFE;
    let start = Following { engine, filter, after, waiting: std::collections::VecDeque::new(), until };
    stream::unfold(start, |mut following| async move {
        let event = following.next().await?;
        let frame = Frame::default().id(&event.id).event(event.event).json_data(&event).ok()?;
        Some((Ok(frame), following))
    })
}

impl Following {
    /// The next event, once there is one; `None` when the stream's time is over.
    async fn next(&mut self) -> Option<EventView> {
        let mut changes = self.engine.store().changes();
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            // Before looking: what is applied after the look wakes the wait.
            changes.mark_unchanged();
            self.look();
            if self.waiting.is_empty()
                && !matches!(timeout_at(self.until, changes.changed()).await, Ok(Ok(())))
            {
                return None;
            }
        }
    }

    /// Takes what has happened since the last look.
    fn look(&mut self) {
        let generation = self.engine.store().generation();
        for event in generation.state.events_after(self.after) {
            self.after = event.place;
            self.waiting.extend(self.filter.show(&generation.state, event));
        }
    }
}
