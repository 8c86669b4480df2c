//! What must hold after every step, each by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::command::{Action, Answer};
use model::commands::NoteProbes;
use model::departure::Departure;
use model::event::{BEGINNING, What};
use model::id::{LogIndex, NodeId, TenantHandle};
use model::job::{JobKind, Step};
use model::object::{Body, KeyState, Object, Place};
use model::refusal::Refusal;
use model::root::{Gate, L1State};
use model::row::RowKey;
use model::service::{Service, ServiceState};
use model::state::{Changes, Effect, State};
use model::tenant::{Access, Tenant, TenantState};
use model::ticket::Purpose;
use model::time::ClusterTime;
use model::uid::Uid;
use model::workflow::{Task, WorkflowState};

use crate::script::PLACEHOLDER;
use crate::world::{Entry, Moment};

/// Most rows one apply may touch (CONSISTENCY 9).
const ROWS_PER_APPLY_MAX: usize = 1_000;

/// Holds one step against every invariant.
pub fn judge(moment: &Moment<'_>) {
    rows_alone_rebuild_the_state(moment);
    check_agrees_with_apply(moment);
    a_refusal_changes_nothing(moment);
    a_replay_gives_the_first_answer_and_changes_nothing(moment);
    handles_and_names_are_never_reused(moment);
    names_are_unique_among_living_objects(moment);
    aliases_are_unique_among_living_objects(moment);
    what_is_left_never_exceeds_what_was_granted(moment);
    a_limit_is_as_old_as_its_last_setting(moment);
    what_is_erased_holds_nothing(moment);
    cluster_time_never_goes_back(moment);
    boot_ids_strictly_increase(moment);
    node_ids_are_the_index_of_their_entry(moment);
    lives_only_go_forward(moment);
    an_apply_touches_few_rows(moment);
    whatever_ends_an_allowed_answer_is_a_withdrawal(moment);
    a_named_withdrawal_is_one(moment);
    a_refusal_that_tells_of_a_withdrawal_names_it(moment);
    withdrawals_purge_cached_keys(moment);
    objects_are_counted_and_listed_newest_first(moment);
    a_spent_or_ended_ticket_is_worth_nothing(moment);
    barriers_wait_for_every_lease_that_may_be_applied(moment);
    a_node_leaves_once_and_for_ever(moment);
    a_denial_stands_until_it_is_taken_back(moment);
    versions_open_by_their_tenants_roots_alone(moment);
    a_switch_leaves_old_roots_behind(moment);
    dangerous_deeds_have_the_approvals_they_want(moment);
    events_are_told_once_and_in_order(moment);
    events_tell_what_became_of_jobs_and_roots(moment);
    a_pin_is_refused_by_its_own_word_alone(moment);
    what_an_owner_decided_ends_by_its_own_word_alone(moment);
}

/// That no new keys are made, and that nothing is given, are two decisions: neither comes or goes with the other.
fn what_an_owner_decided_ends_by_its_own_word_alone(m: &Moment<'_>) {
    let disabled = |tenant: &Tenant| matches!(tenant.access, Access::ReadOnly | Access::UnlinkedReadOnly);
    let locked = |tenant: &Tenant| tenant.access.is_unlinked();
    for old in m.before.tenants() {
        let new = m.after.tenant(old.handle).expect("a tenant's handle stays for ever");
        let action = &m.entry.command.action;
        let by = match (disabled(old), disabled(new)) {
            (false, true) => matches!(action, Action::DisableTenant(it) if it.tenant == old.handle),
            (true, false) => matches!(action, Action::EnableTenant(it) if it.tenant == old.handle),
            (false, false) | (true, true) => true,
        };
        assert!(by, "{action:?} decided whether new keys are made");
        let by = match (locked(old), locked(new)) {
            (false, true) => matches!(action, Action::UnlinkTenant(it) if it.tenant == old.handle),
            (true, false) => matches!(action, Action::RelinkTenant(it) if it.tenant == old.handle),
            (false, false) | (true, true) => true,
        };
        assert!(by, "{action:?} decided whether anything is given");
    }
}

