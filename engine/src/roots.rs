//! The roots of trust this node has open, and how a tenant's L2 is wrapped and unwrapped by them.
//!
//! The platform's root is open from the start. A tenant's own root is opened from its replicated
//! configuration when it is first needed here, and must then tell the very key reference it told when it was
//! tested: a wrap never meets another key because somebody edited something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crypto::{Keyring, L1Payload, L2, L2Commitment};
use keystore::{Context, Report, RootError, RootKeystore, Site, Who, Withdrawal, Wrapped};
use model::id::{L2Version, Realm, RootHandle, TenantHandle};
use model::root::{L1State, Root, WhichRoot};
use model::state::State;
use model::tenant::{Tenant, Wrap};

use crate::described::Described;
use crate::opened::Opened;
use crate::pin_refused::{PinRefused, as_described};
use crate::refused::Refused;
use crate::root_tests::Place;

/// How long opening a root may take: it is a log-in and a look at the key, and a person waits for it.
const OPEN_MAX: Duration = Duration::from_secs(25);
/// A root that did not answer is not asked again for so long: each try costs its callers a whole time-out.
const REST: Duration = Duration::from_secs(1);

/// Why no root gave a tenant's L2 key.
pub(crate) enum NoL2 {
    /// One of its roots is silent, which says nothing about the key; none that answered gave it.
    Silent(Refused),
    /// They answered.
    Refused(Refused),
}

impl From<NoL2> for Refused {
    fn from(no: NoL2) -> Self {
        match no {
            NoL2::Silent(refused) | NoL2::Refused(refused) => refused,
        }
    }
}

/// Every open root.
pub struct Roots {
    realm: Realm,
    platform: Arc<dyn RootKeystore>,
    site: Arc<Site>,
    keyring: Arc<Keyring>,
    opened: Arc<Opened>,
    resting: Mutex<HashMap<WhichRoot, (Instant, RootError)>>,
    pin_refused: Arc<PinRefused>,
}

