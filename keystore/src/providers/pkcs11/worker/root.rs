//! A root whose module runs in a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::L1Payload;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::Program;
use super::frame::{Frame, Kind, Opening, context_bytes, failure_of};
use super::ledger::{Page, Standing};
use super::live::{Live, NoAnswer};
use crate::providers::payload_from;
use crate::providers::pkcs11::fault::Fault;
use crate::providers::pkcs11::{NAME, OPEN_TIMEOUT, Pkcs11Settings};
use crate::{BoxFuture, Context, Health, Phase, RootError, RootKeystore, Wrapped};

/// Least time between two starts of a worker: one that dies at once is not started in a loop, and one
/// that died once is back before a caller's patience ends.
const START_INTERVAL: Duration = Duration::from_millis(500);

/// How often a call is sent: once more if the worker dies of it or before it, since nothing happened
/// that a repetition would undo.
const TRIES: u32 = 2;

/// A root in a PKCS#11 token, reached through a worker process.
pub struct WorkerRoot {
    l1_ref: String,
    keeper: Keeper,
}

impl WorkerRoot {
    /// Starts a worker, which loads the module, logs in (once), finds the key and checks what the
    /// token says about it.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] for everything that somebody must set right first,
    /// [`RootError::Unreachable`] if worker or token do not answer within 10 s.
    pub async fn open(settings: Pkcs11Settings, program: Program) -> Result<Self, RootError> {
        Self::open_known(settings, program, None).await
    }

    /// Opens a root again that was open before, in whatever process: it is looked for on the token that its
    /// reference names.
    ///
    /// # Errors
    /// [`RootError::Withdrawn`] if the token no longer grants the key; else as [`open`](Self::open).
    pub async fn reopen(l1_ref: &str, settings: Pkcs11Settings, program: Program) -> Result<Self, RootError> {
        Self::open_known(settings, program, Some(l1_ref.to_owned())).await
    }

    async fn open_known(
        settings: Pkcs11Settings,
        program: Program,
        l1_ref: Option<String>,
    ) -> Result<Self, RootError> {
        let state = State { l1_ref, ..State::default() };
        let keeper = Keeper { settings, program, state: Mutex::new(state) };
        let l1_ref = keeper.worker().await?.l1_ref.clone();
        Ok(Self { l1_ref, keeper })
    }

    async fn seal(&self, ctx: Context, payload: L1Payload) -> Result<Wrapped, RootError> {
        let mut body = Zeroizing::new(Vec::with_capacity(context_bytes(&ctx).len() + L1Payload::LEN));
        body.extend_from_slice(&context_bytes(&ctx));
        payload.with(|bytes| body.extend_from_slice(bytes));
        let answer = self.keeper.call(&self.l1_ref, Kind::Wrap, &body).await?;
        Ok(Wrapped { l1_ref: self.l1_ref.clone(), blob: answer.body.to_vec() })
    }

    async fn open_wrap(&self, ctx: Context, wrapped: &Wrapped) -> Result<L1Payload, RootError> {
        let blob = wrapped.blob_of(&self.l1_ref)?;
        if blob.len() > BLOB_BYTES_MAX {
            return Err(Fault::NotABlob.into_root(&self.l1_ref, Phase::Serving));
        }
        let body = [&context_bytes(&ctx)[..], blob].concat();
        let answer = self.keeper.call(&self.l1_ref, Kind::Unwrap, &body).await?;
        payload_from(&self.l1_ref, &answer.body)
    }

    async fn check(&self) -> Result<Health, RootError> {
        let start = Instant::now();
        let answer = self.keeper.call(&self.l1_ref, Kind::Probe, &[]).await?;
        let custody = serde_json::from_slice(&answer.body).map_err(|_| unintelligible(&self.l1_ref))?;
        Ok(Health { l1_ref: self.l1_ref.clone(), round_trip: start.elapsed(), custody })
    }
}

/// Longest blob that is worth sending: no token makes more of 64 bytes.
const BLOB_BYTES_MAX: usize = 8 * 1024;

impl RootKeystore for WorkerRoot {
    fn l1_ref(&self) -> &str {
        &self.l1_ref
    }

    fn wrap<'a>(&'a self, ctx: Context, payload: L1Payload) -> BoxFuture<'a, Result<Wrapped, RootError>> {
        Box::pin(self.seal(ctx, payload))
    }

    fn unwrap<'a>(
        &'a self,
        ctx: Context,
        wrapped: &'a Wrapped,
    ) -> BoxFuture<'a, Result<L1Payload, RootError>> {
        Box::pin(self.open_wrap(ctx, wrapped))
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, RootError>> {
        Box::pin(self.check())
    }
}

/// Keeps one worker running.
struct Keeper {
    settings: Pkcs11Settings,
    program: Program,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    worker: Option<Worker>,
    started: Option<Instant>,
    /// The key reference, once it is known: every worker's must be the same.
    l1_ref: Option<String>,
}

/// A worker that has opened the root.
#[derive(Clone)]
struct Worker {
    live: Arc<Live>,
    l1_ref: String,
}

