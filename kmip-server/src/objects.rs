//! Small facts about objects that every operation needs. What an object has, and who may change it, is in
//! [`crate::attributes`].

use engine::Found;
use kmip::{ObjectType, ResultReason, UsageMask};

pub use crate::attributes::edit::Edit;
pub use crate::attributes::model_name;
pub use crate::attributes::read::attributes_of;
pub use crate::attributes::rules::is_server_set;
pub use crate::attributes::wanted::Wanted;
use crate::failure::Failure;

/// A usage mask whose bits all mean something.
pub fn masked(mask: UsageMask) -> Result<u32, Failure> {
    if mask.has_unknown_bits() {
        return Err(Failure::invalid_field("the Cryptographic Usage Mask has bits that mean nothing"));
    }
    Ok(mask.0)
}

/// The Object Type of a found object.
pub fn object_type(found: &Found) -> Result<ObjectType, Failure> {
    ObjectType::from_value(found.object.object_type)
        .ok_or(Failure::new(ResultReason::GeneralFailure, "the object's type is unknown here"))
}
