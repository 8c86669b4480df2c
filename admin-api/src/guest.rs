//! A protocol that is not ours to read, served on the operator port: KMIP over HTTPS.
//!
//! This crate knows HTTP and the peer's certificate; what a body means, who the certificate speaks for and
//! what it may do is the guest's to say. `node` brings the two together, because neighbours do not import
//! each other.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

/// One request to a guest.
pub struct Visit<'a> {
    /// The chain of the peer, leaf first; the handshake has verified it.
    pub chain: &'a [CertificateDer<'static>],
    /// Where the peer is.
    pub address: SocketAddr,
    /// `Content-Type` of the request.
    pub media_type: &'a str,
    /// The whole body.
    pub body: &'a [u8],
}

/// A guest's answer.
pub struct Answer {
    /// `Content-Type` of the answer.
    pub media_type: &'static str,
    /// The body; it may hold a key.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why a guest has no answer: the peer is nobody it serves. A sentence for the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwelcome(pub String);

/// An answer that is being made.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Unwelcome>> + Send + 'a>>;

/// What answers such requests.
pub trait Guest: Send + Sync + 'static {
    /// Bytes of the longest body of this media type; `None` when the type is not spoken.
    fn body_bytes_max(&self, media_type: &str) -> Option<usize>;

    /// Answers one request.
    fn answer<'a>(&'a self, visit: Visit<'a>) -> Answering<'a>;
}