impl Keeper {
    /// One call, on whatever worker lives.
    async fn call(&self, l1_ref: &str, kind: Kind, body: &[u8]) -> Result<Frame, RootError> {
        let timeout = Duration::from_millis(self.settings.call_timeout_ms.into());
        let mut died = String::new();
        for _ in 0..TRIES {
            let Worker { live, .. } = self.worker().await?;
            // Callers that left before the time-out have seen none hang. The exchange learns of the end.
            self.end_if_hung(&live, l1_ref, timeout);
            match live.exchange(kind, body, timeout).await {
                Ok(frame) => return judged(frame, l1_ref),
                Err(NoAnswer::Ended(reason)) => {
                    tracing::warn!(root = l1_ref, reason, "an HSM worker died");
                    died = reason;
                }
                Err(NoAnswer::TimedOut) => {
                    self.end_if_hung(&live, l1_ref, timeout);
                    return Err(silent(l1_ref, timeout));
                }
                Err(NoAnswer::Busy) => return Err(busy(l1_ref)),
            }
        }
        let detail = format!("the HSM's worker process died of the call ({died}), and so did the next");
        Err(RootError::Unreachable { root: l1_ref.to_owned(), detail })
    }

    /// A worker of which every thread hangs is of no more use.
    fn end_if_hung(&self, live: &Live, l1_ref: &str, timeout: Duration) {
        let hung = live.hung(timeout);
        if hung >= usize::from(self.settings.sessions.get()) {
            tracing::warn!(root = l1_ref, hung, "ending an HSM worker whose calls all hang");
            live.kill();
        }
    }

    /// The worker, started anew if it is gone.
    async fn worker(&self) -> Result<Worker, RootError> {
        let mut state = self.state.lock().await;
        if let Some(worker) = state.worker.as_ref().filter(|worker| worker.live.lives()) {
            return Ok(worker.clone());
        }
        state.worker = None;
        if let Some(wait) = state.started.and_then(|last| START_INTERVAL.checked_sub(last.elapsed())) {
            tokio::time::sleep(wait).await;
        }
        state.started = Some(Instant::now());
        let worker = self.start(state.l1_ref.as_deref()).await?;
        let first = state.l1_ref.get_or_insert_with(|| worker.l1_ref.clone());
        if *first != worker.l1_ref {
            let detail = format!("another token answers, with the key {}", worker.l1_ref);
            return Err(RootError::Unreachable { root: first.clone(), detail });
        }
        state.worker = Some(worker.clone());
        Ok(worker)
    }

    /// Starts a worker and has it open the root, which `known` names if it was open before.
    async fn start(&self, known: Option<&str>) -> Result<Worker, RootError> {
        let phase = if known.is_some() { Phase::Serving } else { Phase::Opening };
        let root = known.unwrap_or(NAME);
        let before = |fault: Fault| fault.into_root(root, phase);
        let same_token = Pkcs11Settings { token_serial: known.and_then(serial_in), ..self.settings.clone() };
        let settings = if known.is_some() { &same_token } else { &self.settings };
        let pin = settings.pin.read().map_err(before)?;
        let serial = settings.token_serial.as_deref();
        let page = Page::new(&settings.module, &settings.token, serial, pin.clone());
        // Held until the key is open: whoever comes next knows what became of the PIN.
        let _turn = page.turn().await;
        let standing = page.standing();
        if standing == Standing::Refused {
            let token = settings.token.clone();
            return Err(before(Fault::PinRefused { token, pin: settings.pin.name() }));
        }
        let lost = |detail: String| RootError::Unreachable { root: root.to_owned(), detail };
        let live = Live::start(&self.program, page)
            .map_err(|error| lost(format!("no worker process for the HSM: {error}")))?;
        let body = Opening::encode(settings, &pin, standing == Standing::Open, known.is_some());
        let answer = match live.exchange(Kind::Open, &body, OPEN_TIMEOUT).await {
            Ok(frame) => judged(frame, root)?,
            Err(NoAnswer::Ended(reason)) => {
                return Err(lost(format!(
                    "the HSM's worker process died while it opened the key ({reason})"
                )));
            }
            Err(NoAnswer::TimedOut | NoAnswer::Busy) => {
                live.kill();
                return Err(silent(root, OPEN_TIMEOUT));
            }
        };
        let l1_ref = str::from_utf8(&answer.body).map_err(|_| unintelligible(root))?.to_owned();
        Ok(Worker { live, l1_ref })
    }
}

/// The token's serial number in a key reference: a label is not enough, since another token may take
/// it over.
fn serial_in(l1_ref: &str) -> Option<String> {
    let (place, _key_id) = l1_ref.strip_prefix(NAME)?.strip_prefix(':')?.rsplit_once(':')?;
    Some(place.to_owned())
}

fn judged(frame: Frame, l1_ref: &str) -> Result<Frame, RootError> {
    match frame.kind {
        Kind::Done => Ok(frame),
        Kind::Failed | Kind::Late => Err(failure_of(&frame.body).unwrap_or_else(|| unintelligible(l1_ref))),
        _ => Err(unintelligible(l1_ref)),
    }
}

fn unintelligible(l1_ref: &str) -> RootError {
    let detail = "the HSM's worker process answered something unintelligible".to_owned();
    RootError::Unreachable { root: l1_ref.to_owned(), detail }
}

fn silent(l1_ref: &str, timeout: Duration) -> RootError {
    let detail = format!("no answer within {} ms", timeout.as_millis());
    RootError::Unreachable { root: l1_ref.to_owned(), detail }
}

fn busy(l1_ref: &str) -> RootError {
    RootError::Throttled {
        root: l1_ref.to_owned(),
        retry_after: None,
        detail: "too many calls wait for the HSM already".to_owned(),
    }
}
