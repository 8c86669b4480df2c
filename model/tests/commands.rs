//! Every command decides whether it withdraws; a new one cannot forget to (CONSISTENCY 3).

#![allow(clippy::unwrap_used, reason = "tests stop at a surprise")]

use std::collections::{BTreeMap, BTreeSet};

use model::command::Action;
use model::commands::*;
use model::id::{
    JobId, L2Version, LogIndex, NodeId, RootHandle, RootName, ServiceHandle, ServiceName, TenantHandle,
    TenantName, WorkflowId,
};
use model::job::{JobKind, Step};
use model::object::{Place, Revocation};
use model::root::L1State;
use model::service::{ServicePolicy, ServiceType};
use model::ticket::Purpose;
use model::time::ClusterTime;
use model::uid::Uid;
use model::workflow::{Step as Taken, Task};

const NOW_S: u64 = 1_000;
const T: TenantHandle = TenantHandle([0; 4]);
const S: ServiceHandle = ServiceHandle([1; 4]);

fn uid() -> Uid {
    Uid::parse("ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn").unwrap()
}

fn policy(get_after_revoke: bool) -> Action {
    let policy = ServicePolicy { auto_activate: false, get_after_revoke };
    SetServicePolicy { tenant: T, service: S, policy, if_revision: None }.into()
}

fn change(withdraws: bool, dates: Dates) -> Action {
    let (names, attributes) = (Vec::new(), Vec::new());
    let (if_revision, usage) = (LogIndex(0), None);
    ChangeAttributes { uid: uid(), if_revision, names, attributes, dates, usage, withdraws }.into()
}

fn description() -> Description {
    Description {
        initial_date: None,
        last_change_date: None,
        activation_date: None,
        deactivation_date: None,
        process_start_date: None,
        protect_stop_date: None,
        usage: None,
        names: Vec::new(),
        attributes: Vec::new(),
    }
}

/// Every command, in each form that matters, and whether it withdraws.
fn table() -> Vec<(Action, bool)> {
    let name = TenantName::parse("tenant-a").unwrap();
    let reason = Revocation { code: 1, message: None };
    let none = Dates::default();
    let (due, later) = (Some(NOW_S), Some(NOW_S + 1));
    let mut rows: Vec<(Action, bool)> = vec![
        (IssueBootId { node: NodeId(1), inbox: None }.into(), false),
        (
            CreateTenant {
                handle: T,
                name,
                region: "eu-1".to_owned(),
                labels: BTreeMap::new(),
                lease_ms: 3_000,
                auto_register: true,
                l2_commitment: [0; 32],
                wraps: Vec::new(),
            }
            .into(),
            false,
        ),
        (SetTenantLabels { tenant: T, labels: BTreeMap::new(), if_revision: None }.into(), false),
        (SuspendTenant { tenant: T }.into(), true),
        (ResumeTenant { tenant: T }.into(), false),
        (TerminateTenant { tenant: T }.into(), true),
        (
            AddL2Version { tenant: T, version: L2Version(2), commitment: [0; 32], wraps: Vec::new() }.into(),
            false,
        ),
        (
            RegisterService {
                tenant: T,
                handle: S,
                name: ServiceName::parse("mongodb").unwrap(),
                service_type: ServiceType::Mongodb,
                policy: ServicePolicy::default(),
                seed: Vec::new(),
                seed_commitment: [0; 32],
                reenable: false,
            }
            .into(),
            false,
        ),
        (policy(true), false),
        (policy(false), true),
        (SuspendService { tenant: T, service: S }.into(), true),
        (ResumeService { tenant: T, service: S }.into(), false),
        (ShredService { tenant: T, service: S }.into(), true),
        (RecordObject { uid: uid(), salt: [0; 32], description: description() }.into(), false),
    ];
    let material = RegisterObject {
        uid: uid(),
        object_type: 2,
        salt: [0; 32],
        record: Vec::new(),
        alias: None,
        description: description(),
    };
    let replacement = ReplaceMaterial {
        uid: uid(),
        if_revision: LogIndex(1),
        object_type: 2,
        salt: [0; 32],
        revision: 2,
        record: Vec::new(),
        description: description(),
    };
    let (archive, recover) = (ArchiveObject { uid: uid() }, RecoverObject { uid: uid() });
    let harmless = vec![ActivateObject { uid: uid() }.into(), recover.clone().into()];
    let mixed = vec![ActivateObject { uid: uid() }.into(), archive.clone().into()];
    let place = Place { index: LogIndex(1), item: 0 };
    rows.extend([
        (material.into(), false),
        (ActivateObject { uid: uid() }.into(), false),
        (RevokeObject { uid: uid(), reason, compromise_occurrence_date: None }.into(), true),
        (DestroyObject { uid: uid() }.into(), true),
        (change(false, none), false),
        (change(true, none), true),
        (change(false, Dates { deactivation_date: due, ..none }), true),
        (change(false, Dates { deactivation_date: later, ..none }), false),
        (change(false, Dates { protect_stop_date: due, ..none }), true),
        (change(false, Dates { protect_stop_date: later, ..none }), false),
        (change(false, Dates { activation_date: due, process_start_date: due, ..none }), false),
        (archive.into(), true),
        (recover.into(), false),
        (TakeUsage { uid: uid(), amount: 1 }.into(), false),
        (MarkServed { uid: uid() }.into(), false),
        (LeaseUsage { uid: uid(), since: LogIndex(1), amount: 1 }.into(), false),
        (ReturnUsage { uid: uid(), since: LogIndex(1), amount: 1 }.into(), false),
        (replacement.into(), true),
        (CommitTogether { actions: harmless }.into(), false),
        (CommitTogether { actions: mixed }.into(), true),
        (IssueTicket { uid: uid(), lasts_ms: 1, purpose: Purpose::Session }.into(), false),
        (UseTicket { uid: uid() }.into(), false),
        (EndTicket { uid: uid() }.into(), true),
        (AdvanceGroup { tenant: T, service: S, group: [0; 32], from: None, to: place }.into(), false),
        (RetireNode { node: NodeId(1) }.into(), false),
        (NodeRetired { node: NodeId(1) }.into(), false),
        (SetTenantLease { tenant: T, lease_ms: 2_000, if_revision: None }.into(), true),
        (LeaseTookEffect { tenant: T, lowered_at: LogIndex(1) }.into(), false),
        (DenyCertificates { certificates: Vec::new(), reason: String::new() }.into(), true),
        (AllowCertificates { certificates: Vec::new() }.into(), false),
        (JoinNode { attempt: [0; 16], name: "node-2".to_owned(), voter: true, token: [0; 32] }.into(), false),
        (IssueJoinToken { hash: [0; 32], lasts_ms: 1 }.into(), false),
        (SetNodeRole { node: NodeId(2), voter: false }.into(), false),
        (ActivateFormat { format: 2 }.into(), false),
    ]);
    rows.extend(roots());
    let (id, by) = (WorkflowId([7; 16]), "ann".to_owned());
    rows.extend([
        (
            OpenWorkflow {
                id,
                tenant: T,
                task: Task::TerminateTenant,
                reason: String::new(),
                by: by.clone(),
            }
            .into(),
            false,
        ),
        (StepWorkflow { tenant: T, id, step: Taken::Submit, by }.into(), false),
        (SetApprovals { tenant: T, approvals: 1 }.into(), false),
        (SpreadBarrierTerm { term: 2, record: Vec::new() }.into(), false),
        (NoteBarrierTerm { term: 2, node: NodeId(1) }.into(), false),
        (SwitchBarrierTerm { term: 2 }.into(), false),
    ]);
    rows
}

