//! Operations this server knows and, as a policy, does not perform for a client.

use kmip::{EndpointRole, ResponsePayload, ResultReason, ops};

use super::{Error, Reply};
use crate::failure::Failure;

/// Notify and Put go from a server to its clients (1.4, chapter 5); a client does not send them.
pub fn server_to_client() -> Error {
    let message = "Notify and Put are sent by a server to its clients";
    Failure::new(ResultReason::OperationNotSupported, message).into()
}

/// Certificates come from the authorities an operator has pinned, not from this server's own hand.
pub fn re_provision() -> Error {
    let message = "certificates are renewed by the authority that issued them";
    Failure::new(ResultReason::PermissionDenied, message).into()
}

/// The roles of a connection do not turn round: this server sends no requests.
pub fn set_endpoint_role(request: &ops::set_endpoint_role::Request) -> Result<Reply, Error> {
    match request.endpoint_role {
        EndpointRole::Client => {
            let endpoint_role = EndpointRole::Client;
            let response = ops::set_endpoint_role::Response { endpoint_role };
            Ok(Reply::Payload(ResponsePayload::SetEndpointRole(response)))
        }
        EndpointRole::Server => {
            let message = "a client stays one: this server sends no requests";
            Err(Failure::new(ResultReason::PermissionDenied, message).into())
        }
    }
}
