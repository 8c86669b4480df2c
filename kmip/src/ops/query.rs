//! Query: what the server can do (1.x section 4.25, 2.x section 6.1).

use crate::field::structure;
use crate::{
    AttestationType, AttributeList, ClientRegistrationMethod, DestroyAction, ObjectType, Operation,
    ProfileName, ProtectionStorageMasks, QueryFunction, RawEnumeration, RngMode, RngParameters,
    ShreddingAlgorithm, Text, UnwrapMode, ValidationAuthorityType, ValidationType, Version,
};

structure! {
    /// The request.
    #[derive(Default)]
    pub struct Request {
        /// What to tell.
        functions: Vec<QueryFunction> = QUERY_FUNCTION,
    }
}

structure! {
    /// The response: what was asked for, the rest empty.
    #[derive(Default)]
    pub struct Response<'a> {
        /// Operations, by number: another server may list some we have no payloads for.
        operations: Vec<RawEnumeration> = OPERATION,
        /// Object types.
        object_types: Vec<ObjectType> = OBJECT_TYPE,
        /// Vendor Identification.
        vendor_identification: Option<Text<'a>> = VENDOR_IDENTIFICATION,
        /// Server Information.
        server_information: Option<Box<ServerInformation<'a>>> = SERVER_INFORMATION,
        /// Application Namespaces.
        application_namespaces: Vec<Text<'a>> = APPLICATION_NAMESPACE,
        /// Extensions (1.1).
        extensions: Vec<ExtensionInformation<'a>> = EXTENSION_INFORMATION since V1_1,
        /// Attestation types (1.2).
        attestation_types: Vec<AttestationType> = ATTESTATION_TYPE since V1_2,
        /// Random number generators (1.3).
        rngs: Vec<RngParameters> = RNG_PARAMETERS since V1_3,
        /// Profiles (1.3).
        profiles: Vec<ProfileInformation<'a>> = PROFILE_INFORMATION since V1_3,
        /// Validations (1.3).
        validations: Vec<ValidationInformation<'a>> = VALIDATION_INFORMATION since V1_3,
        /// Capabilities (1.3).
        capabilities: Vec<CapabilityInformation> = CAPABILITY_INFORMATION since V1_3,
        /// Client registration methods (1.3).
        client_registration_methods: Vec<ClientRegistrationMethod> = CLIENT_REGISTRATION_METHOD since V1_3,
        /// Defaults (2.0).
        defaults: Option<DefaultsInformation> = DEFAULTS_INFORMATION since V2_0,
        /// Protection Storage Masks (2.0).
        protection_storage_masks: Option<ProtectionStorageMasks> = PROTECTION_STORAGE_MASKS since V2_0,
    }
}

/// The operations a server of this crate can list in this version.
#[must_use]
pub fn operations_in(version: Version) -> Vec<RawEnumeration> {
    let in_version = Operation::ALL.iter().filter(|operation| operation.first_version() <= version);
    in_version.map(|operation| RawEnumeration(operation.value())).collect()
}

/// The object types of this version; Template ended with 1.4.
#[must_use]
pub fn object_types_in(version: Version) -> Vec<ObjectType> {
    let in_version = |object: &&ObjectType| {
        object.first_version() <= version && !(version.is_v2() && **object == ObjectType::Template)
    };
    ObjectType::ALL.iter().filter(in_version).copied().collect()
}

structure! {
    /// Server Information: up to 1.4 its content is the vendor's, ours is empty.
    #[derive(Default)]
    pub struct ServerInformation<'a> {
        /// Server Name.
        name: Option<Text<'a>> = SERVER_NAME since V2_0,
        /// Server Serial Number.
        serial_number: Option<Text<'a>> = SERVER_SERIAL_NUMBER since V2_0,
        /// Server Version.
        version: Option<Text<'a>> = SERVER_VERSION since V2_0,
        /// Server Load.
        load: Option<Text<'a>> = SERVER_LOAD since V2_0,
        /// Product Name.
        product_name: Option<Text<'a>> = PRODUCT_NAME since V2_0,
        /// Build Level.
        build_level: Option<Text<'a>> = BUILD_LEVEL since V2_0,
        /// Build Date.
        build_date: Option<Text<'a>> = BUILD_DATE since V2_0,
        /// Cluster Info.
        cluster_info: Option<Text<'a>> = CLUSTER_INFO since V2_0,
        /// Alternate Failover Endpoints.
        failover_endpoints: Vec<Text<'a>> = ALTERNATE_FAILOVER_ENDPOINTS since V2_0,
    }
}

