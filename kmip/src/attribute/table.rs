//! The table of attributes: type, tag, 1.x name, versions, and whether several may exist.

use super::{
    AlternativeName, ApplicationSpecificInformation, AttributeName, CertificateIdentifier, CertificateIssuer,
    CertificateSubject, CryptographicDomainParameters, CryptographicParameters, CustomAttribute, Digest,
    KeyValueLocation, Link, Name, ProtectionStorageMasks, RevocationReason, RngParameters, RotateName,
    UsageLimits, X509CertificateIdentifier, X509CertificateIssuer, X509CertificateSubject,
};
use crate::field::{Decode, Encode};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Limits, Writer};
use crate::{
    ByteString, CertificateType, CryptographicAlgorithm, DateTime, DigitalSignatureAlgorithm, Interval,
    KeyFormatType, NistKeyType, ObjectType, OwnedIdentifier, ProtectionLevel, ProtectionStorageMask,
    RawEnumeration, State, Tag, UsageMask, Version,
};

macro_rules! attributes {
    ($($variant:ident($ty:ty) = $tag:ident $name:literal $first:ident $(..= $last:ident)? $(, $many:ident)?;)*) => {
        /// An attribute with its value.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // the specification's own names
        pub enum Attribute {
            $($variant($ty),)*
            /// A custom (1.x) or vendor (2.x) attribute.
            Custom(CustomAttribute),
        }

        /// The attributes the specifications define.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // the specification's own names
        pub enum AttributeKind {
            $($variant,)*
        }

        impl AttributeKind {
            /// Every attribute, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The tag: its name in 2.x.
            #[must_use]
            pub const fn tag(self) -> Tag {
                match self {
                    $(Self::$variant => Tag::$tag,)*
                }
            }

            /// The attribute with this tag.
            #[must_use]
            pub const fn from_tag(tag: Tag) -> Option<Self> {
                match tag {
                    $(Tag::$tag => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name in 1.x, for example "Cryptographic Length".
            #[must_use]
            pub const fn spec_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The attribute with this 1.x name.
            #[must_use]
            pub fn from_spec_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The first version that defines it.
            #[must_use]
            pub const fn first_version(self) -> Version {
                match self {
                    $(Self::$variant => Version::$first,)*
                }
            }

            /// The last version that defines it, when a later one dropped it.
            #[must_use]
            pub const fn last_version(self) -> Option<Version> {
                match self {
                    $($(Self::$variant => Some(Version::$last),)?)*
                    _ => None,
                }
            }

            /// Whether an object may have several.
            #[must_use]
            pub const fn is_multi_valued(self) -> bool {
                match self {
                    $($(Self::$variant => { stringify!($many); true })?)*
                    _ => false,
                }
            }

            /// Reads the value of this attribute from an item of any tag.
            pub(super) fn decode_value(self, item: Item<'_>) -> Result<Attribute, DecodeError> {
                match self {
                    $(Self::$variant => <$ty>::decode(item).map(Attribute::$variant),)*
                }
            }
        }

        impl Attribute {
            /// Which attribute it is, or the custom one it is.
            const fn standard(&self) -> Result<AttributeKind, &CustomAttribute> {
                match self {
                    $(Self::$variant(_) => Ok(AttributeKind::$variant),)*
                    Self::Custom(custom) => Err(custom),
                }
            }

            /// Writes the value alone, under a tag of the caller's.
            pub(super) fn encode_value(&self, w: &mut Writer<'_>, tag: Tag) {
                match self {
                    $(Self::$variant(value) => value.encode(w, tag),)*
                    Self::Custom(custom) => custom.value.encode(w, tag),
                }
            }
        }

        #[cfg(test)]
        impl crate::sample::Sample for Attribute {
            fn sample(s: &mut crate::sample::Sampler) -> Self {
                match s.maybe(AttributeKind::ALL) {
                    $(Some(AttributeKind::$variant) => Self::$variant(crate::sample::Sample::sample(s)),)*
                    None => Self::Custom(crate::sample::Sample::sample(s)),
                }
            }
        }
    };
}

// The X.509 structures left the 2.x text, but its published cases still return them.
// Frequent names stand first: a 1.x name is found by comparing down the list.
attributes! {
    CryptographicAlgorithm(CryptographicAlgorithm) = CRYPTOGRAPHIC_ALGORITHM "Cryptographic Algorithm" V1_0;
    CryptographicLength(i32) = CRYPTOGRAPHIC_LENGTH "Cryptographic Length" V1_0;
    CryptographicUsageMask(UsageMask) = CRYPTOGRAPHIC_USAGE_MASK "Cryptographic Usage Mask" V1_0;
    Name(Name) = NAME "Name" V1_0, many;
    State(State) = STATE "State" V1_0;
    UniqueIdentifier(OwnedIdentifier) = UNIQUE_IDENTIFIER "Unique Identifier" V1_0;
    ObjectType(ObjectType) = OBJECT_TYPE "Object Type" V1_0;
    ObjectGroup(String) = OBJECT_GROUP "Object Group" V1_0, many;
    CryptographicParameters(CryptographicParameters) = CRYPTOGRAPHIC_PARAMETERS "Cryptographic Parameters" V1_0, many;
    CryptographicDomainParameters(CryptographicDomainParameters)
        = CRYPTOGRAPHIC_DOMAIN_PARAMETERS "Cryptographic Domain Parameters" V1_0;
    CertificateType(CertificateType) = CERTIFICATE_TYPE "Certificate Type" V1_0;
    CertificateLength(i32) = CERTIFICATE_LENGTH "Certificate Length" V1_1;
    CertificateIdentifier(CertificateIdentifier) = CERTIFICATE_IDENTIFIER "Certificate Identifier" V1_0 ..= V1_4;
    CertificateSubject(CertificateSubject) = CERTIFICATE_SUBJECT "Certificate Subject" V1_0 ..= V1_4;
    CertificateIssuer(CertificateIssuer) = CERTIFICATE_ISSUER "Certificate Issuer" V1_0 ..= V1_4;
    X509CertificateIdentifier(X509CertificateIdentifier)
        = X509_CERTIFICATE_IDENTIFIER "X.509 Certificate Identifier" V1_1;
    X509CertificateSubject(X509CertificateSubject)
        = X509_CERTIFICATE_SUBJECT "X.509 Certificate Subject" V1_1;
    X509CertificateIssuer(X509CertificateIssuer)
        = X509_CERTIFICATE_ISSUER "X.509 Certificate Issuer" V1_1;
    DigitalSignatureAlgorithm(DigitalSignatureAlgorithm)
        = DIGITAL_SIGNATURE_ALGORITHM "Digital Signature Algorithm" V1_1, many;
    Digest(Digest) = DIGEST "Digest" V1_0, many;
    OperationPolicyName(String) = OPERATION_POLICY_NAME "Operation Policy Name" V1_0 ..= V1_4;
    LeaseTime(Interval) = LEASE_TIME "Lease Time" V1_0;
    UsageLimits(UsageLimits) = USAGE_LIMITS "Usage Limits" V1_0;
    InitialDate(DateTime) = INITIAL_DATE "Initial Date" V1_0;
    ActivationDate(DateTime) = ACTIVATION_DATE "Activation Date" V1_0;
    ProcessStartDate(DateTime) = PROCESS_START_DATE "Process Start Date" V1_0;
    ProtectStopDate(DateTime) = PROTECT_STOP_DATE "Protect Stop Date" V1_0;
    DeactivationDate(DateTime) = DEACTIVATION_DATE "Deactivation Date" V1_0;
    DestroyDate(DateTime) = DESTROY_DATE "Destroy Date" V1_0;
    CompromiseOccurrenceDate(DateTime) = COMPROMISE_OCCURRENCE_DATE "Compromise Occurrence Date" V1_0;
    CompromiseDate(DateTime) = COMPROMISE_DATE "Compromise Date" V1_0;
    RevocationReason(RevocationReason) = REVOCATION_REASON "Revocation Reason" V1_0;
    ArchiveDate(DateTime) = ARCHIVE_DATE "Archive Date" V1_0;
    Fresh(bool) = FRESH "Fresh" V1_1;
    Link(Link) = LINK "Link" V1_0, many;
    ApplicationSpecificInformation(ApplicationSpecificInformation)
        = APPLICATION_SPECIFIC_INFORMATION "Application Specific Information" V1_0, many;
    ContactInformation(String) = CONTACT_INFORMATION "Contact Information" V1_0;
    LastChangeDate(DateTime) = LAST_CHANGE_DATE "Last Change Date" V1_0;
    AlternativeName(AlternativeName) = ALTERNATIVE_NAME "Alternative Name" V1_2, many;
    KeyValuePresent(bool) = KEY_VALUE_PRESENT "Key Value Present" V1_2;
    KeyValueLocation(KeyValueLocation) = KEY_VALUE_LOCATION "Key Value Location" V1_2, many;
    OriginalCreationDate(DateTime) = ORIGINAL_CREATION_DATE "Original Creation Date" V1_2;
    RandomNumberGenerator(RngParameters) = RANDOM_NUMBER_GENERATOR "Random Number Generator" V1_3;
    Pkcs12FriendlyName(String) = PKCS12_FRIENDLY_NAME "PKCS#12 Friendly Name" V1_4;
    Description(String) = DESCRIPTION "Description" V1_4;
    Comment(String) = COMMENT "Comment" V1_4;
    Sensitive(bool) = SENSITIVE "Sensitive" V1_4;
    AlwaysSensitive(bool) = ALWAYS_SENSITIVE "Always Sensitive" V1_4;
    Extractable(bool) = EXTRACTABLE "Extractable" V1_4;
    NeverExtractable(bool) = NEVER_EXTRACTABLE "Never Extractable" V1_4;
    KeyFormatType(KeyFormatType) = KEY_FORMAT_TYPE "Key Format Type" V2_0;
    ShortUniqueIdentifier(ByteString) = SHORT_UNIQUE_IDENTIFIER "Short Unique Identifier" V2_0;
    NistKeyType(NistKeyType) = NIST_KEY_TYPE "NIST Key Type" V2_0, many;
    ProtectionLevel(ProtectionLevel) = PROTECTION_LEVEL "Protection Level" V2_0;
    ProtectionPeriod(Interval) = PROTECTION_PERIOD "Protection Period" V2_0;
    ProtectionStorageMask(ProtectionStorageMask) = PROTECTION_STORAGE_MASK "Protection Storage Mask" V2_0;
    ProtectionStorageMasks(ProtectionStorageMasks) = PROTECTION_STORAGE_MASKS "Protection Storage Masks" V2_0;
    QuantumSafe(bool) = QUANTUM_SAFE "Quantum Safe" V2_0;
    CertificateSubjectCn(String) = CERTIFICATE_SUBJECT_CN "Certificate Subject CN" V1_4, many;
    CertificateSubjectO(String) = CERTIFICATE_SUBJECT_O "Certificate Subject O" V1_4, many;
    CertificateSubjectOu(String) = CERTIFICATE_SUBJECT_OU "Certificate Subject OU" V1_4, many;
    CertificateSubjectEmail(String) = CERTIFICATE_SUBJECT_EMAIL "Certificate Subject Email" V1_4, many;
    CertificateSubjectC(String) = CERTIFICATE_SUBJECT_C "Certificate Subject C" V1_4, many;
    CertificateSubjectSt(String) = CERTIFICATE_SUBJECT_ST "Certificate Subject ST" V1_4, many;
    CertificateSubjectL(String) = CERTIFICATE_SUBJECT_L "Certificate Subject L" V1_4, many;
    CertificateSubjectUid(String) = CERTIFICATE_SUBJECT_UID "Certificate Subject UID" V1_4, many;
    CertificateSubjectSerialNumber(String)
        = CERTIFICATE_SUBJECT_SERIAL_NUMBER "Certificate Subject Serial Number" V1_4, many;
    CertificateSubjectTitle(String) = CERTIFICATE_SUBJECT_TITLE "Certificate Subject Title" V1_4, many;
    CertificateSubjectDc(String) = CERTIFICATE_SUBJECT_DC "Certificate Subject DC" V1_4, many;
    CertificateSubjectDnQualifier(String)
        = CERTIFICATE_SUBJECT_DN_QUALIFIER "Certificate Subject DN Qualifier" V1_4, many;
    CertificateIssuerCn(String) = CERTIFICATE_ISSUER_CN "Certificate Issuer CN" V1_4, many;
    CertificateIssuerO(String) = CERTIFICATE_ISSUER_O "Certificate Issuer O" V1_4, many;
    CertificateIssuerOu(String) = CERTIFICATE_ISSUER_OU "Certificate Issuer OU" V1_4, many;
    CertificateIssuerEmail(String) = CERTIFICATE_ISSUER_EMAIL "Certificate Issuer Email" V1_4, many;
    CertificateIssuerC(String) = CERTIFICATE_ISSUER_C "Certificate Issuer C" V1_4, many;
    CertificateIssuerSt(String) = CERTIFICATE_ISSUER_ST "Certificate Issuer ST" V1_4, many;
    CertificateIssuerL(String) = CERTIFICATE_ISSUER_L "Certificate Issuer L" V1_4, many;
    CertificateIssuerUid(String) = CERTIFICATE_ISSUER_UID "Certificate Issuer UID" V1_4, many;
    CertificateIssuerSerialNumber(String)
        = CERTIFICATE_ISSUER_SERIAL_NUMBER "Certificate Issuer Serial Number" V1_4, many;
    CertificateIssuerTitle(String) = CERTIFICATE_ISSUER_TITLE "Certificate Issuer Title" V1_4, many;
    CertificateIssuerDc(String) = CERTIFICATE_ISSUER_DC "Certificate Issuer DC" V1_4, many;
    CertificateIssuerDnQualifier(String)
        = CERTIFICATE_ISSUER_DN_QUALIFIER "Certificate Issuer DN Qualifier" V1_4, many;
    RotateInterval(Interval) = ROTATE_INTERVAL "Rotate Interval" V2_1;
    RotateAutomatic(bool) = ROTATE_AUTOMATIC "Rotate Automatic" V2_1;
    RotateOffset(Interval) = ROTATE_OFFSET "Rotate Offset" V2_1;
    RotateDate(DateTime) = ROTATE_DATE "Rotate Date" V2_1;
    RotateGeneration(i32) = ROTATE_GENERATION "Rotate Generation" V2_1;
    RotateLatest(bool) = ROTATE_LATEST "Rotate Latest" V2_1;
    RotateName(RotateName) = ROTATE_NAME "Rotate Name" V2_1;
    OpaqueDataType(RawEnumeration) = OPAQUE_DATA_TYPE "Opaque Data Type" V2_1;
}

impl AttributeKind {
    /// Whether this version defines the attribute.
    #[must_use]
    pub fn is_in(self, version: Version) -> bool {
        self.first_version() <= version && self.last_version().is_none_or(|last| version <= last)
    }
}

impl Attribute {
    /// Which attribute it is; `None` for a custom one.
    #[must_use]
    pub const fn kind(&self) -> Option<AttributeKind> {
        match self.standard() {
            Ok(kind) => Some(kind),
            Err(_) => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> AttributeName {
        self.standard().map_or_else(CustomAttribute::attribute_name, AttributeName::Standard)
    }

    /// Whether this version defines it; custom ones belong to all.
    #[must_use]
    pub fn is_in(&self, version: Version) -> bool {
        self.kind().is_none_or(|kind| kind.is_in(version))
    }

    /// The stored form: the 2.x encoding, whatever version the attribute came in.
    #[must_use]
    pub fn to_ttlv_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_tagged(&mut Writer::new(&mut bytes, Version::V2_1));
        bytes
    }

    /// Reads the stored form back.
    ///
    /// # Errors
    /// A [`DecodeError`] when the bytes are not exactly one attribute.
    pub fn from_ttlv_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_tagged(Item::parse(bytes, &Limits::DEFAULT)?)
    }

    /// Reads a 2.x attribute: the tag is the name.
    pub(super) fn decode_tagged(item: Item<'_>) -> Result<Self, DecodeError> {
        if item.tag() == Tag::ATTRIBUTE {
            return CustomAttribute::decode(item).map(Self::Custom);
        }
        let kind =
            AttributeKind::from_tag(item.tag()).ok_or(item.error(DecodeErrorKind::Unexpected(item.tag())))?;
        kind.decode_value(item)
    }

    /// Writes a 2.x attribute.
    pub(super) fn encode_tagged(&self, w: &mut Writer<'_>) {
        match self.standard() {
            Ok(kind) => self.encode_value(w, kind.tag()),
            Err(custom) => custom.encode(w, Tag::ATTRIBUTE),
        }
    }
}
