//! What node and worker say to each other.
//!
//! ```text
//! length u32be ‖ call u64be ‖ kind u8 ‖ body          length counts what follows it
//! ```
//!
//! The node sends requests, numbered from 1; the worker answers each once, in any order. Call 0 is the
//! worker's own word about a PIN, with the serial number of the token. Bodies with secrets are bytes,
//! never text, in buffers that are wiped; the rest is JSON.

use std::io;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

use model::id::{L2Version, Realm, TenantHandle};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::super::login::Attempt;
use super::super::{KeyId, PinSource, Pkcs11Settings};
use crate::{Context, Purpose, RootError, SecretText, Who, Withdrawal};

/// Longest frame: settings and reports have a few kilobytes; a length beyond this is damage.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Bytes of call and kind.
const HEAD: usize = 9;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Request: open the root; the first of all.
    Open = 1,
    /// Request: wrap a payload.
    Wrap = 2,
    /// Request: unwrap a blob.
    Unwrap = 3,
    /// Request: probe.
    Probe = 4,
    /// Answer: what was asked for.
    Done = 16,
    /// Answer: why not.
    Failed = 17,
    /// Answer: why not, of a call that was given up and whose thread still hangs in it.
    Late = 18,
    /// Word: a PIN is tried next.
    PinBegins = 32,
    /// Word: the token took it.
    PinAccepted = 33,
    /// Word: the token refused it.
    PinRefused = 34,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let all = [
            Self::Open,
            Self::Wrap,
            Self::Unwrap,
            Self::Probe,
            Self::Done,
            Self::Failed,
            Self::Late,
            Self::PinBegins,
            Self::PinAccepted,
            Self::PinRefused,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The word for what became of a PIN.
    pub fn of_attempt(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Begins => Self::PinBegins,
            Attempt::Accepted => Self::PinAccepted,
            Attempt::Refused => Self::PinRefused,
        }
    }
}

/// One frame.
pub struct Frame {
    /// Number of the call; 0 for a word.
    pub call: u64,
    /// What it is.
    pub kind: Kind,
    /// What belongs to it.
    pub body: Zeroizing<Vec<u8>>,
}

/// A frame as bytes.
pub fn encode(call: u64, kind: Kind, body: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u32::try_from(HEAD + body.len()).expect("bodies are shorter than FRAME_BYTES_MAX");
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 + HEAD + body.len()));
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&call.to_be_bytes());
    bytes.push(kind as u8);
    bytes.extend_from_slice(body);
    bytes
}

/// Reads one frame; an error ends the connection.
pub async fn read(source: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let garbage = || io::Error::new(io::ErrorKind::InvalidData, "not a frame");
    let length = source.read_u32().await? as usize;
    if !(HEAD..=FRAME_BYTES_MAX).contains(&length) {
        return Err(garbage());
    }
    let call = source.read_u64().await?;
    let kind = Kind::of(source.read_u8().await?).ok_or_else(garbage)?;
    let mut body = Zeroizing::new(vec![0; length - HEAD]);
    source.read_exact(&mut body).await?;
    Ok(Frame { call, kind, body })
}

/// Writes one frame whole.
pub async fn write(
    target: &mut (impl AsyncWrite + Unpin),
    call: u64,
    kind: Kind,
    body: &[u8],
) -> io::Result<()> {
    target.write_all(&encode(call, kind, body)).await?;
    target.flush().await
}

/// Which root a worker opens; the PIN follows as bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opening {
    module: PathBuf,
    parameters: Option<String>,
    token: String,
    token_serial: Option<String>,
    key_label: String,
    key_id: KeyId,
    sessions: NonZeroU8,
    call_timeout_ms: u32,
    danger_accept_extractable: bool,
    /// An earlier attempt with this PIN had no answer.
    doubtful: bool,
    /// The root was open before: what is missing now was there.
    again: bool,
}

