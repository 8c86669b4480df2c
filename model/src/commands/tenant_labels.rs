//! Replaces a tenant's labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{LogIndex, TenantHandle};
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};
use crate::tenant::{LABEL_BYTES_MAX, LABELS_MAX, Tenant};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTenantLabels {
    /// Which tenant.
    pub tenant: TenantHandle,
    /// The labels it has from then on.
    pub labels: BTreeMap<String, String>,
    /// The revision the caller read, if it insists on it.
    pub if_revision: Option<LogIndex>,
}

impl Apply for SetTenantLabels {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let tenant = state.living_tenant(self.tenant)?;
        if self.if_revision.is_some_and(|revision| revision != tenant.revision) {
            return Err(Refusal::RevisionConflict { now: tenant.revision });
        }
        check_labels(&self.labels)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let tenant = state.tenants[&self.tenant].as_ref().clone();
        let changed = Tenant { labels: self.labels.clone(), revision: at.index, ..tenant };
        state.put_tenant(changed, changes);
        Answer::Done
    }
}

/// Labels are few and short.
pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let short = |text: &str| text.len() <= LABEL_BYTES_MAX;
    if labels.len() <= LABELS_MAX && labels.iter().all(|(key, value)| short(key) && short(value)) {
        return Ok(());
    }
    Err(Refusal::LimitReached { what: Limit::Labels, max: LABELS_MAX as u64 })
}
