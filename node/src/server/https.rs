//! KMIP over HTTPS: where the operator port meets the KMIP service.

use std::sync::Arc;

use admin_api::{Answer, Answering, Guest, Unwelcome, Visit};
use kmip::text::Encoding;
use kmip_server::Service;

/// The KMIP service as a guest of the operator port.
pub struct KmipOverHttps(pub Arc<Service>);

impl Guest for KmipOverHttps {
    fn body_bytes_max(&self, media_type: &str) -> Option<usize> {
        Encoding::of_media_type(media_type).map(Encoding::message_bytes_max)
    }

    fn answer<'a>(&'a self, visit: Visit<'a>) -> Answering<'a> {
        Box::pin(async move {
            let unwelcome = |cause: &str| Unwelcome(cause.to_owned());
            let encoding = Encoding::of_media_type(visit.media_type)
                .ok_or_else(|| unwelcome("the Content-Type names no encoding of KMIP"))?;
            // The handshake let it in, so it is an operator's.
            let peer = self.0.peer(visit.chain, visit.address);
            let peer = peer.map_err(|_| unwelcome("the client certificate speaks for no service"))?;
            let answer = self.0.serve_message(&peer, encoding, visit.body).await;
            let body = answer.map_err(|expired| unwelcome(&expired.to_string()))?;
            Ok(Answer { media_type: encoding.media_type(), body })
        })
    }
}