/// What an earlier PIN was refused says nothing of the one that a root has now.
fn a_pin_is_refused_by_its_own_word_alone(m: &Moment<'_>) {
    for root in m.after.roots_in_use().filter(|root| m.after.pin_refused(*root)) {
        let described = m.after.described(root);
        let refused = |note: &NoteProbes| {
            let its_own = note.probes.iter().filter(|probe| probe.root == root);
            its_own.into_iter().any(|it| (it.described, it.state) == (described, L1State::PinRefused))
        };
        let told = matches!(&m.entry.command.action, Action::NoteProbes(note) if refused(note));
        let known = m.before.pin_refused(root) && m.before.described(root) == described;
        assert!(known || told, "{root:?} is barred by {:?}", m.entry.command.action);
    }
}

/// Four eyes: whoever proposed it, wherever, and whatever else happened.
fn dangerous_deeds_have_the_approvals_they_want(m: &Moment<'_>) {
    let (tenant, task) = match &m.entry.command.action {
        Action::TerminateTenant(command) => (command.tenant, Task::TerminateTenant),
        Action::ShredService(command) => (command.tenant, Task::ShredService(command.service)),
        Action::SetApprovals(command) => (command.tenant, Task::SetApprovals(command.approvals)),
        Action::UnlinkTenant(command) => (command.tenant, Task::UnlinkTenant),
        Action::StartJob(command) if command.kind == JobKind::Migrate => {
            (command.tenant, Task::SwitchRoots(command.to.clone()))
        }
        _ => return,
    };
    let wanted = m.before.tenant(tenant).map_or(0, |tenant| tenant.approvals);
    let raised = matches!(task, Task::SetApprovals(approvals) if approvals >= wanted);
    let locked = |state: &State| state.tenant(tenant).is_some_and(|tenant| tenant.access.is_unlinked());
    let again = task == Task::UnlinkTenant && locked(m.before);
    if matches!(m.entry.applied.answer, Answer::Refused(_))
        || m.entry.replays.is_some()
        || wanted == 0
        || raised
        || again
    {
        return;
    }
    let approved = m.before.workflows(tenant).any(|workflow| {
        let others = workflow.votes.iter().filter(|vote| vote.approves && vote.by != workflow.initiator);
        let people: BTreeSet<&str> = others.map(|vote| vote.by.as_str()).collect();
        workflow.task == task
            && workflow.state == WorkflowState::Executing
            && people.len() >= usize::from(wanted)
    });
    assert!(approved, "{task:?} was done without {wanted} other people's approval");
    let under_way = |state: &State| {
        let same = state.workflows(tenant).filter(|workflow| workflow.task == task);
        same.filter(|workflow| workflow.state == WorkflowState::Executing).count()
    };
    assert_eq!(under_way(m.after) + 1, under_way(m.before), "the approval of {task:?} serves once");
}

fn events_are_told_once_and_in_order(m: &Moment<'_>) {
    let places = |state: &State| state.events_after(BEGINNING).map(|event| event.place).collect::<Vec<_>>();
    let (before, after) = (places(m.before), places(m.after));
    assert!(after.starts_with(&before), "what was told is not taken back");
    let new = &after[before.len()..];
    let index = m.index;
    let in_order = (0..).zip(new).all(|(item, place)| *place == Place { index, item });
    assert!(in_order, "a command's events are numbered in its entry: {new:?}");
}

