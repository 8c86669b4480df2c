//! Get Attributes (1.x section 4.12, 2.x section 6.1).

use crate::field::structure;
use crate::{AttributeList, AttributeName, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Which; none means all.
        names: Vec<AttributeName> = ATTRIBUTE_NAME | ATTRIBUTE_REFERENCE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// Those that are set.
        attributes: AttributeList = ATTRIBUTE | ATTRIBUTES,
    }
}
