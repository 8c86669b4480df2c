//! One of every kind of command and row, with every optional part present.

use std::collections::BTreeMap;

use model::barrier::{Barrier, Spreading};
use model::certificate::{CertificateId, Denial, Serial};
use model::command::{Action, Answer, Command, IdempotencyKey, Stamp};
use model::commands::*;
use model::departure::Departure;
use model::event::{Event, What};
use model::id::*;
use model::job::{Job, JobKind, Step};
use model::object::*;
use model::root::{L1, L1State, Root};
use model::row::{Booted, Cluster, JoinToken, Joined, Remembered, Row, RowKey};
use model::service::*;
use model::tenant::*;
use model::ticket::{Purpose, Ticket};
use model::time::ClusterTime;
use model::uid::{Fields, Header, Kdf, Kind, Uid};
use model::workflow::{Step as Taken, Task, Vote, Workflow, WorkflowState};

pub const TENANT: TenantHandle = TenantHandle([0xa1, 0xa2, 0xa3, 0xa4]);
pub const ROOT: RootHandle = RootHandle([0xe1, 0xe2, 0xe3, 0xe4]);
pub const JOB: JobId = JobId([0xf1; 8]);
pub const SERVICE: ServiceHandle = ServiceHandle([0xb1, 0xb2, 0xb3, 0xb4]);

pub fn command(id: u8, action: impl Into<Action>) -> Command {
    let stamp = Stamp { id: CommandId([id; 16]), time: ClusterTime(1_700_000_000_000) };
    Command { stamp, idempotency: None, action: action.into() }
}

pub fn uid(tenant: TenantHandle, kind: Kind, number: u32) -> Uid {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&number.to_be_bytes());
    let registered = kind == Kind::Registered;
    let fields = Fields {
        kind,
        kdf: Kdf::Hkdf,
        tenant,
        service: SERVICE,
        l2_version: L2Version(1),
        created_s: 1_700_000_000,
        algorithm: if registered { 0 } else { 3 },
        length_bytes: if registered { 0 } else { 32 },
        usage_mask: if registered { 0 } else { 12 },
        nonce,
    };
    Uid { header: Header::new(&fields), tag: [0x77; 8] }
}

fn wrap() -> Wrap {
    Wrap { revision: 1, l1_ref: "software:1".into(), wrapped: vec![0xc1; 5] }
}

fn description() -> Description {
    Description {
        initial_date: Some(10),
        last_change_date: Some(11),
        activation_date: Some(1),
        deactivation_date: Some(2),
        process_start_date: Some(3),
        protect_stop_date: Some(4),
        usage: Some(Usage { unit: 1, total: 9, left: 8 }),
        names: vec![Name { value: "a name".into(), name_type: 1 }],
        attributes: vec![StoredAttribute { name: "x-a".into(), index: 2, value: vec![9, 8] }],
    }
}

pub fn create_tenant(handle: TenantHandle, name: &str) -> CreateTenant {
    CreateTenant {
        handle,
        name: TenantName::parse(name).unwrap(),
        region: "eu-1".into(),
        labels: BTreeMap::from([("team".into(), "blue".into())]),
        lease_ms: LEASE_MS_DEFAULT,
        auto_register: true,
        l2_commitment: [0x0c; 32],
        wraps: vec![wrap()],
    }
}

pub fn register_service(tenant: TenantHandle) -> RegisterService {
    RegisterService {
        tenant,
        handle: SERVICE,
        name: ServiceName::parse("mongodb").unwrap(),
        service_type: ServiceType::Mongodb,
        policy: ServicePolicy::default(),
        seed: vec![0x5e; 6],
        seed_commitment: [0x5c; 32],
        reenable: false,
    }
}

pub fn record_object(tenant: TenantHandle, number: u32) -> RecordObject {
    let uid = uid(tenant, Kind::Recorded, number);
    let names = vec![Name { value: format!("object {number}"), name_type: 1 }];
    let description = Description {
        initial_date: None,
        last_change_date: None,
        activation_date: None,
        deactivation_date: None,
        process_start_date: None,
        protect_stop_date: None,
        usage: None,
        names,
        attributes: Vec::new(),
    };
    RecordObject { uid, salt: [0x5a; 32], description }
}