/// Whoever follows events alone knows where every job is and which roots a tenant has.
fn events_tell_what_became_of_jobs_and_roots(m: &Moment<'_>) {
    let told: Vec<&What> = m
        .after
        .events_after(BEGINNING)
        .filter(|event| event.place.index == m.index)
        .map(|it| &it.what)
        .collect();
    for tenant in m.after.tenants() {
        for job in m.after.jobs_of(tenant.handle) {
            let before = m.before.job(tenant.handle, job.id).map(|before| before.step);
            let moved = match job.step {
                _ if before == Some(job.step) => continue,
                _ if before.is_none() => What::JobStarted(job.id, job.kind),
                Step::Succeeded => What::JobFinished(job.id, job.kind),
                Step::RolledBack => What::JobRolledBack(job.id, job.kind),
                step => What::JobMoved(job.id, step),
            };
            assert!(told.contains(&&moved), "{moved:?} is not told: {told:?}");
        }
        let before = m.before.tenant(tenant.handle);
        if before.is_some_and(|before| before.roots != tenant.roots)
            && tenant.state != TenantState::Terminated
        {
            let switched = told
                .iter()
                .any(|what| matches!(what, What::RootsSwitched(roots) if roots.len() == tenant.roots.len()));
            assert!(switched, "other roots are not told: {told:?}");
        }
        let primary = tenant.primary().map(|l2| l2.version);
        if before.is_some_and(|before| before.primary().map(|l2| l2.version) != primary)
            && let Some(version) = primary
        {
            let rotated = What::KeyRotation(version, tenant.level());
            assert!(told.contains(&&rotated), "{rotated:?} is not told: {told:?}");
        }
    }
}

/// CONSISTENCY 2: a lower length is waited for under the old one until a second command says it took effect.
fn barriers_wait_for_every_lease_that_may_be_applied(m: &Moment<'_>) {
    for old in m.before.tenants() {
        let new = m.after.tenant(old.handle).expect("a tenant's handle stays for ever");
        let (before, after) = (old.barrier_lease_ms(), new.barrier_lease_ms());
        assert!(after >= new.lease_ms, "a barrier is never shorter than what requests are judged by");
        let ended = matches!(&m.entry.command.action, Action::LeaseTookEffect(command)
            if command.tenant == old.handle && old.lowered.is_some_and(|it| it.at == command.lowered_at));
        assert!(after >= before || ended, "{:?} shortened a barrier", m.entry.command.action);
    }
    let lowered: BTreeMap<_, _> =
        m.after.tenants().filter_map(|tenant| Some((tenant.handle, tenant.lowered?.at))).collect();
    assert_eq!(m.after.lowerings().collect::<BTreeMap<_, _>>(), lowered);
    let shortest = m.after.tenants().map(|tenant| tenant.lease_ms).min();
    let longest = m.after.tenants().map(|tenant| tenant.barrier_lease_ms()).max();
    assert_eq!(m.after.lease_ms_bounds(), (shortest.unwrap_or(3_000), longest.unwrap_or(3_000)));
}

fn a_node_leaves_once_and_for_ever(m: &Moment<'_>) {
    for node in (0..3).map(NodeId) {
        match (m.before.departure(node), m.after.departure(node)) {
            (Some(Departure::Retired { at }), after) => assert_eq!(after, Some(Departure::Retired { at })),
            (Some(Departure::Retiring { .. }), after) => assert!(after.is_some(), "a removal is not undone"),
            (None, Some(Departure::Retired { .. })) => panic!("a node was retired without retiring"),
            (None, _) => {}
        }
    }
}

fn a_denial_stands_until_it_is_taken_back(m: &Moment<'_>) {
    let taken_back = matches!(m.entry.command.action, Action::AllowCertificates(_));
    for (id, denial) in m.before.denials() {
        assert!(m.after.denial(id) == Some(denial) || taken_back, "a denial was lost or moved");
    }
    for (id, denial) in m.after.denials() {
        assert!(m.before.denial(id).is_some() || m.entry.applied.withdrawal == Some(denial.at));
    }
}

