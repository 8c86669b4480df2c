//! What may happen in a history: actions over small pools of ids, clocks that jump, repeats.

use std::collections::BTreeMap;

use model::certificate::{CertificateId, Serial};
use model::command::Action;
use model::commands::{
    ActivateFormat, ActivateObject, AddL2Version, AddWraps, AdvanceGroup, AdvanceJob, AllowCertificates,
    ArchiveObject, ChangeAttributes, CommitTogether, ConfigureRoot, CreateTenant, Dates, DenyCertificates,
    Description, DestroyObject, DisableTenant, DropWraps, EnableTenant, EndTicket, IssueBootId,
    IssueJoinToken, IssueTicket, JoinNode, LeaseTookEffect, LeaseUsage, MarkServed, NodeRetired,
    NoteBarrierTerm, NoteProbes, NoteProof, OpenWorkflow, Probe, RecordObject, RecoverObject, RegisterObject,
    RegisterService, RelinkTenant, RemoveRoot, ReplaceMaterial, ReplaceRootCredentials, ResumeService,
    ResumeTenant, RetireNode, ReturnUsage, RevokeObject, RollBackJob, SetApprovals, SetNodeRole,
    SetRootPolicy, SetServicePolicy, SetTenantLabels, SetTenantLease, ShredService, SpreadBarrierTerm,
    StartJob, StepWorkflow, SuspendService, SuspendTenant, SwitchBarrierTerm, SwitchRoots, TakeUsage,
    TerminateTenant, UnlinkTenant, UseTicket,
};
use model::id::{
    JobId, L2Version, LogIndex, NodeId, RootHandle, RootName, ServiceHandle, ServiceName, TenantHandle,
    TenantName, WorkflowId,
};
use model::job::{JobKind, Step as JobStep};
use model::object::{Name, Place, Revocation, StoredAttribute, Usage};
use model::root::L1State;
use model::service::{ServicePolicy, ServiceType};
use model::tenant::Wrap;
use model::ticket::{Purpose, TICKET_MS_MAX};
use model::uid::{Fields, Header, Kind, Uid};
use model::workflow::{Step as Taken, Task};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::world::{REGION, START_S};

/// Steps of the longest history: enough for a tenant to be made, filled, emptied and ended.
pub const STEPS_MAX: usize = 90;

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Step {
    /// How far the leader's wall clock moved since the step before, in milliseconds; it may jump back.
    pub clock_ms: i64,
    /// What is proposed.
    pub proposal: Proposal,
}

/// What is proposed at a step.
#[derive(Clone, Debug)]
pub enum Proposal {
    /// A new request; the number chooses its idempotency key among few.
    New(Action, Option<u8>),
    /// A request of before, word for word; the number chooses which.
    Repeat(usize),
}

/// Stands for "the version that comes next" in a generated [`AddL2Version`].
pub const NEXT_VERSION: L2Version = L2Version(u16::MAX);
/// Stands for "the term whose turn it is" in the commands of a rotation of the barrier, and there for "a node that
/// does not keep it yet".
pub const NEXT_TERM: u32 = u32::MAX;
/// Stands for "the revision it has" in a generated [`ChangeAttributes`] or [`SetTenantLabels`], and for "the
/// lowering it has" in a [`LeaseTookEffect`]. It also stands for "when its limit was set" in a
/// [`LeaseUsage`] or [`ReturnUsage`].
pub const ITS_REVISION: LogIndex = LogIndex(u64::MAX);

/// A whole history. It begins with two tenants and a service each, so that most steps find something. One in
/// three is mostly about roots, whose jobs take many steps in a row.
pub fn history() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![2 => steps(action().boxed()), 1 => steps(prop_oneof![1 => tenants(), 9 => roots()].boxed())]
}

fn steps(action: BoxedStrategy<Action>) -> BoxedStrategy<Vec<Step>> {
    let history = vec(step(action), 1..STEPS_MAX).prop_map(|steps| {
        let mut all = Vec::new();
        for tenant in 0..2 {
            all.push(quiet(create_tenant(tenant, tenant, REGION, 3_000)));
            all.push(quiet(register_service(tenant, 0, 0, true, false)));
        }
        all.extend(steps);
        all
    });
    history.boxed()
}

fn quiet(action: Action) -> Step {
    Step { clock_ms: 1, proposal: Proposal::New(action, None) }
}

