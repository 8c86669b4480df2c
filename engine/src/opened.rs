//! Which of the tenants' own roots are open on this node. It knows no provider: how one is opened is told to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::{FutureExt as _, Shared};
use keystore::{RootError, RootKeystore};
use model::id::{RootHandle, TenantHandle};
use tokio::sync::oneshot;

/// A tenant's own root.
pub(crate) type Own = (TenantHandle, RootHandle);
/// What came of opening a root.
pub(crate) type Outcome = Result<Arc<dyn RootKeystore>, RootError>;

/// The tenants' own roots that are open or being opened. Each is opened by one task at a time: an opening that takes
/// longer than its callers wait is not lost, and a wrong PIN is not tried by several at once.
#[derive(Default)]
pub(crate) struct Opened(RwLock<HashMap<Own, Standing>>);

#[derive(Clone)]
enum Standing {
    Open(Arc<dyn RootKeystore>),
    Opening(Shared<oneshot::Receiver<Outcome>>),
}

impl Opened {
    /// The root, opened by the future of `open` unless it is open or being opened.
    pub async fn root<Opens>(
        self: &Arc<Self>,
        own: Own,
        l1_ref: &str,
        open: impl FnOnce() -> Result<Opens, RootError>,
    ) -> Outcome
    where
        Opens: Future<Output = Outcome> + Send + 'static,
    {
        let opening = match self.standing(own, open)? {
            Standing::Open(root) => return Ok(root),
            Standing::Opening(opening) => opening,
        };
        opening.await.unwrap_or_else(|_| {
            Err(RootError::Unreachable { root: l1_ref.to_owned(), detail: "its opening was cut off".into() })
        })
    }

    fn standing<Opens>(
        self: &Arc<Self>,
        own: Own,
        open: impl FnOnce() -> Result<Opens, RootError>,
    ) -> Result<Standing, RootError>
    where
        Opens: Future<Output = Outcome> + Send + 'static,
    {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&own) {
            return Ok(known.clone());
        }
        match self.0.write().unwrap_or_else(PoisonError::into_inner).entry(own) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(vacant) => {
                let (tell, told) = oneshot::channel();
                let (opens, under_way) = (open()?, UnderWay { opened: Arc::clone(self), own });
                tokio::spawn(async move {
                    let outcome = opens.await;
                    if let Ok(root) = &outcome {
                        under_way.opened.keep(own, root);
                    }
                    drop(under_way);
                    // Who asked may have left.
                    let _gone = tell.send(outcome);
                });
                Ok(vacant.insert(Standing::Opening(told.shared())).clone())
            }
        }
    }

    /// Keeps an open root, unless it was removed while it was opened.
    fn keep(&self, own: Own, root: &Arc<dyn RootKeystore>) {
        if let Some(standing) = self.0.write().unwrap_or_else(PoisonError::into_inner).get_mut(&own) {
            *standing = Standing::Open(Arc::clone(root));
        }
    }

    pub fn retain(&self, configured: impl Fn(Own) -> bool) {
        if !self.0.read().unwrap_or_else(PoisonError::into_inner).keys().all(|own| configured(*own)) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|own, _| configured(*own));
        }
    }
}

/// An opening. When it ends without a root, however that comes, the next caller may begin another.
struct UnderWay {
    opened: Arc<Opened>,
    own: Own,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut opened = self.opened.0.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(opened.get(&self.own), Some(Standing::Opening(_))) {
            opened.remove(&self.own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use crate::roots::fake::{Fake, SHORT};
    use crate::roots::silent;

    const OWN: Own = (TenantHandle([7; 4]), RootHandle([8; 4]));

    /// Openings that end when they are let, counted.
    #[derive(Clone)]
    struct Openings {
        opened: Arc<Opened>,
        begun: Arc<AtomicUsize>,
        may_end: Arc<Semaphore>,
    }

    impl Openings {
        fn new() -> Self {
            Self { opened: Arc::default(), begun: Arc::default(), may_end: Arc::new(Semaphore::new(0)) }
        }

        async fn ask(&self, outcome: fn() -> Outcome) -> Outcome {
            let open = || {
                self.begun.fetch_add(1, SeqCst);
                let may_end = Arc::clone(&self.may_end);
                Ok(async move {
                    may_end.acquire().await.expect("it is never closed").forget();
                    outcome()
                })
            };
            self.opened.root(OWN, "fake:own", open).await
        }

        fn begun(&self) -> usize {
            self.begun.load(SeqCst)
        }
    }

    fn opens() -> Outcome {
        Ok(Arc::new(Fake("fake:own")))
    }

    fn fails() -> Outcome {
        Err(silent("fake:own", SHORT))
    }

    #[tokio::test]
    async fn an_opening_outlives_who_asked_and_serves_who_asks_next() {
        let openings = Openings::new();
        for _ in 0..3 {
            assert!(timeout(SHORT, openings.ask(opens)).await.is_err(), "it is being opened still");
        }
        assert_eq!(openings.begun(), 1);
        openings.may_end.add_permits(1);
        assert_eq!(openings.ask(fails).await.map(|root| root.l1_ref().to_owned()), Ok("fake:own".to_owned()));
        assert!(openings.ask(fails).await.is_ok());
        assert_eq!(openings.begun(), 1);
    }

    #[tokio::test]
    async fn an_opening_that_fails_fails_for_all_who_wait_and_is_tried_again() {
        let openings = Openings::new();
        let let_go = async { openings.may_end.add_permits(1) };
        let (one, other, ()) = tokio::join!(openings.ask(fails), openings.ask(fails), let_go);
        assert_eq!((one.err(), other.err()), (fails().err(), fails().err()));
        assert_eq!(openings.begun(), 1);
        openings.may_end.add_permits(1);
        assert!(openings.ask(opens).await.is_ok());
        assert_eq!(openings.begun(), 2);
    }

    #[tokio::test]
    async fn an_opening_that_is_cut_off_is_tried_again() {
        let openings = Openings::new();
        openings.may_end.add_permits(2);
        let error = openings.ask(|| panic!("expected by this test")).await.err().expect("it opened");
        assert!(error.to_string().contains("cut off"), "{error}");
        assert!(openings.ask(opens).await.is_ok());
    }

    #[tokio::test]
    async fn a_root_removed_while_it_is_opened_is_not_kept() {
        let openings = Openings::new();
        assert!(timeout(SHORT, openings.ask(opens)).await.is_err());
        openings.opened.retain(|_| true);
        assert!(timeout(SHORT, openings.ask(opens)).await.is_err());
        assert_eq!(openings.begun(), 1);
        openings.opened.retain(|_| false);
        openings.may_end.add_permits(1);
        assert!(timeout(SHORT, std::future::pending::<()>()).await.is_err());
        assert!(openings.opened.0.read().expect("nobody panicked").is_empty());
    }
}
