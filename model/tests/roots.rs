//! New credentials of a root: another description of the same key, and nothing else. And when several roots were heard.

#![allow(clippy::unwrap_used, reason = "tests stop at a surprise")]

mod bench;

use model::command::{Answer, IdempotencyKey};
use model::commands::{ConfigureRoot, NoteProbes, Probe, ReplaceRootCredentials, TerminateTenant};
use model::event::{BEGINNING, What};
use model::id::{LogIndex, NodeId, RootHandle, RootName};
use model::refusal::{Limit, Refusal};
use model::root::{L1State, REFUSED_MS, ROOT_SETTINGS_BYTES_MAX, Root};
use model::row::Row;
use model::state::{IDEMPOTENCY_MS, State};
use model::tenant::Tenant;
use model::time::ClusterTime;

use bench::{Bench, ROOT, TENANT};

impl Bench {
    fn root(&self) -> Root {
        self.0.root(TENANT, ROOT).unwrap().as_ref().clone()
    }
}

fn replace(read: Option<u64>, settings: &[u8]) -> ReplaceRootCredentials {
    let if_revision = read.map(LogIndex);
    ReplaceRootCredentials { tenant: TENANT, root: ROOT, if_revision, settings: settings.to_vec() }
}

#[test]
fn the_description_and_its_revision_change_and_the_key_does_not() {
    let mut bench = Bench::new();
    let before = bench.root();
    assert_eq!(bench.apply(replace(Some(2), &[9])), Answer::Root(ROOT));
    let after = Root { settings: vec![9], revision: LogIndex(3), ..before };
    assert_eq!(bench.root(), after);
    assert_eq!(bench.apply(replace(None, &[8])), Answer::Root(ROOT), "nobody insists on a revision");
    let told = bench
        .0
        .events_after(BEGINNING)
        .filter(|event| matches!(event.what, What::RootCredentialsReplaced(_)));
    assert_eq!(told.count(), 2);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut bench = Bench::new();
    let before = bench.root();
    let too_long = vec![0; ROOT_SETTINGS_BYTES_MAX + 1];
    let max = ROOT_SETTINGS_BYTES_MAX as u64;
    let other = ReplaceRootCredentials { root: RootHandle([3; 4]), ..replace(None, &[9]) };
    for (command, refusal) in [
        (replace(Some(1), &[9]), Refusal::RevisionConflict { now: LogIndex(2) }),
        (replace(None, &too_long), Refusal::LimitReached { what: Limit::RootSettings, max }),
        (other, Refusal::RootUnknown),
    ] {
        assert_eq!(bench.apply(command), Answer::Refused(refusal));
        assert_eq!(bench.root(), before);
    }
    bench.apply(TerminateTenant { tenant: TENANT });
    assert!(matches!(bench.apply(replace(None, &[9])), Answer::Refused(_)));
}

#[test]
fn a_repeated_request_replaces_them_once() {
    let mut bench = Bench::new();
    let key = Some(IdempotencyKey { key: [5; 32], request: [6; 32] });
    for _ in 0..2 {
        // What it insists on held when it came first.
        assert_eq!(bench.apply_as(key, replace(Some(2), &[9])), Answer::Root(ROOT));
        assert_eq!(bench.root().revision, LogIndex(3));
    }
}

#[test]
fn what_was_answered_first_is_known_before_anything_is_proposed() {
    let mut bench = Bench::new();
    let now = ClusterTime(bench.1);
    let [key, ending] = [5, 7].map(|key| IdempotencyKey { key: [key; 32], request: [6; 32] });
    assert_eq!(bench.0.repeated(key, now), None, "it is new");
    bench.apply_as(Some(key), replace(None, &[9]));
    assert_eq!(bench.0.repeated(key, now), Some((Answer::Root(ROOT), None)));
    let other = IdempotencyKey { request: [8; 32], ..key };
    let reused = Answer::Refused(Refusal::IdempotencyKeyReused);
    assert_eq!(bench.0.repeated(other, now), Some((reused, None)), "its key is another request's");
    assert_eq!(bench.0.repeated(key, now.plus_ms(IDEMPOTENCY_MS)), None, "a day later it is new again");

    let index = LogIndex(bench.1);
    bench.apply_as(Some(ending), TerminateTenant { tenant: TENANT });
    let told = bench.0.repeated(ending, ClusterTime(index.0));
    assert_eq!(told, Some((Answer::Done, Some(index))), "with the withdrawal it stands for");
}

#[test]
fn a_root_that_is_closed_is_not_heard_for_the_others() {
    let other = RootHandle([3; 4]);
    let mut bench = Bench::new();
    let (name, l1_ref) = (RootName::parse("other").unwrap(), "transit:other".to_owned());
    let (provider, settings) = ("transit".to_owned(), vec![1]);
    bench.apply(ConfigureRoot { tenant: TENANT, handle: other, name, provider, l1_ref, settings });
    let in_use = |row| match row {
        Row::Tenant(tenant) => Row::Tenant(Tenant { roots: vec![ROOT, other], ..tenant }),
        row => row,
    };
    bench.0 = State::from_rows(bench.0.rows().map(|(key, row)| (key, in_use(row)))).unwrap();

    // The other one was heard later, and is refused now.
    let known = [
        (ROOT, 10, L1State::Enabled),
        (other, 20, L1State::Enabled),
        (ROOT, 30, L1State::Unreachable),
        (other, 40, L1State::Refused),
    ];
    for (root, ms, state) in known {
        bench.1 = ms;
        let (which, began) = (Some((TENANT, root)), ClusterTime(ms));
        let described = bench.0.described(which);
        let probe = Probe { root: which, described, began, state, detail: String::new() };
        assert_eq!(bench.apply(NoteProbes { by: NodeId(1), probes: vec![probe] }), Answer::Done);
    }
    let tenant = bench.0.tenant(TENANT).unwrap();
    let heard = |ms| bench.0.heard(tenant, ClusterTime(ms)).map(|heard| heard.0);
    assert_eq!(heard(40 + REFUSED_MS - 1), Some(20));
    assert_eq!(heard(40 + REFUSED_MS), Some(10), "nobody contradicted it");
    assert_eq!(heard(20 + tenant.l1_grace_ms), None, "neither holds it open");
}
