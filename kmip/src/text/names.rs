//! Names to numbers and back: tags, enumerations, masks.
//!
//! The profiles changed how they spell some names (On-lineStorage, OnlineStorage, On_lineStorage), so names
//! are compared by letters and digits alone, in any case. No two names of one table fall together then; a
//! test holds that.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::{
    DigitalSignatureAlgorithm, MaskGenerator, Operation, ProtectionStorageMask, StorageStatusMask, Tag,
    UsageMask,
};

/// The numbers of one table, by folded name.
type Numbers = BTreeMap<Box<str>, u32>;

/// The tag with this name.
pub(super) fn tag(name: &str) -> Option<Tag> {
    static TAGS: LazyLock<Numbers> =
        LazyLock::new(|| Tag::all().map(|(tag, name)| (fold(name), tag.0)).collect());
    TAGS.get(&fold(name)).copied().map(Tag)
}

/// The number that a name stands for, in the enumeration `owner` holds.
pub(super) fn enumeration_value(owner: Tag, name: &str) -> Option<u32> {
    if holds_tags(owner) {
        return tag(name).map(|tag| tag.0);
    }
    static ENUMERATIONS: LazyLock<Vec<Numbers>> = LazyLock::new(|| {
        let folded = |table: &Table| (table.rows)().map(|(value, name)| (fold(name), value)).collect();
        TABLES.iter().map(folded).collect()
    });
    let table = TABLES.iter().position(|table| table.owners.contains(&owner))?;
    let name = fold(name);
    let also = || ALSO.iter().find(|(of, also, _)| *of == owner && fold(also) == name);
    ENUMERATIONS.get(table)?.get(&name).copied().or_else(|| also().map(|(.., value)| *value))
}

/// The name of a number in the enumeration `owner` holds.
pub(super) fn enumeration_name(owner: Tag, value: u32) -> Option<&'static str> {
    if holds_tags(owner) {
        return Tag(value).name();
    }
    TABLES.iter().find(|table| table.owners.contains(&owner)).and_then(|table| (table.name)(value))
}

/// The bits of the mask `owner` holds, with their names; `None` when it is a plain number.
pub(super) fn mask(owner: Tag) -> Option<&'static [(u32, &'static str)]> {
    static USAGE: LazyLock<Vec<(u32, &str)>> =
        LazyLock::new(|| UsageMask::NAMES.iter().map(|(bit, name)| (bit.0, *name)).collect());
    static STATUS: LazyLock<Vec<(u32, &str)>> =
        LazyLock::new(|| StorageStatusMask::NAMES.iter().map(|(bit, name)| (bit.0, *name)).collect());
    static PROTECTION: LazyLock<Vec<(u32, &str)>> =
        LazyLock::new(|| ProtectionStorageMask::NAMES.iter().map(|(bit, name)| (bit.0, *name)).collect());
    match owner {
        Tag::CRYPTOGRAPHIC_USAGE_MASK => Some(&USAGE),
        Tag::STORAGE_STATUS_MASK => Some(&STATUS),
        Tag::PROTECTION_STORAGE_MASK => Some(&PROTECTION),
        _ => None,
    }
}

/// The bit that a name stands for.
pub(super) fn mask_bit(bits: &[(u32, &str)], name: &str) -> Option<u32> {
    let name = fold(name);
    bits.iter().find(|(_, known)| fold(known) == name).map(|(bit, _)| *bit)
}