fn step(action: BoxedStrategy<Action>) -> impl Strategy<Value = Step> {
    let clock_ms = prop_oneof![
        20 => 0..3_000_i64,
        3 => -10_000..0_i64,
        1 => Just(25 * 60 * 60 * 1_000),
    ];
    let proposal = prop_oneof![
        12 => (action, option::weighted(0.3, 0..6_u8)).prop_map(|(action, key)| Proposal::New(action, key)),
        2 => any::<usize>().prop_map(Proposal::Repeat),
    ];
    (clock_ms, proposal).prop_map(|(clock_ms, proposal)| Step { clock_ms, proposal })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => tenants().boxed(),
        1 => leases().boxed(),
        2 => cluster().boxed(),
        2 => workflows().boxed(),
        8 => services().boxed(),
        20 => objects().boxed(),
        6 => tickets().boxed(),
        1 => roots().boxed(),
    ]
}

/// Lengths that go up and down, and what the leader says when a lower one has taken effect.
fn leases() -> impl Strategy<Value = Action> {
    let length = prop::sample::select(vec![1_999_u32, 2_000, 3_000, 10_000, 60_000]);
    let revision =
        option::weighted(0.2, prop_oneof![4 => Just(ITS_REVISION), 1 => (0..90_u64).prop_map(LogIndex)]);
    let lowered = prop_oneof![4 => Just(ITS_REVISION), 1 => (0..90_u64).prop_map(LogIndex)];
    prop_oneof![
        2 => (handle(), length, revision).prop_map(|(h, lease_ms, if_revision)| {
            SetTenantLease { tenant: tenant(h), lease_ms, if_revision }.into()
        }),
        1 => (handle(), lowered).prop_map(|(h, lowered_at)| {
            LeaseTookEffect { tenant: tenant(h), lowered_at }.into()
        }),
    ]
}

/// Dangerous deeds that few people ask each other for.
fn workflows() -> impl Strategy<Value = Action> {
    let task = prop_oneof![
        3 => Just(Task::TerminateTenant),
        1 => (0..3_u8).prop_map(|s| Task::ShredService(service(s))),
        1 => (0..7_u8).prop_map(Task::SetApprovals),
    ];
    let taken = prop::sample::select(vec![
        Taken::Submit,
        Taken::Approve,
        Taken::Approve,
        Taken::Confirm,
        Taken::Confirm,
        Taken::Reject,
        Taken::Revoke,
        Taken::Succeed,
        Taken::Fail("no".to_owned()),
    ]);
    let id = || (0..3_u8).prop_map(|number| WorkflowId([number; 16]));
    let person = || prop::sample::select(vec!["ann".to_owned(), "bob".to_owned(), "cy".to_owned()]);
    prop_oneof![
        2 => (handle(), id(), task, person()).prop_map(|(h, id, task, by)| {
            OpenWorkflow { id, tenant: tenant(h), task, reason: "moved away".to_owned(), by }.into()
        }),
        6 => (handle(), id(), taken, person()).prop_map(|(h, id, step, by)| {
            StepWorkflow { tenant: tenant(h), id, step, by }.into()
        }),
        1 => (handle(), 0..3_u8).prop_map(|(h, approvals)| SetApprovals { tenant: tenant(h), approvals }.into()),
    ]
}

/// Nodes that leave and certificates that are denied.
fn cluster() -> impl Strategy<Value = Action> {
    let certificate = (0..3_u8, any::<bool>()).prop_map(|(number, issued)| match issued {
        true => CertificateId::Issued { issuer: [number; 32], serial: Serial::from_be_bytes(&[7]).unwrap() },
        false => CertificateId::Key { spki: [number; 32] },
    });
    let node = || (0..3_u64).prop_map(NodeId);
    let certificates = || vec(certificate.clone(), 0..3);
    let term = || prop_oneof![9 => Just(NEXT_TERM), 1 => 1..4_u32];
    prop_oneof![
        1 => node().prop_map(|node| RetireNode { node }.into()),
        1 => node().prop_map(|node| NodeRetired { node }.into()),
        3 => certificates().prop_map(|certificates| {
            DenyCertificates { certificates, reason: "stolen".to_owned() }.into()
        }),
        2 => certificates().prop_map(|certificates| AllowCertificates { certificates }.into()),
        1 => term().prop_map(|term| SpreadBarrierTerm { term, record: vec![7; 116] }.into()),
        4 => (term(), node()).prop_map(|(term, node)| NoteBarrierTerm { term, node }.into()),
        2 => term().prop_map(|term| SwitchBarrierTerm { term }.into()),
    ]
}

