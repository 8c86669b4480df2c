//! What probes of roots brought, several at once: a voter probes its share and writes one entry.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::event::What;
use crate::id::{LogIndex, NodeId, TenantHandle};
use crate::refusal::{Limit, Refusal};
use crate::root::{DETAIL_BYTES_MAX, Gate, L1, L1State, WhichRoot};
use crate::state::{At, Changes, Effect, State};
use crate::time::ClusterTime;

/// Most probes of one entry: an apply touches a bounded number of rows.
pub const PROBES_MAX: usize = 256;

/// Evidence about roots. Older evidence than what is known changes nothing, and neither does what a root said to
/// credentials that were replaced meanwhile: it says nothing of those it has now, which nobody may have tried yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteProbes {
    /// The node that probed.
    pub by: NodeId,
    /// Each about another root.
    pub probes: Vec<Probe>,
}

/// What one probe brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The root.
    pub root: WhichRoot,
    /// The revision of the description it was asked by; none for the platform's.
    pub described: Option<LogIndex>,
    /// Cluster time *before* the probe was sent.
    pub began: ClusterTime,
    /// What the root said.
    pub state: L1State,
    /// Its own words; empty when all is well.
    pub detail: String,
}

impl NoteProbes {
    /// Anything but "it works" may close a tenant, if only because its grace is over.
    pub(crate) fn withdraws_at(&self, _: ClusterTime) -> bool {
        self.probes.iter().any(|probe| probe.state != L1State::Enabled)
    }
}

impl Apply for NoteProbes {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        if self.probes.len() > PROBES_MAX
            || self.probes.iter().any(|probe| probe.detail.len() > DETAIL_BYTES_MAX)
        {
            return Err(Refusal::LimitReached { what: Limit::Probes, max: PROBES_MAX as u64 });
        }
        let known = |probe: &Probe| match probe.root {
            None => true,
            Some((tenant, root)) => state.root(tenant, root).is_some(),
        };
        // A root that was removed while it was probed: the others of the entry are probed again soon.
        if self.probes.iter().all(known) { Ok(()) } else { Err(Refusal::RootUnknown) }
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        for probe in &self.probes {
            note(state, self.by, probe, at, changes);
        }
        Answer::Done
    }
}

fn note(state: &mut State, by: NodeId, probe: &Probe, at: &At, changes: &mut Changes) {
    if probe.described != state.described(probe.root) {
        return;
    }
    let before = state.l1(probe.root).cloned();
    if before.as_ref().is_some_and(|before| probe.began <= before.probed_at) {
        return;
    }
    let known = match before.as_deref() {
        Some(before) if state.pin_refused(probe.root) => before.state,
        Some(before) => before.after(by, probe.state),
        None => probe.state,
    };
    let ok = known == L1State::Enabled;
    let l1 = match before.as_deref() {
        // It stands as it is, whatever this probe brought. A doubt remains that of the node that was refused.
        Some(stands) if stands.state == known && probe.state != known => {
            let by = if known == L1State::Refused { stands.by } else { by };
            L1 { probed_at: probe.began, noted_at: at.time, by, ..stands.clone() }
        }
        before => {
            // A PIN that replaced one that was refused, and is refused as well, closes anew.
            let same = before.filter(|before| {
                before.state == known && (known != L1State::PinRefused || state.pin_refused(probe.root))
            });
            found(by, probe, known, before, same, at)
        }
    };
    let closes = |l1: &L1, grace_ms, now| matches!(l1.gate(grace_ms, now), Gate::Closed { .. });
    let newly_closed = |grace_ms| {
        let was = before.as_ref().is_some_and(|before| closes(before, grace_ms, before.noted_at));
        !was && closes(&l1, grace_ms, at.time)
    };
    let tenants: Vec<(TenantHandle, u64)> =
        if ok { Vec::new() } else { state.hanging_on(probe.root).collect() };
    let concerned: Vec<TenantHandle> = tenants
        .into_iter()
        .filter(|(_, grace_ms)| newly_closed(*grace_ms))
        .map(|(tenant, _)| tenant)
        .collect();
    tell(state, probe.root, before.as_deref(), &l1, at, changes);
    state.put_l1(probe.root, l1, changes);
    for tenant in concerned {
        if matches!(state.gate_of(tenant, at.time), Some(Gate::Closed { .. })) {
            changes.effects.push(Effect::PurgeTenant(tenant));
        }
    }
}

