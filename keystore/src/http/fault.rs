//! What can go wrong between us and a service, before its answer says anything.

use std::io;
use std::time::Duration;

use crate::{Phase, RootError, Who};

/// A call without an answer to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFault {
    /// Not an address.
    Address { url: String, why: &'static str },
    /// An address that this node may not ask.
    NotAllowed { host: String, port: u16 },
    /// The name resolves to addresses that we may not reach, such as a metadata service.
    Forbidden { host: String },
    /// The name does not resolve.
    Unresolved { host: String, problem: String },
    /// Nobody listens, or nobody is there.
    Connect { to: String, problem: String },
    /// Certificates do not fit.
    Tls { to: String, problem: String },
    /// The authorities that should be trusted cannot be read.
    Authorities { problem: String },
    /// No whole answer in time.
    Slow { to: String, after: Duration },
    /// The connection broke.
    Broken { to: String, problem: String },
    /// A redirect, which is never followed.
    Redirect { to: String },
    /// An answer that is not what this service says.
    Garbage { to: String, problem: &'static str },
}

impl HttpFault {
    /// A fault of the socket.
    pub(super) fn broken(to: &str, error: &dyn std::error::Error) -> Self {
        // The innermost cause is the one that tells.
        let mut cause = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Broken { to: to.to_owned(), problem: cause.to_string() }
    }

    /// A fault of the handshake.
    pub(super) fn handshake(to: &str, error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => Self::Tls { to: to.to_owned(), problem: tls.to_string() },
            None => Self::broken(to, error),
        }
    }

    /// In the words of the boundary.
    pub fn into_root(self, root: &str, phase: Phase) -> RootError {
        let operator = |missing: String, fix: &str| RootError::Misconfigured {
            root: root.to_owned(),
            who: Who::Operator,
            missing,
            fix: fix.to_owned(),
        };
        let owner = |missing: String, fix: &str| RootError::Misconfigured {
            root: root.to_owned(),
            who: Who::KeyOwner,
            missing,
            fix: fix.to_owned(),
        };
        let silent = |detail: String| RootError::Unreachable { root: root.to_owned(), detail };
        let opening = phase == Phase::Opening;
        match self {
            Self::Address { url, why } => owner(
                format!("`{url}` cannot be an address of it: {why}"),
                "give https://host or https://host:port",
            ),
            Self::NotAllowed { host, port } => operator(
                format!("this node may not connect to {host}:{port}"),
                &format!(
                    "if it is right, add \"{host}:{port}\" to `allow` in [roots] of every node's configuration"
                ),
            ),
            Self::Forbidden { host } => operator(
                format!(
                    "{host} resolves to an address that no root may have (its own, a private or a metadata service's)"
                ),
                "correct the name; an address in a private network must be listed in `allow` in [roots]",
            ),
            Self::Unresolved { host, problem } if opening => owner(
                format!("the name {host} does not resolve: {problem}"),
                "correct the name, or the nodes' resolver",
            ),
            Self::Tls { to, problem } if opening => operator(
                format!("the certificate of {to} is not trusted: {problem}"),
                "renew the certificate, or give the authority that signed it (`ca_pem`)",
            ),
            Self::Redirect { to } if opening => owner(
                format!("{to} answered with a redirect, which is never followed"),
                "configure the address that it leads to, if that is right",
            ),
            Self::Authorities { problem } => operator(
                format!("the authorities to trust cannot be read: {problem}"),
                "set `ca_bundle` in [roots] to a PEM file, or install ca-certificates",
            ),
            Self::Unresolved { host, problem } => {
                silent(format!("the name {host} does not resolve: {problem}"))
            }
            Self::Connect { to, problem } => silent(format!("no connection to {to}: {problem}")),
            Self::Tls { to, problem } => silent(format!("the certificate of {to} is not trusted: {problem}")),
            Self::Slow { to, after } => {
                silent(format!("{to} did not answer within {} ms", after.as_millis()))
            }
            Self::Broken { to, problem } => silent(format!("the connection to {to} broke: {problem}")),
            Self::Redirect { to } => {
                silent(format!("{to} answered with a redirect, which is never followed"))
            }
            Self::Garbage { to, problem } => {
                silent(format!("{to} answered something else than it should: {problem}"))
            }
        }
    }
}
