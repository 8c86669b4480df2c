//! Which of the tenants' own roots are open on this node. It knows no provider: how one is opened is told to it.
//!
//! A root is open as one revision of its description. Whoever knows a later one, since its credentials were replaced,
//! has it opened anew, and the earlier one is let go with what it held.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::{FutureExt as _, Shared};
use keystore::{RootError, RootKeystore};
use model::id::{LogIndex, RootHandle, TenantHandle};
use tokio::sync::oneshot;

/// A tenant's own root.
pub(crate) type Own = (TenantHandle, RootHandle);
/// What came of opening a root.
pub(crate) type Outcome = Result<Arc<dyn RootKeystore>, RootError>;

/// The tenants' own roots that are open or being opened. Each is opened by one task at a time: an opening that takes
/// longer than its callers wait is not lost, and a wrong PIN is not tried by several at once.
#[derive(Default)]
pub(crate) struct Opened(RwLock<HashMap<Own, Known>>);

/// How a root stands that is described by this revision.
struct Known {
    revision: LogIndex,
    standing: Standing,
}

#[derive(Clone)]
enum Standing {
    Open(Arc<dyn RootKeystore>),
    Opening(Shared<oneshot::Receiver<Outcome>>),
}

impl Opened {
    /// The root as this revision or a later one describes it, opened by the future of `open` unless it is open or being
    /// opened so.
    pub async fn root<Opens>(
        self: &Arc<Self>,
        own: Own,
        revision: LogIndex,
        l1_ref: &str,
        open: impl FnOnce() -> Result<Opens, RootError>,
    ) -> Outcome
    where
        Opens: Future<Output = Outcome> + Send + 'static,
    {
        let opening = match self.standing(own, revision, open)? {
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
        revision: LogIndex,
        open: impl FnOnce() -> Result<Opens, RootError>,
    ) -> Result<Standing, RootError>
    where
        Opens: Future<Output = Outcome> + Send + 'static,
    {
        let serves = |known: &&Known| known.revision >= revision;
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&own).filter(serves) {
            return Ok(known.standing.clone());
        }
        let mut opened = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get(&own).filter(serves) {
            return Ok(known.standing.clone());
        }
        let (tell, told) = oneshot::channel();
        let opens = open()?;
        let under_way = UnderWay { opened: Arc::clone(self), own, revision };
        tokio::spawn(async move {
            let outcome = opens.await;
            if let Ok(root) = &outcome {
                under_way.opened.keep(own, revision, root);
            }
            drop(under_way);
            // Who asked may have left.
            let _gone = tell.send(outcome);
        });
        let standing = Standing::Opening(told.shared());
        let earlier = opened.insert(own, Known { revision, standing: standing.clone() });
        drop(opened);
        // Outside the lock: to let a root go may take a moment.
        drop(earlier);
        Ok(standing)
    }

    /// Keeps an open root, unless it was removed or described anew while it was opened.
    fn keep(&self, own: Own, revision: LogIndex, root: &Arc<dyn RootKeystore>) {
        let mut opened = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get_mut(&own).filter(|known| known.revision == revision) {
            known.standing = Standing::Open(Arc::clone(root));
        }
    }

    /// Lets go of every root that is configured no more, and of what was opened by an earlier revision than
    /// `configured` tells.
    pub fn retain(&self, configured: impl Fn(Own) -> Option<LogIndex>) {
        let left = |own: &Own, known: &Known| configured(*own).is_none_or(|now| known.revision < now);
        let any_left = |opened: &HashMap<Own, Known>| opened.iter().any(|(own, known)| left(own, known));
        if !any_left(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut opened = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<(Own, Known)> = opened.extract_if(|own, known| left(own, known)).collect();
        drop(opened);
        // Outside the lock: to let a root go may take a moment.
        drop(gone);
    }
}

/// An opening. When it ends without a root, however that comes, the next caller may begin another.
struct UnderWay {
    opened: Arc<Opened>,
    own: Own,
    revision: LogIndex,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut opened = self.opened.0.write().unwrap_or_else(PoisonError::into_inner);
        let ended = opened.get(&self.own).is_some_and(|known| {
            known.revision == self.revision && matches!(known.standing, Standing::Opening(_))
        });
        if ended {
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
            self.ask_for(1, outcome).await
        }

        async fn ask_for(&self, revision: u64, outcome: fn() -> Outcome) -> Outcome {
            let open = || {
                self.begun.fetch_add(1, SeqCst);
                let may_end = Arc::clone(&self.may_end);
                Ok(async move {
                    may_end.acquire().await.expect("it is never closed").forget();
                    outcome()
                })
            };
            self.opened.root(OWN, LogIndex(revision), "fake:own", open).await
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
        openings.opened.retain(|_| Some(LogIndex(1)));
        assert!(timeout(SHORT, openings.ask(opens)).await.is_err());
        assert_eq!(openings.begun(), 1);
        openings.opened.retain(|_| None);
        openings.may_end.add_permits(1);
        assert!(timeout(SHORT, std::future::pending::<()>()).await.is_err());
        assert!(openings.opened.0.read().expect("nobody panicked").is_empty());
    }

    fn opens_newer() -> Outcome {
        Ok(Arc::new(Fake("fake:newer")))
    }

    #[tokio::test]
    async fn a_root_described_anew_is_opened_anew_and_the_earlier_one_is_let_go() {
        let openings = Openings::new();
        openings.may_end.add_permits(2);
        let earlier = openings.ask_for(1, opens).await.expect("it opens");
        let newer = openings.ask_for(2, opens_newer).await.expect("it opens");
        assert_eq!((newer.l1_ref(), openings.begun()), ("fake:newer", 2));
        assert_eq!(Arc::strong_count(&earlier), 1, "nobody but this test holds it");
        // Whoever has read an earlier state is served by the later description too.
        assert_eq!(openings.ask_for(1, fails).await.expect("open").l1_ref(), "fake:newer");
        openings.opened.retain(|_| Some(LogIndex(1)));
        assert_eq!(openings.ask_for(2, fails).await.expect("open still").l1_ref(), "fake:newer");
        openings.opened.retain(|_| Some(LogIndex(3)));
        assert_eq!(Arc::strong_count(&newer), 1, "what nobody asked for is let go as well");
    }

    #[tokio::test]
    async fn an_opening_by_earlier_credentials_that_ends_late_takes_no_place() {
        let openings = Openings::new();
        assert!(timeout(SHORT, openings.ask_for(1, opens)).await.is_err());
        assert!(timeout(SHORT, openings.ask_for(2, fails)).await.is_err());
        openings.may_end.add_permits(2);
        assert!(openings.ask_for(2, fails).await.is_err(), "the later opening is what is waited for");
        openings.may_end.add_permits(1);
        assert_eq!(openings.ask_for(2, opens_newer).await.expect("it opens").l1_ref(), "fake:newer");
    }
}
