//! Making keys: ephemeral ones by saying their name, recorded and registered ones by a small write.

use crypto::L3Place;
use model::command::{Action, Answer};
use model::commands::{Description, RecordObject, RegisterObject, ReplaceMaterial};
use model::object::Body;
use model::tenant::Access;
use model::uid::{Fields, Header, Kdf, Kind, Uid};

use crate::hot::commitments;
use crate::objects::Found;
use crate::refused::Refused;
use crate::turn::Turn;

/// The derivation function of new keys.
const KDF: Kdf = Kdf::Hkdf;

/// What a derived key is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// KMIP Cryptographic Algorithm.
    pub algorithm: u32,
    /// KMIP Cryptographic Length in bits.
    pub length_bits: u32,
    /// KMIP Cryptographic Usage Mask.
    pub usage_mask: u32,
}

impl Turn<'_> {
    /// A text nobody has seen before: 32 hexadecimal digits.
    #[must_use]
    pub fn random_text(&self) -> String {
        crypto::random::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Makes an ephemeral key: nothing is written, the identifier says everything. Pre-Active, or Active
    /// where the service's policy says so.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for a key that is not derived; [`Refused::KeyUnavailable`].
    pub async fn create_ephemeral(&mut self, spec: KeySpec) -> Result<Uid, Refused> {
        let active = self.service.policy.auto_activate;
        self.derive_identifier(if active { Kind::EphemeralActive } else { Kind::EphemeralPreActive }, spec)
            .await
    }

    /// Makes a derived key with a record beside it.
    ///
    /// # Errors
    /// As [`Turn::create_ephemeral`], and what the state refuses.
    pub async fn create_recorded(&mut self, spec: KeySpec, description: Description) -> Result<Uid, Refused> {
        let record = self.recording(spec, description).await?;
        let uid = record.uid;
        self.commit(vec![record.into()]).await?;
        Ok(uid)
    }

    /// The action that records a derived key, for [`Turn::commit`].
    ///
    /// # Errors
    /// As [`Turn::create_ephemeral`].
    pub async fn recording(
        &mut self,
        spec: KeySpec,
        description: Description,
    ) -> Result<RecordObject, Refused> {
        let uid = self.derive_identifier(Kind::Recorded, spec).await?;
        Ok(RecordObject { uid, salt: crypto::random::bytes(), description })
    }

    /// Keeps exact material, wrapped under a root of its own. `material` is whatever the caller wants back;
    /// it is opaque here.
    ///
    /// # Errors
    /// [`Refused::KeyUnavailable`], and what the state refuses.
    pub async fn register(
        &mut self,
        object_type: u32,
        material: &[u8],
        description: Description,
    ) -> Result<Uid, Refused> {
        let uid = self.registered_uid()?;
        let registration = self.registration(uid, object_type, material, None, description).await?;
        self.commit(vec![registration.into()]).await?;
        Ok(uid)
    }

    /// A fresh identifier for registered material: objects that link to one another need theirs before
    /// they are committed together.
    ///
    /// # Errors
    /// [`Refused::NotNow`], [`Refused::Internal`].
    pub fn registered_uid(&self) -> Result<Uid, Refused> {
        let none = KeySpec { algorithm: 0, length_bits: 0, usage_mask: 0 };
        self.identifier(self.header(Kind::Registered, none, 0)?)
    }

    /// The action that keeps exact material under an identifier of [`Turn::registered_uid`], for
    /// [`Turn::commit`]. `alias` is the identifier the client chose at Import.
    ///
    /// # Errors
    /// [`Refused::KeyUnavailable`], [`Refused::NotNow`].
    pub async fn registration(
        &mut self,
        uid: Uid,
        object_type: u32,
        material: &[u8],
        alias: Option<String>,
        description: Description,
    ) -> Result<RegisterObject, Refused> {
        let salt = crypto::random::bytes();
        let record = self.wrapped(&uid.header, &salt, object_type, 1, material).await?;
        Ok(RegisterObject { uid, object_type, salt, record, alias, description })
    }

    /// The action that puts new material behind a registered object, for [`Turn::commit`].
    ///
    /// # Errors
    /// As [`Turn::registration`]; [`Refused::Destroyed`], or [`Refused::Invalid`] for a derived key.
    pub async fn replacement(
        &mut self,
        found: &Found,
        object_type: u32,
        material: &[u8],
        description: Description,
    ) -> Result<ReplaceMaterial, Refused> {
        let revision = match &found.object.body {
            Body::Material { revision, .. } => revision
                .checked_add(1)
                .ok_or(Refused::Invalid { reason: "the object was replaced too often" })?,
            Body::Erased => return Err(Refused::Destroyed),
            Body::Override | Body::Derived { .. } => {
                return Err(Refused::Invalid { reason: "a derived key has no material to replace" });
            }
        };
        let (uid, if_revision, salt) = (*found.uid(), found.object.revision, crypto::random::bytes());
        let record = self.wrapped(&uid.header, &salt, object_type, revision, material).await?;
        Ok(ReplaceMaterial { uid, if_revision, object_type, salt, revision, record, description })
    }

    /// The `KRW1` record of material, under a root of its own.
    pub(crate) async fn wrapped(
        &mut self,
        header: &Header,
        salt: &[u8; 32],
        object_type: u32,
        revision: u32,
        material: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let hot = self.l3(L3Place::of(header)).await?;
        self.check_lease()?;
        let root = hot.l3().material_root(header, salt).map_err(|error| {
            tracing::error!(%error, "a material root could not be derived");
            Refused::Internal { cause: "material_root_not_derived" }
        })?;
        Ok(root.wrap(object_type, revision, material))
    }

    async fn derive_identifier(&mut self, kind: Kind, spec: KeySpec) -> Result<Uid, Refused> {
        let bytes =
            crypto::material::material_bytes(spec.algorithm, spec.length_bits).ok_or(Refused::Invalid {
                reason: "no symmetric key of this algorithm and length is made here",
            })?;
        let header = self.header(kind, spec, bytes)?;
        // A key that cannot be derived now is not promised.
        self.l3(L3Place::of(&header)).await?;
        self.check_lease()?;
        let uid = self.identifier(header)?;
        self.remember(uid);
        Ok(uid)
    }

    fn header(&self, kind: Kind, spec: KeySpec, length_bytes: u8) -> Result<Header, Refused> {
        self.may_make_keys()?;
        if spec.usage_mask >= 1 << 24 {
            return Err(Refused::Invalid { reason: "the usage mask has bits no identifier holds" });
        }
        let primary = self.tenant.primary().ok_or(Refused::Internal { cause: "tenant_without_l2" })?;
        let created_s = u32::try_from(self.now().as_secs()).unwrap_or(u32::MAX);
        Ok(Header::new(&Fields {
            kind,
            kdf: KDF,
            tenant: self.tenant.handle,
            service: self.service.handle,
            l2_version: primary.version,
            created_s,
            algorithm: u8::try_from(spec.algorithm)
                .map_err(|_| Refused::Invalid { reason: "the algorithm has no derived keys" })?,
            length_bytes,
            usage_mask: spec.usage_mask,
            nonce: self.engine.nonces.next(),
        }))
    }

    /// Whether the tenant's owner lets new keys be made.
    pub(crate) fn may_make_keys(&self) -> Result<(), Refused> {
        match self.tenant.access {
            Access::Open => Ok(()),
            Access::ReadOnly | Access::Unlinked | Access::UnlinkedReadOnly => Err(Refused::Denied {
                reason: "the tenant is disabled: no new keys are made until an operator enables it",
            }),
        }
    }

    fn identifier(&self, header: Header) -> Result<Uid, Refused> {
        let version = header.fields().l2_version;
        let bound = commitments(&self.tenant, &self.service, version)
            .ok_or(Refused::Internal { cause: "primary_without_commitment" })?;
        Ok(self.tag_key()?.make(header, &bound))
    }

    /// Proposes a change and looks at its effect.
    pub(crate) async fn propose(&mut self, action: Action) -> Result<(), Refused> {
        let proposed = Box::pin(self.engine.store.propose(action, None)).await?;
        if let Answer::Refused(refusal) = proposed.answer {
            return Err(refusal.into());
        }
        self.effective_everywhere_at = proposed.effective_everywhere_at;
        self.look_again()
    }
}