fn a_spent_or_ended_ticket_is_worth_nothing(m: &Moment<'_>) {
    let Action::UseTicket(used) = &m.entry.command.action else { return };
    if matches!(m.entry.applied.answer, Answer::Refused(_)) || m.entry.replays.is_some() {
        return;
    }
    let before = m.before.ticket(&used.uid).expect("a ticket that was used was there");
    assert!(before.lasts_at(m.after.cluster().time), "a ticket was used after its end");
    if let Purpose::Login { requests_left: Some(left), .. } = before.purpose {
        let Purpose::Login { requests_left: Some(now), .. } = m.after.ticket(&used.uid).unwrap().purpose
        else {
            panic!("a use changed what the ticket is for");
        };
        assert_eq!(now + 1, left, "a use takes one request, and there was one to take");
    }
}

fn rows_alone_rebuild_the_state(m: &Moment<'_>) {
    let rows = || m.rows.iter().map(|(key, row)| (*key, row.clone()));
    assert!(&State::from_rows(rows()).unwrap() == m.after, "rows in order");
    assert!(&State::from_rows(rows().rev()).unwrap() == m.after, "rows in reverse");
    assert!(&m.after.rows().collect::<BTreeMap<_, _>>() == m.rows, "the state's own rows");
}

fn check_agrees_with_apply(m: &Moment<'_>) {
    match (m.before.check(&m.entry.command), &m.entry.applied.answer) {
        (Err(expected), Answer::Refused(given)) => assert_eq!(&expected, given),
        (Ok(()), Answer::Refused(given)) => panic!("check passed, apply refused: {given}"),
        (Err(expected), answer) => panic!("check refused ({expected}), apply answered {answer:?}"),
        (Ok(()), _) => {}
    }
}

fn a_refusal_changes_nothing(m: &Moment<'_>) {
    if matches!(m.entry.applied.answer, Answer::Refused(_)) {
        assert_eq!(m.entry.applied.changes, Changes::default());
        assert!(m.before == m.after, "a refusal changed the state");
    }
}

fn a_replay_gives_the_first_answer_and_changes_nothing(m: &Moment<'_>) {
    let Some(first) = m.entry.replays.map(|index| &entry_at(m, index).applied) else { return };
    assert_eq!(m.entry.applied.answer, first.answer);
    assert_eq!(m.entry.applied.withdrawal, first.withdrawal, "a replay passes the original barrier");
    assert_eq!(m.entry.applied.changes, Changes::default());
    assert!(m.before == m.after, "a replay changed the state");
}

fn handles_and_names_are_never_reused(m: &Moment<'_>) {
    for old in m.before.tenants() {
        let new = m.after.tenant(old.handle).expect("a tenant's handle stays for ever");
        assert_eq!((&new.name, new.created, &new.region), (&old.name, old.created, &old.region));
        for old in m.before.services(old.handle) {
            let new = m.after.service(old.tenant, old.handle).expect("a service's handle stays for ever");
            assert_eq!((&new.name, new.created), (&old.name, old.created));
            assert_eq!(new.seed_commitment, old.seed_commitment, "one seed for ever");
        }
    }
    let names: BTreeSet<_> = m.after.tenants().map(|tenant| &tenant.name).collect();
    assert_eq!(names.len(), m.after.tenants().count(), "tenant names are unique for ever");
    for tenant in m.after.tenants() {
        assert_eq!(m.after.tenant_named(&tenant.name), Some(tenant));
        let living = |service: &&Arc<Service>| service.state != ServiceState::Shredded;
        let names: BTreeSet<_> =
            m.after.services(tenant.handle).filter(living).map(|service| &service.name).collect();
        assert_eq!(names.len(), m.after.services(tenant.handle).filter(living).count());
        for service in m.after.services(tenant.handle).filter(living) {
            assert_eq!(m.after.service_named(tenant.handle, &service.name), Some(service));
        }
    }
}

