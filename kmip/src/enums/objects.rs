//! Enumerations: the names of objects, their states, formats and links (KMIP 1.x section 9.1.3.2, 2.x section 11).
//!
//! Data only: number, name as XML and JSON spell it, first version where the list grew.

use super::enumeration;

enumeration! {
    /// Object Type.
    pub enum ObjectType "ObjectType" {
        Certificate = 0x01 "Certificate",
        SymmetricKey = 0x02 "SymmetricKey",
        PublicKey = 0x03 "PublicKey",
        PrivateKey = 0x04 "PrivateKey",
        SplitKey = 0x05 "SplitKey",
        Template = 0x06 "Template",
        SecretData = 0x07 "SecretData",
        OpaqueObject = 0x08 "OpaqueObject",
        PgpKey = 0x09 "PGPKey" since V1_2,
        CertificateRequest = 0x0a "CertificateRequest" since V2_0,
    }
}

enumeration! {
    /// State.
    pub enum State "State" {
        PreActive = 0x01 "PreActive",
        Active = 0x02 "Active",
        Deactivated = 0x03 "Deactivated",
        Compromised = 0x04 "Compromised",
        Destroyed = 0x05 "Destroyed",
        DestroyedCompromised = 0x06 "DestroyedCompromised",
    }
}

enumeration! {
    /// Name Type.
    pub enum NameType "NameType" {
        UninterpretedTextString = 0x01 "UninterpretedTextString",
        Uri = 0x02 "URI",
    }
}

enumeration! {
    /// Alternative Name Type.
    pub enum AlternativeNameType "AlternativeNameType" {
        UninterpretedTextString = 0x01 "UninterpretedTextString",
        Uri = 0x02 "URI",
        ObjectSerialNumber = 0x03 "ObjectSerialNumber",
        EmailAddress = 0x04 "EmailAddress",
        DnsName = 0x05 "DNSName",
        X500DistinguishedName = 0x06 "X_500DistinguishedName",
        IpAddress = 0x07 "IPAddress",
    }
}

enumeration! {
    /// Link Type.
    pub enum LinkType "LinkType" {
        CertificateLink = 0x101 "CertificateLink",
        PublicKeyLink = 0x102 "PublicKeyLink",
        PrivateKeyLink = 0x103 "PrivateKeyLink",
        DerivationBaseObjectLink = 0x104 "DerivationBaseObjectLink",
        DerivedKeyLink = 0x105 "DerivedKeyLink",
        ReplacementObjectLink = 0x106 "ReplacementObjectLink",
        ReplacedObjectLink = 0x107 "ReplacedObjectLink",
        ParentLink = 0x108 "ParentLink" since V1_2,
        ChildLink = 0x109 "ChildLink" since V1_2,
        PreviousLink = 0x10a "PreviousLink" since V1_2,
        NextLink = 0x10b "NextLink" since V1_2,
        Pkcs12CertificateLink = 0x10c "PKCS_12CertificateLink" since V1_4,
        Pkcs12PasswordLink = 0x10d "PKCS_12PasswordLink" since V1_4,
        WrappingKeyLink = 0x10e "WrappingKeyLink" since V2_0,
    }
}

