//! Put: server to client, an object (1.x section 5.2, 2.x section 6.2).

use crate::field::structure;
use crate::{AttributeList, ManagedObject, PutFunction, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// New or replacing.
        put_function: PutFunction = PUT_FUNCTION,
        /// What it replaces.
        replaced_unique_identifier: Option<UniqueIdentifier<'a>> = REPLACED_UNIQUE_IDENTIFIER,
        /// The object.
        object: Box<ManagedObject<'a>> = CERTIFICATE | SYMMETRIC_KEY | PUBLIC_KEY | PRIVATE_KEY | SPLIT_KEY | TEMPLATE
            | SECRET_DATA | OPAQUE_OBJECT | PGP_KEY | CERTIFICATE_REQUEST,
        /// Its attributes.
        attributes: AttributeList = ATTRIBUTE | ATTRIBUTES,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
    }
}