fn tenants() -> impl Strategy<Value = Action> {
    let region = prop_oneof![8 => Just(REGION), 1 => Just("elsewhere")];
    let lease = prop_oneof![8 => Just(3_000_u32), 1 => Just(1_000), 1 => Just(60_001)];
    let version = prop_oneof![4 => Just(NEXT_VERSION), 1 => (0..4_u16).prop_map(L2Version)];
    let revision = option::of(prop_oneof![4 => Just(ITS_REVISION), 1 => (0..90_u64).prop_map(LogIndex)]);
    prop_oneof![
        2 => (0..4_u8).prop_map(|node| IssueBootId { node: NodeId(u64::from(node)), inbox: Some([node; 32]) }.into()),
        2 => (0..3_u8, 0..2_u8, any::<bool>(), 0..3_u8).prop_map(|(attempt, length, voter, token)| JoinNode {
            attempt: [attempt; 16],
            name: "n".repeat(length.into()),
            voter,
            token: [token; 32],
        }.into()),
        2 => (0..3_u8, 0..60_000_u64).prop_map(|(hash, lasts_ms)| {
            IssueJoinToken { hash: [hash; 32], lasts_ms }.into()
        }),
        1 => (0..9_u64, any::<bool>()).prop_map(|(node, voter)| {
            SetNodeRole { node: NodeId(node), voter }.into()
        }),
        1 => (0..4_u32).prop_map(|format| ActivateFormat { format }.into()),
        4 => (handle(), 0..4_u8, region, lease).prop_map(|(h, n, r, l)| create_tenant(h, n, r, l)),
        3 => (handle(), 0..4_u8, revision).prop_map(|(h, label, if_revision)| SetTenantLabels {
            tenant: tenant(h),
            labels: BTreeMap::from([("label".to_owned(), label.to_string())]),
            if_revision,
        }.into()),
        2 => handle().prop_map(|h| SuspendTenant { tenant: tenant(h) }.into()),
        5 => handle().prop_map(|h| ResumeTenant { tenant: tenant(h) }.into()),
        1 => handle().prop_map(|h| TerminateTenant { tenant: tenant(h) }.into()),
        3 => (handle(), version).prop_map(|(h, version)| AddL2Version {
            tenant: tenant(h),
            version,
            commitment: [2; 32],
            wraps: vec![wrap()],
        }.into()),
    ]
}

/// The step commands name no job: the world fills in the one that runs, and what its step needs.
fn roots() -> impl Strategy<Value = Action> {
    let root = || prop_oneof![4 => 0..2_u8, 1 => Just(2_u8)];
    let to = vec(root().prop_map(root_handle), 0..3);
    let kind = prop_oneof![5 => Just(JobKind::Migrate), 1 => Just(JobKind::Rewrap)];
    let state = prop_oneof![
        6 => Just(L1State::Enabled),
        2 => Just(L1State::Unreachable),
        1 => Just(L1State::Disabled),
        2 => Just(L1State::Refused),
        1 => Just(L1State::PinRefused),
    ];
    let described = prop_oneof![6 => Just(ITS_REVISION), 1 => (0..40_u64).prop_map(LogIndex)];
    let access = prop_oneof![
        1 => handle().prop_map(|h| UnlinkTenant { tenant: tenant(h) }.into()),
        3 => handle().prop_map(|h| RelinkTenant { tenant: tenant(h) }.into()),
        2 => handle().prop_map(|h| DisableTenant { tenant: tenant(h) }.into()),
        2 => handle().prop_map(|h| EnableTenant { tenant: tenant(h) }.into()),
    ];
    prop_oneof![
        3 => access,
        6 => (handle(), root(), prop::bool::weighted(0.1)).prop_map(|(h, root, other)| ConfigureRoot {
            tenant: tenant(h),
            handle: root_handle(root),
            name: RootName::parse(&format!("root-{}", if other { 0 } else { root })).unwrap(),
            provider: "software".to_owned(),
            l1_ref: format!("software:customer-{root}"),
            settings: vec![root; 8],
        }.into()),
        1 => (handle(), root(), option::of(0..40_u64)).prop_map(|(h, root, read)| ReplaceRootCredentials {
            tenant: tenant(h),
            root: root_handle(root),
            if_revision: read.map(LogIndex),
            settings: vec![root; 9],
        }.into()),
        1 => (handle(), root()).prop_map(|(h, root)| RemoveRoot {
            tenant: tenant(h),
            root: root_handle(root),
        }.into()),
        1 => (handle(), 0..90_000_000_u64).prop_map(|(h, l1_grace_ms)| SetRootPolicy {
            tenant: tenant(h),
            l1_grace_ms,
            probe_every_ms: 20_000,
            rotate_after_ms: 2 * l1_grace_ms,
        }.into()),
        2 => (option::of((handle(), root())), described, state, 1..3_u64).prop_map(
            |(root, described, state, by)| NoteProbes {
                by: NodeId(by),
                probes: vec![Probe {
                    root: root.map(|(h, root)| (tenant(h), root_handle(root))),
                    described: Some(described),
                    began: crate::world::NOW,
                    state,
                    detail: String::new(),
                }],
            }.into()
        ),
        5 => (handle(), any::<u8>(), kind, to).prop_map(|(h, id, kind, to)| StartJob {
            tenant: tenant(h),
            id: JobId([id; 8]),
            kind,
            to,
        }.into()),
        60 => (handle(), 0..24_u8).prop_map(|(h, number)| job_step(h, number)),
    ]
}

