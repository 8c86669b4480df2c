//! New credentials for a root that is kept: a token that ends, an access key that is rotated, a PIN that was changed.
//!
//! They are tried first, and kept only if they open the very key that the root is, and what it wrapped for its tenant.
//! Which key a root is, nobody can change this way.

use std::sync::Arc;
use std::time::Duration;

use keystore::{Credentials, RootError};
use model::command::IdempotencyKey;
use model::commands::ReplaceRootCredentials;
use model::id::LogIndex;
use model::refusal::Refusal;
use model::root::Root;
use model::tenant::Tenant;

use crate::admin::Administrator;
use crate::described::Described;
use crate::engine::Engine;
use crate::probes;
use crate::refused::Refused;
use crate::root_admin::not_passed;
use crate::roots::unavailable;

/// How long a root that was just given new credentials is waited for, so that the cluster hears of it at once: its
/// ordinary probes follow within half a minute.
const HEAR_MAX: Duration = Duration::from_secs(5);

impl Engine {
    /// Replaces what proves us to a root, once the new credentials have passed its test and opened its wraps here. With
    /// `if_revision`, only if the root is still as it was read; otherwise they are not even tried.
    ///
    /// # Errors
    /// [`Refused::CredentialsUnfit`] or [`Refused::KeyUnavailable`] if they did not pass, and nothing is changed then;
    /// [`Refused::Refused`] with the state's reason.
    pub async fn replace_root_credentials(
        &self,
        who: &Administrator,
        tenant: &Tenant,
        root: &Root,
        credentials: Credentials,
        if_revision: Option<LogIndex>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Arc<Root>, Refused> {
        let (name, target) = ("replace_root_credentials", root.name.as_str());
        let before = self.answered_before(who, name, Some(tenant.handle), target, idempotency).await?;
        if let Some(answer) = before {
            return self.root_of(tenant.handle, &answer);
        }
        let described = self.roots.described(root).map_err(unavailable)?;
        let described = Described { credentials, ..described };
        let tried = match as_read(root, if_revision) {
            Ok(()) => self.try_credentials(who, tenant, root, &described).await,
            Err(changed) => Err(changed),
        };
        if let Err(refused) = tried {
            self.note_admin(who, name, Some(tenant.handle), target, Err(&refused)).await?;
            return Err(refused);
        }
        let settings = described.to_bytes();
        let command = ReplaceRootCredentials {
            tenant: root.tenant,
            root: root.handle,
            if_revision,
            settings: self.hot.keyring().seal_root_settings(root.tenant, root.handle, &settings),
        };
        let done = self.administer(who, root.tenant, target, command, idempotency).await?;
        self.root_of(tenant.handle, &done.answer)
    }

    /// Tries them in one place among the tests under way, to the end: what they open are connections as well.
    async fn try_credentials(
        &self,
        who: &Administrator,
        tenant: &Tenant,
        root: &Root,
        described: &Described,
    ) -> Result<(), Refused> {
        let place = self.root_tests.begin(tenant.handle)?;
        let report = self.test_root_in(&place, who, tenant, described).await?;
        if !report.passed {
            return Err(match not_passed(&report) {
                Refused::RootUnfit { reason } => Refused::CredentialsUnfit { reason },
                refused => refused,
            });
        }
        if let Some(other) = report.l1_ref.filter(|told| *told != root.l1_ref) {
            let reason =
                format!("the new ones lead to another key, {other}; configure that as a root of its own");
            return Err(Refused::CredentialsUnfit { reason });
        }
        match self.roots.opens_wraps(&place, tenant, root, described).await {
            Ok(()) => Ok(()),
            Err(error @ (RootError::Corrupt { .. } | RootError::Misconfigured { .. })) => {
                Err(Refused::CredentialsUnfit { reason: error.to_string() })
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Asks a root in use at once, as this node's latest state describes it, and tells the cluster what it said: nobody
    /// waits for its next probe after it was set right.
    pub async fn hear_root(&self, root: &Root) {
        let which = Some((root.tenant, root.handle));
        let generation = self.store.generation();
        if !generation.state.roots_in_use().any(|used| used == which) {
            return;
        }
        let heard = async {
            // Opened without a probe's haste: a worker that takes its time to start is not silent.
            let opened = self.roots.root(&generation.state, Some(root)).await.is_ok();
            opened && probes::hear(self, which).await
        };
        if !tokio::time::timeout(HEAR_MAX, heard).await.unwrap_or_default() {
            tracing::info!(root = %root.name, "the root is heard by its next probe");
        }
    }
}

/// Whether a root is as its caller has read it. Judged before anything is tried, and by the state machine once more
/// when the command takes effect.
fn as_read(root: &Root, if_revision: Option<LogIndex>) -> Result<(), Refused> {
    match if_revision {
        Some(read) if read != root.revision => {
            Err(Refused::Refused(Refusal::RevisionConflict { now: root.revision }))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use model::id::{RootHandle, RootName, TenantHandle};
    use model::time::ClusterTime;

    use super::*;

    #[test]
    fn a_root_that_changed_since_it_was_read_is_not_tried() {
        let root = Root {
            tenant: TenantHandle([1; 4]),
            handle: RootHandle([2; 4]),
            name: RootName::parse("own").unwrap(),
            provider: "transit".to_owned(),
            l1_ref: "transit:k".to_owned(),
            settings: Vec::new(),
            created: ClusterTime(1),
            revision: LogIndex(7),
        };
        assert_eq!(as_read(&root, None), Ok(()), "nobody insists on a revision");
        assert_eq!(as_read(&root, Some(LogIndex(7))), Ok(()));
        let changed = Refused::Refused(Refusal::RevisionConflict { now: LogIndex(7) });
        for other in [6, 8] {
            assert_eq!(as_read(&root, Some(LogIndex(other))), Err(changed.clone()));
        }
    }
}
