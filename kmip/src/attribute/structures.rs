//! Attributes that are structures (1.x section 3, 2.x section 4).

use crate::field::structure;
use crate::{
    AlternativeNameType, BlockCipherMode, ByteString, CryptographicAlgorithm, DigitalSignatureAlgorithm,
    DrbgAlgorithm, Fips186Variation, HashingAlgorithm, KeyFormatType, KeyRoleType, KeyValueLocationType,
    LinkType, MaskGenerator, NameType, OwnedIdentifier, PaddingMethod, ProtectionStorageMask,
    RecommendedCurve, RevocationReasonCode, RngAlgorithm, UsageLimitsUnit,
};

structure! {
    /// Name.
    #[derive(Eq, Hash)]
    pub struct Name {
        /// Name Value.
        value: String = NAME_VALUE,
        /// Name Type.
        kind: NameType = NAME_TYPE,
    }
}

impl From<&str> for Name {
    /// An uninterpreted text name.
    fn from(value: &str) -> Self {
        Self { value: value.to_owned(), kind: NameType::UninterpretedTextString }
    }
}

structure! {
    /// Cryptographic Parameters: how a key is used unless a request says otherwise.
    #[derive(Default, Eq, Hash)]
    pub struct CryptographicParameters {
        /// Block Cipher Mode.
        block_cipher_mode: Option<BlockCipherMode> = BLOCK_CIPHER_MODE,
        /// Padding Method.
        padding_method: Option<PaddingMethod> = PADDING_METHOD,
        /// Hashing Algorithm.
        hashing_algorithm: Option<HashingAlgorithm> = HASHING_ALGORITHM,
        /// Key Role Type.
        key_role_type: Option<KeyRoleType> = KEY_ROLE_TYPE,
        /// Digital Signature Algorithm.
        digital_signature_algorithm: Option<DigitalSignatureAlgorithm> = DIGITAL_SIGNATURE_ALGORITHM since V1_2,
        /// Cryptographic Algorithm.
        cryptographic_algorithm: Option<CryptographicAlgorithm> = CRYPTOGRAPHIC_ALGORITHM since V1_2,
        /// Random IV: the server makes the IV and returns it.
        random_iv: Option<bool> = RANDOM_IV since V1_2,
        /// IV Length, bits.
        iv_length: Option<i32> = IV_LENGTH since V1_2,
        /// Tag Length, bytes.
        tag_length: Option<i32> = TAG_LENGTH since V1_2,
        /// Fixed Field Length, bits.
        fixed_field_length: Option<i32> = FIXED_FIELD_LENGTH since V1_2,
        /// Invocation Field Length, bits.
        invocation_field_length: Option<i32> = INVOCATION_FIELD_LENGTH since V1_2,
        /// Counter Length, bits.
        counter_length: Option<i32> = COUNTER_LENGTH since V1_2,
        /// Initial Counter Value.
        initial_counter_value: Option<i32> = INITIAL_COUNTER_VALUE since V1_2,
        /// Salt Length, bytes.
        salt_length: Option<i32> = SALT_LENGTH since V1_4,
        /// Mask Generator.
        mask_generator: Option<MaskGenerator> = MASK_GENERATOR since V1_4,
        /// Mask Generator Hashing Algorithm.
        mask_generator_hashing_algorithm: Option<HashingAlgorithm> = MASK_GENERATOR_HASHING_ALGORITHM since V1_4,
        /// P Source.
        p_source: Option<ByteString> = P_SOURCE since V1_4,
        /// Trailer Field.
        trailer_field: Option<i32> = TRAILER_FIELD since V1_4,
    }
}

structure! {
    /// Cryptographic Domain Parameters: the curve or subgroup of a key pair.
    #[derive(Default, Eq, Hash)]
    pub struct CryptographicDomainParameters {
        /// Length of Q, bits.
        q_length: Option<i32> = QLENGTH,
        /// Recommended Curve.
        recommended_curve: Option<RecommendedCurve> = RECOMMENDED_CURVE,
    }
}

structure! {
    /// Certificate Identifier (1.0, deprecated in 1.1).
    #[derive(Eq, Hash)]
    pub struct CertificateIdentifier {
        /// Issuer.
        issuer: String = ISSUER,
        /// Serial Number.
        serial_number: Option<String> = SERIAL_NUMBER,
    }
}

structure! {
    /// Certificate Subject (1.0, deprecated in 1.1).
    #[derive(Eq, Hash)]
    pub struct CertificateSubject {
        /// Certificate Subject Distinguished Name.
        distinguished_name: String = CERTIFICATE_SUBJECT_DISTINGUISHED_NAME,
        /// Certificate Subject Alternative Name.
        alternative_names: Vec<String> = CERTIFICATE_SUBJECT_ALTERNATIVE_NAME,
    }
}

structure! {
    /// Certificate Issuer (1.0, deprecated in 1.1).
    #[derive(Eq, Hash)]
    pub struct CertificateIssuer {
        /// Certificate Issuer Distinguished Name.
        distinguished_name: String = CERTIFICATE_ISSUER_DISTINGUISHED_NAME,
        /// Certificate Issuer Alternative Name.
        alternative_names: Vec<String> = CERTIFICATE_ISSUER_ALTERNATIVE_NAME,
    }
}

structure! {
    /// X.509 Certificate Identifier (1.1 to 1.4); DER.
    #[derive(Eq, Hash)]
    pub struct X509CertificateIdentifier {
        /// Issuer Distinguished Name.
        issuer_distinguished_name: ByteString = ISSUER_DISTINGUISHED_NAME,
        /// Certificate Serial Number.
        serial_number: ByteString = CERTIFICATE_SERIAL_NUMBER,
    }
}

