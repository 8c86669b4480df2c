//! Every bound refuses one more and accepts as many as it says; dates that have come refuse, and so does an archive.

#![allow(clippy::unwrap_used, reason = "tests stop at a surprise")]

use std::collections::BTreeMap;

use model::command::{Action, Answer, Command, Stamp};
use model::commands::{
    ActivateObject, AddL2Version, ArchiveObject, CreateTenant, Description, DestroyObject, RecordObject,
    RecoverObject, RegisterObject, RegisterService, RevokeObject, SetTenantLabels, SetTenantLease,
};
use model::id::{CommandId, L2Version, LogIndex, ServiceHandle, ServiceName, TenantHandle, TenantName};
use model::object::{ATTRIBUTE_BYTES_MAX, MATERIAL_BYTES_MAX, NAME_BYTES_MAX, NAMES_MAX};
use model::object::{Name, Revocation, StoredAttribute};
use model::refusal::{Limit, Refusal};
use model::service::{SEED_BYTES_MAX, ServicePolicy, ServiceType};
use model::state::State;
use model::tenant::{
    L2_VERSIONS_MAX, LABEL_BYTES_MAX, LABELS_MAX, LEASE_MS_MAX, LEASE_MS_MIN, WRAP_BYTES_MAX, WRAPS_MAX, Wrap,
};
use model::time::ClusterTime;
use model::uid::{Fields, Header, Kdf, Kind, Uid};

const T: TenantHandle = TenantHandle([0, 0, 0, 1]);
const S: ServiceHandle = ServiceHandle([0, 0, 0, 2]);
const NOW_S: u64 = 1_000;

/// A state with one tenant and one service.
fn state() -> State {
    let mut state = State::new("eu-1");
    apply(&mut state, tenant(3_000, vec![wrap(64)]));
    apply(&mut state, service(48));
    state
}

fn apply(state: &mut State, action: Action) -> Answer {
    let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(NOW_S * 1_000) };
    state.apply(LogIndex(1), &Command { stamp, idempotency: None, action }).answer
}

#[track_caller]
fn check(actions: impl IntoIterator<Item = (Action, Option<Limit>)>) {
    let mut state = state();
    for (action, limit) in actions {
        let name = action.name();
        match (apply(&mut state, action), limit) {
            (
                Answer::Refused(Refusal::LimitReached { what, .. } | Refusal::OutOfRange { what, .. }),
                Some(limit),
            ) => {
                assert_eq!(what, limit);
            }
            (answer, Some(limit)) => panic!("{name} should reach {limit:?}, answered {answer:?}"),
            (Answer::Refused(refusal), None) => panic!("{name} refused: {refusal}"),
            (_, None) => {}
        }
    }
}

fn wrap(bytes: usize) -> Wrap {
    Wrap { revision: 1, l1_ref: "software:root-1".to_owned(), wrapped: vec![0; bytes] }
}

fn tenant(lease_ms: u32, wraps: Vec<Wrap>) -> Action {
    // Every tenant of these tests has another name and handle, made from what is special about it.
    let special = lease_ms.wrapping_add(wraps.iter().map(|wrap| wrap.wrapped.len() as u32).sum());
    CreateTenant {
        handle: if special == 3_064 { T } else { TenantHandle(special.to_be_bytes()) },
        name: TenantName::parse(&format!("tenant-{special}")).unwrap(),
        region: "eu-1".to_owned(),
        labels: BTreeMap::new(),
        lease_ms,
        auto_register: true,
        l2_commitment: [0; 32],
        wraps,
    }
    .into()
}

fn lease(lease_ms: u32) -> Action {
    SetTenantLease { tenant: T, lease_ms, if_revision: None }.into()
}

fn service(seed_bytes: usize) -> Action {
    RegisterService {
        tenant: T,
        handle: if seed_bytes == 48 { S } else { ServiceHandle((seed_bytes as u32).to_be_bytes()) },
        name: ServiceName::parse(&format!("service-{seed_bytes}")).unwrap(),
        service_type: ServiceType::Other,
        policy: ServicePolicy::default(),
        seed: vec![0; seed_bytes],
        seed_commitment: [0; 32],
        reenable: false,
    }
    .into()
}

fn labels(count: usize, bytes: usize) -> Action {
    let label = |n: usize| (format!("{n:0bytes$}"), "v".repeat(bytes));
    SetTenantLabels { tenant: T, labels: (0..count).map(label).collect(), if_revision: None }.into()
}

fn uid(kind: Kind, nonce: u8) -> Uid {
    let (algorithm, length_bytes) = if kind == Kind::Registered { (0, 0) } else { (3, 32) };
    let fields = Fields {
        kind,
        kdf: Kdf::Hkdf,
        tenant: T,
        service: S,
        l2_version: L2Version(1),
        created_s: 1,
        algorithm,
        length_bytes,
        usage_mask: 0,
        nonce: [nonce; 12],
    };
    Uid { header: Header::new(&fields), tag: [0; 8] }
}

fn described(names: Vec<Name>, attribute_bytes: usize) -> Description {
    let name = "x-Note".to_owned();
    let value = vec![0; attribute_bytes.saturating_sub(name.len())];
    let attributes = vec![StoredAttribute { name, index: 0, value }];
    Description {
        initial_date: None,
        last_change_date: None,
        activation_date: None,
        deactivation_date: None,
        process_start_date: None,
        protect_stop_date: None,
        usage: None,
        names,
        attributes,
    }
}