impl Opening {
    /// The body of an `Open`: length of the settings u16be ‖ settings ‖ PIN.
    pub fn encode(
        settings: &Pkcs11Settings,
        pin: &SecretText,
        doubtful: bool,
        again: bool,
    ) -> Zeroizing<Vec<u8>> {
        let Pkcs11Settings {
            module,
            parameters,
            token,
            token_serial,
            key_label,
            key_id,
            sessions,
            call_timeout_ms,
            danger_accept_extractable,
            pin: _,
        } = settings.clone();
        let opening = Self {
            module,
            parameters,
            token,
            token_serial,
            key_label,
            key_id,
            sessions,
            call_timeout_ms,
            danger_accept_extractable,
            doubtful,
            again,
        };
        let json = serde_json::to_vec(&opening).expect("texts and numbers are JSON");
        let length = u16::try_from(json.len()).expect("settings are shorter than 64 KiB");
        let mut body = Zeroizing::new(Vec::with_capacity(2 + json.len() + pin.expose().len()));
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&json);
        body.extend_from_slice(pin.expose().as_bytes());
        body
    }

    /// The inverse: settings as the worker's own, with the PIN held, and whether the
    /// root was open before.
    pub fn decode(body: &[u8]) -> Option<(Pkcs11Settings, bool)> {
        let (length, rest) = body.split_first_chunk::<2>()?;
        let (json, pin) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let opening: Self = serde_json::from_slice(json).ok()?;
        let pin = SecretText::new(str::from_utf8(pin).ok()?.to_owned());
        let settings = Pkcs11Settings {
            module: opening.module,
            parameters: opening.parameters,
            token: opening.token,
            token_serial: opening.token_serial,
            key_label: opening.key_label,
            key_id: opening.key_id,
            pin: if opening.doubtful { PinSource::Doubtful(pin) } else { PinSource::Held(pin) },
            sessions: opening.sessions,
            // The node's own time-out comes first and decides.
            call_timeout_ms: opening.call_timeout_ms.saturating_mul(WORKER_PATIENCE),
            danger_accept_extractable: opening.danger_accept_extractable,
        };
        Some((settings, opening.again))
    }
}

/// How much longer a worker waits for its module than the node for the worker: an answer that comes
/// late still tells that a thread is free again.
const WORKER_PATIENCE: u32 = 16;

/// Bytes of a place.
pub const CONTEXT_BYTES: usize = Realm::LEN + 7;

/// A place: realm ‖ purpose u8 ‖ tenant 4 ‖ version u16be, the last two 0 where there are none.
pub fn context_bytes(ctx: &Context) -> [u8; CONTEXT_BYTES] {
    let mut bytes = [0; CONTEXT_BYTES];
    bytes[..Realm::LEN].copy_from_slice(ctx.realm.as_bytes());
    bytes[Realm::LEN] = match ctx.purpose {
        Purpose::TenantL2 { tenant, version } => {
            bytes[Realm::LEN + 1..Realm::LEN + 5].copy_from_slice(tenant.as_bytes());
            bytes[Realm::LEN + 5..].copy_from_slice(&version.0.to_be_bytes());
            1
        }
        Purpose::BarrierKek => 2,
        Purpose::Probe => 3,
    };
    bytes
}

/// The inverse, and what follows the place.
pub fn context_of(body: &[u8]) -> Option<(Context, &[u8])> {
    let (realm, rest) = body.split_first_chunk::<{ Realm::LEN }>()?;
    let (purpose, rest) = rest.split_first()?;
    let (tenant, rest) = rest.split_first_chunk::<4>()?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let purpose = match purpose {
        1 => Purpose::TenantL2 {
            tenant: TenantHandle(*tenant),
            version: L2Version(u16::from_be_bytes(*version)),
        },
        2 => Purpose::BarrierKek,
        3 => Purpose::Probe,
        _ => return None,
    };
    Some((Context { realm: Realm(*realm), purpose }, rest))
}

/// A [`RootError`] on its way to the node.
#[derive(Debug, Serialize, Deserialize)]
enum Failure {
    Unreachable { root: String, detail: String },
    Withdrawn { root: String, withdrawal: Withdrawal, detail: String },
    Throttled { root: String, retry_after_ms: Option<u64>, detail: String },
    Corrupt { root: String, detail: String },
    Misconfigured { root: String, who: Who, missing: String, fix: String },
}

