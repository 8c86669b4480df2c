//! Enumerations: what Query says about a server (KMIP 1.x section 9.1.3.2, 2.x section 11).
//!
//! Data only: number, name as XML and JSON spell it, first version where the list grew.

use super::enumeration;

enumeration! {
    /// Validation Authority Type.
    pub enum ValidationAuthorityType "ValidationAuthorityType" {
        Unspecified = 0x01 "Unspecified",
        NistCmvp = 0x02 "NISTCMVP",
        CommonCriteria = 0x03 "CommonCriteria",
    }
}

enumeration! {
    /// Validation Type.
    pub enum ValidationType "ValidationType" {
        Unspecified = 0x01 "Unspecified",
        Hardware = 0x02 "Hardware",
        Software = 0x03 "Software",
        Firmware = 0x04 "Firmware",
        Hybrid = 0x05 "Hybrid",
    }
}

enumeration! {
    /// Unwrap Mode.
    pub enum UnwrapMode "UnwrapMode" {
        Unspecified = 0x01 "Unspecified",
        Processed = 0x02 "Processed",
        NotProcessed = 0x03 "NotProcessed",
    }
}

enumeration! {
    /// Destroy Action.
    pub enum DestroyAction "DestroyAction" {
        Unspecified = 0x01 "Unspecified",
        KeyMaterialDeleted = 0x02 "KeyMaterialDeleted",
        KeyMaterialShredded = 0x03 "KeyMaterialShredded",
        MetaDataDeleted = 0x04 "MetaDataDeleted",
        MetaDataShredded = 0x05 "MetaDataShredded",
        Deleted = 0x06 "Deleted",
        Shredded = 0x07 "Shredded",
    }
}

enumeration! {
    /// Shredding Algorithm.
    pub enum ShreddingAlgorithm "ShreddingAlgorithm" {
        Unspecified = 0x01 "Unspecified",
        Cryptographic = 0x02 "Cryptographic",
        Unsupported = 0x03 "Unsupported",
    }
}

enumeration! {
    /// RNG Mode.
    pub enum RngMode "RNGMode" {
        Unspecified = 0x01 "Unspecified",
        SharedInstantiation = 0x02 "SharedInstantiation",
        NonSharedInstantiation = 0x03 "Non_SharedInstantiation",
    }
}

enumeration! {
    /// Client Registration Method.
    pub enum ClientRegistrationMethod "ClientRegistrationMethod" {
        Unspecified = 0x01 "Unspecified",
        ServerPreGenerated = 0x02 "ServerPreGenerated",
        ServerOnDemand = 0x03 "ServerOnDemand",
        ClientGenerated = 0x04 "ClientGenerated",
        ClientRegistered = 0x05 "ClientRegistered",
    }
}

enumeration! {
    /// Item Type.
    pub enum ItemType "ItemType" {
        Structure = 0x01 "Structure",
        Integer = 0x02 "Integer",
        LongInteger = 0x03 "LongInteger",
        BigInteger = 0x04 "BigInteger",
        Enumeration = 0x05 "Enumeration",
        Boolean = 0x06 "Boolean",
        TextString = 0x07 "TextString",
        ByteString = 0x08 "ByteString",
        DateTime = 0x09 "DateTime",
        Interval = 0x0a "Interval",
        DateTimeExtended = 0x0b "DateTimeExtended",
    }
}
