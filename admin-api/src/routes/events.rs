//! What happened: as a list, or as a stream that is resumed where it broke off.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use engine::Engine;
use futures::stream::{self, Stream};
use model::event::{BEGINNING, EVENTS_MAX, Event, What, WhichName};
use model::id::{LogIndex, TenantName};
use model::object::Place;
use model::state::State as Cluster;
use model::time::ClusterTime;
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
/// What is told to whoever comes back to a place that is kept no more.
const EVENTS_LOST: &str = "events_lost";
/// A stream that passes over so many events says where it is, by a frame that has a number and nothing else: whoever
/// listens to rare ones comes back to a place that is still kept. A quarter of what is.
const PASSED_OVER_MAX: usize = EVENTS_MAX / 4;

/// Something happened.
#[derive(Clone, Serialize, ToSchema)]
pub struct EventView {
    /// Its number among all events; `after` and `Last-Event-ID` take it.
    id: String,
    /// What: `key_rotation`, `tenant_created`, `workflow_moved`, …; `events_lost` where events after the place asked
    /// for are kept no more.
    event: &'static str,
    /// To whom; none for the cluster as a whole.
    tenant_id: Option<String>,
    /// When it took effect, in seconds since the epoch; for `events_lost`, when the oldest that is kept did.
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

/// The last place before another: nothing lies between.
fn before(place: Place) -> Place {
    match place.item.checked_sub(1) {
        Some(item) => Place { item, ..place },
        None => Place { index: LogIndex(place.index.0.saturating_sub(1)), item: u16::MAX },
    }
}

/// What whoever asks for what came after a place is told first, if that place is kept no more: what lay between it and
/// the oldest event that is kept is gone. Whether any of it was theirs nobody can say by now, so no filter keeps it
/// back.
fn lost(state: &Cluster, after: Place) -> Option<EventView> {
    let oldest = state.events_begin()?;
    let place = before(oldest.place);
    (after != BEGINNING && after < place).then(|| blank(place, EVENTS_LOST, oldest.time, None))
}

/// An event that says nothing beside what every one says.
fn blank(place: Place, event: &'static str, time: ClusterTime, tenant_id: Option<String>) -> EventView {
    EventView {
        id: number(place),
        event,
        tenant_id,
        effective_time: time.as_secs(),
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
    }
}

fn view(state: &Cluster, event: &Event, tenant: Option<String>) -> EventView {
    let mut view = blank(event.place, event.what.as_str(), event.time, tenant);
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
/// happen, from `Last-Event-ID` if that is given. Where events after that place, or after `after`, are kept no more,
/// the first one is `events_lost`.
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
    let state = &generation.state;
    let shown = state.events_after(after).filter_map(|event| filter.show(state, event));
    let (items, next) = page(lost(state, after).into_iter().chain(shown), query.limit, |it| it.id.clone())?;
    Ok(Json(EventList { items, next }).into_response())
}

/// Where a stream has come.
struct Following {
    engine: Arc<Engine>,
    filter: Filter,
    after: Place,
    /// How many events were not shown since the last frame.
    passed_over: usize,
    waiting: VecDeque<Told>,
    until: Instant,
}

/// What a stream says.
enum Told {
    Event(EventView),
    /// It has come so far, and showed nothing.
    Place(Place),
}

impl Told {
    fn frame(&self) -> Option<Frame> {
        match self {
            Self::Event(event) => Frame::default().id(&event.id).event(event.event).json_data(event).ok(),
            Self::Place(place) => Some(Frame::default().id(number(*place))),
        }
    }
}

fn follow(
    engine: Arc<Engine>,
    filter: Filter,
    after: Place,
) -> impl Stream<Item = Result<Frame, Infallible>> {
    let until = Instant::now() + STREAM_LIFE;
    let start = Following { engine, filter, after, passed_over: 0, waiting: VecDeque::new(), until };
    stream::unfold(start, |mut following| async move {
        let frame = following.next().await?.frame()?;
        Some((Ok(frame), following))
    })
}

impl Following {
    /// What is said next, once there is something; `None` when the stream's time is over.
    async fn next(&mut self) -> Option<Told> {
        let mut changes = self.engine.store().changes();
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return Some(told);
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
        let state = &generation.state;
        // Also of a stream that goes on: a node that was away for long takes up the whole state at once.
        self.waiting.extend(lost(state, self.after).map(Told::Event));
        for event in state.events_after(self.after) {
            self.after = event.place;
            self.passed_over += 1;
            if let Some(shown) = self.filter.show(state, event) {
                self.say(Told::Event(shown));
            } else if self.passed_over >= PASSED_OVER_MAX {
                self.say(Told::Place(event.place));
            }
        }
    }

    fn say(&mut self, told: Told) {
        self.passed_over = 0;
        self.waiting.push_back(told);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::command::{Action, Command, Stamp};
    use model::commands::{CreateTenant, ResumeTenant, SuspendTenant};
    use model::id::{CommandId, TenantHandle};

    use super::*;

    const TENANT: TenantHandle = TenantHandle([1; 4]);

    /// A cluster with so many events, one for each index of its log.
    fn busy(events: usize) -> Cluster {
        let create = CreateTenant {
            handle: TENANT,
            name: TenantName::parse("acme").expect("a name"),
            region: "eu-1".to_owned(),
            labels: BTreeMap::new(),
            lease_ms: 3_000,
            auto_register: true,
            l2_commitment: [0; 32],
            wraps: Vec::new(),
        };
        let turn = |index: u64| -> Action {
            match index {
                1 => create.clone().into(),
                index if index % 2 == 0 => SuspendTenant { tenant: TENANT }.into(),
                _ => ResumeTenant { tenant: TENANT }.into(),
            }
        };
        let mut state = Cluster::new("eu-1");
        for index in 1..=events as u64 {
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index * 1_000) };
            state.apply(LogIndex(index), &Command { stamp, idempotency: None, action: turn(index) });
        }
        state
    }

    fn place(index: u64) -> Place {
        Place { index: LogIndex(index), item: 0 }
    }

    #[test]
    fn whoever_comes_back_too_late_is_told_so_once() {
        assert!(lost(&busy(10), place(3)).is_none(), "nothing has made room yet");
        let state = busy(EVENTS_MAX + 100);
        let told = lost(&state, place(7)).expect("a hundred events are gone");
        assert_eq!((told.event, told.id.as_str(), told.effective_time), (EVENTS_LOST, "100-65535", 101));
        let resumed = parse_number(&told.id).expect("a number");
        assert!(lost(&state, resumed).is_none(), "whoever goes on from there is not told again");
        assert_eq!(state.events_after(resumed).count(), EVENTS_MAX, "and misses nothing that is kept");
        assert!(lost(&state, place(101)).is_none(), "the oldest is kept");
        assert!(lost(&state, BEGINNING).is_none(), "whoever begins has missed nothing");
    }

    #[test]
    fn the_place_before_another_has_none_between() {
        assert_eq!(before(Place { item: 3, ..place(9) }), Place { item: 2, ..place(9) });
        assert_eq!(before(place(9)), Place { item: u16::MAX, ..place(8) });
    }
}