impl Roots {
    /// With the platform's root for tenants that brought none, and what this node allows theirs.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, platform: Arc<dyn RootKeystore>, site: Arc<Site>) -> Self {
        let (opened, resting, pin_refused) = (Arc::default(), Mutex::default(), Arc::default());
        Self { realm: keyring.realm(), platform, site, keyring, opened, resting, pin_refused }
    }

    /// The platform's root for tenants.
    #[must_use]
    pub fn platform(&self) -> &Arc<dyn RootKeystore> {
        &self.platform
    }

    /// Tests a root as its owner describes it: everything it must be able to do, tried. Nothing is kept.
    pub async fn test(&self, described: &Described) -> Report {
        keystore::test(&described.config, &described.credentials, &self.site).await
    }

    /// How a configured root was described.
    ///
    /// # Errors
    /// [`RootError::Corrupt`] if its sealed configuration does not open.
    pub fn described(&self, root: &Root) -> Result<Described, RootError> {
        let sealed = self.keyring.open_root_settings(root.tenant, root.handle, &root.settings);
        let described = sealed.ok().and_then(|bytes| Described::from_bytes(&bytes));
        described.ok_or_else(|| {
            tracing::error!(root = %root.name, "a root's configuration does not open");
            RootError::Corrupt {
                root: root.l1_ref.clone(),
                detail: "its sealed configuration does not open".into(),
            }
        })
    }

    /// A configured root, opened on first use; `None` stands for the platform's. Its opening goes on when the caller
    /// leaves, and whoever asks meanwhile waits for the same one. One that is known to have refused its PIN to any node
    /// is not opened, since that would be another try.
    ///
    /// # Errors
    /// What the root said when it was opened.
    pub async fn root(&self, state: &State, root: Option<&Root>) -> Result<Arc<dyn RootKeystore>, RootError> {
        let Some(root) = root else { return Ok(Arc::clone(&self.platform)) };
        let which = Some((root.tenant, root.handle));
        if state.pin_refused(which) {
            return Err(RootError::Withdrawn {
                root: root.l1_ref.clone(),
                withdrawal: Withdrawal::PinRefused,
                detail: "its token refused the PIN; replace the credentials".to_owned(),
            });
        }
        let open = || {
            let described = self.described(root)?;
            let (l1_ref, site) = (root.l1_ref.clone(), Arc::clone(&self.site));
            let (refused, described_so) = (Arc::clone(&self.pin_refused), Some(as_described(root)));
            Ok(async move {
                // What it refuses now it has withdrawn, also from a node that has only just started.
                let opening = keystore::reopen(&l1_ref, &described.config, &described.credentials, &site);
                let within = tokio::time::timeout(OPEN_MAX, opening).await;
                let opened = within.unwrap_or_else(|_| Err(silent(&l1_ref, OPEN_MAX)));
                // Here, since whoever asked may have left.
                refused.noted(described_so, opened)
            })
        };
        self.opened.root((root.tenant, root.handle), root.revision, &root.l1_ref, open).await
    }

    /// The roots whose tokens refused their PIN here, of which the cluster has to be told.
    pub(crate) fn pin_refused(&self) -> &PinRefused {
        &self.pin_refused
    }

    /// Closes roots that are configured no more, those whose credentials were replaced, since they hold the earlier
    /// ones, and those that refused their PIN to any node: they would log in again one day.
    pub fn close_outdated(&self, state: &State) {
        self.opened.retain(|(tenant, handle)| {
            let root = state.root(tenant, handle).filter(|_| !state.pin_refused(Some((tenant, handle))));
            root.map(|root| root.revision)
        });
    }

    /// Whether a root that is described so opens what the configured one wrapped: the newest version of its tenant's
    /// key that it wraps. One that wraps nothing has nothing to show. It is opened anew for this, which is part of a
    /// test under way.
    ///
    /// # Errors
    /// What the root said; [`RootError::Corrupt`] if it gives something else.
    pub(crate) async fn opens_wraps(
        &self,
        _place: &Place<'_>,
        tenant: &Tenant,
        root: &Root,
        described: &Described,
    ) -> Result<(), RootError> {
        let by_it = |wrap: &&Wrap| wrap.l1_ref == root.l1_ref;
        let newest = tenant.versions.iter().rev().find_map(|l2| Some((l2, l2.wraps.iter().find(by_it)?)));
        let Some((l2, wrap)) = newest else { return Ok(()) };
        let wrapped = Wrapped { l1_ref: wrap.l1_ref.clone(), blob: wrap.wrapped.clone() };
        let unwrapping = async {
            let Described { config, credentials } = described;
            let opened = keystore::reopen(&root.l1_ref, config, credentials, &self.site).await?;
            opened.unwrap(Context::tenant_l2(self.realm, tenant.handle, l2.version), &wrapped).await
        };
        let within = tokio::time::timeout(OPEN_MAX, unwrapping).await;
        let payload = within.unwrap_or_else(|_| Err(silent(&root.l1_ref, OPEN_MAX)))?;
        let commitment = L2Commitment(l2.commitment);
        let key = payload.into_l2(self.realm, tenant.handle, l2.version, &root.l1_ref, &commitment);
        key.map(drop).map_err(|_| corrupt(&root.l1_ref))
    }

    /// Makes the L2 key of one version and wraps it by each of these roots (none: the platform's).
    ///
    /// # Errors
    /// [`RootError`] of the first root that refused.
    pub async fn make_l2(
        &self,
        state: &State,
        tenant: TenantHandle,
        roots: &[RootHandle],
        version: L2Version,
    ) -> Result<(L2Commitment, Vec<Wrap>), RootError> {
        let l2 = L2::generate(self.realm, tenant, version)?;
        let wraps = self.wrap_l2(state, tenant, roots, version, &l2, 1).await?;
        Ok((l2.commitment(), wraps))
    }

    /// Wraps an L2 key by each of these roots (none: the platform's), and unwraps each wrap again: a wrap that
    /// does not give back the committed key is never kept.
    ///
    /// # Errors
    /// [`RootError`] of the first root that refused.
    pub async fn wrap_l2(
        &self,
        state: &State,
        tenant: TenantHandle,
        roots: &[RootHandle],
        version: L2Version,
        l2: &L2,
        revision: u32,
    ) -> Result<Vec<Wrap>, RootError> {
        let context = Context::tenant_l2(self.realm, tenant, version);
        let mut wraps = Vec::new();
        for root in self.of(state, tenant, roots).await? {
            let payload = L1Payload::of_l2(l2, root.l1_ref()).map_err(|_| corrupt(root.l1_ref()))?;
            let wrapped = root.wrap(context, payload).await?;
            let back = root.unwrap(context, &wrapped).await?;
            back.into_l2(self.realm, tenant, version, &wrapped.l1_ref, &l2.commitment())
                .map_err(|_| corrupt(root.l1_ref()))?;
            wraps.push(Wrap { revision, l1_ref: wrapped.l1_ref, wrapped: wrapped.blob });
        }
        Ok(wraps)
    }

    /// Unwraps a tenant's L2 key by the first of its roots that gives the very key the tenant has committed to.
    ///
    /// # Errors
    /// [`NoL2`] with what the last root said, or the last one that gave something else.
    pub(crate) async fn unwrap_l2(
        &self,
        state: &State,
        tenant: &Tenant,
        version: L2Version,
    ) -> Result<L2, NoL2> {
        self.unwrap_l2_by(state, tenant, version, None).await
    }

    /// As [`Roots::unwrap_l2`], by these roots alone (none: the platform's), each of which must do so.
    ///
    /// # Errors
    /// [`Refused::KeyUnavailable`] with what the first root that refused said.
    pub async fn prove(
        &self,
        state: &State,
        tenant: &Tenant,
        version: L2Version,
        roots: &[RootHandle],
    ) -> Result<(), Refused> {
        for root in self.of(state, tenant.handle, roots).await.map_err(unavailable)? {
            drop(self.unwrap_l2_by(state, tenant, version, Some(root.l1_ref())).await?);
        }
        Ok(())
    }

    async fn unwrap_l2_by(
        &self,
        state: &State,
        tenant: &Tenant,
        version: L2Version,
        only: Option<&str>,
    ) -> Result<L2, NoL2> {
        let unknown = NoL2::Refused(Refused::NotFound { cause: "l2_version_unknown" });
        let l2 = tenant.version(version).ok_or(unknown)?;
        let mut silent = false;
        let mut wrong = None;
        let mut refused = Refused::KeyUnavailable { reason: "no wrap is left of it".to_owned() };
        let mut wraps: Vec<&Wrap> =
            l2.wraps.iter().filter(|wrap| only.is_none_or(|only| wrap.l1_ref == only)).collect();
        wraps.sort_by_key(|wrap| !self.answers(state, tenant.handle, wrap));
        for wrap in wraps {
            let unwrapped = match self.unwrap(state, tenant.handle, version, wrap).await {
                Ok(payload) => payload,
                Err(error) => {
                    silent |= matches!(error, RootError::Unreachable { .. } | RootError::Throttled { .. });
                    refused = unavailable(error);
                    continue;
                }
            };
            let commitment = L2Commitment(l2.commitment);
            match unwrapped.into_l2(self.realm, tenant.handle, version, &wrap.l1_ref, &commitment) {
                Ok(l2) => return Ok(l2),
                Err(error) => {
                    tracing::error!(tenant = %tenant.name, %version, root = %wrap.l1_ref, %error,
                        "a root answered with something else than the tenant's key");
                    wrong = Some(unavailable(corrupt(&wrap.l1_ref)));
                }
            }
        }
        let refused = wrong.unwrap_or(refused);
        Err(if silent { NoL2::Silent(refused) } else { NoL2::Refused(refused) })
    }

    async fn unwrap(
        &self,
        state: &State,
        tenant: TenantHandle,
        version: L2Version,
        wrap: &Wrap,
    ) -> Result<L1Payload, RootError> {
        let which = self.which(state, tenant, wrap).ok_or_else(|| RootError::Misconfigured {
            root: wrap.l1_ref.clone(),
            who: Who::Operator,
            missing: "it is not configured on this node".to_owned(),
            fix: "configure the key that wrapped this tenant".to_owned(),
        })?;
        if let Some(error) = self.rests(which) {
            return Err(error);
        }
        let configured = which.and_then(|(tenant, root)| state.root(tenant, root));
        let wrapped = Wrapped { l1_ref: wrap.l1_ref.clone(), blob: wrap.wrapped.clone() };
        let context = Context::tenant_l2(self.realm, tenant, version);
        let described_so = configured.map(|root| as_described(root));
        let answer = match self.root(state, configured.map(AsRef::as_ref)).await {
            Ok(root) => self.pin_refused.noted(described_so, root.unwrap(context, &wrapped).await),
            Err(error) => Err(error),
        };
        if let Err(error @ RootError::Unreachable { .. }) = &answer {
            let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
            resting.insert(which, (Instant::now(), error.clone()));
        }
        answer
    }

    /// The error of a root that did not answer a moment ago.
    fn rests(&self, root: WhichRoot) -> Option<RootError> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match resting.get(&root) {
            Some((since, error)) if since.elapsed() < REST => Some(error.clone()),
            Some(_) => {
                resting.remove(&root);
                None
            }
            None => None,
        }
    }

    /// The root that made a wrap.
    fn which(&self, state: &State, tenant: TenantHandle, wrap: &Wrap) -> Option<WhichRoot> {
        if wrap.l1_ref == self.platform.l1_ref() {
            return Some(None);
        }
        let own = state.roots(tenant).find(|root| root.l1_ref == wrap.l1_ref)?;
        Some(Some((tenant, own.handle)))
    }

    /// Whether the newest evidence says that the root of a wrap answers; one that was never probed may.
    fn answers(&self, state: &State, tenant: TenantHandle, wrap: &Wrap) -> bool {
        let evidence = self.which(state, tenant, wrap).and_then(|root| state.l1(root));
        evidence.is_none_or(|l1| l1.state == L1State::Enabled)
    }

    async fn of(
        &self,
        state: &State,
        tenant: TenantHandle,
        roots: &[RootHandle],
    ) -> Result<Vec<Arc<dyn RootKeystore>>, RootError> {
        if roots.is_empty() {
            return Ok(vec![Arc::clone(&self.platform)]);
        }
        let mut open = Vec::new();
        for handle in roots {
            let root = state.root(tenant, *handle).ok_or_else(|| RootError::Misconfigured {
                root: handle.to_string(),
                who: Who::Operator,
                missing: "the tenant has no such root any more".to_owned(),
                fix: "configure it again".to_owned(),
            })?;
            open.push(self.root(state, Some(root)).await?);
        }
        Ok(open)
    }
}