fn names_are_unique_among_living_objects(m: &Moment<'_>) {
    for (tenant, objects) in objects_by_tenant(m.after) {
        let mut seen = BTreeMap::new();
        for object in objects.iter().filter(|object| !object.lifecycle.state.is_destroyed()) {
            for name in object.names.iter().filter(|name| name.value != PLACEHOLDER) {
                assert_eq!(seen.insert(&name.value, object.uid), None, "{name:?} names two objects");
                let found = m.after.object_named(tenant, &name.value).expect("a name finds its object");
                assert_eq!(found.uid, object.uid);
            }
        }
        assert!(m.after.object_named(tenant, PLACEHOLDER).is_none(), "a placeholder finds nothing");
        for free in (0..4).map(|n| format!("name-{n}")).filter(|name| !seen.contains_key(name)) {
            assert!(m.after.object_named(tenant, &free).is_none(), "{free} names nothing that lives");
        }
    }
}

fn aliases_are_unique_among_living_objects(m: &Moment<'_>) {
    for (tenant, objects) in objects_by_tenant(m.after) {
        let mut living = BTreeMap::new();
        for object in objects.iter().filter(|object| !object.lifecycle.state.is_destroyed()) {
            let Some(alias) = &object.alias else { continue };
            let twice = living.insert((object.service(), alias.clone()), object.uid);
            assert_eq!(twice, None, "{alias:?} stands for two objects");
        }
        for service in m.after.services(tenant) {
            for alias in (0..4).map(|n| format!("alias-{n}")) {
                let found = m.after.object_aliased(tenant, service.handle, &alias).map(|object| object.uid);
                assert_eq!(found, living.get(&(service.handle, alias)).copied());
            }
        }
    }
}

fn what_is_left_never_exceeds_what_was_granted(m: &Moment<'_>) {
    for (_, objects) in objects_by_tenant(m.after) {
        for usage in objects.iter().filter_map(|object| object.usage) {
            assert!(usage.left <= usage.total);
        }
    }
}

/// A limit set anew gets a new age in the same entry, so that no block of the one before passes for its own.
fn a_limit_is_as_old_as_its_last_setting(m: &Moment<'_>) {
    let Action::ChangeAttributes(change) = &m.entry.command.action else { return };
    let tenant = change.uid.header.fields().tenant;
    let (Some(before), Some(after)) =
        (m.before.object(tenant, &change.uid), m.after.object(tenant, &change.uid))
    else {
        return;
    };
    assert_eq!(before.usage != after.usage, after.usage_since == m.index);
}

fn what_is_erased_holds_nothing(m: &Moment<'_>) {
    for tenant in m.after.tenants() {
        assert_eq!(tenant.versions.is_empty(), tenant.state == TenantState::Terminated);
        for service in m.after.services(tenant.handle) {
            assert_eq!(service.seed.is_none(), service.state == ServiceState::Shredded);
        }
        for object in m.after.objects(tenant.handle) {
            let destroyed = object.lifecycle.state.is_destroyed();
            assert_eq!(object.body == Body::Erased, destroyed, "{:?}", object.lifecycle.state);
            assert_eq!(object.lifecycle.destroy_date.is_some(), destroyed);
            assert!(!destroyed || object.attributes.iter().all(|attribute| attribute.name != "Digest"));
        }
    }
}

fn cluster_time_never_goes_back(m: &Moment<'_>) {
    let (before, after) = (m.before.cluster().time, m.after.cluster().time);
    assert!(before <= after);
    let stamp = m.entry.command.stamp.time;
    assert!(after == before || after == stamp, "time comes from the leader's stamp alone");
}

fn boot_ids_strictly_increase(m: &Moment<'_>) {
    let (before, after) = (m.before.cluster().last_boot.0, m.after.cluster().last_boot.0);
    match &m.entry.applied.answer {
        Answer::BootId(given) if m.entry.replays.is_none() => {
            assert_eq!((given.0, after), (before + 1, before + 1));
        }
        _ => assert_eq!(before, after),
    }
}

fn node_ids_are_the_index_of_their_entry(m: &Moment<'_>) {
    let (Action::JoinNode(command), Answer::Node(given)) = (&m.entry.command.action, &m.entry.applied.answer)
    else {
        return;
    };
    let known = m.before.joined_by(&command.attempt).map(|joined| joined.node);
    assert_eq!(*given, known.unwrap_or(NodeId(m.index.0)), "a retry gets the same id");
    assert_eq!(m.after.joined(*given).map(|joined| joined.attempt), Some(command.attempt));
}