/// Every action once, in the order of [`Action::NAMES`].
pub fn actions() -> Vec<Action> {
    let (tenant, service) = (TENANT, SERVICE);
    let recorded = uid(tenant, Kind::Recorded, 7);
    let reason = Revocation { code: 2, message: Some("lost".into()) };
    let labels = BTreeMap::from([("k".into(), "v".into())]);
    vec![
        IssueBootId { node: NodeId(3), inbox: Some([0x5a; 32]) }.into(),
        create_tenant(tenant, "tenant-a").into(),
        SetTenantLabels { tenant, labels, if_revision: Some(LogIndex(9)) }.into(),
        SuspendTenant { tenant }.into(),
        ResumeTenant { tenant }.into(),
        TerminateTenant { tenant }.into(),
        AddL2Version { tenant, version: L2Version(2), commitment: [2; 32], wraps: vec![wrap()] }.into(),
        register_service(tenant).into(),
        SetServicePolicy {
            tenant,
            service,
            policy: ServicePolicy::default(),
            if_revision: Some(LogIndex(7)),
        }
        .into(),
        SuspendService { tenant, service }.into(),
        ResumeService { tenant, service }.into(),
        ShredService { tenant, service }.into(),
        RecordObject { uid: recorded, salt: [1; 32], description: description() }.into(),
        RegisterObject {
            uid: uid(tenant, Kind::Registered, 8),
            object_type: 2,
            salt: [3; 32],
            record: vec![0xee; 4],
            alias: Some("alias".into()),
            description: description(),
        }
        .into(),
        ActivateObject { uid: recorded }.into(),
        RevokeObject { uid: recorded, reason, compromise_occurrence_date: Some(5) }.into(),
        DestroyObject { uid: recorded }.into(),
        ChangeAttributes {
            uid: recorded,
            if_revision: LogIndex(4),
            names: description().names,
            attributes: description().attributes,
            dates: Dates {
                activation_date: Some(1),
                deactivation_date: None,
                process_start_date: None,
                protect_stop_date: Some(6),
            },
            usage: description().usage,
            withdraws: true,
        }
        .into(),
        JoinNode { attempt: [0x10; 16], name: "node-b".into(), voter: true, token: [0x70; 32] }.into(),
        ArchiveObject { uid: recorded }.into(),
        RecoverObject { uid: recorded }.into(),
        TakeUsage { uid: recorded, amount: 6 }.into(),
        MarkServed { uid: recorded }.into(),
        ReplaceMaterial {
            uid: uid(tenant, Kind::Registered, 8),
            if_revision: LogIndex(5),
            object_type: 4,
            salt: [6; 32],
            revision: 2,
            record: vec![0xef; 4],
            description: description(),
        }
        .into(),
        CommitTogether { actions: vec![MarkServed { uid: recorded }.into()] }.into(),
        IssueTicket { uid: ticket().uid, lasts_ms: 9, purpose: ticket().purpose }.into(),
        UseTicket { uid: ticket().uid }.into(),
        EndTicket { uid: ticket().uid }.into(),
        AdvanceGroup {
            tenant,
            service,
            group: [0x67; 32],
            from: Some(Place { index: LogIndex(11), item: 2 }),
            to: Place { index: LogIndex(12), item: 1 },
        }
        .into(),
        RetireNode { node: NodeId(3) }.into(),
        NodeRetired { node: NodeId(3) }.into(),
        SetTenantLease { tenant, lease_ms: 2_000, if_revision: Some(LogIndex(9)) }.into(),
        LeaseTookEffect { tenant, lowered_at: LogIndex(10) }.into(),
        DenyCertificates { certificates: vec![issued(), denied_key()], reason: "stolen".into() }.into(),
        AllowCertificates { certificates: vec![issued()] }.into(),
        LeaseUsage { uid: recorded, since: LogIndex(13), amount: 7 }.into(),
        ReturnUsage { uid: recorded, since: LogIndex(13), amount: 8 }.into(),
        UnlinkTenant { tenant }.into(),
        RelinkTenant { tenant }.into(),
        DisableTenant { tenant }.into(),
        EnableTenant { tenant }.into(),
        ConfigureRoot {
            tenant,
            handle: ROOT,
            name: RootName::parse("hsm").unwrap(),
            provider: "software".into(),
            l1_ref: "software:2".into(),
            settings: vec![0x53; 4],
        }
        .into(),
        RemoveRoot { tenant, root: ROOT }.into(),
        SetRootPolicy {
            tenant,
            l1_grace_ms: 3_600_000,
            probe_every_ms: 25_000,
            rotate_after_ms: 7_776_000_000,
        }
        .into(),
        NoteProbes {
            by: NodeId(3),
            probes: vec![Probe {
                root: Some((tenant, ROOT)),
                described: Some(LogIndex(13)),
                began: ClusterTime(1_700_000_000_000),
                state: L1State::Unreachable,
                detail: "no route".into(),
            }],
        }
        .into(),
        StartJob { tenant, id: JOB, kind: JobKind::Migrate, to: vec![ROOT] }.into(),
        AdvanceJob { tenant, id: JOB, from: Step::Validate, total: 2 }.into(),
        AddWraps { tenant, id: JOB, first: 1, wraps: vec![vec![wrap()]] }.into(),
        NoteProof { tenant, id: JOB, node: NodeId(3) }.into(),
        SwitchRoots {
            tenant,
            id: JOB,
            fresh: Some(FreshVersion { version: L2Version(3), commitment: [3; 32], wraps: vec![wrap()] }),
        }
        .into(),
        DropWraps { tenant, id: JOB }.into(),
        RollBackJob { tenant, id: JOB, reason: "why".into() }.into(),
        IssueJoinToken { hash: [0x70; 32], lasts_ms: 3_600_000 }.into(),
        SetNodeRole { node: NodeId(3), voter: false }.into(),
        ActivateFormat { format: 2 }.into(),
        OpenWorkflow {
            id: WORKFLOW,
            tenant,
            task: Task::ShredService(service),
            reason: "old".into(),
            by: "ann".into(),
        }
        .into(),
        StepWorkflow { tenant, id: WORKFLOW, step: Taken::Fail("gone".into()), by: "ann".into() }.into(),
        SetApprovals { tenant, approvals: 2 }.into(),
        SpreadBarrierTerm { term: 2, record: vec![0x72; 4] }.into(),
        NoteBarrierTerm { term: 2, node: NodeId(3) }.into(),
        SwitchBarrierTerm { term: 2 }.into(),
        ReplaceRootCredentials {
            tenant,
            root: ROOT,
            if_revision: Some(LogIndex(13)),
            settings: vec![0x54; 4],
        }
        .into(),
    ]
}

