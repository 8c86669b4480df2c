//! Notify: server to client, attributes have changed (1.x section 5.1, 2.x section 6.2).

use crate::field::structure;
use crate::{AttributeList, AttributeName, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// The attributes as they are now.
        attributes: AttributeList = ATTRIBUTE | ATTRIBUTES,
        /// Attributes that are gone (2.0).
        removed: Vec<AttributeName> = ATTRIBUTE_REFERENCE since V2_0,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response {
    }
}