structure! {
    /// X.509 Certificate Subject (1.1 to 1.4); DER.
    #[derive(Eq, Hash)]
    pub struct X509CertificateSubject {
        /// Subject Distinguished Name.
        distinguished_name: ByteString = SUBJECT_DISTINGUISHED_NAME,
        /// Subject Alternative Name.
        alternative_names: Vec<ByteString> = SUBJECT_ALTERNATIVE_NAME,
    }
}

structure! {
    /// X.509 Certificate Issuer (1.1 to 1.4); DER.
    #[derive(Eq, Hash)]
    pub struct X509CertificateIssuer {
        /// Issuer Distinguished Name.
        distinguished_name: ByteString = ISSUER_DISTINGUISHED_NAME,
        /// Issuer Alternative Name.
        alternative_names: Vec<ByteString> = ISSUER_ALTERNATIVE_NAME,
    }
}

structure! {
    /// Digest of an object's material.
    #[derive(Eq, Hash)]
    pub struct Digest {
        /// Hashing Algorithm.
        hashing_algorithm: HashingAlgorithm = HASHING_ALGORITHM,
        /// Digest Value.
        value: Option<ByteString> = DIGEST_VALUE,
        /// The format the digest was taken over.
        key_format_type: Option<KeyFormatType> = KEY_FORMAT_TYPE since V1_1,
    }
}

structure! {
    /// Usage Limits.
    #[derive(Eq, Hash)]
    pub struct UsageLimits {
        /// How much may be used in total; bytes or objects.
        total: i64 = USAGE_LIMITS_TOTAL,
        /// How much is left.
        count: Option<i64> = USAGE_LIMITS_COUNT,
        /// Unit of the two.
        unit: UsageLimitsUnit = USAGE_LIMITS_UNIT,
    }
}

structure! {
    /// Revocation Reason.
    #[derive(Eq, Hash)]
    pub struct RevocationReason {
        /// Revocation Reason Code.
        code: RevocationReasonCode = REVOCATION_REASON_CODE,
        /// Revocation Message.
        message: Option<String> = REVOCATION_MESSAGE,
    }
}

structure! {
    /// Link to another object.
    #[derive(Eq, Hash)]
    pub struct Link {
        /// Link Type.
        kind: LinkType = LINK_TYPE,
        /// Linked Object Identifier.
        object: OwnedIdentifier = LINKED_OBJECT_IDENTIFIER,
    }
}

structure! {
    /// Application Specific Information.
    #[derive(Eq, Hash)]
    pub struct ApplicationSpecificInformation {
        /// Application Namespace.
        namespace: String = APPLICATION_NAMESPACE,
        /// Application Data; the server makes it when absent.
        data: Option<String> = APPLICATION_DATA,
    }
}

structure! {
    /// Alternative Name (1.2).
    #[derive(Eq, Hash)]
    pub struct AlternativeName {
        /// Alternative Name Value.
        value: String = ALTERNATIVE_NAME_VALUE,
        /// Alternative Name Type.
        kind: AlternativeNameType = ALTERNATIVE_NAME_TYPE,
    }
}

structure! {
    /// Key Value Location (1.2): where material lies that the server does not hold.
    #[derive(Eq, Hash)]
    pub struct KeyValueLocation {
        /// Key Value Location Value.
        value: String = KEY_VALUE_LOCATION_VALUE,
        /// Key Value Location Type.
        kind: KeyValueLocationType = KEY_VALUE_LOCATION_TYPE,
    }
}

structure! {
    /// RNG Parameters (1.3): what made a key.
    #[derive(Eq, Hash)]
    pub struct RngParameters {
        /// RNG Algorithm.
        rng_algorithm: RngAlgorithm = RNG_ALGORITHM,
        /// Cryptographic Algorithm.
        cryptographic_algorithm: Option<CryptographicAlgorithm> = CRYPTOGRAPHIC_ALGORITHM,
        /// Cryptographic Length, bits.
        cryptographic_length: Option<i32> = CRYPTOGRAPHIC_LENGTH,
        /// Hashing Algorithm.
        hashing_algorithm: Option<HashingAlgorithm> = HASHING_ALGORITHM,
        /// DRBG Algorithm.
        drbg_algorithm: Option<DrbgAlgorithm> = DRBG_ALGORITHM,
        /// Recommended Curve.
        recommended_curve: Option<RecommendedCurve> = RECOMMENDED_CURVE,
        /// FIPS186 Variation.
        fips186_variation: Option<Fips186Variation> = FIPS186_VARIATION,
        /// Prediction Resistance.
        prediction_resistance: Option<bool> = PREDICTION_RESISTANCE,
    }
}

structure! {
    /// Protection Storage Masks (2.0): each mask is one acceptable place.
    #[derive(Default, Eq, Hash)]
    pub struct ProtectionStorageMasks {
        /// The masks, best first.
        masks: Vec<ProtectionStorageMask> = PROTECTION_STORAGE_MASK,
    }
}

structure! {
    /// Rotate Name (2.1).
    #[derive(Eq, Hash)]
    pub struct RotateName {
        /// Rotate Name Value.
        value: String = ROTATE_NAME_VALUE,
        /// Rotate Name Type.
        kind: Option<NameType> = ROTATE_NAME_TYPE,
    }
}
