//! Whether the roots in use still do their work: probed by turns, told to the cluster.
//!
//! The voters share the roots out among themselves, and another voter asks each time, so that one node's bad
//! road to a root is not the last word about it. Evidence is stamped before the probe is sent, in cluster time
//! (CONSISTENCY 13). No answer is never a no: only what a root says closes its tenants at once.
//!
//! What a root says of its key is the owner's word, whoever asks. That it will not deal with us may be the asking
//! node's own trouble: a wrong clock, an identity that nobody renewed. So a refusal has the other voters ask at once.
//! One that is answered ends the doubt; another refusal, or a few seconds in which nobody is answered, closes.

use std::future::ready;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::stream::{self, Stream, StreamExt as _};
use keystore::{RootError, Withdrawal};
use model::commands::{NoteProbes, PROBES_MAX, Probe};
use model::id::NodeId;
use model::root::{DETAIL_BYTES_MAX, L1State, PROBE_EVERY_MS_MAX, WhichRoot};
use model::state::State;
use model::time::ClusterTime;
use raft_store::Role;

use crate::engine::Engine;
use crate::pin_refused::as_described;
use crate::root_admin::probe;

/// Roots are not probed all at once: each begins later by up to this part of the time between two probes.
const JITTER: u64 = 12;
/// A root whose turn somebody missed is probed by any voter.
const MISSED_MS: u64 = 2_500;
/// A probe ends within this. A root that takes longer to open goes on opening, and the next probe finds it open.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// Probes at once.
const AT_ONCE: usize = 64;
/// How long a list of voters is good for.
const VOTERS_FRESH: Duration = Duration::from_secs(5);

/// Who votes and can be reached, not older than a few seconds.
#[derive(Default)]
pub(crate) struct Voters(Mutex<Option<(Instant, Vec<NodeId>)>>);

impl Voters {
    async fn now(&self, engine: &Engine) -> Vec<NodeId> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((asked, voters)) = known
            && asked.elapsed() < VOTERS_FRESH
        {
            return voters;
        }
        let cluster = engine.store.cluster_status().await;
        let live = cluster.nodes.iter().filter(|node| node.voter && node.reachable);
        let voters: Vec<NodeId> = live.map(|node| node.status.node).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), voters.clone()));
        voters
    }
}

/// Probes the roots whose turn it is here; whether the cluster was told.
pub(crate) async fn round(engine: &Engine, voters: &Voters) -> bool {
    let now = engine.store.now();
    let generation = engine.store.generation();
    if !generation.state.roots_in_use().any(|root| overdue(&generation.state, root, now).is_some()) {
        return true;
    }
    let voters = voters.now(engine).await;
    let node = engine.store.identity().node;
    let Some(own) = voters.iter().position(|voter| *voter == node) else { return true };
    let roots: Vec<WhichRoot> = generation
        .state
        .roots_in_use()
        .filter(|root| match overdue(&generation.state, *root, now) {
            Some(late_ms) => {
                late_ms >= MISSED_MS || turn(*root, now, every(&generation.state, *root), voters.len()) == own
            }
            None => false,
        })
        .take(PROBES_MAX)
        .collect();
    if roots.is_empty() {
        return true;
    }
    let probes: Vec<Option<Probe>> =
        stream::iter(roots).map(|root| ask(engine, root)).buffer_unordered(AT_ONCE).collect().await;
    tell(engine, &generation.state, probes.into_iter().flatten().collect()).await
}

