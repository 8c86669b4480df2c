//! A fixed set of threads for calls that block.
//!
//! Sessions belong to one thread each, and a vendor's call may take seconds or never return: no
//! such call runs on a thread of the async runtime, none is waited for beyond its time-out, and the
//! queue before them is bounded. A thread that hangs is lost until its call returns; the others
//! serve on.

use std::num::NonZeroU8;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::RootError;

/// Calls that may wait: at 100 µs to 10 ms each they are served well within any time-out; more
/// would only wait to be given up.
const QUEUE_CALLS: usize = 256;

/// One call: what to do with a thread's own `T`.
type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// How long dropping a pool waits for its threads: closing a session takes milliseconds, and a
/// library must not be called while the process exits; one that hangs is left behind.
const FAREWELL: Duration = Duration::from_millis(500);

/// Threads that each own a `T`, made in the thread and never moved. Dropping the pool ends them.
pub struct Pool<T> {
    /// Taken out by drop alone.
    jobs: Option<SyncSender<Job<T>>>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: 'static> Pool<T> {
    /// Starts `threads` threads named after `name`.
    pub fn start(
        name: &str,
        threads: NonZeroU8,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<Self, RootError> {
        let (jobs, queue) = sync_channel::<Job<T>>(QUEUE_CALLS);
        let (queue, make) = (Arc::new(Mutex::new(queue)), Arc::new(make));
        let start = |i| {
            let (queue, make) = (Arc::clone(&queue), Arc::clone(&make));
            std::thread::Builder::new().name(format!("{name}-{i}")).spawn(move || serve(&queue, &*make))
        };
        let threads = (0..threads.get()).map(start).collect::<Result<_, _>>().map_err(|error| {
            RootError::Unreachable {
                root: name.to_owned(),
                detail: format!("no thread for its calls: {error}"),
            }
        })?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs `run` on a free thread. A caller that gave up before its turn costs nothing.
    pub async fn call<R: Send + 'static>(
        &self,
        timeout: Duration,
        run: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, Stalled> {
        let (reply, answer) = oneshot::channel();
        let job: Job<T> = Box::new(move |own| {
            if !reply.is_closed() {
                // A caller that left while we worked has no use for the answer.
                let _gone = reply.send(run(own));
            }
        });
        let jobs = self.jobs.as_ref().expect("it is taken out by drop alone");
        jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => Stalled::QueueFull,
            TrySendError::Disconnected(_) => Stalled::Died,
        })?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Stalled::Died),
            Err(_) => Err(Stalled::TimedOut { after: timeout }),
        }
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        self.jobs = None;
        let deadline = Instant::now() + FAREWELL;
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stalled {
    /// The queue is full.
    QueueFull,
    /// It took too long; the call itself may still end.
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The thread panicked in this call.
    Died,
}

impl Stalled {
    /// In the words of the boundary.
    pub fn into_root(self, root: &str) -> RootError {
        let root = root.to_owned();
        match self {
            Self::QueueFull => RootError::Throttled {
                root,
                retry_after: None,
                detail: format!("{QUEUE_CALLS} calls are waiting already"),
            },
            Self::TimedOut { after } => {
                RootError::Unreachable { root, detail: format!("no answer within {} ms", after.as_millis()) }
            }
            Self::Died => RootError::Unreachable { root, detail: "the call failed in its thread".to_owned() },
        }
    }
}

/// The life of one thread.
fn serve<T>(queue: &Mutex<Receiver<Job<T>>>, make: &impl Fn() -> T) {
    let mut own = make();
    while let Some(job) = next(queue) {
        // What a panic left half-done is not used again.
        if catch_unwind(AssertUnwindSafe(|| job(&mut own))).is_err() {
            own = make();
        }
    }
}

/// Waits for the next job; `None` once the pool is gone. The lock guards the queue alone and is
/// free again before the job runs.
fn next<T>(queue: &Mutex<Receiver<Job<T>>>) -> Option<Job<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn pool(threads: u8) -> Pool<u32> {
        Pool::start("test", NonZeroU8::new(threads).unwrap(), || 0).unwrap()
    }

    #[tokio::test]
    async fn a_hanging_call_is_given_up_and_the_others_serve_on() {
        let pool = pool(2);
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let short = Duration::from_millis(30);
        let stuck = pool.call(short, move |_| hang.recv().is_ok()).await;
        assert_eq!(stuck, Err(Stalled::TimedOut { after: short }));
        for _ in 0..10 {
            assert_eq!(pool.call(LONG, |_| 7).await, Ok(7));
        }
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_abandoned_calls_never_run() {
        let pool = pool(1);
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let ran = Arc::new(AtomicUsize::new(0));
        let short = Duration::from_millis(50);
        assert!(pool.call(short, move |_| hang.recv().is_ok()).await.is_err());
        for _ in 0..QUEUE_CALLS {
            let ran = Arc::clone(&ran);
            let waiting = pool.call(Duration::ZERO, move |_| ran.fetch_add(1, SeqCst)).await;
            assert_eq!(waiting, Err(Stalled::TimedOut { after: Duration::ZERO }));
        }
        assert_eq!(pool.call(LONG, |_| ()).await, Err(Stalled::QueueFull));
        release.send(()).unwrap();
        while pool.call(LONG, |_| ()).await == Err(Stalled::QueueFull) {
            tokio::task::yield_now().await;
        }
        assert_eq!(ran.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn a_panic_costs_one_call_and_what_it_touched() {
        let pool = pool(1);
        assert_eq!(pool.call(LONG, |own| std::mem::replace(own, 5)).await, Ok(0));
        let panicked: Result<(), _> = pool.call(LONG, |_| panic!("expected by this test")).await;
        assert_eq!(panicked, Err(Stalled::Died));
        assert_eq!(pool.call(LONG, |own| *own).await, Ok(0));
    }

    #[tokio::test]
    async fn dropping_the_pool_waits_for_its_threads_but_not_for_one_that_hangs() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let pool = Pool::start("test", NonZeroU8::MIN, move || Arc::clone(&held)).unwrap();
        pool.call(LONG, |_| ()).await.unwrap();
        drop(pool);
        assert_eq!(Arc::strong_count(&alive), 1);

        let pool = self::pool(1);
        let (release, hang) = std::sync::mpsc::channel::<()>();
        assert!(pool.call(Duration::ZERO, move |_| hang.recv().is_ok()).await.is_err());
        let start = Instant::now();
        drop(pool);
        assert!(start.elapsed() < LONG);
        drop(release);
    }
}