/// Letters and digits of a name, in lower case.
fn fold(name: &str) -> Box<str> {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Names that are read beside those of the tables: published messages leave "(PKCS#1 v1.5)" out, and the
/// specification itself misspells its mask generator.
const ALSO: &[(Tag, &str, u32)] = &{
    use DigitalSignatureAlgorithm as A;
    const SIGNATURE: Tag = Tag::DIGITAL_SIGNATURE_ALGORITHM;
    [
        (SIGNATURE, "MD2WithRSAEncryption", A::Md2WithRsaEncryptionPkcs1V1_5.value()),
        (SIGNATURE, "MD5WithRSAEncryption", A::Md5WithRsaEncryptionPkcs1V1_5.value()),
        (SIGNATURE, "SHA_1WithRSAEncryption", A::Sha1WithRsaEncryptionPkcs1V1_5.value()),
        (SIGNATURE, "SHA_224WithRSAEncryption", A::Sha224WithRsaEncryptionPkcs1V1_5.value()),
        (SIGNATURE, "SHA_256WithRSAEncryption", A::Sha256WithRsaEncryptionPkcs1V1_5.value()),
        (SIGNATURE, "SHA_384WithRSAEncryption", A::Sha384WithRsaEncryptionPkcs1V1_5.value()),
        (SIGNATURE, "SHA_512WithRSAEncryption", A::Sha512WithRsaEncryptionPkcs1V1_5.value()),
        (Tag::MASK_GENERATOR, "MFG1", MaskGenerator::Mgf1.value()),
    ]
};

/// Whether an enumeration of this tag names a tag.
fn holds_tags(owner: Tag) -> bool {
    matches!(owner, Tag::ATTRIBUTE_REFERENCE | Tag::TAG)
}

/// An enumeration, and the tags whose values it is.
struct Table {
    owners: &'static [Tag],
    rows: fn() -> Box<dyn Iterator<Item = (u32, &'static str)>>,
    name: fn(u32) -> Option<&'static str>,
}

/// A row is `Enumeration: TAG, …;`.
macro_rules! tables {
    ($($enumeration:ident: $($owner:ident),+;)*) => {
        /// Every enumeration with names, once.
        const TABLES: &[Table] = &[
            Table {
                owners: &[Tag::OPERATION, Tag::OPERATIONS],
                rows: || Box::new(Operation::ALL.iter().map(|row| (*row as u32, row.name()))),
                name: |value| Operation::from_value(value).map(Operation::name),
            },
            $(Table {
                owners: &[$(Tag::$owner),+],
                rows: || Box::new(crate::$enumeration::ALL.iter().map(|row| (row.value(), row.name()))),
                name: |value| crate::$enumeration::from_value(value).map(crate::$enumeration::name),
            },)*
        ];
    };
}

tables! {
    AdjustmentType: ADJUSTMENT_TYPE;
    AlternativeNameType: ALTERNATIVE_NAME_TYPE;
    AsynchronousIndicator: ASYNCHRONOUS_INDICATOR;
    AttestationType: ATTESTATION_TYPE;
    BatchErrorContinuationOption: BATCH_ERROR_CONTINUATION_OPTION;
    BlockCipherMode: BLOCK_CIPHER_MODE;
    CancellationResult: CANCELLATION_RESULT;
    CertificateRequestType: CERTIFICATE_REQUEST_TYPE;
    CertificateType: CERTIFICATE_TYPE;
    ClientRegistrationMethod: CLIENT_REGISTRATION_METHOD;
    CredentialType: CREDENTIAL_TYPE;
    CryptographicAlgorithm: CRYPTOGRAPHIC_ALGORITHM;
    DataPlaceholder: DATA;
    DerivationMethod: DERIVATION_METHOD;
    DestroyAction: DESTROY_ACTION;
    DigitalSignatureAlgorithm: DIGITAL_SIGNATURE_ALGORITHM;
    DrbgAlgorithm: DRBG_ALGORITHM;
    EncodingOption: ENCODING_OPTION;
    EndpointRole: ENDPOINT_ROLE;
    Fips186Variation: FIPS186_VARIATION;
    HashingAlgorithm: HASHING_ALGORITHM, MASK_GENERATOR_HASHING_ALGORITHM;
    InteropFunction: INTEROP_FUNCTION;
    ItemType: EXTENSION_TYPE;
    KeyCompressionType: KEY_COMPRESSION_TYPE;
    KeyFormatType: KEY_FORMAT_TYPE;
    KeyRoleType: KEY_ROLE_TYPE;
    KeyValueLocationType: KEY_VALUE_LOCATION_TYPE;
    KeyWrapType: KEY_WRAP_TYPE;
    LinkType: LINK_TYPE;
    MaskGenerator: MASK_GENERATOR;
    NameType: NAME_TYPE, ROTATE_NAME_TYPE;
    NistKeyType: NIST_KEY_TYPE;
    ObjectGroupMember: OBJECT_GROUP_MEMBER;
    ObjectType: OBJECT_TYPE;
    PaddingMethod: PADDING_METHOD;
    Pkcs11Function: PKCS11_FUNCTION;
    Pkcs11ReturnCode: PKCS11_RETURN_CODE;
    ProcessingStage: PROCESSING_STAGE;
    ProfileName: PROFILE_NAME;
    ProtectionLevel: PROTECTION_LEVEL;
    PutFunction: PUT_FUNCTION;
    QueryFunction: QUERY_FUNCTION;
    RecommendedCurve: RECOMMENDED_CURVE;
    ResultReason: RESULT_REASON;
    ResultStatus: RESULT_STATUS;
    RevocationReasonCode: REVOCATION_REASON_CODE;
    RngAlgorithm: RNG_ALGORITHM;
    RngMode: RNG_MODE;
    SecretDataType: SECRET_DATA_TYPE;
    ShreddingAlgorithm: SHREDDING_ALGORITHM;
    SplitKeyMethod: SPLIT_KEY_METHOD;
    State: STATE;
    TicketType: TICKET_TYPE;
    UniqueIdentifierKind: UNIQUE_IDENTIFIER, PRIVATE_KEY_UNIQUE_IDENTIFIER, PUBLIC_KEY_UNIQUE_IDENTIFIER,
        CERTIFICATE_REQUEST_UNIQUE_IDENTIFIER, LINKED_OBJECT_IDENTIFIER;
    UnwrapMode: UNWRAP_MODE;
    UsageLimitsUnit: USAGE_LIMITS_UNIT;
    ValidationAuthorityType: VALIDATION_AUTHORITY_TYPE;
    ValidationType: VALIDATION_TYPE;
    ValidityIndicator: VALIDITY_INDICATOR;
    WrappingMethod: WRAPPING_METHOD;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_number_and_no_two_fall_together() {
        for (number, name) in Tag::all() {
            assert_eq!(tag(name), Some(number), "{name}");
        }
        for table in TABLES {
            for (value, name) in (table.rows)() {
                for owner in table.owners {
                    assert_eq!(enumeration_value(*owner, name), Some(value), "{owner}: {name}");
                    assert_eq!(enumeration_name(*owner, value), Some(name), "{owner}: {value}");
                }
            }
        }
    }

    #[test]
    fn a_tag_belongs_to_one_enumeration() {
        let owners: Vec<Tag> = TABLES.iter().flat_map(|table| table.owners).copied().collect();
        for (at, owner) in owners.iter().enumerate() {
            assert!(!owners[..at].contains(owner), "{owner} twice");
        }
    }

    #[test]
    fn spellings_of_all_profiles_are_read() {
        assert_eq!(enumeration_value(Tag::CRYPTOGRAPHIC_ALGORITHM, "3DES"), None);
        assert_eq!(enumeration_value(Tag::CRYPTOGRAPHIC_ALGORITHM, "DES3"), Some(2));
        assert_eq!(enumeration_value(Tag::KEY_FORMAT_TYPE, "PKCS_1"), Some(3));
        assert_eq!(enumeration_value(Tag::DIGITAL_SIGNATURE_ALGORITHM, "SHA_256WithRSAEncryption"), Some(5));
        assert_eq!(enumeration_value(Tag::MASK_GENERATOR, "MFG1"), Some(1));
        assert_eq!(enumeration_value(Tag::PKCS11_FUNCTION, "C_GetInfo"), Some(3));
        assert_eq!(enumeration_value(Tag::PKCS11_FUNCTION, "C_MessageVerifyFinal"), Some(92));
        assert_eq!(enumeration_value(Tag::KEY_FORMAT_TYPE, "PKCS1"), Some(3));
        assert_eq!(tag("X_509CertificateIdentifier"), Some(Tag::X509_CERTIFICATE_IDENTIFIER));
        assert_eq!(enumeration_value(Tag::ATTRIBUTE_REFERENCE, "CryptographicLength"), Some(0x42002a));
        let bits = mask(Tag::STORAGE_STATUS_MASK).expect("a mask");
        for name in ["OnLineStorage", "On_lineStorage", "OnlineStorage"] {
            assert_eq!(mask_bit(bits, name), Some(1), "{name}");
        }
        assert_eq!(mask(Tag::BATCH_COUNT), None);
    }
}
