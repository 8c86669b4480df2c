//! Locate: identifiers of objects that have these attributes (1.x section 4.9, 2.x section 6.1).

use crate::field::structure;
use crate::{Filters, ObjectGroupMember, StorageStatusMask, UniqueIdentifier};

structure! {
    /// The request.
    #[derive(Default)]
    pub struct Request {
        /// At most this many identifiers.
        maximum_items: Option<i32> = MAXIMUM_ITEMS,
        /// After skipping this many (1.3; libkmip sends it in 1.0).
        offset_items: Option<i32> = OFFSET_ITEMS,
        /// Where to look; absent means online storage.
        storage_status_mask: Option<StorageStatusMask> = STORAGE_STATUS_MASK,
        /// Which members of an Object Group (1.1).
        object_group_member: Option<ObjectGroupMember> = OBJECT_GROUP_MEMBER,
        /// What the objects have; none means every object.
        attributes: Filters = ATTRIBUTE | ATTRIBUTES,
    }
}

structure! {
    /// The response.
    #[derive(Default)]
    pub struct Response<'a> {
        /// How many there are in all (1.3).
        located_items: Option<i32> = LOCATED_ITEMS since V1_3,
        /// The identifiers of this page.
        unique_identifiers: Vec<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
    }
}
