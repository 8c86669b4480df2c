//! What a caller says about one event, and the closed vocabulary it says it in.
//!
//! An [`Entry`] borrows its texts and is encoded at once (see [`crate::Batch`]); there is no field that
//! could hold key bytes.

use std::net::SocketAddr;

use model::id::{L2Version, ServiceHandle, TenantHandle};

/// What sort of event a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A KMIP operation on a key, answered or refused.
    KeyOperation = 1,
    /// A refused handshake, a malformed frame, a denied certificate.
    SecurityEvent = 2,
    /// Something an operator or administrator did.
    AdminAction = 3,
    /// The first record of a process start; only the log itself writes it.
    Boot = 4,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::KeyOperation, Self::SecurityEvent, Self::AdminAction, Self::Boot]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    /// The name in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyOperation => "key-operation",
            Self::SecurityEvent => "security-event",
            Self::AdminAction => "admin-action",
            Self::Boot => "boot",
        }
    }
}

/// How the event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Done, and about to be answered.
    Ok = 1,
    /// Not allowed: policy, identity, revocation.
    Refused = 2,
    /// Allowed, but it did not work.
    Failed = 3,
    /// Done, but the answer was held back: the lease ended before the bytes could leave.
    Withheld = 4,
}

impl Outcome {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ok, Self::Refused, Self::Failed, Self::Withheld]
            .into_iter()
            .find(|outcome| *outcome as u8 == byte)
    }

    /// The name in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Withheld => "withheld",
        }
    }
}

/// Which operation: the number of the KMIP operation table (or the caller's own) and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The code; its meaning belongs to the caller.
    pub code: u16,
    /// The name, at most 32 bytes.
    pub name: &'static str,
}

/// Sixteen bytes that tie a record to a request; a W3C trace id fits.
pub type RequestId = [u8; 16];

/// One event, as its caller tells it. The log adds sequences, identity and hashes.
///
/// Texts that are too long are cut at a character and the record is marked `cut`: a client that sends a
/// long identifier must neither lose its record nor fail the request.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The sort of event; [`Kind::Boot`] is the log's own.
    pub kind: Kind,
    /// Wall clock of this node in milliseconds since the epoch.
    pub time_ms: u64,
    /// The tenant whose chain the record joins; `None` joins the node's system chain.
    pub tenant: Option<TenantHandle>,
    /// The calling service.
    pub service: Option<ServiceHandle>,
    /// SHA-256 of the caller's certificate (DER).
    pub certificate: Option<[u8; 32]>,
    /// Where the request came from.
    pub peer: Option<SocketAddr>,
    /// What was asked for.
    pub operation: Operation,
    /// The key's unique identifier as the caller wrote it, at most 128 bytes; empty if none.
    pub identifier: &'a str,
    /// The L2 version that served.
    pub l2_version: Option<L2Version>,
    /// How it ended.
    pub outcome: Outcome,
    /// The true cause as a short code, at most 64 bytes; empty when all is well.
    pub reason: &'a str,
    /// The true cause in words, at most 256 bytes; never key bytes.
    pub detail: &'a str,
    /// Time from the decoded request to this entry, in microseconds.
    pub latency_us: u32,
    /// The request it belongs to.
    pub request: RequestId,
    /// Position in the request's batch, from 0.
    pub item: u16,
}

impl Entry<'_> {
    /// An entry with everything unknown but the four facts no record lacks; fill in the rest with
    /// struct update syntax.
    #[must_use]
    pub const fn new(kind: Kind, operation: Operation, outcome: Outcome, time_ms: u64) -> Self {
        Entry {
            kind,
            time_ms,
            tenant: None,
            service: None,
            certificate: None,
            peer: None,
            operation,
            identifier: "",
            l2_version: None,
            outcome,
            reason: "",
            detail: "",
            latency_us: 0,
            request: [0; 16],
            item: 0,
        }
    }
}