/// A step of a job; what it says of the job is filled in when it is proposed.
fn job_step(h: u8, number: u8) -> Action {
    let (tenant, id) = (tenant(h), JobId([0; 8]));
    match number {
        0..=16 => AdvanceJob { tenant, id, from: JobStep::Validate, total: 0 }.into(),
        17 | 18 => AddWraps { tenant, id, first: 0, wraps: Vec::new() }.into(),
        19 | 20 => NoteProof { tenant, id, node: NodeId(u64::from(number)) }.into(),
        21 => SwitchRoots { tenant, id, fresh: None }.into(),
        22 => DropWraps { tenant, id }.into(),
        _ => RollBackJob { tenant, id, reason: "why".to_owned() }.into(),
    }
}

fn root_handle(number: u8) -> RootHandle {
    RootHandle([9, 0, 0, number])
}

fn services() -> impl Strategy<Value = Action> {
    let register = (handle(), 0..4_u8, 0..3_u8, any::<bool>(), prop::bool::weighted(0.3));
    prop_oneof![
        5 => register.prop_map(|(t, s, n, policy, reenable)| register_service(t, s, n, policy, reenable)),
        2 => (handle(), 0..3_u8, any::<bool>()).prop_map(|(t, s, get_after_revoke)| SetServicePolicy {
            tenant: tenant(t),
            service: service(s),
            policy: ServicePolicy { auto_activate: false, get_after_revoke },
            if_revision: None,
        }.into()),
        2 => (handle(), 0..3_u8).prop_map(|(t, s)| {
            SuspendService { tenant: tenant(t), service: service(s) }.into()
        }),
        5 => (handle(), 0..3_u8).prop_map(|(t, s)| {
            ResumeService { tenant: tenant(t), service: service(s) }.into()
        }),
        1 => (handle(), 0..3_u8).prop_map(|(t, s)| {
            ShredService { tenant: tenant(t), service: service(s) }.into()
        }),
    ]
}

/// Tickets of few identifiers, with few uses; and turns of one group.
fn tickets() -> impl Strategy<Value = Action> {
    let purpose = prop_oneof![
        4 => (0..2_u32).prop_map(|left| Purpose::Login { requests_left: Some(left), rights: vec![1] }),
        1 => Just(Purpose::Session),
        1 => Just(Purpose::Answer { operation: 8, salt: [1; 32], record: vec![2; 8], read_only: true }),
    ];
    let lasts = prop_oneof![3 => 0..60_000_u64, 1 => Just(TICKET_MS_MAX + 1)];
    let place = || (0..2_u64).prop_map(|index| Place { index: LogIndex(index), item: 0 });
    prop_oneof![
        4 => (uid(Kind::Registered), lasts, purpose).prop_map(|(uid, lasts_ms, purpose)| {
            IssueTicket { uid, lasts_ms, purpose }.into()
        }),
        8 => uid(Kind::Registered).prop_map(|uid| UseTicket { uid }.into()),
        2 => uid(Kind::Registered).prop_map(|uid| EndTicket { uid }.into()),
        2 => (handle(), 0..2_u8, option::of(place()), place()).prop_map(|(t, s, from, to)| {
            AdvanceGroup { tenant: tenant(t), service: service(s), group: [7; 32], from, to }.into()
        }),
    ]
}

