//! Re-key Key Pair (1.x section 4.5, 2.x section 6.1).

use crate::field::structure;
use crate::{Interval, ProtectionStorageMasks, Template, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// The private key; absent means the ID placeholder.
        private_key_unique_identifier: Option<UniqueIdentifier<'a>> = PRIVATE_KEY_UNIQUE_IDENTIFIER,
        /// Seconds from the new Initial Date to the new Activation Date; other dates follow.
        offset: Option<Interval> = OFFSET,
        /// Attributes of both keys.
        common_attributes: Option<Template> = COMMON_TEMPLATE_ATTRIBUTE | COMMON_ATTRIBUTES,
        /// Attributes of the private key.
        private_key_attributes: Option<Template> = PRIVATE_KEY_TEMPLATE_ATTRIBUTE | PRIVATE_KEY_ATTRIBUTES,
        /// Attributes of the public key.
        public_key_attributes: Option<Template> = PUBLIC_KEY_TEMPLATE_ATTRIBUTE | PUBLIC_KEY_ATTRIBUTES,
        /// Where both may be kept (2.0).
        common_protection_storage_masks: Option<ProtectionStorageMasks> = COMMON_PROTECTION_STORAGE_MASKS since V2_0,
        /// Where the private key may be kept (2.0).
        private_protection_storage_masks: Option<ProtectionStorageMasks> = PRIVATE_PROTECTION_STORAGE_MASKS since V2_0,
        /// Where the public key may be kept (2.0).
        public_protection_storage_masks: Option<ProtectionStorageMasks> = PUBLIC_PROTECTION_STORAGE_MASKS since V2_0,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Private Key Unique Identifier.
        private_key_unique_identifier: UniqueIdentifier<'a> = PRIVATE_KEY_UNIQUE_IDENTIFIER,
        /// Public Key Unique Identifier.
        public_key_unique_identifier: UniqueIdentifier<'a> = PUBLIC_KEY_UNIQUE_IDENTIFIER,
        /// Attributes the server set on the private key (1.x).
        private_key_attributes: Option<Template> = PRIVATE_KEY_TEMPLATE_ATTRIBUTE | PRIVATE_KEY_ATTRIBUTES until V1_4,
        /// Attributes the server set on the public key (1.x).
        public_key_attributes: Option<Template> = PUBLIC_KEY_TEMPLATE_ATTRIBUTE | PUBLIC_KEY_ATTRIBUTES until V1_4,
    }
}