/// No answer within a time that is ours, not the provider's.
pub(crate) fn silent(root: &str, within: Duration) -> RootError {
    let detail = format!("no answer within {} s", within.as_secs());
    RootError::Unreachable { root: root.to_owned(), detail }
}

pub(crate) fn unavailable(error: RootError) -> Refused {
    tracing::warn!(%error, "a root of trust refused");
    match error {
        RootError::Memory(error) => Refused::NotNow { reason: error.to_string() },
        error => Refused::KeyUnavailable { reason: error.to_string() },
    }
}

fn corrupt(l1_ref: &str) -> RootError {
    RootError::Corrupt {
        root: l1_ref.to_owned(),
        detail: "the root answered with something else than the key".into(),
    }
}

/// A root for tests, and a state that has one.
#[cfg(test)]
pub(crate) mod fake {
    use super::*;
    use std::collections::BTreeMap;

    use keystore::{BoxFuture, Health};
    use model::command::{Action, Answer, Command, Stamp};
    use model::commands::{ConfigureRoot, CreateTenant};
    use model::id::{CommandId, LogIndex, RootName, TenantName};
    use model::time::ClusterTime;

    /// How long a test waits for nothing.
    pub const SHORT: Duration = Duration::from_millis(20);
    pub const TENANT: TenantHandle = TenantHandle([7; 4]);
    pub const OWN: RootHandle = RootHandle([8; 4]);