/// What is known of a root by a probe that says something of it; `same` is what was known, if it is the same.
fn found(by: NodeId, probe: &Probe, known: L1State, before: Option<&L1>, same: Option<&L1>, at: &At) -> L1 {
    let ok_at = if known == L1State::Enabled { None } else { before.map(|before| before.ok_at) };
    let closed_at = before.map_or(LogIndex(0), |before| before.closed_at);
    L1 {
        state: known,
        // A root that never answered has its grace from the first look on.
        ok_at: ok_at.unwrap_or(probe.began),
        probed_at: probe.began,
        noted_at: at.time,
        since: same.map_or(at.time, |before| before.since),
        by,
        detail: probe.detail.clone(),
        closed_at: if known.is_withdrawn() && same.is_none() { at.index } else { closed_at },
    }
}

/// Tells what became of a root. The platform's has no one grace: when it is over each tenant sees for itself.
fn tell(state: &State, root: WhichRoot, before: Option<&L1>, after: &L1, at: &At, changes: &mut Changes) {
    let own = root.and_then(|(tenant, handle)| Some((state.tenant(tenant)?, state.root(tenant, handle)?)));
    let (grace_ms, name) = match own {
        Some((tenant, root)) => (tenant.l1_grace_ms, Some(root.name.clone())),
        None => (u64::MAX, None),
    };
    let was = before.map_or(Gate::Open, |before| before.gate(grace_ms, before.noted_at));
    let what = match (was, after.gate(grace_ms, at.time)) {
        (Gate::Open, Gate::Open) | (Gate::Grace { .. }, Gate::Grace { .. }) => return,
        (Gate::Closed { state: was, .. }, Gate::Closed { state: is, .. }) if was == is => return,
        (Gate::Grace { .. }, Gate::Open) => What::RootGraceEnded(name),
        (Gate::Closed { .. }, Gate::Open) => What::RootOpened(name),
        (_, Gate::Grace { until }) => What::RootGraceStarted(name, own.map(|_| until)),
        (_, Gate::Closed { state, .. }) => What::RootClosed(name, state),
    };
    changes.tell(root.map(|(tenant, _)| tenant), what);
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::command::{Action, Command, Stamp};
    use crate::commands::create_tenant::fixture::{TENANT, tenant_a};
    use crate::commands::{ConfigureRoot, ReplaceRootCredentials};
    use crate::id::{CommandId, RootHandle, RootName};

    /// What the platform's root is after these answers, a second apart, each to another node.
    fn after(answers: &[L1State]) -> L1 {
        let to: Vec<(u64, L1State)> = (1..).zip(answers.iter().copied()).collect();
        after_asking(&to)
    }

    /// The same, each to the node that is named.
    fn after_asking(answers: &[(u64, L1State)]) -> L1 {
        let mut state = State::new("eu");
        for (second, (by, answer)) in (1..).zip(answers) {
            let time = ClusterTime(second * 1_000);
            let (described, detail) = (None, answer.as_str().to_owned());
            let probe = Probe { root: None, described, began: time, state: *answer, detail };
            let action = NoteProbes { by: NodeId(*by), probes: vec![probe] }.into();
            let stamp = Stamp { id: CommandId([0; 16]), time };
            state.apply(LogIndex(second), &Command { stamp, idempotency: None, action });
        }
        L1::clone(state.l1(None).expect("evidence"))
    }

    /// The same, looked at once more.
    fn seen(ms: u64, by: NodeId, l1: L1) -> L1 {
        L1 { probed_at: ClusterTime(ms), noted_at: ClusterTime(ms), by, ..l1 }
    }

    #[test]
    fn a_no_stands_until_the_root_is_heard_again() {
        use L1State::{Deleted, Disabled, Enabled, Unknown, Unreachable};
        let no = after(&[Enabled, Disabled]);
        assert_eq!((no.state, no.since, no.closed_at), (Disabled, ClusterTime(2_000), LogIndex(2)));
        let silent = after(&[Enabled, Disabled, Unreachable, Unknown]);
        assert_eq!(silent, seen(4_000, NodeId(4), no), "silence is no yes");
        assert_eq!(after(&[Enabled, Disabled, Unreachable, Deleted]).state, Deleted);
        assert_eq!(after(&[Enabled, Disabled, Unreachable, Enabled]).state, Enabled);
        let silent = after(&[Enabled, Unreachable, Unreachable]);
        assert_eq!((silent.state, silent.ok_at), (Unreachable, ClusterTime(1_000)), "and no no either");
    }

    #[test]
    fn what_one_node_was_refused_is_a_no_once_another_is_refused_too() {
        use L1State::{Enabled, Forbidden, Refused, Unreachable};
        let one = after(&[Enabled, Refused]);
        assert_eq!((one.state, one.ok_at, one.closed_at), (Refused, ClusterTime(1_000), LogIndex(0)));
        let silent = after(&[Enabled, Refused, Unreachable]);
        assert_eq!(silent, seen(3_000, one.by, one), "it remains the word of node 2");
        let again = after_asking(&[(1, Enabled), (2, Refused), (3, Unreachable), (2, Refused)]);
        assert_eq!((again.state, again.since), (Refused, ClusterTime(2_000)), "and one word");
        let both = after(&[Enabled, Refused, Refused]);
        assert_eq!((both.state, both.since, both.closed_at), (Forbidden, ClusterTime(3_000), LogIndex(3)));
        let third = after(&[Enabled, Refused, Refused, Refused]);
        assert_eq!(third, seen(4_000, NodeId(4), both));
        assert_eq!(after(&[Enabled, Refused, Enabled]).state, Enabled, "it was that node's own trouble");
    }

    const ROOT: RootHandle = RootHandle([2; 4]);

    /// A tenant's own root, configured at 2, and what happens to it, one entry each from 3 on.
    fn own(happens: &[Happens]) -> State {
        let root = ConfigureRoot {
            tenant: TENANT,
            handle: ROOT,
            name: RootName::parse("own").expect("a name"),
            provider: "pkcs11".to_owned(),
            l1_ref: "pkcs11:1:01".to_owned(),
            settings: Vec::new(),
        };
        let mut state = State::new("eu");
        let mut act = |index: u64, action: &dyn Fn(&State, ClusterTime) -> Action| {
            let time = ClusterTime(index * 1_000);
            let stamp = Stamp { id: CommandId([0; 16]), time };
            let action = action(&state, time);
            let applied = state.apply(LogIndex(index), &Command { stamp, idempotency: None, action });
            assert!(!matches!(applied.answer, Answer::Refused(_)), "{:?}", applied.answer);
        };
        act(1, &|_, _| tenant_a().into());
        act(2, &|_, _| root.clone().into());
        for (index, happens) in (3..).zip(happens) {
            act(index, &|state, now| happens.action(state, now));
        }
        state
    }

    enum Happens {
        /// This node has this answer.
        Heard(u64, L1State),
        /// This node has this answer to the credentials that the root was configured with.
        HeardByFirst(u64, L1State),
        Replaced,
    }

    impl Happens {
        fn action(&self, known: &State, began: ClusterTime) -> Action {
            let root = Some((TENANT, ROOT));
            let heard = |by: u64, described, state| {
                let probe = Probe { root, described, began, state, detail: String::new() };
                NoteProbes { by: NodeId(by), probes: vec![probe] }.into()
            };
            match self {
                Self::Heard(by, state) => heard(*by, known.described(root), *state),
                Self::HeardByFirst(by, state) => heard(*by, Some(LogIndex(2)), *state),
                Self::Replaced => {
                    let (if_revision, settings) = (None, vec![1]);
                    ReplaceRootCredentials { tenant: TENANT, root: ROOT, if_revision, settings }.into()
                }
            }
        }
    }

    #[test]
    fn a_pin_that_was_refused_is_nobodys_until_it_is_replaced() {
        use Happens::{Heard, HeardByFirst, Replaced};
        use L1State::{Enabled, PinRefused, Unreachable};
        let check = |happens: &[Happens], expected: L1State, closed_at: u64, refused: bool| {
            let state = own(happens);
            let root = Some((TENANT, ROOT));
            let l1 = state.l1(root).expect("evidence");
            let found = (l1.state, l1.closed_at, state.pin_refused(root));
            assert_eq!(found, (expected, LogIndex(closed_at), refused));
        };
        check(&[Heard(1, Enabled)], Enabled, 0, false);
        check(&[Heard(1, Enabled), Heard(2, PinRefused)], PinRefused, 4, true);
        // Who is logged in still would log in again one day.
        check(&[Heard(2, PinRefused), Heard(1, Enabled)], PinRefused, 3, true);
        check(&[Heard(2, PinRefused), Heard(1, Unreachable), Heard(3, PinRefused)], PinRefused, 3, true);
        check(&[Heard(2, PinRefused), Replaced], PinRefused, 3, false);
        check(&[Heard(2, PinRefused), Replaced, Heard(1, Enabled)], Enabled, 3, false);
        check(&[Heard(2, PinRefused), Replaced, Heard(1, Unreachable)], PinRefused, 3, false);
        check(&[Heard(2, PinRefused), Replaced, Heard(1, PinRefused)], PinRefused, 5, true);

        // What was on its way while the PIN was replaced says nothing of the new one, which is tried all the same.
        let late = |answer| [Heard(2, PinRefused), Replaced, HeardByFirst(1, answer), Heard(1, Enabled)];
        check(&late(PinRefused)[..3], PinRefused, 3, false);
        check(&late(PinRefused), Enabled, 3, false);
        check(&late(Enabled)[..3], PinRefused, 3, false);
        check(&[Heard(1, Enabled), Replaced, HeardByFirst(2, PinRefused)], Enabled, 0, false);
    }
}
