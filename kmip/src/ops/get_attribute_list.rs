//! Get Attribute List: the names of what is set (1.x section 4.13, 2.x section 6.1).

use crate::field::structure;
use crate::{AttributeName, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// The names; leave out those the version lacks, [`AttributeKind::is_in`](crate::AttributeKind::is_in) tells.
        names: Vec<AttributeName> = ATTRIBUTE_NAME | ATTRIBUTE_REFERENCE,
    }
}