/// The body of a `Failed` or a `Late`.
pub fn failure_bytes(error: RootError) -> Vec<u8> {
    let failure = match error {
        RootError::Unreachable { root, detail } => Failure::Unreachable { root, detail },
        RootError::Withdrawn { root, withdrawal, detail } => Failure::Withdrawn { root, withdrawal, detail },
        RootError::Throttled { root, retry_after, detail } => {
            Failure::Throttled { root, retry_after_ms: retry_after.map(crate::report::millis), detail }
        }
        RootError::Corrupt { root, detail } => Failure::Corrupt { root, detail: detail.into_owned() },
        RootError::Misconfigured { root, who, missing, fix } => {
            Failure::Misconfigured { root, who, missing, fix }
        }
        RootError::Memory(full) => Failure::Throttled {
            root: super::super::NAME.to_owned(),
            retry_after_ms: None,
            detail: format!("its worker has no secret memory left: {full}"),
        },
    };
    serde_json::to_vec(&failure).expect("texts and numbers are JSON")
}

/// The inverse.
pub fn failure_of(body: &[u8]) -> Option<RootError> {
    Some(match serde_json::from_slice(body).ok()? {
        Failure::Unreachable { root, detail } => RootError::Unreachable { root, detail },
        Failure::Withdrawn { root, withdrawal, detail } => RootError::Withdrawn { root, withdrawal, detail },
        Failure::Throttled { root, retry_after_ms, detail } => {
            RootError::Throttled { root, retry_after: retry_after_ms.map(Duration::from_millis), detail }
        }
        Failure::Corrupt { root, detail } => RootError::Corrupt { root, detail: detail.into() },
        Failure::Misconfigured { root, who, missing, fix } => {
            RootError::Misconfigured { root, who, missing, fix }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_others_are_refused() {
        let realm = Realm([9; 16]);
        let places = [
            Context::tenant_l2(realm, TenantHandle([1, 2, 3, 4]), L2Version(515)),
            Context::barrier_kek(realm),
            Context::PROBE,
        ];
        for place in places {
            let bytes = [&context_bytes(&place)[..], b"rest"].concat();
            assert_eq!(context_of(&bytes), Some((place, &b"rest"[..])));
            assert_eq!(context_of(&bytes[..CONTEXT_BYTES - 1]), None);
        }
        let mut unknown = context_bytes(&Context::PROBE);
        unknown[Realm::LEN] = 9;
        assert_eq!(context_of(&unknown), None);
    }

    #[test]
    fn errors_come_back_as_they_were() {
        let root = || "pkcs11:1:01".to_owned();
        let detail = || "x".to_owned();
        let errors = [
            RootError::Unreachable { root: root(), detail: detail() },
            RootError::Withdrawn { root: root(), withdrawal: Withdrawal::Destroyed, detail: detail() },
            RootError::Throttled {
                root: root(),
                retry_after: Some(Duration::from_millis(1_500)),
                detail: detail(),
            },
            RootError::Corrupt { root: root(), detail: "x".into() },
            RootError::Misconfigured { root: root(), who: Who::KeyOwner, missing: detail(), fix: detail() },
        ];
        for error in errors {
            assert_eq!(failure_of(&failure_bytes(error.clone())), Some(error));
        }
    }

    #[tokio::test]
    async fn a_frame_is_read_as_it_was_written_and_garbage_ends_the_line() {
        let bytes = encode(7, Kind::Wrap, b"body");
        let frame = read(&mut &bytes[..]).await.unwrap();
        assert_eq!((frame.call, frame.kind, &frame.body[..]), (7, Kind::Wrap, &b"body"[..]));
        for cut in 0..bytes.len() {
            assert!(read(&mut &bytes[..cut]).await.is_err(), "{cut} bytes");
        }
        for bad in [&[0, 0, 0, 8][..], &[0, 1, 0, 1], &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 99]] {
            let error = read(&mut &bad[..]).await.err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bad:?}");
        }
    }
}