    /// A tenant with an own root whose key is wrapped so by the platform's root and by its own.
    pub fn with_own(commitment: L2Commitment, platform: Vec<u8>, own: Vec<u8>) -> State {
        let wrap = |l1_ref: &str, wrapped| Wrap { revision: 1, l1_ref: l1_ref.to_owned(), wrapped };
        let create = CreateTenant {
            handle: TENANT,
            name: TenantName::parse("tenant-a").expect("a name"),
            region: "eu".to_owned(),
            labels: BTreeMap::new(),
            lease_ms: 3_000,
            auto_register: true,
            l2_commitment: commitment.0,
            wraps: vec![wrap("fake:platform", platform), wrap("fake:own", own)],
        };
        let configure = ConfigureRoot {
            tenant: TENANT,
            handle: OWN,
            name: RootName::parse("own").expect("a name"),
            provider: "fake".to_owned(),
            l1_ref: "fake:own".to_owned(),
            settings: Vec::new(),
        };
        let mut state = State::new("eu");
        for (index, action) in (1..).zip([Action::from(create), configure.into()]) {
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
            let applied = state.apply(LogIndex(index), &Command { stamp, idempotency: None, action });
            assert!(!matches!(applied.answer, Answer::Refused(_)), "{:?}", applied.answer);
        }
        state
    }

