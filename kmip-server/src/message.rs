//! A message that came by another way than a connection of ours: HTTPS, in any encoding.
//!
//! The peer is who its certificate says, judged as on the socket; the message is answered by the same code,
//! and transcoded on its way in and out.

use std::net::SocketAddr;
use std::time::Instant;

use engine::Caller;
use kmip::text::{Encoding, from_ttlv, to_ttlv};
use kmip::ttlv::Limits;
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::dispatch::{answer, reject};
use crate::limits::RESPONSE_BYTES;
use crate::server::{Service, wall_s};

/// A service whose certificate was judged.
#[derive(Clone, Debug)]
pub struct Peer {
    caller: Caller,
    not_after_s: i64,
}

/// The peer's certificate ended; it must come again with a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client certificate has expired")]
pub struct CertificateExpired;

impl Service {
    /// Who a chain speaks for: leaf first, as the handshake showed it.
    ///
    /// # Errors
    /// The reason the certificate speaks for nobody here, as the socket would refuse it.
    pub fn peer(&self, chain: &[CertificateDer<'_>], address: SocketAddr) -> Result<Peer, rustls::Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let identity = self.authorities.judge(leaf, intermediates, UnixTime::now())?;
        let caller = Caller {
            tenant: identity.tenant,
            service: identity.service,
            service_type: identity.service_type,
            certificate: Sha256::digest(leaf).into(),
            names: identity.names,
            address,
            passed_by: None,
        };
        Ok(Peer { caller, not_after_s: identity.not_after_s })
    }

    /// Answers one message in its encoding; every refusal is a KMIP answer too.
    ///
    /// # Errors
    /// If the peer's certificate ended since it was judged.
    pub async fn serve_message(
        &self,
        peer: &Peer,
        encoding: Encoding,
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CertificateExpired> {
        if wall_s() > peer.not_after_s {
            return Err(CertificateExpired);
        }
        let begun = Instant::now();
        let mut out = Zeroizing::new(Vec::with_capacity(RESPONSE_BYTES));
        match to_ttlv(encoding, message, &Limits::DEFAULT) {
            Ok(request) => {
                // There is no stream to close: an HTTP request is one message.
                let quota = self.quotas.as_ref().map(|quotas| quotas.of(&peer.caller.tenant));
                answer(&self.engine, &peer.caller, quota.as_deref(), &self.metrics, &request, &mut out).await;
            }
            Err(rejection) => {
                reject(&self.engine, &peer.caller, &self.metrics, &rejection, &mut out).await;
            }
        }
        self.metrics.duration.observe(begun.elapsed().as_secs_f64());
        Ok(from_ttlv(encoding, &out).expect("what our own writer wrote is well formed"))
    }
}
