//! Query: what this server offers, in the version of the request.

use std::sync::OnceLock;

use kmip::ops::query::{
    CapabilityInformation, DefaultsInformation, ObjectDefaults, ProfileInformation, Request, Response,
    ServerInformation, ValidationInformation, object_types_in,
};
use kmip::{
    Attribute, ClientRegistrationMethod, DestroyAction, ObjectType, Operation, ProfileName,
    ProtectionStorageMask, ProtectionStorageMasks, QueryFunction, RawEnumeration, ResponsePayload, RngMode,
    ShreddingAlgorithm, State, UnwrapMode, ValidationAuthorityType, ValidationType, Version,
};

use super::{Context, Reply, SERVED};
use crate::attributes::read::unspecified_rng;

/// Shown as Vendor Identification.
const VENDOR: &str = concat!("keyraft ", env!("CARGO_PKG_VERSION"));
/// Where the HTTPS profiles find the service, on the address the client already knows.
const HTTPS_PATH: &str = "/kmip";
/// The port beside it, of this process.
static HTTPS_PORT: OnceLock<u16> = OnceLock::new();

/// Says at which port this process serves KMIP over HTTPS, for Query. Said once, before the first request.
pub fn announce_https(port: u16) {
    // A second announcement would be of the same listener.
    let _ = HTTPS_PORT.set(port);
}

pub fn serve(context: &Context<'_, '_>, request: &Request) -> Reply {
    let version = context.version;
    let mut response = Response::default();
    for function in &request.functions {
        match function {
            QueryFunction::QueryOperations => response.operations = operations(context),
            QueryFunction::QueryObjects => response.object_types = object_types_in(version),
            QueryFunction::QueryServerInformation => {
                response.vendor_identification = Some(VENDOR.into());
                response.server_information = Some(Box::new(server_information()));
            }
            QueryFunction::QueryRngs => response.rngs = vec![unspecified_rng(); RNGS],
            QueryFunction::QueryValidations => response.validations = vec![validation()],
            QueryFunction::QueryProfiles => response.profiles = profiles(version),
            QueryFunction::QueryCapabilities => response.capabilities = vec![capabilities()],
            QueryFunction::QueryClientRegistrationMethods => {
                response.client_registration_methods = REGISTRATION.to_vec();
            }
            QueryFunction::QueryDefaultsInformation => response.defaults = Some(defaults()),
            QueryFunction::QueryStorageProtectionMasks => {
                let masks = vec![ProtectionStorageMask::SOFTWARE];
                response.protection_storage_masks = Some(ProtectionStorageMasks { masks });
            }
            // No namespace is the server's own, no extension is known, no attestation is asked for.
            QueryFunction::QueryApplicationNamespaces
            | QueryFunction::QueryExtensionList
            | QueryFunction::QueryExtensionMap
            | QueryFunction::QueryAttestationTypes => {}
        }
    }
    Reply::Payload(ResponsePayload::Query(response))
}

/// What the version has, this server serves, and the caller's ticket (if it came with one) allows.
fn operations(context: &Context<'_, '_>) -> Vec<RawEnumeration> {
    let offered = |operation: &&Operation| {
        operation.first_version() <= context.version && context.presented.allows(**operation)
    };
    let mut operations: Vec<RawEnumeration> =
        SERVED.iter().filter(offered).map(|operation| RawEnumeration(operation.value())).collect();
    operations.sort_unstable();
    operations
}

/// How keys come about here: identifiers and salts from the kernel's generator through getrandom, and from
/// aws-lc-rs where key pairs are made; and key bytes by derivation. None claims a standard of the list.
const RNGS: usize = 3;

fn server_information() -> ServerInformation<'static> {
    ServerInformation {
        name: Some("keyraft".into()),
        version: Some(env!("CARGO_PKG_VERSION").into()),
        product_name: Some("keyraft".into()),
        ..ServerInformation::default()
    }
}

/// Nobody has validated this server.
fn validation() -> ValidationInformation<'static> {
    ValidationInformation {
        authority_type: ValidationAuthorityType::Unspecified,
        authority_country: None,
        authority_uri: None,
        version_major: 0,
        version_minor: None,
        kind: ValidationType::Software,
        level: 0,
        certificate_identifier: None,
        certificate_uri: None,
        vendor_uri: None,
        profiles: Vec::new(),
    }
}

fn capabilities() -> CapabilityInformation {
    CapabilityInformation {
        streaming: Some(true),
        asynchronous: Some(true),
        attestation: Some(false),
        batch_undo: Some(true),
        batch_continue: Some(true),
        unwrap_mode: Some(UnwrapMode::NotProcessed),
        destroy_action: Some(DestroyAction::KeyMaterialShredded),
        shredding_algorithm: Some(ShreddingAlgorithm::Cryptographic),
        rng_mode: Some(RngMode::SharedInstantiation),
        quantum_safe: Some(true),
    }
}