    /// What meets a token that refuses its PIN.
    pub const PIN_REFUSED: &[u8] = b"refused";

    /// Its wraps are the bytes themselves; an empty one meets silence.
    pub struct Fake(pub &'static str);

    impl RootKeystore for Fake {
        fn l1_ref(&self) -> &str {
            self.0
        }

        fn wrap<'a>(&'a self, _: Context, payload: L1Payload) -> BoxFuture<'a, Result<Wrapped, RootError>> {
            let blob = payload.with(|bytes| bytes.to_vec());
            Box::pin(async move { Ok(Wrapped { l1_ref: self.0.to_owned(), blob }) })
        }

        fn unwrap<'a>(
            &'a self,
            _: Context,
            wrapped: &'a Wrapped,
        ) -> BoxFuture<'a, Result<L1Payload, RootError>> {
            Box::pin(async {
                if wrapped.blob == PIN_REFUSED {
                    let (root, detail) = (self.0.to_owned(), String::new());
                    return Err(RootError::Withdrawn { root, withdrawal: Withdrawal::PinRefused, detail });
                }
                L1Payload::from_bytes(&wrapped.blob).map_err(|_| silent(self.0, SHORT))
            })
        }

        fn probe(&self) -> BoxFuture<'_, Result<Health, RootError>> {
            Box::pin(async { Err(silent(self.0, SHORT)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use model::command::{Action, Command, Stamp};
    use model::commands::{NoteProbes, Probe, ReplaceRootCredentials};
    use model::id::{CommandId, LogIndex, NodeId};
    use model::row::Row;
    use model::time::ClusterTime;

    use super::fake::{Fake, OWN, PIN_REFUSED, TENANT, with_own};
    use crate::opened::Outcome;

    const REALM: Realm = Realm([1; 16]);
    /// Roots of which a tenant's own is open.
    async fn opened() -> Roots {
        let keyring = Arc::new(Keyring::generate(REALM).expect("a keyring"));
        let roots = Roots::new(keyring, Arc::new(Fake("fake:platform")), Arc::default());
        let open = || Ok(async { Ok(Arc::new(Fake("fake:own")) as Arc<dyn RootKeystore>) });
        drop(roots.opened.root((TENANT, OWN), LogIndex(2), "fake:own", open).await.expect("it opens"));
        roots
    }

    /// What comes of unwrapping by a platform's and a root of one's own that hold this.
    async fn unwrapped(l2: &L2, platform: &[u8], own: &[u8]) -> Result<(), NoL2> {
        let state = with_own(l2.commitment(), platform.to_vec(), own.to_vec());
        let tenant = state.tenant(TENANT).expect("it was made");
        opened().await.unwrap_l2(&state, tenant, L2Version(1)).await.map(drop)
    }

    #[tokio::test]
    async fn a_root_that_gives_another_key_does_not_keep_the_next_from_being_asked() {
        let l2 = || L2::generate(REALM, TENANT, L2Version(1)).expect("a key");
        let wrap = |l2: &L2, l1_ref: &str| {
            L1Payload::of_l2(l2, l1_ref).expect("a payload").with(|bytes| bytes.to_vec())
        };
        let (key, another) = (l2(), l2());
        let (right, wrong) = (wrap(&key, "fake:own"), wrap(&another, "fake:own"));
        let wrong_platform = wrap(&another, "fake:platform");
        let is_wrong = |refused: Refused| refused.to_string().contains("something else than the key");

        assert!(unwrapped(&key, &wrong_platform, &right).await.is_ok());
        assert!(unwrapped(&key, &[], &right).await.is_ok());
        for (platform, own) in [(&wrong_platform[..], &[][..]), (&[], &wrong)] {
            match unwrapped(&key, platform, own).await {
                Err(NoL2::Silent(refused)) => assert!(is_wrong(refused), "the wrong key is what is told"),
                Err(NoL2::Refused(refused)) => panic!("silence is forgotten: {refused}"),
                Ok(()) => panic!("nobody gave the key"),
            }
        }
        match unwrapped(&key, &wrong_platform, &wrong).await {
            Err(NoL2::Refused(refused)) => assert!(is_wrong(refused)),
            _ => panic!("both gave another key"),
        }
    }

    #[tokio::test]
    async fn a_pin_that_any_node_was_refused_is_not_tried_here() {
        let roots = opened().await;
        let mut state = with_own(L2Commitment([0; 32]), Vec::new(), Vec::new());
        let own = Arc::clone(state.root(TENANT, OWN).expect("it was configured"));
        assert!(roots.root(&state, Some(&own)).await.is_ok(), "it is open");

        let (root, time) = (Some((TENANT, OWN)), ClusterTime(3));
        let (described, answer) = (state.described(root), L1State::PinRefused);
        let probe = Probe { root, described, began: time, state: answer, detail: String::new() };
        let action = NoteProbes { by: NodeId(1), probes: vec![probe] }.into();
        let stamp = Stamp { id: CommandId([0; 16]), time };
        state.apply(LogIndex(3), &Command { stamp, idempotency: None, action });
        let refused = roots.root(&state, Some(&own)).await.err();
        let no = |error| matches!(error, RootError::Withdrawn { withdrawal: Withdrawal::PinRefused, .. });
        assert!(refused.is_some_and(no), "it was asked again");
        roots.close_outdated(&state);
        let nothing = || Err::<std::future::Ready<Outcome>, _>(silent("fake:own", fake::SHORT));
        let let_go = roots.opened.root((TENANT, OWN), LogIndex(2), "fake:own", nothing).await;
        assert!(let_go.is_err(), "what is open logs in again one day");
    }
    #[tokio::test]
    async fn a_pin_that_is_refused_here_is_told_until_the_cluster_knows_it() {
        let roots = opened().await;
        let in_use = |row| match row {
            Row::Tenant(tenant) => Row::Tenant(Tenant { roots: vec![OWN], ..tenant }),
            row => row,
        };
        let state = with_own(L2Commitment([0; 32]), Vec::new(), PIN_REFUSED.to_vec());
        let mut state = State::from_rows(state.rows().map(|(key, row)| (key, in_use(row)))).expect("a state");
        let root = Some((TENANT, OWN));
        assert_eq!(roots.pin_refused().untold(&state), []);
        let tenant = Arc::clone(state.tenant(TENANT).expect("it was made"));
        assert!(roots.unwrap_l2(&state, &tenant, L2Version(1)).await.is_err());
        assert_eq!(roots.pin_refused().untold(&state), [root]);

        // Nobody could be told.
        let taken = roots.pin_refused().take(&[root]);
        assert_eq!(roots.pin_refused().untold(&state), [], "it is being asked");
        roots.pin_refused().keep(taken);
        assert_eq!(roots.pin_refused().untold(&state), [root]);

        let mut act = |index: u64, action: Action| {
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
            state.apply(LogIndex(index), &Command { stamp, idempotency: None, action });
            roots.pin_refused().untold(&state)
        };
        let (described, began) = (Some(LogIndex(2)), ClusterTime(9));
        let probe = Probe { root, described, began, state: L1State::PinRefused, detail: String::new() };
        assert_eq!(act(10, NoteProbes { by: NodeId(1), probes: vec![probe] }.into()), [], "it is known");
        roots.pin_refused().keep([((TENANT, OWN), LogIndex(2))]);
        let (if_revision, settings) = (None, Vec::new());
        let replaced = ReplaceRootCredentials { tenant: TENANT, root: OWN, if_revision, settings };
        assert_eq!(act(11, replaced.into()), [], "that was the one before");
    }
}
