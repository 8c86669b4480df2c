//! Adjust Attribute: count up, count down, negate (2.x section 6.1).

use crate::field::structure;
use crate::{AdjustmentType, AttributeName, CustomValue, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// Whose; absent means the ID placeholder.
        unique_identifier: Option<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Which attribute.
        attribute: AttributeName = ATTRIBUTE_REFERENCE,
        /// How.
        adjustment_type: AdjustmentType = ADJUSTMENT_TYPE,
        /// By how much; absent means one. An Integer, Long Integer or Interval, as the attribute is.
        adjustment_value: Option<CustomValue> = ADJUSTMENT_VALUE,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
    }
}
