//! Why the engine did not do what it was asked, sorted by what the caller can do.

use model::id::NodeId;
use model::object::KeyState;
use model::refusal::Refusal;
use model::time::ClusterTime;
use raft_store::{ProposeError, Unavailable};

/// An answer that carries nothing. `Display` is fit for the caller; [`Refused::cause`] is for the audit
/// record alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// This node may not answer from its state now.
    #[error("this node cannot answer now: {reason}; retry, or use another node")]
    NotNow {
        /// Why.
        reason: String,
    },
    /// The write may or may not have taken effect.
    #[error("the outcome of the request is unknown: read the object before trying again")]
    OutcomeUnknown,
    /// The withdrawal is committed, but a node that cannot be reached may still answer for a while.
    #[error("committed; effective on every node at {effective_everywhere_at}")]
    NotEverywhereYet {
        /// When the last lease has surely run out.
        effective_everywhere_at: ClusterTime,
    },
    /// The certificate's tenant or service is unknown here, or may not be served.
    #[error("{reason}")]
    Identity {
        /// Why.
        reason: &'static str,
    },
    /// Unknown, foreign, hidden, malformed: one answer, one text, one timing.
    #[error("no such object")]
    NotFound {
        /// The truth, for the audit record.
        cause: &'static str,
    },
    /// The caller's own object, destroyed.
    #[error("the object was destroyed")]
    Destroyed,
    /// The caller's own object, archived.
    #[error("the object is archived; recover it first")]
    Archived,
    /// The object's state does not allow it.
    #[error("the object is {}, which does not allow this operation", state.as_str())]
    WrongState {
        /// The state it is in.
        state: KeyState,
    },
    /// The object's state would allow it, its dates do not.
    #[error("{reason}")]
    OutsideDates {
        /// Which date.
        reason: &'static str,
    },
    /// No message in parts of this service, object and operation has this correlation value, or it ended.
    #[error("no open message has this correlation value; begin it again")]
    NoStream,
    /// Another node holds what the earlier parts of the message left behind.
    #[error("the message was begun on node {node}; send its other parts there")]
    BegunElsewhere {
        /// Which.
        node: NodeId,
    },
    /// A policy of the service's owner forbids it.
    #[error("{reason}")]
    Denied {
        /// Which policy.
        reason: &'static str,
    },
    /// The replicated state refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// The tenant's root of trust does not unwrap its key.
    #[error("the tenant's key is not available: {reason}")]
    KeyUnavailable {
        /// What the root said, fit for the caller.
        reason: String,
    },
    /// A root that was described cannot be used as it is: somebody must set something right first.
    #[error("the root is not kept: {reason}")]
    RootUnfit {
        /// What is wrong, who must act, and how.
        reason: String,
    },
    /// New credentials of a root do not open it as the ones it has did; those stay.
    #[error("the root keeps the credentials it has: {reason}")]
    CredentialsUnfit {
        /// What is wrong with the new ones, who must act, and how.
        reason: String,
    },
    /// The request asks for something this service does not make.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No answer leaves without a durable record, and the record could not be written.
    #[error("this node cannot write its audit log; use another node")]
    Unaudited,
    /// An invariant of this node does not hold; the log says which.
    #[error("internal error; the node's log has the details")]
    Internal {
        /// Which, for the audit record.
        cause: &'static str,
    },
}

impl Refused {
    /// The truth, for the audit record: a short code.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::NotNow { .. } => "not_fresh",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::NotEverywhereYet { .. } => "not_everywhere_yet",
            Self::Identity { .. } => "identity",
            Self::NotFound { cause } | Self::Internal { cause } => cause,
            Self::Destroyed => "destroyed",
            Self::Archived => "archived",
            Self::WrongState { .. } => "wrong_state",
            Self::OutsideDates { .. } => "outside_dates",
            Self::NoStream => "no_stream",
            Self::BegunElsewhere { .. } => "begun_elsewhere",
            Self::Denied { .. } => "policy",
            Self::Refused(_) => "refused_by_state",
            Self::KeyUnavailable { .. } => "key_unavailable",
            Self::RootUnfit { .. } => "root_unfit",
            Self::CredentialsUnfit { .. } => "credentials_unfit",
            Self::Invalid { .. } => "invalid",
            Self::Unaudited => "unaudited",
        }
    }

    /// Whether the same request may succeed a moment later or on another node.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NotNow { .. } | Self::Unaudited | Self::KeyUnavailable { .. })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ObjectUnknown => Self::NotFound { cause: "no_record" },
            Refusal::WrongState { state, .. } if state.is_destroyed() => Self::Destroyed,
            Refusal::WrongState { state, .. } => Self::WrongState { state },
            Refusal::Archived { .. } => Self::Archived,
            other => Self::Refused(other),
        }
    }
}

impl From<ProposeError> for Refused {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Unavailable { reason } => Self::NotNow { reason: reason.to_string() },
            ProposeError::TooLarge => Self::Invalid { reason: "the object is too large to be kept" },
            ProposeError::OutcomeUnknown => Self::OutcomeUnknown,
            ProposeError::BarrierPending { effective_everywhere_at, .. } => {
                Self::NotEverywhereYet { effective_everywhere_at }
            }
        }
    }
}

impl From<Unavailable> for Refused {
    fn from(error: Unavailable) -> Self {
        Self::NotNow { reason: error.to_string() }
    }
}

impl From<raft_store::lease::cell::Stale> for Refused {
    fn from(stale: raft_store::lease::cell::Stale) -> Self {
        Self::NotNow { reason: stale.to_string() }
    }
}