fn lives_only_go_forward(m: &Moment<'_>) {
    let now = m.after.cluster().time;
    for old in m.before.tenants() {
        let new = &m.after.tenant(old.handle).unwrap();
        assert!(new.revision >= old.revision && new.withdrawn_at >= old.withdrawn_at);
        let but_lowered = |tenant: &Tenant| Tenant { lowered: None, ..tenant.clone() };
        let ended = old.state == TenantState::Terminated;
        assert!(!ended || but_lowered(old) == but_lowered(new), "the end of a tenant is the end");
        for old in m.before.services(old.handle) {
            let new = &m.after.service(old.tenant, old.handle).unwrap();
            assert!(new.revision >= old.revision && new.withdrawn_at >= old.withdrawn_at);
            assert!(old.state != ServiceState::Shredded || old == *new, "the end of a service is the end");
        }
        for old in m.before.objects(old.handle) {
            let new = m.after.object(old.uid.header.fields().tenant, &old.uid).expect("rows of objects stay");
            assert_eq!((new.place, &new.alias), (old.place, &old.alias));
            assert!(new.revision >= old.revision && new.withdrawn_at >= old.withdrawn_at);
            if replaced(&m.entry.command.action, &old.uid) {
                continue;
            }
            assert_eq!(new.object_type, old.object_type);
            let (from, to) = (old.lifecycle.state_at(now), new.lifecycle.state_at(now));
            let lawful = is_lawful_in(steps(&m.entry.command.action), from, to);
            assert!(lawful, "from {from:?} to {to:?} by {:?}", m.entry.command.action);
        }
    }
}

/// Whether an action puts new material behind an object, which then begins a new life.
fn replaced(action: &Action, uid: &Uid) -> bool {
    match action {
        Action::ReplaceMaterial(command) => command.uid == *uid,
        Action::CommitTogether(list) => list.actions.iter().any(|action| replaced(action, uid)),
        _ => false,
    }
}

/// How many actions one entry can bring about an object.
fn steps(action: &Action) -> usize {
    match action {
        Action::CommitTogether(list) => list.actions.iter().map(steps).sum(),
        _ => 1,
    }
}

/// Whether so many lawful steps can lead from one state to another.
fn is_lawful_in(steps: usize, from: KeyState, to: KeyState) -> bool {
    use KeyState::{Active, Compromised, Deactivated, Destroyed, DestroyedCompromised, PreActive};
    let between = [PreActive, Active, Deactivated, Compromised, Destroyed, DestroyedCompromised];
    let detour = |over| is_lawful(from, over) && is_lawful_in(steps - 1, over, to);
    is_lawful(from, to) || steps > 1 && between.into_iter().any(detour)
}

/// The arrows of NIST SP 800-57 part 1, and Pre-Active straight to Deactivated when one request sets
/// both dates in the past.
fn is_lawful(from: KeyState, to: KeyState) -> bool {
    use KeyState::{Active, Compromised, Deactivated, Destroyed, DestroyedCompromised, PreActive};
    from == to
        || match from {
            PreActive => matches!(to, Active | Deactivated | Compromised | Destroyed),
            Active => matches!(to, Deactivated | Compromised),
            Deactivated => matches!(to, Compromised | Destroyed),
            Compromised => to == DestroyedCompromised,
            Destroyed | DestroyedCompromised => false,
        }
}

fn an_apply_touches_few_rows(m: &Moment<'_>) {
    assert!(m.entry.applied.changes.rows.len() <= ROWS_PER_APPLY_MAX);
}