/// Certificates are made by an operator ahead of time or on demand, or signed for a key of the client's own;
/// a service whose certificate is in order is registered on first contact.
const REGISTRATION: [ClientRegistrationMethod; 4] = [
    ClientRegistrationMethod::ServerPreGenerated,
    ClientRegistrationMethod::ServerOnDemand,
    ClientRegistrationMethod::ClientGenerated,
    ClientRegistrationMethod::ClientRegistered,
];

fn defaults() -> DefaultsInformation {
    let attributes = vec![Attribute::State(State::PreActive), Attribute::Extractable(true)];
    let of = |object_type| ObjectDefaults { object_type, attributes: attributes.clone().into() };
    DefaultsInformation {
        objects: [ObjectType::SymmetricKey, ObjectType::PublicKey, ObjectType::PrivateKey].map(of).to_vec(),
    }
}

/// The profiles a version knows, of those this server follows.
fn profiles(version: Version) -> Vec<ProfileInformation<'static>> {
    use ProfileName as P;
    let (plain, over_https): (&[P], &[P]) = match version {
        Version::V1_0 | Version::V1_1 | Version::V1_2 => (&[], &[]),
        Version::V1_3 => (
            &[
                P::BaselineServerBasicKmipv1_3,
                P::BaselineServerTlsv1_2Kmipv1_3,
                P::CompleteServerBasicKmipv1_3,
                P::CompleteServerTlsv1_2Kmipv1_3,
                P::TapeLibraryServerKmipv1_2,
                P::TapeLibraryServerKmipv1_3,
                P::SymmetricKeyLifecycleServerKmipv1_3,
                P::AsymmetricKeyLifecycleServerKmipv1_3,
                P::BasicCryptographicServerKmipv1_3,
                P::AdvancedCryptographicServerKmipv1_3,
                P::RngCryptographicServerKmipv1_3,
                P::SymmetricKeyFoundryServerKmipv1_3,
                P::OpaqueManagedObjectStoreServerKmipv1_3,
                P::SuiteBMinLos128ServerKmipv1_3,
                P::SuiteBMinLos192ServerKmipv1_3,
                P::StorageArrayWithSelfEncryptingDriveServerKmipv1_3,
            ],
            &[P::HttpsServerKmipv1_3, P::JsonServerKmipv1_3, P::XmlServerKmipv1_3],
        ),
        Version::V1_4 => (
            &[
                P::BaselineServerBasicKmipv1_4,
                P::BaselineServerTlsv1_2Kmipv1_4,
                P::CompleteServerBasicKmipv1_4,
                P::CompleteServerTlsv1_2Kmipv1_4,
                P::TapeLibraryServerKmipv1_2,
                P::TapeLibraryServerKmipv1_3,
                P::TapeLibraryServerKmipv1_4,
                P::SymmetricKeyLifecycleServerKmipv1_4,
                P::AsymmetricKeyLifecycleServerKmipv1_4,
                P::BasicCryptographicServerKmipv1_4,
                P::AdvancedCryptographicServerKmipv1_4,
                P::RngCryptographicServerKmipv1_4,
                P::SymmetricKeyFoundryServerKmipv1_4,
                P::OpaqueManagedObjectStoreServerKmipv1_4,
                P::SuiteBMinLos128ServerKmipv1_4,
                P::SuiteBMinLos192ServerKmipv1_4,
                P::StorageArrayWithSelfEncryptingDriveServerKmipv1_4,
            ],
            &[P::HttpsServerKmipv1_4, P::JsonServerKmipv1_4, P::XmlServerKmipv1_4],
        ),
        Version::V2_0 | Version::V2_1 => (
            &[
                P::BaselineServer,
                P::CompleteServer,
                P::TapeLibraryServer,
                P::SymmetricKeyLifecycleServer,
                P::AsymmetricKeyLifecycleServer,
                P::BasicCryptographicServer,
                P::AdvancedCryptographicServer,
                P::RngCryptographicServer,
                P::SymmetricKeyFoundryServer,
                P::OpaqueManagedObjectStoreServer,
                P::StorageArrayWithSelfEncryptingDriveServer,
                P::AesxtsServer,
                P::QuantumSafeServer,
                P::Pkcs11Server,
            ],
            &[P::HttpsServer, P::JsonServer, P::XmlServer],
        ),
    };
    let profile = |name: &P, server_uri: Option<&'static str>| ProfileInformation {
        name: *name,
        version: None,
        server_uri: server_uri.map(Into::into),
        server_port: server_uri.and(HTTPS_PORT.get()).map(|port| i32::from(*port)),
    };
    let plain = plain.iter().map(|name| profile(name, None));
    plain.chain(over_https.iter().map(|name| profile(name, Some(HTTPS_PATH)))).collect()
}