/// Actions about objects, alone or several in one entry.
fn objects() -> impl Strategy<Value = Action> {
    let together = vec(object(), 0..5).prop_map(|actions| CommitTogether { actions }.into());
    prop_oneof![3 => object(), 1 => together]
}

fn object() -> impl Strategy<Value = Action> {
    let revision = prop_oneof![6 => Just(ITS_REVISION), 1 => (0..90_u64).prop_map(LogIndex)];
    let change = (any_uid(), revision.clone(), names(), attributes(), dates(), prop::bool::weighted(0.2));
    let code = prop_oneof![3 => Just(1_u32), 1 => Just(2_u32), 1 => Just(3_u32)];
    prop_oneof![
        4 => (uid(Kind::Recorded), description()).prop_map(|(uid, description)| {
            RecordObject { uid, salt: [3; 32], description }.into()
        }),
        4 => (uid(Kind::Registered), description()).prop_map(|(uid, description)| RegisterObject {
            uid, object_type: 7, salt: [4; 32], record: vec![5; 40], alias: None, description,
        }.into()),
        1 => (any_uid(), description()).prop_map(|(uid, description)| {
            RecordObject { uid, salt: [3; 32], description }.into()
        }),
        5 => any_uid().prop_map(|uid| ActivateObject { uid }.into()),
        5 => (any_uid(), code, option::of(date())).prop_map(|(uid, code, compromise_occurrence_date)| {
            let reason = Revocation { code, message: None };
            RevokeObject { uid, reason, compromise_occurrence_date }.into()
        }),
        5 => any_uid().prop_map(|uid| DestroyObject { uid }.into()),
        2 => any_uid().prop_map(|uid| ArchiveObject { uid }.into()),
        3 => any_uid().prop_map(|uid| RecoverObject { uid }.into()),
        2 => any_uid().prop_map(|uid| MarkServed { uid }.into()),
        3 => (any_uid(), 0..4_u64).prop_map(|(uid, amount)| TakeUsage { uid, amount }.into()),
        5 => (any_uid(), revision.clone(), 0..4_u64).prop_map(|(uid, since, amount)| {
            LeaseUsage { uid, since, amount }.into()
        }),
        1 => (any_uid(), revision.clone(), 0..4_u64).prop_map(|(uid, since, amount)| {
            ReturnUsage { uid, since, amount }.into()
        }),
        3 => (uid(Kind::Registered), alias(), description()).prop_map(|(uid, alias, description)| {
            let (salt, record) = ([4; 32], vec![5; 40]);
            RegisterObject { uid, object_type: 7, salt, record, alias: Some(alias), description }.into()
        }),
        3 => (any_uid(), 2..4_u32, description()).prop_map(|(uid, revision, description)| {
            let (salt, record) = ([7; 32], vec![8; 40]);
            let (if_revision, object_type) = (ITS_REVISION, 8);
            ReplaceMaterial { uid, if_revision, object_type, salt, revision, record, description }.into()
        }),
        6 => change.prop_map(|(uid, if_revision, names, attributes, dates, withdraws)| {
            let usage = withdraws.then_some(Usage { unit: 1, total: 9, left: 9 });
            ChangeAttributes { uid, if_revision, names, attributes, dates, usage, withdraws }.into()
        }),
    ]
}

fn create_tenant(handle: u8, name: u8, region: &str, lease_ms: u32) -> Action {
    let name = TenantName::parse(&format!("tenant-{name}")).unwrap();
    CreateTenant {
        handle: tenant(handle),
        name,
        region: region.to_owned(),
        labels: BTreeMap::new(),
        lease_ms,
        auto_register: true,
        l2_commitment: [1; 32],
        wraps: vec![wrap()],
    }
    .into()
}

