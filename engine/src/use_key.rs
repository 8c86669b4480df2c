//! Using a key here, for a client that does not want to hold it: whether it may be used, who makes the
//! IV, and keys that follow from a context.

use crypto::L3Place;
use model::object::KeyState;
use model::service::Service;
use model::tenant::Tenant;
use model::uid::{Fields, Header, Kdf, Kind, Uid};

use crate::create::KeySpec;
use crate::engine::Engine;
use crate::hot::commitments;
use crate::objects::Found;
use crate::refused::Refused;
use crate::turn::Turn;

/// What a key is used for (KMIP 1.4, 3.22: the states; 3.25 and 3.26: the dates).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Encrypt, Sign, MAC, Derive Key: Active keys, until their Protect Stop Date.
    Protect,
    /// Decrypt, Signature Verify, MAC Verify: also keys that were revoked, unless the service's policy ends
    /// that; from their Process Start Date on.
    Process,
}

impl Engine {
    /// The identifier of a service's root under the tenant's primary L2: what context keys are derived from.
    /// A later L2 version has another root; the older one keeps giving its own keys.
    ///
    /// # Errors
    /// [`Refused::Internal`] for a tenant without a key, [`Refused::NotNow`] without secret memory.
    pub fn service_root(&self, tenant: &Tenant, service: &Service) -> Result<Uid, Refused> {
        let missing = Refused::Internal { cause: "tenant_without_l2" };
        let version = tenant.primary().ok_or(missing.clone())?.version;
        let header = crypto::service_root(Kdf::Hkdf, tenant.handle, service.handle, version);
        let bound = commitments(tenant, service, version).ok_or(missing)?;
        Ok(self.hot.tag_key(tenant.handle, self.store.generation().index)?.make(header, &bound))
    }
}

impl Turn<'_> {
    /// Whether a found key may be used now.
    ///
    /// # Errors
    /// [`Refused::WrongState`], [`Refused::OutsideDates`], [`Refused::Denied`], [`Refused::Destroyed`],
    /// [`Refused::Archived`].
    pub fn may_use(&self, found: &Found, purpose: Use) -> Result<(), Refused> {
        found.on_line()?;
        let state = self.state_of(found);
        match (state, purpose) {
            (KeyState::Destroyed | KeyState::DestroyedCompromised, _) => return Err(Refused::Destroyed),
            (KeyState::Active, _) => {}
            (KeyState::Deactivated | KeyState::Compromised, Use::Process) => {
                if !self.service.policy.get_after_revoke {
                    return Err(Refused::Denied { reason: "the service's policy ends all use with Revoke" });
                }
            }
            (KeyState::PreActive | KeyState::Deactivated | KeyState::Compromised, _) => {
                return Err(Refused::WrongState { state });
            }
        }
        let now = self.now().as_secs();
        let lifecycle = &found.object.lifecycle;
        match purpose {
            Use::Protect if lifecycle.protect_stop_date.is_some_and(|stop| stop <= now) => {
                Err(Refused::OutsideDates { reason: "the key's Protect Stop Date has come" })
            }
            Use::Process if lifecycle.process_start_date.is_some_and(|start| start > now) => {
                Err(Refused::OutsideDates { reason: "the key's Process Start Date has not come yet" })
            }
            Use::Protect | Use::Process => Ok(()),
        }
    }

    /// The next IV of 12 bytes for a key: no two messages of one key ever meet in one, on whatever node
    /// (DESIGN 3).
    ///
    /// # Errors
    /// [`Refused::NotNow`] once this boot's IVs are spent.
    pub fn server_iv(&self, found: &Found) -> Result<[u8; 12], Refused> {
        let key = self.tag_key()?;
        let iv = self.engine.ivs.next(&key, &found.uid().header);
        iv.map_err(|spent| Refused::NotNow { reason: spent.to_string() })
    }

    /// The context key (kind 5) of a service root: the same salt, info and form give the same key on every
    /// node, and nothing is written.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for a key that is not derived or a context too long; [`Refused::KeyUnavailable`].
    pub async fn derive_context(
        &mut self,
        root: &Found,
        salt: &[u8],
        info: &[u8],
        spec: KeySpec,
    ) -> Result<Uid, Refused> {
        let length_bytes = crypto::material::material_bytes(spec.algorithm, spec.length_bits)
            .ok_or(Refused::Invalid { reason: "no context key of this algorithm and length is made here" })?;
        let algorithm = u8::try_from(spec.algorithm)
            .map_err(|_| Refused::Invalid { reason: "the algorithm has no derived keys" })?;
        if spec.usage_mask >= 1 << 24 {
            return Err(Refused::Invalid { reason: "the usage mask has bits no identifier holds" });
        }
        self.may_make_keys()?;
        let place = L3Place::of(&root.uid().header);
        let hot = self.l3(place).await?;
        self.check_lease()?;
        let nonce = hot.l3().context_nonce(salt, info).map_err(|_| Refused::Invalid {
            reason: "salt and derivation data have at most 65,535 bytes each",
        })?;
        let header = Header::new(&Fields {
            kind: Kind::Context,
            kdf: place.kdf,
            tenant: place.tenant,
            service: place.service,
            l2_version: place.l2_version,
            created_s: 0,
            algorithm,
            length_bytes,
            usage_mask: spec.usage_mask,
            nonce,
        });
        let bound = commitments(&self.tenant, &self.service, place.l2_version)
            .ok_or(Refused::Internal { cause: "root_without_commitment" })?;
        Ok(self.tag_key()?.make(header, &bound))
    }
}
