//! The tenants, services and keys of a run: real key material and real identifiers.
//!
//! Their L2 keys stay here, as if each node had its own way to a root of trust; everything replicated is
//! what a real cluster replicates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crypto::{ArenaError, Commitments, Keyring, L1Payload, L2, Seed, UidKey};
use hex_literal::hex;
use model::command::Action;
use model::commands::{AddL2Version, CreateTenant, RegisterService};
use model::id::Realm as RealmId;
use model::id::{L2Version, ServiceHandle, ServiceName, TenantHandle, TenantName};
use model::service::{ServicePolicy, ServiceType};
use model::state::State;
use model::tenant::Wrap;
use model::uid::{Fields, Header, Kdf, Kind, Uid};
use raft_store::env::Entropy as _;

use super::dice::Dice;

/// Every run's realm.
pub const REALM: RealmId = RealmId([0x11; 16]);
/// Every run's keyring, sealed, and the key it is sealed under as a root would give it back: what is hashed with it goes
/// into packets, whose lengths are part of a trace.
const KEYRING: &[u8] = &hex!(
    "4b525731018d5e61d7156c46481cf9e486e43613391f7b8d5f3e694f8ff86bc0908b8481e9aa45e23efb5ade0817f09
     08b8f10ef88888d3b2592a54f331f7a26e338af8854404873f3b2ba8a5448ccc3fb755e91c41aa060eefde3bf47ed809
     7eb06c10fd0ffb68780bbe8599111d09d1f24e92118661fe50492c3625f396899e71c801e53f22a5661ad6fc5e458d7c
     b0f87b1ff020e8259c8e6957f072942c10928d1d2c6f274f0c5d980e603a541962228574f14c56eae8fdd62a32a"
);
const KEK: &[u8] = &hex!(
    "2b8b2e9b498c7c4aa2cc8394f9f4a4ccac7e772626d27e61aae21d214b6b9fddec70ae3e1eeda9b58da822a9eb9eb497
     71ac6f1d30dbb954a343395e701b428d"
);
/// The root that the latter names.
const ROOT: &str = "sim";
/// Every run's region.
pub const REGION: &str = "eu-sim";
/// Lease lengths of the tenants with keys, in milliseconds: the default, and strict.
const LEASES_MS: [u32; 2] = [3_000, 2_000];
/// Services of each tenant: the first keeps its keys from being destroyed and is suspended now and then.
const SERVICES: u32 = 2;
/// Keys of each service.
const KEYS: usize = 24;
/// Tenants whose labels serve as registers.
pub const REGISTERS: usize = 2;
/// KMIP's number for AES.
const AES: u8 = 3;
/// AES-256.
const KEY_BYTES: u8 = 32;

/// One run's key material.
pub struct Realm {
    /// Seals everything durable, as on a real node.
    pub keyring: Arc<Keyring>,
    /// Tenants with keys.
    pub tenants: Vec<Tenant>,
    /// Every key; the ledger knows them by their place here.
    pub keys: Vec<Key>,
}

/// A tenant.
pub struct Tenant {
    /// Its handle.
    pub handle: TenantHandle,
    name: TenantName,
    /// The key its L3 keys come from.
    pub l2: L2,
    lease_ms: u32,
    /// Its services.
    pub services: Vec<Service>,
}

/// A service.
pub struct Service {
    /// Its handle.
    pub handle: ServiceHandle,
    name: ServiceName,
    /// The other half of its L3 keys.
    pub seed: Seed,
}

/// A key nothing was written for.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its identifier.
    pub uid: Uid,
    /// Its tenant, as an index.
    pub tenant: usize,
    /// Its service, as an index among its tenant's.
    pub service: usize,
}

impl Realm {
    /// Makes everything; nothing is replicated yet, see [`Realm::founding`].
    pub fn new(dice: &Dice) -> Result<Self, ArenaError> {
        let kek = L1Payload::from_bytes(KEK).and_then(|payload| payload.into_kek(REALM, ROOT));
        let keyring =
            Arc::new(Keyring::unseal(REALM, &kek.expect("made for it"), KEYRING).expect("sealed under it"));
        let mut tenants = Vec::new();
        let mut keys = Vec::new();
        for (number, lease_ms) in (0_u8..).zip(LEASES_MS) {
            let tenant = Tenant::new(number, lease_ms)?;
            let tag_key = keyring.uid_root().tenant_key(tenant.handle)?;
            for (index, service) in tenant.services.iter().enumerate() {
                for _ in 0..KEYS {
                    let uid = make(&tag_key, &tenant, service, dice);
                    keys.push(Key { uid, tenant: usize::from(number), service: index });
                }
            }
            tenants.push(tenant);
        }
        Ok(Self { keyring, tenants, keys })
    }

