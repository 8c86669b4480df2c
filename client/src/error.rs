//! Why a call did not succeed, sorted by what the caller can do.

use std::io;
use std::time::Duration;

use kmip::ttlv::DecodeError;
use kmip::{Operation, ResultReason};

use crate::tls::TlsFault;

/// The outcome of a call that brought no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A node understood the request and said no. Repeating it changes nothing.
    #[error("{} was refused: {message} ({})", name(*operation), reason.name())]
    Refused {
        /// Which item of the batch; `None` when the message as a whole was refused.
        operation: Option<Operation>,
        /// Result Reason.
        reason: ResultReason,
        /// Result Message, for people.
        message: String,
    },
    /// No node answered before the deadline, and nothing was written.
    #[error("no node answered within {} ms, in {attempts} attempts; the last: {last}", after.as_millis())]
    Unavailable {
        /// How many times a node was tried.
        attempts: u32,
        /// How long that took.
        after: Duration,
        /// What the last attempt met.
        #[source]
        last: Box<Fault>,
    },
    /// A write left, and its effect is not known. Read the object before trying again.
    #[error("the outcome is unknown: {cause}; read the object before trying again")]
    OutcomeUnknown {
        /// What came instead of an answer.
        #[source]
        cause: Box<Fault>,
    },
    /// The peer's answer is not one to this request.
    #[error("{node} sent an answer that cannot be used: {cause}")]
    Protocol {
        /// Which node.
        node: String,
        /// What is wrong with it.
        cause: ProtocolFault,
    },
    /// The two sides do not trust each other.
    #[error("{node}: {cause}")]
    Tls {
        /// Which node.
        node: String,
        /// Who does not trust whom.
        #[source]
        cause: TlsFault,
    },
    /// The settings cannot work, whatever the nodes do.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

fn name(operation: Option<Operation>) -> &'static str {
    operation.map_or("the request", Operation::name)
}

impl Error {
    /// Whether the write may have happened. Only such a call needs a look before it is repeated.
    #[must_use]
    pub const fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    /// The Result Reason, if a node refused.
    #[must_use]
    pub const fn reason(&self) -> Option<ResultReason> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            Self::Unavailable { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Protocol { .. }
            | Self::Tls { .. }
            | Self::Settings(_) => None,
        }
    }
}

/// What one attempt at one node met.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing listens there, or nobody is there.
    #[error("cannot connect to {node}: {cause}")]
    Connect {
        /// Which node.
        node: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The two sides do not trust each other.
    #[error("{node}: {cause}")]
    Tls {
        /// Which node.
        node: String,
        /// Who does not trust whom.
        cause: TlsFault,
    },
    /// The line broke, or the node closed it, before a whole answer was there.
    #[error("the connection to {node} broke: {cause}")]
    Broken {
        /// Which node.
        node: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Nothing came in time.
    #[error("{node} did not answer within {} ms", after.as_millis())]
    Slow {
        /// Which node.
        node: String,
        /// How long we waited.
        after: Duration,
    },
    /// The node answered General Failure: it cannot serve now, or does not know the outcome.
    #[error("{node} answered: {message}")]
    Declined {
        /// Which node.
        node: String,
        /// Its Result Message.
        message: String,
    },
    /// The answer cannot be used.
    #[error("{node} sent an answer that cannot be used: {cause}")]
    Protocol {
        /// Which node.
        node: String,
        /// What is wrong with it.
        cause: ProtocolFault,
    },
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolFault {
    /// It is no KMIP at all.
    #[error("it is not KMIP")]
    NotKmip,
    /// It is malformed.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// It answers another request, or only a part of this one.
    #[error("it does not answer the items that were asked")]
    Mismatch,
    /// It is a success without the object asked for.
    #[error("the object in it is of another kind than asked for")]
    OtherObject,
}

/// What cannot work in [`Settings`](crate::Settings).
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no node to connect to.
    #[error("no node is given: set at least one host:port")]
    NoNode,
    /// A node is not `host:port`.
    #[error("{node:?} is not host:port")]
    Address {
        /// As given.
        node: String,
    },
    /// The server's name is none.
    #[error("{name:?} is not a host name or an address")]
    ServerName {
        /// As given.
        name: String,
    },
    /// A PEM file cannot be used.
    #[error("the {what} cannot be used: {cause}")]
    Pem {
        /// Which.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// The key is another certificate's.
    #[error("the key does not belong to the certificate")]
    OtherKey,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}