const WORKFLOW: WorkflowId = WorkflowId([0x3f; 16]);

fn workflow(time: ClusterTime) -> Workflow {
    Workflow {
        id: WORKFLOW,
        tenant: TENANT,
        task: Task::SwitchRoots(vec![ROOT]),
        reason: "smaller".into(),
        initiator: "ann".into(),
        votes: vec![Vote { by: "bob".into(), approves: true, at: time }],
        state: WorkflowState::WaitingConfirmation,
        outcome: String::new(),
        created: time,
        expires: time.plus_ms(1),
        revision: LogIndex(13),
    }
}

fn issued() -> CertificateId {
    let serial = Serial::from_be_bytes(&[0x5e, 0x41]).unwrap();
    CertificateId::Issued { issuer: [0x15; 32], serial }
}

fn denied_key() -> CertificateId {
    CertificateId::Key { spki: [0x4b; 32] }
}

fn ticket() -> Ticket {
    let purpose = Purpose::Answer { operation: 8, salt: [7; 32], record: vec![0xaa; 4], read_only: true };
    let expires = ClusterTime(1_700_000_060_000);
    Ticket { uid: uid(TENANT, Kind::Registered, 9), expires, purpose }
}

/// Every action as a command; each carries an idempotency key.
pub fn commands() -> Vec<Command> {
    let key = IdempotencyKey { key: [0xd1; 32], request: [0xd2; 32] };
    let with_key = |action| Command { idempotency: Some(key), ..command(0xcd, action) };
    actions().into_iter().map(with_key).collect()
}

