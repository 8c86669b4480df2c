//! Re-Provision: a new credential for the client (2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, CertificateRequestType, ManagedObject, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// The credential to replace.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Certificate Request Type.
        certificate_request_type: Option<CertificateRequestType> = CERTIFICATE_REQUEST_TYPE,
        /// Certificate Request.
        certificate_request: Option<Bytes<'a>> = CERTIFICATE_REQUEST_VALUE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// The new credential.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// The object.
        object: Option<Box<ManagedObject<'a>>> = CERTIFICATE | SYMMETRIC_KEY | PUBLIC_KEY | PRIVATE_KEY | SPLIT_KEY | TEMPLATE
            | SECRET_DATA | OPAQUE_OBJECT | PGP_KEY | CERTIFICATE_REQUEST,
    }
}
