//! Re-certify: renew a certificate (1.x section 4.8, 2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, CertificateRequestType, Interval, ProtectionStorageMasks, Template, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// The certificate; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Seconds from the new Initial Date to the new Activation Date; other dates follow.
        offset: Option<Interval> = OFFSET,
        /// Certificate Request Type.
        certificate_request_type: Option<CertificateRequestType> = CERTIFICATE_REQUEST_TYPE,
        /// Certificate Request.
        certificate_request: Option<Bytes<'a>> = CERTIFICATE_REQUEST | CERTIFICATE_REQUEST_VALUE,
        /// Attributes of the new object.
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES,
        /// Where it may be kept (2.0).
        protection_storage_masks: Option<ProtectionStorageMasks> = PROTECTION_STORAGE_MASKS since V2_0,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// Attributes the server set beyond the request (1.x).
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES until V1_4,
    }
}