fn register_service(t: u8, handle: u8, name: u8, get_after_revoke: bool, reenable: bool) -> Action {
    RegisterService {
        tenant: tenant(t),
        handle: service(handle),
        name: ServiceName::parse(&format!("service-{name}")).unwrap(),
        service_type: ServiceType::Mongodb,
        policy: ServicePolicy { auto_activate: false, get_after_revoke },
        seed: vec![handle; 48],
        seed_commitment: [handle; 32],
        reenable,
    }
    .into()
}

fn wrap() -> Wrap {
    Wrap { revision: 1, l1_ref: "software:root-1".to_owned(), wrapped: vec![6; 64] }
}

/// Mostly the two tenants that exist from the start.
fn handle() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0..2_u8, 1 => 2..4_u8]
}

fn tenant(number: u8) -> TenantHandle {
    TenantHandle([0, 0, 0, number])
}

fn service(number: u8) -> ServiceHandle {
    ServiceHandle([1, 0, 0, number])
}

fn any_uid() -> impl Strategy<Value = Uid> {
    let kinds = [Kind::Recorded, Kind::Registered, Kind::EphemeralPreActive, Kind::EphemeralActive];
    prop::sample::select(kinds.to_vec()).prop_flat_map(uid)
}

fn uid(kind: Kind) -> impl Strategy<Value = Uid> {
    // Mostly the same few: most of what can happen to an object takes two requests that mean the same one.
    let tenant = prop_oneof![6 => Just(0_u8), 1 => handle()];
    let service = prop_oneof![12 => Just(0_u8), 1 => 1..4_u8];
    (tenant, service, 0..3_u8).prop_map(move |(t, s, nonce)| uid_of(kind, t, s, nonce))
}

fn uid_of(kind: Kind, t: u8, s: u8, nonce: u8) -> Uid {
    let (algorithm, length_bytes) = if kind == Kind::Registered { (0, 0) } else { (3, 32) };
    let header = Header::new(&Fields {
        kind,
        kdf: model::uid::Kdf::Hkdf,
        tenant: tenant(t),
        service: service(s),
        l2_version: L2Version(1),
        created_s: 0x65f0_a1b2,
        algorithm,
        length_bytes,
        usage_mask: 0,
        nonce: [nonce; 12],
    });
    Uid { header, tag: [9; 8] }
}

fn alias() -> impl Strategy<Value = String> {
    (0..4_u8).prop_map(|n| format!("alias-{n}"))
}

/// A name that any number of objects may bear.
pub const PLACEHOLDER: &str = "Secret Data";

fn names() -> impl Strategy<Value = Vec<Name>> {
    let value =
        prop_oneof![4 => (0..4_u8).prop_map(|n| format!("name-{n}")), 1 => Just(PLACEHOLDER.to_owned())];
    let name = value.prop_map(|value| Name { value, name_type: 1 });
    vec(name, 0..3)
}

fn attributes() -> impl Strategy<Value = Vec<StoredAttribute>> {
    let one = prop::sample::select(vec!["Digest", "Comment"]);
    vec(one.prop_map(|name| StoredAttribute { name: name.to_owned(), index: 0, value: vec![1] }), 0..3)
}

/// Around the time in which histories play: past, present and due soon.
fn date() -> impl Strategy<Value = u64> {
    START_S - 20..START_S + 120
}

fn dates() -> impl Strategy<Value = Dates> {
    let rarely = || option::weighted(0.3, date());
    (rarely(), rarely(), rarely(), rarely()).prop_map(|(a, d, p, s)| Dates {
        activation_date: a,
        deactivation_date: d,
        process_start_date: p,
        protect_stop_date: s,
    })
}

fn description() -> impl Strategy<Value = Description> {
    let usage = option::weighted(0.3, (0..4_u64).prop_map(|left| Usage { unit: 1, total: 4, left }));
    let elsewhere = option::weighted(0.2, 0..5_000_u64);
    let parts = (dates(), names(), attributes(), usage, elsewhere.clone(), elsewhere);
    parts.prop_map(|(dates, names, attributes, usage, initial_date, last_change_date)| Description {
        initial_date,
        last_change_date,
        activation_date: dates.activation_date,
        deactivation_date: dates.deactivation_date,
        process_start_date: dates.process_start_date,
        protect_stop_date: dates.protect_stop_date,
        usage,
        names,
        attributes,
    })
}