    /// The commands that make all of it known to a new cluster.
    pub fn founding(&self) -> Vec<Action> {
        let mut commands = Vec::new();
        for tenant in &self.tenants {
            commands.push(create(tenant.handle, &tenant.name, tenant.lease_ms, tenant.l2.commitment().0));
            for service in &tenant.services {
                commands.push(self.register(tenant, service.handle, &service.name, &service.seed));
            }
        }
        for register in 0..REGISTERS {
            let name = parsed(TenantName::parse(&format!("register-{register}")));
            commands.push(create(register_handle(register), &name, LEASES_MS[0], [7; 32]));
        }
        commands
    }

    /// Registers one more service of the first tenant, numbered from 0.
    pub fn another_service(&self, number: u32) -> Result<Action, ArenaError> {
        let tenant = &self.tenants[0];
        let handle = ServiceHandle((1_000 + number).to_be_bytes());
        let seed = Seed::generate(REALM, tenant.handle, handle)?;
        Ok(self.register(tenant, handle, &another_name(number), &seed))
    }

    /// Makes the next version of the first tenant's key; `None` when there is none.
    pub fn rotation(&self, state: &State) -> Option<Action> {
        let tenant = self.tenants[0].handle;
        let version = state.tenant(tenant)?.next_version()?;
        Some(AddL2Version { tenant, version, commitment: [9; 32], wraps: vec![wrap()] }.into())
    }

    fn register(&self, tenant: &Tenant, handle: ServiceHandle, name: &ServiceName, seed: &Seed) -> Action {
        RegisterService {
            tenant: tenant.handle,
            handle,
            name: name.clone(),
            service_type: ServiceType::Other,
            policy: ServicePolicy::default(),
            seed: self.keyring.seal_seed(seed),
            seed_commitment: seed.commitment().0,
            reenable: false,
        }
        .into()
    }

    /// The tenant of a key.
    pub fn tenant_of(&self, key: &Key) -> &Tenant {
        &self.tenants[key.tenant]
    }

    /// The service of a key.
    pub fn service_of(&self, key: &Key) -> &Service {
        &self.tenants[key.tenant].services[key.service]
    }
}

impl Tenant {
    fn new(number: u8, lease_ms: u32) -> Result<Self, ArenaError> {
        let handle = TenantHandle([0xa0, 0, 0, number]);
        let services = (0..SERVICES).map(|number| {
            let service = ServiceHandle((number + 1).to_be_bytes());
            let name = parsed(ServiceName::parse(&format!("service-{number}")));
            Ok(Service { handle: service, name, seed: Seed::generate(REALM, handle, service)? })
        });
        Ok(Self {
            handle,
            name: parsed(TenantName::parse(&format!("tenant-{number}"))),
            l2: L2::generate(REALM, handle, L2Version(1))?,
            lease_ms,
            services: services.collect::<Result<_, ArenaError>>()?,
        })
    }
}

/// The handle of a tenant that is a register.
pub fn register_handle(register: usize) -> TenantHandle {
    TenantHandle([0xb0, 0, 0, u8::try_from(register).unwrap_or(u8::MAX)])
}

/// The name of a service registered during the run.
pub fn another_name(number: u32) -> ServiceName {
    parsed(ServiceName::parse(&format!("another-{number}")))
}

fn create(handle: TenantHandle, name: &TenantName, lease_ms: u32, l2_commitment: [u8; 32]) -> Action {
    CreateTenant {
        handle,
        name: name.clone(),
        region: REGION.into(),
        labels: BTreeMap::new(),
        lease_ms,
        auto_register: true,
        l2_commitment,
        wraps: vec![wrap()],
    }
    .into()
}

/// What a root of trust would have made.
fn wrap() -> Wrap {
    Wrap { revision: 1, l1_ref: "software:1".into(), wrapped: vec![0xc1; 64] }
}

fn make(tag_key: &UidKey, tenant: &Tenant, service: &Service, dice: &Dice) -> Uid {
    let mut nonce = [0; 12];
    dice.fill(&mut nonce);
    let header = Header::new(&Fields {
        kind: Kind::EphemeralPreActive, // destroyed without being revoked first
        kdf: Kdf::Hkdf,
        tenant: tenant.handle,
        service: service.handle,
        l2_version: L2Version(1),
        created_s: 1_800_000_000,
        algorithm: AES,
        length_bytes: KEY_BYTES,
        usage_mask: 0b1100,
        nonce,
    });
    tag_key.make(header, &Commitments { l2: tenant.l2.commitment(), seed: service.seed.commitment() })
}

/// Names in this file are well formed.
fn parsed<T, E: std::fmt::Debug>(name: Result<T, E>) -> T {
    name.expect("lower-case letters, digits and dashes make a name")
}