fn object(body: Body) -> Object {
    let place = Place { index: LogIndex(12), item: 1 };
    Object {
        body,
        fresh: true,
        usage: description().usage,
        alias: Some("alias".into()),
        names: description().names,
        attributes: description().attributes,
        revision: LogIndex(13),
        withdrawn_at: LogIndex(14),
        ..Object::ephemeral(uid(TENANT, Kind::EphemeralActive, 1), place)
    }
}

/// Every kind of row once, and again with what was added at the end of an enumeration, where it has to stay;
/// objects with every kind of body.
pub fn rows() -> Vec<(&'static str, RowKey, Row)> {
    let time = ClusterTime(1_700_000_000_123);
    let tenant = Tenant {
        handle: TENANT,
        name: TenantName::parse("tenant-a").unwrap(),
        region: "eu-1".into(),
        labels: BTreeMap::from([("team".into(), "blue".into())]),
        state: TenantState::Suspended,
        access: Access::ReadOnly,
        roots: vec![ROOT],
        l1_grace_ms: 3_600_000,
        probe_every_ms: 25_000,
        rotate_after_ms: 7_776_000_000,
        lease_ms: 3_000,
        lowered: Some(Lowering { from_ms: 9_000, at: LogIndex(5) }),
        auto_register: true,
        versions: vec![L2 { version: L2Version(1), commitment: [1; 32], wraps: vec![wrap()], created: time }],
        l2_floor: L2Version(1),
        created: time,
        revision: LogIndex(5),
        withdrawn_at: LogIndex(4),
        approvals: 2,
    };
    let locked = Tenant { access: Access::UnlinkedReadOnly, ..tenant.clone() };
    let service = Service {
        tenant: TENANT,
        handle: SERVICE,
        name: ServiceName::parse("mongodb").unwrap(),
        service_type: ServiceType::Mongodb,
        state: ServiceState::Active,
        policy: ServicePolicy::default(),
        seed: Some(vec![0x5e; 3]),
        seed_commitment: [0x5c; 32],
        created: time,
        revision: LogIndex(6),
        withdrawn_at: LogIndex(0),
    };
    let remembered = Remembered {
        request: [0xd2; 32],
        answer: Answer::Service { handle: SERVICE, created: true },
        index: LogIndex(6),
        withdrawal: Some(LogIndex(6)),
        expires: time,
    };
    let workflow_answer = Remembered { answer: Answer::Workflow(WORKFLOW), ..remembered.clone() };
    let settling = Workflow { state: WorkflowState::Settling, ..workflow(time) };
    let l1_of = |state| Row::L1(L1 { state, ..l1(time) });
    let joined =
        Joined { node: NodeId(3), attempt: [4; 16], name: "node-b".into(), voter: true, joined: time };
    let cluster = Cluster { format: 1, region: "eu-1".into(), last_boot: BootId(8), time };
    let key = RowKey::Object(TENANT, uid(TENANT, Kind::EphemeralActive, 1));
    let login = Purpose::Login { requests_left: Some(3), rights: vec![0x42; 3] };
    let login = Ticket { purpose: login, ..ticket() };
    let session = Ticket { purpose: Purpose::Session, ..ticket() };
    let place = Place { index: LogIndex(14), item: 0 };
    let event =
        Event { place, time, tenant: Some(TENANT), what: What::KeyRotation(L2Version(2), Level::Internal) };
    let denial = Denial { at: LogIndex(12), since: time, reason: "stolen".into() };
    let material = Body::Material { revision: 2, salt: [6; 32], record: vec![0xee; 4] };
    vec![
        ("cluster", RowKey::Cluster, Row::Cluster(cluster)),
        ("tenant", RowKey::Tenant(TENANT), Row::Tenant(tenant)),
        ("tenant_unlinked_read_only", RowKey::Tenant(TENANT), Row::Tenant(locked)),
        ("service", RowKey::Service(TENANT, SERVICE), Row::Service(service)),
        ("object_override", key, Row::Object(object(Body::Override))),
        ("object_derived", key, Row::Object(object(Body::Derived { salt: [5; 32] }))),
        ("object_material", key, Row::Object(object(material))),
        ("object_erased", key, Row::Object(object(Body::Erased))),
        ("idempotency", RowKey::Idempotency([0xd1; 32]), Row::Idempotency(remembered)),
        ("idempotency_workflow", RowKey::Idempotency([0xd1; 32]), Row::Idempotency(workflow_answer)),
        ("node", RowKey::Node(NodeId(3)), Row::Node(joined)),
        ("boot", RowKey::Boot(NodeId(3)), Row::Boot(Booted { boot: BootId(8), inbox: Some([0x5a; 32]) })),
        ("ticket_answer", RowKey::Ticket(TENANT, ticket().uid), Row::Ticket(ticket())),
        ("ticket_login", RowKey::Ticket(TENANT, ticket().uid), Row::Ticket(login)),
        ("ticket_session", RowKey::Ticket(TENANT, ticket().uid), Row::Ticket(session)),
        (
            "group",
            RowKey::Group(TENANT, SERVICE, [0x67; 32]),
            Row::Group(Place { index: LogIndex(12), item: 1 }),
        ),
        (
            "departure_retiring",
            RowKey::Departure(NodeId(3)),
            Row::Departure(Departure::Retiring { since: time }),
        ),
        ("departure_retired", RowKey::Departure(NodeId(3)), Row::Departure(Departure::Retired { at: time })),
        ("denial_issued", RowKey::Denial(issued()), Row::Denial(denial.clone())),
        ("denial_key", RowKey::Denial(denied_key()), Row::Denial(denial)),
        ("root", RowKey::Root(TENANT, ROOT), Row::Root(root(time))),
        ("job", RowKey::Job(TENANT, JOB), Row::Job(job(time))),
        ("l1", RowKey::L1(Some((TENANT, ROOT))), Row::L1(l1(time))),
        ("l1_refused", RowKey::L1(Some((TENANT, ROOT))), l1_of(L1State::Refused)),
        ("l1_pin_refused", RowKey::L1(Some((TENANT, ROOT))), l1_of(L1State::PinRefused)),
        ("l1_platform", RowKey::L1(None), Row::L1(l1(time))),
        (
            "join_token",
            RowKey::JoinToken([0x70; 32]),
            Row::JoinToken(JoinToken { expires: time, used_by: Some(NodeId(3)) }),
        ),
        ("voter", RowKey::Voter(NodeId(3)), Row::Voter(false)),
        ("workflow", RowKey::Workflow(TENANT, WORKFLOW), Row::Workflow(workflow(time))),
        ("workflow_settling", RowKey::Workflow(TENANT, WORKFLOW), Row::Workflow(settling)),
        ("event", RowKey::Event(event.place), Row::Event(event)),
        ("barrier", RowKey::Barrier, Row::Barrier(barrier(time))),
    ]
}