structure! {
    /// Extension Information (1.1): a tag of the vendor's own.
    pub struct ExtensionInformation<'a> {
        /// Extension Name.
        name: Text<'a> = EXTENSION_NAME,
        /// Extension Tag.
        tag: Option<i32> = EXTENSION_TAG,
        /// Extension Type.
        kind: Option<i32> = EXTENSION_TYPE,
        /// Extension Enumeration (2.0).
        enumeration: Option<i32> = EXTENSION_ENUMERATION since V2_0,
        /// Extension Attribute (2.0).
        attribute: Option<bool> = EXTENSION_ATTRIBUTE since V2_0,
        /// Extension Parent Structure Tag (2.0).
        parent_structure_tag: Option<i32> = EXTENSION_PARENT_STRUCTURE_TAG since V2_0,
        /// Extension Description (2.0).
        description: Option<Text<'a>> = EXTENSION_DESCRIPTION since V2_0,
    }
}

structure! {
    /// Profile Information (1.3).
    pub struct ProfileInformation<'a> {
        /// Profile Name.
        name: ProfileName = PROFILE_NAME,
        /// Profile Version (2.1).
        version: Option<ProfileVersion> = PROFILE_VERSION since V2_1,
        /// Server URI.
        server_uri: Option<Text<'a>> = SERVER_URI,
        /// Server Port.
        server_port: Option<i32> = SERVER_PORT,
    }
}

structure! {
    /// Profile Version (2.1).
    pub struct ProfileVersion {
        /// Profile Version Major.
        major: i32 = PROFILE_VERSION_MAJOR,
        /// Profile Version Minor.
        minor: i32 = PROFILE_VERSION_MINOR,
    }
}

structure! {
    /// Validation Information (1.3).
    pub struct ValidationInformation<'a> {
        /// Validation Authority Type.
        authority_type: ValidationAuthorityType = VALIDATION_AUTHORITY_TYPE,
        /// Validation Authority Country.
        authority_country: Option<Text<'a>> = VALIDATION_AUTHORITY_COUNTRY,
        /// Validation Authority URI.
        authority_uri: Option<Text<'a>> = VALIDATION_AUTHORITY_URI,
        /// Validation Version Major.
        version_major: i32 = VALIDATION_VERSION_MAJOR,
        /// Validation Version Minor.
        version_minor: Option<i32> = VALIDATION_VERSION_MINOR,
        /// Validation Type.
        kind: ValidationType = VALIDATION_TYPE,
        /// Validation Level.
        level: i32 = VALIDATION_LEVEL,
        /// Validation Certificate Identifier.
        certificate_identifier: Option<Text<'a>> = VALIDATION_CERTIFICATE_IDENTIFIER,
        /// Validation Certificate URI.
        certificate_uri: Option<Text<'a>> = VALIDATION_CERTIFICATE_URI,
        /// Validation Vendor URI.
        vendor_uri: Option<Text<'a>> = VALIDATION_VENDOR_URI,
        /// Validation Profiles.
        profiles: Vec<Text<'a>> = VALIDATION_PROFILE,
    }
}

structure! {
    /// Capability Information (1.3).
    #[derive(Default)]
    pub struct CapabilityInformation {
        /// Parts of a stream are accepted.
        streaming: Option<bool> = STREAMING_CAPABILITY,
        /// Asynchronous processing.
        asynchronous: Option<bool> = ASYNCHRONOUS_CAPABILITY,
        /// Attestation.
        attestation: Option<bool> = ATTESTATION_CAPABILITY,
        /// Batch Undo (1.4).
        batch_undo: Option<bool> = BATCH_UNDO_CAPABILITY since V1_4,
        /// Batch Continue (1.4).
        batch_continue: Option<bool> = BATCH_CONTINUE_CAPABILITY since V1_4,
        /// Unwrap Mode.
        unwrap_mode: Option<UnwrapMode> = UNWRAP_MODE,
        /// Destroy Action.
        destroy_action: Option<DestroyAction> = DESTROY_ACTION,
        /// Shredding Algorithm.
        shredding_algorithm: Option<ShreddingAlgorithm> = SHREDDING_ALGORITHM,
        /// RNG Mode.
        rng_mode: Option<RngMode> = RNG_MODE,
        /// Quantum Safe (2.0).
        quantum_safe: Option<bool> = QUANTUM_SAFE_CAPABILITY since V2_0,
    }
}

structure! {
    /// Defaults Information (2.0).
    #[derive(Default)]
    pub struct DefaultsInformation {
        /// Per object type.
        objects: Vec<ObjectDefaults> = OBJECT_DEFAULTS,
    }
}

structure! {
    /// Object Defaults (2.0).
    pub struct ObjectDefaults {
        /// Object Type.
        object_type: ObjectType = OBJECT_TYPE,
        /// What its objects get.
        attributes: AttributeList = ATTRIBUTES,
    }
}
