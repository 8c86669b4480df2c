//! Query: what this server offers, in the version of the request.

use kmip::ops::query::{Request, Response};
use kmip::{ObjectType, QueryFunction, RawEnumeration, ResponsePayload};

use super::{Context, Reply, SERVED};

/// Shown as Vendor Identification.
const VENDOR: &str = concat!("keyraft ", env!("CARGO_PKG_VERSION"));
/// Object types that can be made or registered here.
const OBJECT_TYPES: [ObjectType; 6] = [
    ObjectType::Certificate,
    ObjectType::SymmetricKey,
    ObjectType::PublicKey,
    ObjectType::PrivateKey,
    ObjectType::SecretData,
    ObjectType::OpaqueObject,
];

pub fn serve(context: &Context<'_, '_>, request: &Request) -> Reply {
    let mut response = Response::default();
    for function in &request.functions {
        match function {
            QueryFunction::QueryOperations => {
                let known = SERVED.iter().filter(|operation| operation.first_version() <= context.version);
                response.operations = known.map(|operation| RawEnumeration(operation.value())).collect();
            }
            QueryFunction::QueryObjects => response.object_types = OBJECT_TYPES.to_vec(),
            QueryFunction::QueryServerInformation => response.vendor_identification = Some(VENDOR.into()),
            _ => {}
        }
    }
    Reply::Payload(ResponsePayload::Query(response))
}