fn barrier(since: ClusterTime) -> Barrier {
    let (record, held_by) = (vec![0x72; 4], vec![NodeId(3)]);
    Barrier { current: 1, since, spreading: Some(Spreading { term: 2, record, held_by, started: since }) }
}

fn root(created: ClusterTime) -> Root {
    Root {
        tenant: TENANT,
        handle: ROOT,
        name: RootName::parse("hsm").unwrap(),
        provider: "software".into(),
        l1_ref: "software:2".into(),
        settings: vec![0x53; 4],
        created,
        revision: LogIndex(15),
    }
}

fn job(time: ClusterTime) -> Job {
    Job {
        tenant: TENANT,
        id: JOB,
        kind: JobKind::Migrate,
        step: Step::Prove,
        from: vec![RootHandle([1; 4])],
        to: vec![ROOT],
        done: 1,
        total: 3,
        proofs: vec![NodeId(3)],
        detail: "waits".into(),
        started: time,
        updated: time,
        revision: LogIndex(16),
    }
}

fn l1(time: ClusterTime) -> L1 {
    L1 {
        state: L1State::Disabled,
        ok_at: time,
        probed_at: time,
        noted_at: time.plus_ms(1),
        since: time,
        by: NodeId(3),
        detail: "its owner said so".into(),
        closed_at: LogIndex(17),
    }
}
