//! A root that is a service of somebody else's, reduced to what differs between them.
//!
//! Whatever has [`ServiceRoot`] is a [`RootKeystore`] and an [`Inspector`]: what a wrap carries, what a probe does
//! and in which order is decided here, once.

use std::time::Instant;

use crypto::L1Payload;

use super::service::Told;
use super::{probe_payload, same};
use crate::registry::Inspector;
use crate::{
    BoxFuture, Context, Custody, Health, Permission, Phase, RootError, RootKeystore, Statement, Withdrawal,
    Wrapped,
};

/// One key in one service.
pub(crate) trait ServiceRoot: Send + Sync {
    /// What the service tells of a key.
    type Key: Send + Sync;

    /// The root's key reference, in its errors and elsewhere.
    fn told(&self, phase: Phase) -> Told<'_>;

    /// The service, for people.
    fn service(&self) -> String;

    /// Asks what the service tells of the key.
    fn describe(&self, phase: Phase) -> impl Future<Output = Result<Self::Key, RootError>> + Send;

    /// Whether the key serves, by what was told of it.
    fn usable(&self, key: &Self::Key, phase: Phase) -> Result<(), RootError>;

    /// What should be known about the key's custody.
    fn statements(&self, key: &Self::Key) -> impl Future<Output = Vec<Statement>> + Send;

    /// Makes a blob of a payload, for a place.
    fn seal(
        &self,
        ctx: Context,
        payload: &L1Payload,
    ) -> impl Future<Output = Result<Vec<u8>, RootError>> + Send;

    /// The payload of a blob that this key made for this place.
    fn open_wrap(
        &self,
        ctx: Context,
        blob: &[u8],
    ) -> impl Future<Output = Result<L1Payload, RootError>> + Send;

    /// A row per permission, asked anew; none where the service has no such thing.
    fn permissions(&self) -> impl Future<Output = Vec<Permission>> + Send;
}

impl<S: ServiceRoot> RootKeystore for S {
    fn l1_ref(&self) -> &str {
        self.told(Phase::Serving).root
    }

    fn wrap<'a>(&'a self, ctx: Context, payload: L1Payload) -> BoxFuture<'a, Result<Wrapped, RootError>> {
        Box::pin(async move {
            let blob = self.seal(ctx, &payload).await?;
            Ok(Wrapped { l1_ref: self.l1_ref().to_owned(), blob })
        })
    }

    fn unwrap<'a>(
        &'a self,
        ctx: Context,
        wrapped: &'a Wrapped,
    ) -> BoxFuture<'a, Result<L1Payload, RootError>> {
        Box::pin(async move { self.open_wrap(ctx, wrapped.blob_of(self.l1_ref())?).await })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, RootError>> {
        Box::pin(check(self))
    }
}

impl<S: ServiceRoot> Inspector for S {
    fn permissions(&self) -> BoxFuture<'_, Vec<Permission>> {
        Box::pin(ServiceRoot::permissions(self))
    }
}

async fn check<S: ServiceRoot>(root: &S) -> Result<Health, RootError> {
    let key = root.describe(Phase::Serving).await?;
    root.usable(&key, Phase::Serving)?;
    let payload = probe_payload()?;
    let start = Instant::now();
    let blob = root.seal(Context::PROBE, &payload).await?;
    let back = root.open_wrap(Context::PROBE, &blob).await?;
    let round_trip = start.elapsed();
    if !same(&payload, &back) {
        return Err(root.told(Phase::Serving).silent("it does not give back what was wrapped"));
    }
    let custody = Custody::Service { service: root.service(), statements: root.statements(&key).await };
    Ok(Health { l1_ref: root.l1_ref().to_owned(), round_trip, custody })
}

/// The permissions of a service that has no call to list them: each is tried. The names are those of reading the
/// key, of wrapping and of unwrapping.
#[cfg(any(feature = "aws_kms", feature = "azure_key_vault"))]
pub(crate) async fn tried<S: ServiceRoot>(root: &S, [read, wrap, unwrap]: [&str; 3]) -> Vec<Permission> {
    let described = granted(&root.describe(Phase::Serving).await);
    let Ok(payload) = probe_payload() else { return Vec::new() };
    let sealed = root.seal(Context::PROBE, &payload).await;
    let opened = match &sealed {
        Ok(blob) => granted(&root.open_wrap(Context::PROBE, blob).await),
        Err(_) => None,
    };
    vec![
        Permission::needed(read, described, "tells a disabled key from a missing permission"),
        Permission::needed(wrap, granted(&sealed), "wraps keys"),
        Permission::needed(unwrap, opened, "unwraps keys"),
    ]
}

/// What an outcome tells of the permission for it: nothing, if it failed otherwise.
#[cfg(any(feature = "aws_kms", feature = "azure_key_vault"))]
fn granted<T>(outcome: &Result<T, RootError>) -> Option<bool> {
    match outcome {
        Ok(_) => Some(true),
        Err(RootError::Withdrawn { withdrawal: Withdrawal::Denied, .. }) => Some(false),
        Err(_) => None,
    }
}