fn names(count: usize, bytes: usize) -> Vec<Name> {
    (0..count).map(|n| Name { value: format!("{n:0bytes$}"), name_type: 1 }).collect()
}

fn recorded(nonce: u8, description: Description) -> Action {
    RecordObject { uid: uid(Kind::Recorded, nonce), salt: [0; 32], description }.into()
}

fn material(nonce: u8, bytes: usize) -> Action {
    RegisterObject {
        uid: uid(Kind::Registered, nonce),
        object_type: 8,
        salt: [0; 32],
        record: vec![0; bytes],
        alias: None,
        description: described(Vec::new(), 0),
    }
    .into()
}

#[test]
fn tenants_are_bounded() {
    check([
        (labels(LABELS_MAX, LABEL_BYTES_MAX), None),
        (labels(LABELS_MAX + 1, 2), Some(Limit::Labels)),
        (labels(1, LABEL_BYTES_MAX + 1), Some(Limit::Labels)),
        (tenant(LEASE_MS_MIN, Vec::new()), None),
        (tenant(LEASE_MS_MAX, Vec::new()), None),
        (tenant(LEASE_MS_MIN - 1, Vec::new()), Some(Limit::Lease)),
        (tenant(LEASE_MS_MAX + 1, Vec::new()), Some(Limit::Lease)),
        (lease(LEASE_MS_MIN), None),
        (lease(LEASE_MS_MIN - 1), Some(Limit::Lease)),
        (lease(LEASE_MS_MAX + 1), Some(Limit::Lease)),
        (tenant(3_000, vec![wrap(1); WRAPS_MAX]), None),
        (tenant(3_000, vec![wrap(2); WRAPS_MAX + 1]), Some(Limit::Wraps)),
        (tenant(3_000, vec![wrap(WRAP_BYTES_MAX)]), None),
        (tenant(3_000, vec![wrap(WRAP_BYTES_MAX + 1)]), Some(Limit::Wraps)),
    ]);
}

#[test]
fn versions_are_bounded() {
    let version = |version: usize| {
        let version = L2Version(u16::try_from(version).unwrap());
        AddL2Version { tenant: T, version, commitment: [0; 32], wraps: Vec::new() }.into()
    };
    let all = (2..=L2_VERSIONS_MAX).map(|n| (version(n), None));
    check(all.chain([(version(L2_VERSIONS_MAX + 1), Some(Limit::L2Versions))]));
}

#[test]
fn services_are_bounded() {
    check([(service(SEED_BYTES_MAX), None), (service(SEED_BYTES_MAX + 1), Some(Limit::SeedBytes))]);
}

#[test]
fn objects_are_bounded() {
    check([
        (recorded(0, described(names(NAMES_MAX, NAME_BYTES_MAX), 0)), None),
        (recorded(1, described(names(NAMES_MAX + 1, 3), 0)), Some(Limit::Names)),
        (recorded(1, described(names(1, NAME_BYTES_MAX + 1), 0)), Some(Limit::Names)),
        (recorded(1, described(Vec::new(), ATTRIBUTE_BYTES_MAX)), None),
        (recorded(2, described(Vec::new(), ATTRIBUTE_BYTES_MAX + 1)), Some(Limit::AttributeBytes)),
        (material(3, MATERIAL_BYTES_MAX), None),
        (material(4, MATERIAL_BYTES_MAX + 1), Some(Limit::MaterialBytes)),
    ]);
}

#[test]
fn a_key_past_its_deactivation_date_is_not_activated() {
    let over = Description { deactivation_date: Some(NOW_S), ..described(Vec::new(), 0) };
    let ahead = Description { deactivation_date: Some(NOW_S + 1), ..described(Vec::new(), 0) };
    let activate = |nonce| ActivateObject { uid: uid(Kind::Recorded, nonce) }.into();
    let mut state = state();
    for (nonce, description, answer) in
        [(0, over, Answer::Refused(Refusal::DeactivationDue)), (1, ahead, Answer::Done)]
    {
        apply(&mut state, recorded(nonce, description));
        assert_eq!(apply(&mut state, activate(nonce)), answer);
    }
}

#[test]
fn an_archived_object_stays_what_it_is_until_it_is_recovered() {
    let uid = || uid(Kind::Recorded, 0);
    let reason = Revocation { code: 2, message: None };
    let changes: [Action; 3] = [
        ActivateObject { uid: uid() }.into(),
        RevokeObject { uid: uid(), reason, compromise_occurrence_date: None }.into(),
        DestroyObject { uid: uid() }.into(),
    ];
    let mut state = state();
    apply(&mut state, recorded(0, described(Vec::new(), 0)));
    apply(&mut state, ArchiveObject { uid: uid() }.into());
    for change in &changes {
        let answer = apply(&mut state, change.clone());
        assert!(matches!(answer, Answer::Refused(Refusal::Archived { .. })), "{change:?}: {answer:?}");
    }
    apply(&mut state, RecoverObject { uid: uid() }.into());
    for change in changes {
        assert_eq!(apply(&mut state, change), Answer::Done);
    }
}
