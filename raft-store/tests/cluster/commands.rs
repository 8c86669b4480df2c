//! The few commands these tests propose.

use std::collections::BTreeMap;

use model::command::{Action, IdempotencyKey};
use model::commands::{CreateTenant, SetTenantLease, SuspendTenant};
use model::id::{TenantHandle, TenantName};
use model::tenant::Wrap;

pub const REGION: &str = "eu-test";

pub fn handle(number: u32) -> TenantHandle {
    TenantHandle(number.to_be_bytes())
}

/// Creates tenant `t-<number>` with a lease of this many milliseconds.
pub fn create(number: u32, lease_ms: u32) -> Action {
    CreateTenant {
        handle: handle(number),
        name: TenantName::parse(&format!("t-{number}")).unwrap(),
        region: REGION.into(),
        labels: BTreeMap::new(),
        lease_ms,
        auto_register: true,
        l2_commitment: [7; 32],
        wraps: vec![Wrap { revision: 1, l1_ref: "software:1".into(), wrapped: vec![0xc1; 64] }],
    }
    .into()
}

pub fn suspend(number: u32) -> Action {
    SuspendTenant { tenant: handle(number) }.into()
}

pub fn lease(number: u32, lease_ms: u32) -> Action {
    SetTenantLease { tenant: handle(number), lease_ms, if_revision: None }.into()
}

pub fn key(number: u32) -> Option<IdempotencyKey> {
    let mut key = [0x4b; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    Some(IdempotencyKey { key, request: key })
}