fn roots() -> Vec<(Action, bool)> {
    let (root, id) = (RootHandle([2; 4]), JobId([3; 8]));
    let name = RootName::parse("hsm").unwrap();
    let (provider, l1_ref) = ("software".to_owned(), "software:1".to_owned());
    let probe = |state| {
        let (began, detail) = (ClusterTime(1), String::new());
        let probe = Probe { root: None, described: None, began, state, detail };
        NoteProbes { by: NodeId(1), probes: vec![probe] }.into()
    };
    vec![
        (UnlinkTenant { tenant: T }.into(), true),
        (RelinkTenant { tenant: T }.into(), false),
        (DisableTenant { tenant: T }.into(), true),
        (EnableTenant { tenant: T }.into(), false),
        (
            ConfigureRoot { tenant: T, handle: root, name, provider, l1_ref, settings: Vec::new() }.into(),
            false,
        ),
        (ReplaceRootCredentials { tenant: T, root, if_revision: None, settings: Vec::new() }.into(), false),
        (RemoveRoot { tenant: T, root }.into(), false),
        (SetRootPolicy { tenant: T, l1_grace_ms: 1, probe_every_ms: 3, rotate_after_ms: 2 }.into(), true),
        (probe(L1State::Enabled), false),
        (probe(L1State::Unreachable), true),
        (probe(L1State::Unknown), true),
        (probe(L1State::Disabled), true),
        (probe(L1State::Forbidden), true),
        (probe(L1State::PendingDeletion), true),
        (probe(L1State::Deleted), true),
        (probe(L1State::Refused), true),
        (probe(L1State::PinRefused), true),
        (StartJob { tenant: T, id, kind: JobKind::Migrate, to: vec![root] }.into(), false),
        (AdvanceJob { tenant: T, id, from: Step::Wrap, total: 1 }.into(), false),
        (AddWraps { tenant: T, id, first: 0, wraps: Vec::new() }.into(), false),
        (NoteProof { tenant: T, id, node: NodeId(1) }.into(), false),
        (SwitchRoots { tenant: T, id, fresh: None }.into(), false),
        (DropWraps { tenant: T, id }.into(), false),
        (RollBackJob { tenant: T, id, reason: String::new() }.into(), false),
    ]
}

#[test]
fn each_command_says_whether_it_withdraws() {
    let now = ClusterTime(NOW_S * 1_000);
    for (action, withdraws) in table() {
        assert_eq!(action.withdraws(now), withdraws, "{action:?}");
    }
}

#[test]
fn the_table_lists_every_command() {
    let listed: BTreeSet<_> = table().iter().map(|(action, _)| action.name()).collect();
    let all: BTreeSet<_> = Action::NAMES.iter().copied().collect();
    assert_eq!(listed, all, "a new command needs a row here that says whether it withdraws");
    assert_eq!(all.len(), Action::NAMES.len(), "names are unique");
}