enumeration! {
    /// Key Format Type.
    pub enum KeyFormatType "KeyFormatType" {
        Raw = 0x01 "Raw",
        Opaque = 0x02 "Opaque",
        Pkcs1 = 0x03 "PKCS_1",
        Pkcs8 = 0x04 "PKCS_8",
        X509 = 0x05 "X_509",
        EcPrivateKey = 0x06 "ECPrivateKey",
        TransparentSymmetricKey = 0x07 "TransparentSymmetricKey",
        TransparentDsaPrivateKey = 0x08 "TransparentDSAPrivateKey",
        TransparentDsaPublicKey = 0x09 "TransparentDSAPublicKey",
        TransparentRsaPrivateKey = 0x0a "TransparentRSAPrivateKey",
        TransparentRsaPublicKey = 0x0b "TransparentRSAPublicKey",
        TransparentDhPrivateKey = 0x0c "TransparentDHPrivateKey",
        TransparentDhPublicKey = 0x0d "TransparentDHPublicKey",
        TransparentEcdsaPrivateKey = 0x0e "TransparentECDSAPrivateKey",
        TransparentEcdsaPublicKey = 0x0f "TransparentECDSAPublicKey",
        TransparentEcdhPrivateKey = 0x10 "TransparentECDHPrivateKey",
        TransparentEcdhPublicKey = 0x11 "TransparentECDHPublicKey",
        TransparentEcMqvPrivateKey = 0x12 "TransparentECMQVPrivateKey",
        TransparentEcMqvPublicKey = 0x13 "TransparentECMQVPublicKey",
        TransparentEcPrivateKey = 0x14 "TransparentECPrivateKey" since V1_3,
        TransparentEcPublicKey = 0x15 "TransparentECPublicKey" since V1_3,
        Pkcs12 = 0x16 "PKCS_12" since V1_4,
        Pkcs10 = 0x17 "PKCS_10" since V2_0,
    }
}

enumeration! {
    /// Key Compression Type.
    pub enum KeyCompressionType "KeyCompressionType" {
        EcPublicKeyTypeUncompressed = 0x01 "ECPublicKeyTypeUncompressed",
        EcPublicKeyTypeX9_62CompressedPrime = 0x02 "ECPublicKeyTypeX9_62CompressedPrime",
        EcPublicKeyTypeX9_62CompressedChar2 = 0x03 "ECPublicKeyTypeX9_62CompressedChar2",
        EcPublicKeyTypeX9_62Hybrid = 0x04 "ECPublicKeyTypeX9_62Hybrid",
    }
}

enumeration! {
    /// Key Wrap Type.
    pub enum KeyWrapType "KeyWrapType" {
        NotWrapped = 0x01 "NotWrapped",
        AsRegistered = 0x02 "AsRegistered",
    }
}

enumeration! {
    /// Key Value Location Type.
    pub enum KeyValueLocationType "KeyValueLocationType" {
        UninterpretedTextString = 0x01 "UninterpretedTextString",
        Uri = 0x02 "URI",
    }
}

enumeration! {
    /// Secret Data Type.
    pub enum SecretDataType "SecretDataType" {
        Password = 0x01 "Password",
        Seed = 0x02 "Seed",
    }
}

enumeration! {
    /// Certificate Type.
    pub enum CertificateType "CertificateType" {
        X509 = 0x01 "X_509",
        Pgp = 0x02 "PGP",
    }
}

enumeration! {
    /// Certificate Request Type.
    pub enum CertificateRequestType "CertificateRequestType" {
        Crmf = 0x01 "CRMF",
        Pkcs10 = 0x02 "PKCS_10",
        Pem = 0x03 "PEM",
        Pgp = 0x04 "PGP",
    }
}

enumeration! {
    /// Split Key Method.
    pub enum SplitKeyMethod "SplitKeyMethod" {
        Xor = 0x01 "XOR",
        PolynomialSharingGf2_16 = 0x02 "PolynomialSharingGF216",
        PolynomialSharingPrimeField = 0x03 "PolynomialSharingPrimeField",
        PolynomialSharingGf2_8 = 0x04 "PolynomialSharingGF2_8" since V1_2,
    }
}

enumeration! {
    /// Revocation Reason Code.
    pub enum RevocationReasonCode "RevocationReasonCode" {
        Unspecified = 0x01 "Unspecified",
        KeyCompromise = 0x02 "KeyCompromise",
        CaCompromise = 0x03 "CACompromise",
        AffiliationChanged = 0x04 "AffiliationChanged",
        Superseded = 0x05 "Superseded",
        CessationOfOperation = 0x06 "CessationOfOperation",
        PrivilegeWithdrawn = 0x07 "PrivilegeWithdrawn",
    }
}

