//! One running worker, as the node sees it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot, watch};

use super::Program;
use super::frame::{self, Frame, Kind};
use super::ledger::Page;
use crate::providers::pkcs11::login::Attempt;

/// Settings of ours that no vendor's library needs to see.
const NOT_INHERITED: [&str; 2] = ["KEYRAFT_TOKEN", "KEYRAFT_ADDRS"];

/// Calls that may be under way with one worker: as many as wait before its sessions, and its own.
const CALLS_MAX: usize = 512;

/// How long a worker that is no longer needed may take to close its sessions.
const FAREWELL: Duration = Duration::from_secs(1);

/// Longest wait for a killed worker to be gone, before its end is reported without a reason.
const BURIAL: Duration = Duration::from_secs(1);

/// A running worker. Dropping it lets the worker close its sessions and end.
pub struct Live {
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    next: AtomicU64,
    /// Why it ended, once it did.
    end: watch::Receiver<Option<String>>,
    shared: Arc<Shared>,
}

/// What handle and listener share.
#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    /// Calls that the worker itself gave up: each holds one of its threads, perhaps for ever.
    lost: AtomicUsize,
    kill: Notify,
    farewell: Notify,
}

/// Calls without an answer, also those whose callers have left: the answer may still come, and tells then that a
/// thread is free again.
type Pending = BTreeMap<u64, Waiting>;

/// A call without an answer.
struct Waiting {
    since: Instant,
    reply: oneshot::Sender<Frame>,
}

/// Why an exchange has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The worker ended, for this reason.
    Ended(String),
    /// It is alive and says nothing.
    TimedOut,
    /// Too many calls are under way.
    Busy,
}

impl Live {
    /// Starts a worker; `page` notes what it says about its PIN.
    pub fn start(program: &Program, page: Page) -> io::Result<Arc<Self>> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&program.path);
        command.args(&program.args).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).kill_on_drop(true);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let child = command.spawn()?;
        let (reader, writer) = UnixStream::from_std(ours)?.into_split();
        let (ended, end) = watch::channel(None);
        let shared = Arc::<Shared>::default();
        tokio::spawn(listen(Arc::clone(&shared), reader, child, page, ended));
        Ok(Arc::new(Self { writer: writer.into(), next: AtomicU64::new(1), end, shared }))
    }

    /// Whether it is still there.
    pub fn lives(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// How many calls hold a thread of the worker for longer than this, whether or not anybody still waits for them.
    pub fn hung(&self, timeout: Duration) -> usize {
        self.shared.hung(timeout)
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.shared.kill.notify_one();
    }

    /// Sends one request and waits for its answer.
    pub async fn exchange(&self, kind: Kind, body: &[u8], timeout: Duration) -> Result<Frame, NoAnswer> {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.expect(call)?;
        let sent = async {
            let mut writer = self.writer.lock().await;
            frame::write(&mut *writer, call, kind, body).await.ok()?;
            drop(writer);
            answer.await.ok()
        };
        match tokio::time::timeout(timeout, sent).await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(NoAnswer::Ended(self.reason().await)),
            Err(_) => Err(NoAnswer::TimedOut),
        }
    }

    fn expect(&self, call: u64) -> Result<oneshot::Receiver<Frame>, NoAnswer> {
        let mut pending = self.shared.pending();
        if pending.len() >= CALLS_MAX {
            return Err(NoAnswer::Busy);
        }
        let (reply, answer) = oneshot::channel();
        pending.insert(call, Waiting { since: Instant::now(), reply });
        Ok(answer)
    }

    /// Why it ended; called once its socket is closed.
    async fn reason(&self) -> String {
        let mut end = self.end.clone();
        let known = tokio::time::timeout(BURIAL, end.wait_for(Option::is_some)).await;
        match known {
            Ok(Ok(reason)) => reason.clone().unwrap_or_default(),
            _ => "it closed its socket".to_owned(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.farewell.notify_one();
    }
}

impl Shared {
    fn answered(&self, frame: Frame) {
        let Some(waiting) = self.pending().remove(&frame.call) else {
            return tracing::warn!(call = frame.call, "an HSM worker answered a call that nobody made");
        };
        if frame.kind == Kind::Late {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        // A caller that left meanwhile has no use for it.
        let _gone = waiting.reply.send(frame);
    }

    fn hung(&self, timeout: Duration) -> usize {
        let waiting = self.pending().values().filter(|waiting| waiting.since.elapsed() >= timeout).count();
        waiting + self.lost.load(Ordering::Relaxed)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands answers out until the worker ends or shall end; then buries it.
async fn listen(
    shared: Arc<Shared>,
    mut reader: OwnedReadHalf,
    mut child: Child,
    page: Page,
    ended: watch::Sender<Option<String>>,
) {
    let answers = async {
        while let Ok(frame) = frame::read(&mut reader).await {
            match frame.kind {
                Kind::PinBegins => word(&page, Attempt::Begins, &frame),
                Kind::PinAccepted => word(&page, Attempt::Accepted, &frame),
                Kind::PinRefused => word(&page, Attempt::Refused, &frame),
                Kind::Open
                | Kind::Wrap
                | Kind::Unwrap
                | Kind::Probe
                | Kind::Done
                | Kind::Failed
                | Kind::Late => {
                    shared.answered(frame);
                }
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = shared.kill.notified() => {}
        () = shared.farewell.notified() => {
            // Its socket is closed with the handle; it ends by itself unless its library hangs.
            let _gone = tokio::time::timeout(FAREWELL, child.wait()).await;
        }
    }
    // An error means that it is gone already.
    let _killed = child.start_kill();
    let reason = match child.wait().await {
        Ok(status) => match status.signal() {
            Some(signal) => format!("signal {signal}"),
            None => format!("exit code {}", status.code().unwrap_or_default()),
        },
        Err(error) => error.to_string(),
    };
    ended.send_replace(Some(reason));
    // Their callers learn that it ended.
    shared.pending().clear();
}

/// Notes what the worker says about its PIN; the body is the serial number of the token.
fn word(page: &Page, attempt: Attempt, frame: &Frame) {
    page.note(attempt, &String::from_utf8_lossy(&frame.body));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_free_again_when_its_call_ends_and_not_when_it_is_given_up() {
        let shared = Shared::default();
        for call in 1..=3 {
            // Their callers have left.
            let (reply, _) = oneshot::channel();
            shared.pending().insert(call, Waiting { since: Instant::now(), reply });
        }
        let hung = || shared.hung(Duration::ZERO);
        let answer = |call, kind| shared.answered(Frame { call, kind, body: Vec::new().into() });
        assert_eq!((hung(), shared.hung(Duration::from_secs(60))), (3, 0), "it is early to say so");
        answer(1, Kind::Failed);
        assert_eq!(hung(), 2);
        answer(2, Kind::Late);
        assert_eq!(hung(), 2, "its thread hangs still");
        answer(2, Kind::Late);
        answer(3, Kind::Done);
        assert_eq!((hung(), shared.pending().len()), (1, 0));
    }
}
