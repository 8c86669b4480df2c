//! Ping: the server is there, and may answer (2.1, 6.1.36).

use kmip::ResponsePayload;
use kmip::ops::ping::Response;

use super::Reply;

pub fn serve() -> Reply {
    Reply::Payload(ResponsePayload::Ping(Response::default()))
}
