//! A state with a tenant that has a root of its own, and what is done to it, one entry each.

use std::collections::BTreeMap;

use model::command::{Action, Answer, Command, IdempotencyKey, Stamp};
use model::commands::{ConfigureRoot, CreateTenant};
use model::id::{CommandId, LogIndex, RootHandle, RootName, TenantHandle, TenantName};
use model::state::State;
use model::tenant::Wrap;
use model::time::ClusterTime;

pub const TENANT: TenantHandle = TenantHandle([1; 4]);
pub const ROOT: RootHandle = RootHandle([2; 4]);

/// The state, with a root at index 2, and the index of the next command.
pub struct Bench(pub State, pub u64);

impl Bench {
    pub fn new() -> Self {
        let create = CreateTenant {
            handle: TENANT,
            name: TenantName::parse("tenant-a").unwrap(),
            region: "eu".to_owned(),
            labels: BTreeMap::new(),
            lease_ms: 3_000,
            auto_register: true,
            l2_commitment: [0; 32],
            wraps: vec![Wrap { revision: 1, l1_ref: "software:root-1".to_owned(), wrapped: vec![6; 64] }],
        };
        let configure = ConfigureRoot {
            tenant: TENANT,
            handle: ROOT,
            name: RootName::parse("own").unwrap(),
            provider: "transit".to_owned(),
            l1_ref: "transit:k".to_owned(),
            settings: vec![1],
        };
        let mut bench = Self(State::new("eu"), 1);
        bench.apply(create);
        assert_eq!(bench.apply(configure), Answer::Root(ROOT));
        bench
    }

    pub fn apply(&mut self, action: impl Into<Action>) -> Answer {
        self.apply_as(None, action)
    }

    pub fn apply_as(&mut self, key: Option<IdempotencyKey>, action: impl Into<Action>) -> Answer {
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(self.1) };
        let command = Command { stamp, idempotency: key, action: action.into() };
        let applied = self.0.apply(LogIndex(self.1), &command);
        self.1 += 1;
        applied.answer
    }
}
