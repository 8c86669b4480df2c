//! The one table of whose an attribute is (KMIP 1.4 chapter 3, KMIP 2.1 chapter 4: "Initially set by",
//! "Modifiable by client", "Deletable by client").
//!
//! Which version knows an attribute, and whether it has several instances, stands in `kmip`'s own table;
//! together they gate every answer.

use kmip::{Attribute, AttributeKind, AttributeName, ObjectType};

/// Who decides about an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The server alone.
    Server,
    /// The client, when the object is made; nobody from then on.
    Creation,
    /// The client, who says it once, when the object is made or later; nobody changes it from then on.
    Once,
    /// The client, who changes it and does not take it away.
    Kept,
    /// The client, who adds, changes and deletes it.
    Client,
}

/// The table.
#[must_use]
pub const fn owner(kind: AttributeKind) -> Owner {
    use AttributeKind as A;
    match kind {
        A::UniqueIdentifier
        | A::ShortUniqueIdentifier
        | A::ObjectType
        | A::State
        | A::InitialDate
        | A::DestroyDate
        | A::CompromiseOccurrenceDate
        | A::CompromiseDate
        | A::RevocationReason
        | A::ArchiveDate
        | A::LastChangeDate
        | A::LeaseTime
        | A::Digest
        | A::KeyValuePresent
        | A::AlwaysSensitive
        | A::NeverExtractable
        | A::ProtectionStorageMask
        | A::RotateDate
        | A::RotateGeneration
        | A::RotateLatest
        | A::CertificateLength
        | A::CertificateIdentifier
        | A::CertificateSubject
        | A::CertificateIssuer
        | A::X509CertificateIdentifier
        | A::X509CertificateSubject
        | A::X509CertificateIssuer
        | A::DigitalSignatureAlgorithm
        | A::OpaqueDataType
        | A::CertificateSubjectCn
        | A::CertificateSubjectO
        | A::CertificateSubjectOu
        | A::CertificateSubjectEmail
        | A::CertificateSubjectC
        | A::CertificateSubjectSt
        | A::CertificateSubjectL
        | A::CertificateSubjectUid
        | A::CertificateSubjectSerialNumber
        | A::CertificateSubjectTitle
        | A::CertificateSubjectDc
        | A::CertificateSubjectDnQualifier
        | A::CertificateIssuerCn
        | A::CertificateIssuerO
        | A::CertificateIssuerOu
        | A::CertificateIssuerEmail
        | A::CertificateIssuerC
        | A::CertificateIssuerSt
        | A::CertificateIssuerL
        | A::CertificateIssuerUid
        | A::CertificateIssuerSerialNumber
        | A::CertificateIssuerTitle
        | A::CertificateIssuerDc
        | A::CertificateIssuerDnQualifier => Owner::Server,
        A::CryptographicAlgorithm
        | A::CryptographicLength
        | A::CryptographicUsageMask
        | A::CryptographicDomainParameters
        | A::CertificateType
        | A::OperationPolicyName
        | A::Fresh
        | A::OriginalCreationDate
        | A::RandomNumberGenerator
        | A::KeyFormatType
        | A::ProtectionStorageMasks => Owner::Creation,
        A::NistKeyType | A::RotateInterval | A::RotateAutomatic | A::RotateOffset => Owner::Once,
        A::ActivationDate
        | A::ProcessStartDate
        | A::ProtectStopDate
        | A::DeactivationDate
        | A::Sensitive
        | A::Extractable => Owner::Kept,
        A::Name
        | A::AlternativeName
        | A::ObjectGroup
        | A::CryptographicParameters
        | A::UsageLimits
        | A::Link
        | A::ApplicationSpecificInformation
        | A::ContactInformation
        | A::KeyValueLocation
        | A::Pkcs12FriendlyName
        | A::Description
        | A::Comment
        | A::ProtectionLevel
        | A::ProtectionPeriod
        | A::QuantumSafe
        | A::RotateName => Owner::Client,
    }
}

/// Who decides about an attribute by this name; `None` for a name no version defines. Of custom attributes,
/// those with the vendor `y` are the server's own (KMIP 2.0, 4.58).
#[must_use]
pub fn owner_of(name: &AttributeName) -> Option<Owner> {
    match name {
        AttributeName::Standard(kind) => Some(owner(*kind)),
        AttributeName::Custom { vendor, .. } if vendor == "y" => Some(Owner::Server),
        AttributeName::Custom { .. } => Some(Owner::Client),
        AttributeName::Unknown(_) => None,
    }
}

/// Whether only the server sets it.
#[must_use]
pub fn is_server_set(attribute: &Attribute) -> bool {
    owner_of(&attribute.name()) == Some(Owner::Server)
}

/// Whether an object of this type may have several.
#[must_use]
pub fn is_multi_valued(attribute: &Attribute) -> bool {
    attribute.kind().is_none_or(AttributeKind::is_multi_valued)
}

/// Whether objects of this type may have the attribute. Templates hold attributes for others and have few
/// themselves; the other types differ in what is usual, not in what is refused.
#[must_use]
pub fn applies_to(name: &AttributeName, object_type: ObjectType) -> bool {
    use AttributeKind as A;
    object_type != ObjectType::Template
        || match name {
            AttributeName::Standard(kind) => matches!(
                kind,
                A::UniqueIdentifier
                    | A::ObjectType
                    | A::Name
                    | A::AlternativeName
                    | A::OperationPolicyName
                    | A::LeaseTime
                    | A::InitialDate
                    | A::DestroyDate
                    | A::ArchiveDate
                    | A::ObjectGroup
                    | A::ApplicationSpecificInformation
                    | A::ContactInformation
                    | A::LastChangeDate
                    | A::Description
                    | A::Comment
            ),
            AttributeName::Custom { .. } => true,
            AttributeName::Unknown(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_sets_no_client_changes_and_what_a_client_deletes_it_may_add() {
        for kind in AttributeKind::ALL {
            let owner = owner(*kind);
            assert_eq!(Some(owner), owner_of(&AttributeName::Standard(*kind)));
            if kind.spec_name().starts_with("Certificate ") && *kind != AttributeKind::CertificateType {
                assert_eq!(owner, Owner::Server, "{}", kind.spec_name());
            }
        }
        let custom = |vendor: &str| AttributeName::Custom { vendor: vendor.to_owned(), name: "a".to_owned() };
        assert_eq!(owner_of(&custom("x")), Some(Owner::Client));
        assert_eq!(owner_of(&custom("acme")), Some(Owner::Client));
        assert_eq!(owner_of(&custom("y")), Some(Owner::Server));
        assert_eq!(owner_of(&AttributeName::from_text("Colour")), None);
    }

    #[test]
    fn a_template_has_no_state_and_a_key_has() {
        let state = AttributeName::Standard(AttributeKind::State);
        assert!(!applies_to(&state, ObjectType::Template));
        assert!(applies_to(&state, ObjectType::SymmetricKey));
        assert!(applies_to(&AttributeName::from_text("x-a"), ObjectType::Template));
    }
}
