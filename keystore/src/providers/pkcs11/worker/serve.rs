//! The worker itself: one root, opened in this process, behind a socket.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as StdStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, Signal};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::frame::{self, Frame, Kind, Opening, context_of, failure_bytes};
use crate::providers::payload_from;
use crate::providers::pkcs11::login;
use crate::providers::pkcs11::{NAME, Pkcs11Root};
use crate::{Phase, RootError, RootKeystore, Wrapped};

/// Most memory of a worker: vendors' libraries map some hundred megabytes, and one that leaks shall
/// meet its bound long before the node does.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// Answers that may wait to be written; a node that reads no more is no node.
const ANSWERS: usize = 1_024;

/// Serves the root that the node names, until its socket closes. The socket is this process's
/// standard input.
#[must_use]
pub fn run() -> ExitCode {
    confine();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map(StdStream::from);
    let (Ok(runtime), Ok(socket)) = (runtime, socket) else { return ExitCode::FAILURE };
    match runtime.block_on(serve(socket)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// No core, no debugger, no more memory than a library needs, no life after the node's. Each step that
/// a system refuses leaves the others standing.
fn confine() {
    let _hardening = crypto::process::harden();
    let cap = Rlimit { current: Some(MEMORY_BYTES_MAX), maximum: Some(MEMORY_BYTES_MAX) };
    let _capped = rustix::process::setrlimit(Resource::As, cap);
    let _bound = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

async fn serve(socket: StdStream) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    let (mut reader, mut writer) = UnixStream::from_std(socket)?.into_split();
    let (answers, mut queue) = mpsc::channel::<Outgoing>(ANSWERS);
    let writing = tokio::spawn(async move {
        while let Some(Outgoing { bytes, written }) = queue.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
            // Dropping it tells that it is written.
            drop(written);
        }
    });
    watch_pins(&answers);
    let mut root: Option<Arc<Pkcs11Root>> = None;
    while let Ok(Frame { call, kind, body }) = frame::read(&mut reader).await {
        if kind == Kind::Open {
            let opened = open(&body).await;
            let answer = opened.as_ref().map(|root| Zeroizing::new(root.l1_ref().as_bytes().to_vec()));
            let bytes = encoded(call, answer.map_err(Clone::clone));
            root = opened.ok().map(Arc::new);
            if answers.send(bytes.into()).await.is_err() {
                break;
            }
            continue;
        }
        let (root, answers) = (root.clone(), answers.clone());
        tokio::spawn(async move {
            let bytes = match root {
                Some(root) => {
                    let began = Instant::now();
                    match answer(&root, kind, &body).await {
                        // The pool gives a call up after this time, and no earlier.
                        Err(error) if began.elapsed() >= root.call_timeout => {
                            frame::encode(call, Kind::Late, &failure_bytes(error))
                        }
                        answer => encoded(call, answer),
                    }
                }
                None => encoded(call, Err(nonsense())),
            };
            // A node that is gone has no use for it.
            let _gone = answers.send(bytes.into()).await;
        });
    }
    drop(root);
    writing.abort();
    Ok(())
}

/// A frame to be written; who waits for `written` to be dropped knows that it was.
struct Outgoing {
    bytes: Zeroizing<Vec<u8>>,
    written: Option<std::sync::mpsc::SyncSender<()>>,
}

impl From<Zeroizing<Vec<u8>>> for Outgoing {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes, written: None }
    }
}

/// Says every attempt with a PIN before it is made: the session's thread waits until the word is out.
fn watch_pins(answers: &mpsc::Sender<Outgoing>) {
    let answers = answers.clone();
    login::observe(Box::new(move |attempt, serial: &str| {
        let (written, wait) = std::sync::mpsc::sync_channel(1);
        let bytes = frame::encode(0, Kind::of_attempt(attempt), serial.as_bytes());
        // Without a node there is nobody to tell, and the process is about to end.
        let _gone = answers.blocking_send(Outgoing { bytes, written: Some(written) });
        let _out = wait.recv();
    }));
}

fn encoded(call: u64, answer: Result<Zeroizing<Vec<u8>>, RootError>) -> Zeroizing<Vec<u8>> {
    match answer {
        Ok(body) => frame::encode(call, Kind::Done, &body),
        Err(error) => frame::encode(call, Kind::Failed, &failure_bytes(error)),
    }
}

async fn open(body: &[u8]) -> Result<Pkcs11Root, RootError> {
    let (settings, again) = Opening::decode(body).ok_or_else(nonsense)?;
    Pkcs11Root::open_in(&settings, if again { Phase::Serving } else { Phase::Opening }).await
}

async fn answer(root: &Pkcs11Root, kind: Kind, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, RootError> {
    let l1_ref = root.l1_ref();
    match kind {
        Kind::Wrap => {
            let (ctx, payload) = context_of(body).ok_or_else(nonsense)?;
            let wrapped = root.wrap(ctx, payload_from(l1_ref, payload)?).await?;
            Ok(Zeroizing::new(wrapped.blob))
        }
        Kind::Unwrap => {
            let (ctx, blob) = context_of(body).ok_or_else(nonsense)?;
            let wrapped = Wrapped { l1_ref: l1_ref.to_owned(), blob: blob.to_vec() };
            let payload = root.unwrap(ctx, &wrapped).await?;
            Ok(payload.with(|bytes| Zeroizing::new(bytes.to_vec())))
        }
        Kind::Probe => {
            let health = root.probe().await?;
            Ok(Zeroizing::new(serde_json::to_vec(&health.custody).expect("texts and flags are JSON")))
        }
        Kind::Open
        | Kind::Done
        | Kind::Failed
        | Kind::Late
        | Kind::PinBegins
        | Kind::PinAccepted
        | Kind::PinRefused => Err(nonsense()),
    }
}

fn nonsense() -> RootError {
    RootError::Unreachable { root: NAME.to_owned(), detail: "its worker was asked nonsense".to_owned() }
}