/// CONSISTENCY 3, from the caller's side: whatever key a node would have handed out before and does not
/// after, at the same moment of cluster time, was taken away by a withdrawal.
fn whatever_ends_an_allowed_answer_is_a_withdrawal(m: &Moment<'_>) {
    let now = m.after.cluster().time;
    for tenant in m.before.tenants() {
        for object in m.before.objects(tenant.handle) {
            let after = m.after.object(tenant.handle, &object.uid).expect("rows of objects stay");
            let got = is_gettable(m.before, object, now) && !is_gettable(m.after, after, now);
            let used = object.lifecycle.state_at(now) == KeyState::Active
                && after.lifecycle.state_at(now) != KeyState::Active;
            let ended = got || used;
            assert!(
                !ended || m.entry.applied.withdrawal == Some(m.index),
                "{:?} took a key away silently",
                m.entry.command.action
            );
        }
    }
}

fn a_named_withdrawal_is_one(m: &Moment<'_>) {
    let Some(index) = m.entry.applied.withdrawal else { return };
    if index == m.index {
        assert!(m.entry.command.action.withdraws(m.after.cluster().time));
        return;
    }
    assert!(index < m.index);
    let named = entry_at(m, index);
    assert_eq!(named.applied.withdrawal, Some(index), "{:?} withdrew nothing", named.command.action);
    assert!(!matches!(named.applied.answer, Answer::Refused(_)));
}

fn a_refusal_that_tells_of_a_withdrawal_names_it(m: &Moment<'_>) {
    let Answer::Refused(refusal) = &m.entry.applied.answer else { return };
    let ended = match refusal {
        Refusal::TenantSuspended { .. }
        | Refusal::TenantTerminated { .. }
        | Refusal::TenantUnlinked { .. }
        | Refusal::TenantReadOnly { .. }
        | Refusal::ServiceSuspended { .. }
        | Refusal::ServiceShredded { .. } => true,
        Refusal::Archived { .. } => true,
        Refusal::WrongState { state, .. } => state.is_destroyed() || *state == KeyState::Compromised,
        _ => false,
    };
    assert!(!ended || refusal.withdrawal().is_some(), "{refusal:?}");
    assert_eq!(m.entry.applied.withdrawal, refusal.withdrawal());
}

/// A tenant whose last root closes, or whose grace is cut below what has passed, leaves every node's memory, and no
/// other does.
fn closing_purges(m: &Moment<'_>) {
    let now = m.after.cluster().time;
    let closed =
        |state: &State, handle| matches!(state.gate(state.tenant(handle).unwrap(), now), Gate::Closed { .. });
    for tenant in m.after.tenants().map(|tenant| tenant.handle) {
        let purged = m.entry.applied.changes.effects.contains(&Effect::PurgeTenant(tenant));
        assert!(purged || closed(m.before, tenant) || !closed(m.after, tenant), "closed, and not purged");
        assert!(!purged || closed(m.after, tenant), "purged, and not closed");
    }
}

/// Whatever a job does, wherever it stops: every version opens by each of its tenant's roots, and when no job
/// runs, by no other. A customer's tenant thus has no second durable wrap under a key of the platform.
fn versions_open_by_their_tenants_roots_alone(m: &Moment<'_>) {
    for tenant in m.after.tenants() {
        let own =
            |root| m.after.root(tenant.handle, root).expect("a root in use is configured").l1_ref.clone();
        let roots: BTreeSet<String> = match tenant.roots.as_slice() {
            [] => BTreeSet::from(["software:root-1".to_owned()]),
            own_roots => own_roots.iter().map(|root| own(*root)).collect(),
        };
        for l2 in &tenant.versions {
            let wraps: BTreeSet<String> = l2.wraps.iter().map(|wrap| wrap.l1_ref.clone()).collect();
            assert_eq!(wraps.len(), l2.wraps.len(), "one wrap by each root");
            assert!(roots.is_subset(&wraps), "version {} does not open by {roots:?}: {wraps:?}", l2.version);
            let job = m.after.running_job(tenant.handle);
            assert!(job.is_some() || roots == wraps, "version {} still opens by {wraps:?}", l2.version);
        }
    }
}