/// The roots to ask whosever turn it is: those that refused another node a moment ago, and that nobody has heard since;
/// and those whose tokens refused their PIN here, since no other node may try it. A learner is not asked about others'
/// doubts, as it is not for probes: it may not even know yet what has become of them.
pub(crate) fn doubted(engine: &Engine, state: &State) -> Vec<WhichRoot> {
    let node = engine.store.identity().node;
    let mut roots = match engine.store.status().role {
        Role::Learner | Role::Stopped => Vec::new(),
        Role::Leader | Role::Follower | Role::Candidate => refused_others(state, node, engine.store.now()),
    };
    for root in engine.roots.pin_refused().untold(state) {
        if roots.len() < PROBES_MAX && !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

fn refused_others(state: &State, node: NodeId, now: ClusterTime) -> Vec<WhichRoot> {
    let waits = |root: &WhichRoot| {
        let refused = state.l1(*root).filter(|l1| l1.by != node);
        refused.and_then(|l1| l1.doubted_until()).is_some_and(|until| now < until)
    };
    state.roots_in_use().filter(waits).take(PROBES_MAX).collect()
}

/// Asks the roots that are doubted; whether the cluster was told, or there was nothing to ask.
pub(crate) async fn second_opinions(engine: &Engine) -> bool {
    let generation = engine.store.generation();
    let roots = doubted(engine, &generation.state);
    if roots.is_empty() {
        return true;
    }
    let mut untold = engine.roots.pin_refused().take(&roots);
    // All at once: a doubt lasts for seconds, and none of them is to wait for another to answer.
    let answers = stream::iter(roots).map(|root| ask(engine, root)).buffer_unordered(PROBES_MAX);
    let mut opinions = pin!(opinions(answers));
    let mut all_told = true;
    while let Some(opinions) = opinions.next().await {
        let of: Vec<WhichRoot> = opinions.iter().map(|probe| probe.root).collect();
        if tell(engine, &generation.state, opinions).await {
            untold.retain(|own, _| !of.contains(&Some(*own)));
        } else {
            all_told = false;
        }
    }
    engine.roots.pin_refused().keep(untold);
    all_told
}

/// What roots say, as they say it: one that answers at once does not wait for one that does not at all. Silence is no
/// opinion: the root is asked again while the doubt lasts.
fn opinions(answers: impl Stream<Item = Option<Probe>>) -> impl Stream<Item = Vec<Probe>> {
    let says = |probe: &Probe| !matches!(probe.state, L1State::Unreachable | L1State::Unknown);
    answers.filter_map(move |probe| ready(probe.filter(says))).ready_chunks(PROBES_MAX)
}

/// Probes one root now, whosever turn it is; whether the cluster was told.
pub(crate) async fn hear(engine: &Engine, root: WhichRoot) -> bool {
    let probe = ask(engine, root).await;
    tell(engine, &engine.store.generation().state, probe.into_iter().collect()).await
}

/// Tells the cluster what probes brought, and puts on record what is new of it.
async fn tell(engine: &Engine, state: &State, probes: Vec<Probe>) -> bool {
    if probes.is_empty() {
        return false;
    }
    let by = engine.store.identity().node;
    let news: Vec<(Probe, L1State)> =
        probes.iter().filter_map(|probe| Some((probe.clone(), news(state, by, probe)?))).collect();
    match engine.store.propose(NoteProbes { by, probes }, None).await {
        Ok(_) => record(engine, state, &news).await,
        Err(error) => {
            tracing::warn!(%error, "the cluster could not be told what roots say");
            false
        }
    }
}

/// What is known by a probe, if it is something else than was; that a new root works is nothing new.
fn news(state: &State, by: NodeId, probe: &Probe) -> Option<L1State> {
    if probe.described != state.described(probe.root) {
        return None;
    }
    let (was, is) = match state.l1(probe.root) {
        Some(l1) => (l1.state, l1.after(by, probe.state)),
        None => (L1State::Enabled, probe.state),
    };
    (is != was).then_some(is)
}

/// Puts on record why tenants close and open again; whether that is durable.
async fn record(engine: &Engine, state: &State, news: &[(Probe, L1State)]) -> bool {
    let mut recorded = true;
    for (probe, known) in news {
        let root = probe.root.and_then(|(tenant, root)| state.root(tenant, root));
        let tenant = root.and_then(|root| state.tenant(root.tenant));
        let target = match (root, tenant) {
            (Some(root), Some(tenant)) => format!("root {} of {}", root.name, tenant.name),
            _ => "root platform".to_owned(),
        };
        let detail = format!("{} {}", known.as_str(), probe.detail);
        let tenant = tenant.map(|tenant| tenant.handle);
        let noted = engine.note_action(None, "note_probes", tenant, &target, detail.trim(), None).await;
        recorded &= noted.is_ok();
    }
    recorded
}

/// How late the probe of a root is, in milliseconds; `None` while it is not due. One whose PIN was refused is not asked
/// by that one again: what would be told of it is what is known already, and might come after it was replaced.
fn overdue(state: &State, root: WhichRoot, now: ClusterTime) -> Option<u64> {
    if state.pin_refused(root) {
        return None;
    }
    let Some(l1) = state.l1(root) else { return Some(0) };
    let every = every(state, root);
    let due = l1.probed_at.plus_ms(every + spread(root, 0) % (every / JITTER));
    // When a doubt closed, its tenants' keys are still in memory: the next evidence has them let go.
    let closed = l1.doubted_until().filter(|until| l1.noted_at < *until);
    let due = closed.map_or(due, |closed| due.min(closed));
    (now >= due).then(|| now.0 - due.0)
}

/// Between two probes of a root, in milliseconds: as its tenant wants, the platform's as seldom as is allowed. A tenant
/// may have been allowed more than it would be today.
fn every(state: &State, root: WhichRoot) -> u64 {
    let tenant = root.and_then(|(tenant, _)| state.tenant(tenant));
    tenant.map_or(PROBE_EVERY_MS_MAX, |tenant| tenant.probe_every_ms.min(PROBE_EVERY_MS_MAX))
}

/// Whose turn it is: roots are spread over voters, and go round with every probe.
fn turn(root: WhichRoot, now: ClusterTime, every_ms: u64, voters: usize) -> usize {
    let round = now.0 / every_ms;
    let of = u64::try_from(voters).unwrap_or(1).max(1);
    usize::try_from(spread(root, round) % of).unwrap_or(0)
}

/// FNV-1a over the root's name and a number: even enough to share work, and the same everywhere.
fn spread(root: WhichRoot, salt: u64) -> u64 {
    let (tenant, handle) = root.map_or(([0; 4], [0; 4]), |(tenant, handle)| (tenant.0, handle.0));
    let bytes = tenant.into_iter().chain(handle).chain(salt.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

async fn ask(engine: &Engine, root: WhichRoot) -> Option<Probe> {
    let generation = engine.store.generation();
    if generation.state.pin_refused(root) {
        return None;
    }
    let (described, began) = (generation.state.described(root), engine.store.now());
    let asked = async {
        let configured = match root {
            None => None,
            Some((tenant, handle)) => Some(generation.state.root(tenant, handle)?),
        };
        let opened = match engine.roots.root(&generation.state, configured.map(AsRef::as_ref)).await {
            Ok(opened) => opened,
            Err(error) => return Some(Err(error)),
        };
        let answer = probe(opened.as_ref(), PROBE_MAX).await.map(drop);
        Some(engine.roots.pin_refused().noted(configured.map(|root| as_described(root)), answer))
    };
    let late = || RootError::Unreachable { root: String::new(), detail: "no answer in time".to_owned() };
    let answer = tokio::time::timeout(PROBE_MAX, asked).await.unwrap_or_else(|_| Some(Err(late())))?;
    let (state, detail) = match answer {
        Ok(()) => (L1State::Enabled, String::new()),
        Err(RootError::Memory(_)) => return None,
        Err(error) => (state_of(root, &error), short(error.to_string())),
    };
    if state == L1State::Refused {
        tracing::warn!(%detail, "a root refuses this node: see that its clock and identity are right");
    }
    Some(Probe { root, described, began, state, detail })
}

/// What an error says about the key. Only the root's own word is a withdrawal, and what it says of us is this node's
/// alone so far. The PIN of a tenant's root is every node's, and another try of it is one too many; the platform's each
/// node has in a file.
fn state_of(root: WhichRoot, error: &RootError) -> L1State {
    match error {
        RootError::Withdrawn { withdrawal: Withdrawal::PinRefused, .. } if root.is_some() => {
            L1State::PinRefused
        }
        RootError::Withdrawn { withdrawal: Withdrawal::Denied | Withdrawal::PinRefused, .. } => {
            L1State::Refused
        }
        RootError::Withdrawn { withdrawal: Withdrawal::Disabled, .. } => L1State::Disabled,
        RootError::Withdrawn { withdrawal: Withdrawal::PendingDeletion, .. } => L1State::PendingDeletion,
        RootError::Withdrawn { withdrawal: Withdrawal::Destroyed, .. } => L1State::Deleted,
        RootError::Unreachable { .. } | RootError::Throttled { .. } | RootError::Memory(_) => {
            L1State::Unreachable
        }
        RootError::Corrupt { .. } | RootError::Misconfigured { .. } => L1State::Unknown,
    }
}

fn short(mut text: String) -> String {
    let mut end = text.len().min(DETAIL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystore::Who;
    use model::command::{Action, Command, Stamp};
    use model::commands::ReplaceRootCredentials;
    use model::id::{CommandId, LogIndex, RootHandle, TenantHandle};
    use model::root::REFUSED_MS;

    use crypto::L2Commitment;

    use crate::roots::fake::{OWN as ROOT, TENANT, with_own};

    const OWN: WhichRoot = Some((TENANT, ROOT));

    #[test]
    fn no_answer_is_never_a_no() {
        let root = String::new;
        let silent = RootError::Unreachable { root: root(), detail: root() };
        let busy = RootError::Throttled { root: root(), retry_after: None, detail: root() };
        let corrupt = RootError::Corrupt { root: root(), detail: "".into() };
        let (missing, fix) = (root(), root());
        let wrong = RootError::Misconfigured { root: root(), who: Who::Operator, missing, fix };
        for error in [silent, busy, corrupt, wrong] {
            assert!(!state_of(None, &error).is_withdrawn(), "{error}");
        }
        let no =
            |of, withdrawal| state_of(of, &RootError::Withdrawn { root: root(), withdrawal, detail: root() });
        for withdrawal in [Withdrawal::Disabled, Withdrawal::PendingDeletion, Withdrawal::Destroyed] {
            assert!(no(None, withdrawal).is_withdrawn());
        }
        assert_eq!(no(None, Withdrawal::Denied), L1State::Refused, "another node may still be answered");
        let own = Some((TenantHandle([1; 4]), RootHandle([2; 4])));
        assert_eq!(no(own, Withdrawal::PinRefused), L1State::PinRefused, "no other node shall try it");
        assert_eq!(no(None, Withdrawal::PinRefused), L1State::Refused, "the others have files of their own");
    }

    fn of_platform(began: ClusterTime, state: L1State) -> Probe {
        Probe { root: None, described: None, began, state, detail: String::new() }
    }

    /// The platform's root after it was heard by node 1 and then, a second later, had this answer for node 2.
    fn state_after(answer: L1State) -> State {
        let mut state = State::new("eu");
        for (second, by, answer) in [(1, 1, L1State::Enabled), (2, 2, answer)] {
            let time = ClusterTime(second * 1_000);
            let probe = of_platform(time, answer);
            let action = NoteProbes { by: NodeId(by), probes: vec![probe] }.into();
            let stamp = Stamp { id: CommandId([0; 16]), time };
            state.apply(LogIndex(second), &Command { stamp, idempotency: None, action });
        }
        state
    }

    #[test]
    fn the_others_are_asked_at_once_about_what_one_node_was_refused() {
        let asked =
            |answer, node, ms| refused_others(&state_after(answer), NodeId(node), ClusterTime(ms)).len();
        assert_eq!((asked(L1State::Refused, 1, 2_001), asked(L1State::Refused, 3, 2_001)), (1, 1));
        assert_eq!(asked(L1State::Refused, 2, 2_001), 0, "its own word again says nothing new");
        assert_eq!(asked(L1State::Refused, 1, 2_000 + REFUSED_MS), 0, "by then it has closed");
        for known in [L1State::Enabled, L1State::Unreachable, L1State::Disabled] {
            assert_eq!(asked(known, 1, 2_001), 0, "{known:?}");
        }
    }

    #[test]
    fn what_nobody_contradicted_is_looked_at_when_it_closes() {
        let late = |answer, ms| overdue(&state_after(answer), None, ClusterTime(ms));
        let closes = 2_000 + REFUSED_MS;
        assert_eq!(late(L1State::Refused, closes - 1), None);
        assert_eq!(late(L1State::Refused, closes + 7), Some(7));
        assert_eq!(late(L1State::Unreachable, closes + 7), None);
    }

    #[test]
    fn a_root_whose_pin_was_refused_is_due_once_that_is_replaced() {
        let mut state = with_own(L2Commitment([0; 32]), Vec::new(), Vec::new());
        let late = |state: &State| overdue(state, OWN, ClusterTime(100_000)).is_some();
        let mut act = |index, action: Action| {
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
            state.apply(LogIndex(index), &Command { stamp, idempotency: None, action });
            late(&state)
        };
        let refused = |described| {
            let (began, answer, detail) = (ClusterTime(described + 1), L1State::PinRefused, String::new());
            let described = Some(LogIndex(described));
            let probe = Probe { root: OWN, described, began, state: answer, detail };
            NoteProbes { by: NodeId(1), probes: vec![probe] }.into()
        };
        let (tenant, root) = (TENANT, ROOT);
        let replaced = ReplaceRootCredentials { tenant, root, if_revision: None, settings: vec![1] };
        assert!(!act(3, refused(2)), "nobody has another PIN to try");
        assert!(act(4, replaced.into()));
        assert!(act(5, refused(2)), "the earlier one was refused");
        assert!(!act(6, refused(4)));
    }

    #[test]
    fn a_no_closes_every_node_in_time_whatever_happens_on_the_way() {
        let every = PROBE_EVERY_MS_MAX;
        // Nodes look every second, for what a voter missed and for what refused another.
        let look = 1_000;
        let probe = u64::try_from(PROBE_MAX.as_millis()).expect("seconds");
        let heard = every + every / JITTER + MISSED_MS + look + probe;
        assert!(look + probe < REFUSED_MS, "the others have time to contradict");
        assert!(heard + REFUSED_MS < 32_000, "{heard} ms, and nobody contradicts for {REFUSED_MS} ms");
    }

    #[test]
    fn an_opinion_does_not_wait_for_others_nor_for_the_silent() {
        use futures::FutureExt as _;
        use futures::channel::mpsc::unbounded;

        let (send, answers) = unbounded();
        let answer = |state| send.unbounded_send(Some(of_platform(ClusterTime(1), state))).expect("awaited");
        let mut opinions = pin!(opinions(answers));
        let mut told = || {
            let told = opinions.next().now_or_never().flatten().unwrap_or_default();
            told.iter().map(|probe| probe.state).collect::<Vec<L1State>>()
        };
        assert_eq!(told(), []);
        answer(L1State::Unreachable);
        answer(L1State::Enabled);
        assert_eq!(told(), [L1State::Enabled], "others are awaited still");
        answer(L1State::Refused);
        answer(L1State::Disabled);
        assert_eq!(told(), [L1State::Refused, L1State::Disabled], "in one entry");
        answer(L1State::Unknown);
        send.unbounded_send(None).expect("awaited");
        assert_eq!(told(), []);
    }

    #[test]
    fn what_is_put_on_record_is_what_is_known_then() {
        let probe = |state| of_platform(ClusterTime(3_000), state);
        let news = |was, by, answer| news(&state_after(was), NodeId(by), &probe(answer));
        assert_eq!(news(L1State::Enabled, 3, L1State::Refused), Some(L1State::Refused));
        assert_eq!(news(L1State::Refused, 2, L1State::Refused), None);
        assert_eq!(news(L1State::Refused, 3, L1State::Refused), Some(L1State::Forbidden));
        assert_eq!(news(L1State::Refused, 3, L1State::Enabled), Some(L1State::Enabled));
        assert_eq!(news(L1State::Disabled, 3, L1State::Unreachable), None);
        let earlier = Probe { described: Some(LogIndex(1)), ..probe(L1State::Disabled) };
        let none = super::news(&state_after(L1State::Enabled), NodeId(3), &earlier);
        assert_eq!(none, None, "what was said to an earlier description");
    }

    #[test]
    fn roots_are_shared_out_and_go_round() {
        let root = |number: u8| Some((TenantHandle([number; 4]), RootHandle([7; 4])));
        const EVERY: u64 = PROBE_EVERY_MS_MAX;
        let at = |round: u64| ClusterTime(round * EVERY);
        let mut load = [0_usize; 3];
        (0..=255).for_each(|number| load[turn(root(number), at(1), EVERY, 3)] += 1);
        assert!(load.iter().all(|roots| *roots > 40), "{load:?}");
        let asked: std::collections::BTreeSet<usize> =
            (0..12).map(|round| turn(root(1), at(round), EVERY, 3)).collect();
        assert_eq!(asked.len(), 3, "every voter has its turn");
    }
}