enumeration! {
    /// Usage Limits Unit.
    pub enum UsageLimitsUnit "UsageLimitsUnit" {
        Byte = 0x01 "Byte",
        Object = 0x02 "Object",
    }
}

enumeration! {
    /// Object Group Member.
    pub enum ObjectGroupMember "ObjectGroupMember" {
        GroupMemberFresh = 0x01 "GroupMemberFresh",
        GroupMemberDefault = 0x02 "GroupMemberDefault",
    }
}

enumeration! {
    /// Validity Indicator.
    pub enum ValidityIndicator "ValidityIndicator" {
        Valid = 0x01 "Valid",
        Invalid = 0x02 "Invalid",
        Unknown = 0x03 "Unknown",
    }
}

enumeration! {
    /// NIST Key Type.
    pub enum NistKeyType "NISTKeyType" {
        PrivateSignatureKey = 0x01 "PrivateSignatureKey",
        PublicSignatureVerificationKey = 0x02 "PublicSignatureVerificationKey",
        SymmetricAuthenticationKey = 0x03 "SymmetricAuthenticationKey",
        PrivateAuthenticationKey = 0x04 "PrivateAuthenticationKey",
        PublicAuthenticationKey = 0x05 "PublicAuthenticationKey",
        SymmetricDataEncryptionKey = 0x06 "SymmetricDataEncryptionKey",
        SymmetricKeyWrappingKey = 0x07 "SymmetricKeyWrappingKey",
        SymmetricRandomNumberGenerationKey = 0x08 "SymmetricRandomNumberGenerationKey",
        SymmetricMasterKey = 0x09 "SymmetricMasterKey",
        PrivateKeyTransportKey = 0x0a "PrivateKeyTransportKey",
        PublicKeyTransportKey = 0x0b "PublicKeyTransportKey",
        SymmetricKeyAgreementKey = 0x0c "SymmetricKeyAgreementKey",
        PrivateStaticKeyAgreementKey = 0x0d "PrivateStaticKeyAgreementKey",
        PublicStaticKeyAgreementKey = 0x0e "PublicStaticKeyAgreementKey",
        PrivateEphemeralKeyAgreementKey = 0x0f "PrivateEphemeralKeyAgreementKey",
        PublicEphemeralKeyAgreementKey = 0x10 "PublicEphemeralKeyAgreementKey",
        SymmetricAuthorizationKey = 0x11 "SymmetricAuthorizationKey",
        PrivateAuthorizationKey = 0x12 "PrivateAuthorizationKey",
        PublicAuthorizationKey = 0x13 "PublicAuthorizationKey",
    }
}

enumeration! {
    /// Protection Level.
    pub enum ProtectionLevel "ProtectionLevel" {
        High = 0x01 "High",
        Low = 0x02 "Low",
    }
}

enumeration! {
    /// Unique Identifier.
    pub enum UniqueIdentifierKind "UniqueIdentifier" {
        IdPlaceholder = 0x01 "IDPlaceholder",
        Certify = 0x02 "Certify",
        Create = 0x03 "Create",
        CreateKeyPair = 0x04 "CreateKeyPair",
        CreateKeyPairPrivateKey = 0x05 "CreateKeyPairPrivateKey",
        CreateKeyPairPublicKey = 0x06 "CreateKeyPairPublicKey",
        CreateSplitKey = 0x07 "CreateSplitKey",
        DeriveKey = 0x08 "DeriveKey",
        Import = 0x09 "Import",
        JoinSplitKey = 0x0a "JoinSplitKey",
        Locate = 0x0b "Locate",
        Register = 0x0c "Register",
        ReKey = 0x0d "ReKey",
        ReCertify = 0x0e "ReCertify",
        ReKeyKeyPair = 0x0f "ReKeyKeyPair",
        ReKeyKeyPairPrivateKey = 0x10 "Re_keyKeyPairPrivateKey",
        ReKeyKeyPairPublicKey = 0x11 "Re_keyKeyPairPublicKey",
    }
}