/// Keys made after a migration come from a version that the root which left has never wrapped.
fn a_switch_leaves_old_roots_behind(m: &Moment<'_>) {
    let Action::SwitchRoots(step) = &m.entry.command.action else { return };
    if matches!(m.entry.applied.answer, Answer::Refused(_)) || m.entry.replays.is_some() {
        return;
    }
    let (before, after) = (m.before.tenant(step.tenant).unwrap(), m.after.tenant(step.tenant).unwrap());
    let job = m.after.job(step.tenant, step.id).unwrap();
    assert_eq!((&before.roots, &after.roots), (&job.from, &job.to));
    let fresh = after.primary().unwrap();
    assert_eq!(job.drops_a_root(), before.primary().unwrap().version != fresh.version);
    if job.drops_a_root() {
        assert_eq!(fresh.wraps.len(), job.to.len().max(1), "wrapped by the roots to be alone");
    }
}

fn withdrawals_purge_cached_keys(m: &Moment<'_>) {
    if matches!(m.entry.applied.answer, Answer::Refused(_)) || m.entry.replays.is_some() {
        return;
    }
    let expected = match &m.entry.command.action {
        Action::SuspendTenant(command) => Some(Effect::PurgeTenant(command.tenant)),
        Action::UnlinkTenant(command) => Some(Effect::PurgeTenant(command.tenant)),
        Action::NoteProbes(_) | Action::SetRootPolicy(_) => return closing_purges(m),
        Action::TerminateTenant(command) => Some(Effect::PurgeTenant(command.tenant)),
        Action::SuspendService(command) => Some(Effect::PurgeService(command.tenant, command.service)),
        Action::ShredService(command) => Some(Effect::PurgeService(command.tenant, command.service)),
        _ => None,
    };
    assert_eq!(m.entry.applied.changes.effects, expected.into_iter().collect::<Vec<_>>());
}

fn objects_are_counted_and_listed_newest_first(m: &Moment<'_>) {
    for (tenant, objects) in objects_by_tenant(m.after) {
        assert!(objects.windows(2).all(|pair| pair[0].place > pair[1].place));
        let stored = m.rows.keys().filter(|key| matches!(key, RowKey::Object(of, _) if *of == tenant));
        assert_eq!(objects.len(), stored.count());
        for service in m.after.services(tenant) {
            let own = objects.iter().filter(|object| object.service() == service.handle).count();
            assert_eq!(m.after.object_count(tenant, service.handle), own as u64);
            let own = objects.iter().filter(|object| object.service() == service.handle);
            let last = own.map(|object| object.withdrawn_at).max().unwrap_or_default();
            assert_eq!(m.after.last_withdrawal(tenant, service.handle), last);
        }
    }
}

/// Whether a node would hand the key out to its own service.
fn is_gettable(state: &State, object: &Object, now: ClusterTime) -> bool {
    let fields = object.uid.header.fields();
    let tenant = state
        .tenant(fields.tenant)
        .is_some_and(|tenant| tenant.state == TenantState::Active && !tenant.access.is_unlinked());
    let Some(service) = state.service(fields.tenant, fields.service) else { return false };
    let lawful = match object.lifecycle.state_at(now) {
        KeyState::PreActive | KeyState::Active => true,
        KeyState::Deactivated | KeyState::Compromised => service.policy.get_after_revoke,
        KeyState::Destroyed | KeyState::DestroyedCompromised => false,
    };
    tenant && service.state == ServiceState::Active && lawful && object.lifecycle.archive_date.is_none()
}

fn entry_at<'a>(m: &Moment<'a>, index: LogIndex) -> &'a Entry {
    &m.log[usize::try_from(index.0).unwrap() - 1]
}

fn objects_by_tenant(state: &State) -> Vec<(TenantHandle, Vec<&Object>)> {
    let objects = |handle| state.objects(handle).map(AsRef::as_ref).collect();
    state.tenants().map(|tenant| (tenant.handle, objects(tenant.handle))).collect()
}
