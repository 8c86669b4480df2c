//! Finding an object by its identifier, and the keys behind it.

use std::sync::Arc;

use crypto::{Commitments, HotL3, L2Commitment, L3Place, SeedCommitment, UidKey};
use model::object::{ALIAS_BYTES_MAX, Body, Object, Place};
use model::uid::{Fields, Header, Kind, Uid};
use zeroize::Zeroizing;

use crate::hot::commitments;
use crate::refused::Refused;
use crate::turn::Turn;

/// An object of the caller's own service, as the turn's generation has it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The row, or what the identifier of an ephemeral key says.
    pub object: Arc<Object>,
    /// Whether there is a row.
    pub has_row: bool,
}

impl Found {
    /// Its identifier.
    #[must_use]
    pub fn uid(&self) -> &Uid {
        &self.object.uid
    }

    /// The identifier its owner knows it by: the one chosen at Import, or its own.
    #[must_use]
    pub fn identifier(&self) -> String {
        self.object.alias.clone().unwrap_or_else(|| self.uid().to_string())
    }

    /// Refuses what is archived.
    ///
    /// # Errors
    /// [`Refused::Archived`].
    pub fn on_line(&self) -> Result<(), Refused> {
        match self.object.lifecycle.archive_date {
            Some(_) => Err(Refused::Archived),
            None => Ok(()),
        }
    }

    /// The fields of its identifier.
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.object.uid.header.fields()
    }
}

/// A derived key, ready to be written once into the buffer it is wanted in.
pub struct DerivedKey {
    hot: Arc<HotL3>,
    header: Header,
    salt: Option<[u8; 32]>,
}

impl DerivedKey {
    /// Size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.header.fields().length_bytes)
    }

    /// Never: a derived key has at least one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Derives the key into `out`, which has exactly its length.
    ///
    /// # Errors
    /// [`Refused::Internal`]; `out` is then all zero.
    pub fn write(&self, out: &mut [u8]) -> Result<(), Refused> {
        self.hot.l3().l4(&self.header, self.salt.as_ref(), out).map_err(|error| {
            tracing::error!(%error, "a data key could not be derived");
            Refused::Internal { cause: "l4_not_derived" }
        })
    }
}

/// Where an identifier leads.
enum Lead {
    Here(Found),
    Nowhere(&'static str),
    /// Nothing here yet: only a ReadIndex tells whether there is something.
    PerhapsStale(&'static str),
}

impl Turn<'_> {
    /// Finds an object of the caller's own service. Malformed, foreign, hidden and unknown identifiers
    /// get one and the same answer, after the same work; the truth goes to the audit record.
    ///
    /// # Errors
    /// [`Refused::NotFound`]; [`Refused::NotNow`] where a leader is needed to be sure.
    pub async fn find(&mut self, identifier: &str) -> Result<Found, Refused> {
        let cause = match self.lead(identifier)? {
            Lead::Here(found) => return Ok(self.looked_at(found)),
            Lead::Nowhere(cause) => cause,
            Lead::PerhapsStale(_) => {
                self.refresh().await?;
                match self.lead(identifier)? {
                    Lead::Here(found) => return Ok(self.looked_at(found)),
                    Lead::Nowhere(cause) | Lead::PerhapsStale(cause) => {
                        self.looked_at_all();
                        cause
                    }
                }
            }
        };
        Err(Refused::NotFound { cause })
    }

    /// What is answered about an object may tell of its last withdrawal.
    fn looked_at(&mut self, found: Found) -> Found {
        self.told.add(found.object.withdrawn_at);
        found
    }

    /// What is absent from all of the caller's own objects may tell of the last withdrawal among them.
    fn looked_at_all(&mut self) {
        let last = self.state().last_withdrawal(self.tenant.handle, self.service.handle);
        self.told.add(last);
    }

    fn lead(&self, identifier: &str) -> Result<Lead, Refused> {
        if let Some(uid) = self.made(identifier) {
            return Ok(self.row(uid));
        }
        let parsed = Uid::parse(identifier);
        // A malformed identifier costs the same tag check as any other.
        let uid = parsed.unwrap_or_else(|| self.decoy());
        let fields = uid.header.fields();
        let known = commitments(&self.tenant, &self.service, fields.l2_version);
        let bound = known.unwrap_or(Commitments { l2: L2Commitment([0; 32]), seed: SeedCommitment([0; 32]) });
        let genuine = self.tag_key()?.verify(&uid, &bound);
        Ok(if parsed.is_none() {
            self.aliased(identifier)
        } else if fields.tenant != self.tenant.handle {
            Lead::Nowhere("foreign_tenant")
        } else if fields.service != self.service.handle {
            Lead::Nowhere("other_service")
        } else if known.is_none() {
            Lead::PerhapsStale("l2_version_unknown")
        } else if !genuine {
            Lead::Nowhere("bad_tag")
        } else {
            self.row(uid)
        })
    }

    fn row(&self, uid: Uid) -> Lead {
        match self.state().object(self.tenant.handle, &uid) {
            Some(object) => Lead::Here(Found { object: Arc::clone(object), has_row: true }),
            None if uid.header.fields().kind.is_ephemeral() => {
                let place = Place { index: model::id::LogIndex(0), item: 0 };
                Lead::Here(Found { object: Arc::new(Object::ephemeral(uid, place)), has_row: false })
            }
            None => Lead::PerhapsStale("no_record"),
        }
    }

    /// An identifier that its owner chose at Import leads within the owner's own service only.
    fn aliased(&self, identifier: &str) -> Lead {
        if identifier.len() > ALIAS_BYTES_MAX {
            return Lead::Nowhere("malformed_identifier");
        }
        match self.state().object_aliased(self.tenant.handle, self.service.handle, identifier) {
            Some(object) => Lead::Here(Found { object: Arc::clone(object), has_row: true }),
            None => Lead::PerhapsStale("malformed_identifier"),
        }
    }

    /// Any well-formed identifier that is not one.
    fn decoy(&self) -> Uid {
        let fields = Fields {
            kind: Kind::EphemeralPreActive,
            kdf: model::uid::Kdf::Hkdf,
            tenant: self.tenant.handle,
            service: self.service.handle,
            l2_version: self.tenant.primary().map_or(model::id::L2Version(1), |l2| l2.version),
            created_s: 0,
            algorithm: 1,
            length_bytes: 1,
            usage_mask: 0,
            nonce: [0; 12],
        };
        Uid { header: Header::new(&fields), tag: [0; 8] }
    }

    /// The caller's own objects that have a row, newest first, not older than this call.
    ///
    /// # Errors
    /// [`Refused::NotNow`] without a leader.
    pub async fn objects(&mut self) -> Result<Vec<Arc<Object>>, Refused> {
        self.refresh().await?;
        self.looked_at_all();
        let own = self.service.handle;
        let objects = self.state().objects(self.tenant.handle);
        Ok(objects.filter(|object| object.service() == own).cloned().collect())
    }

    /// The caller's own living object that bears a name, not older than this call.
    ///
    /// # Errors
    /// [`Refused::NotNow`] without a leader.
    pub async fn object_named(&mut self, name: &str) -> Result<Option<Arc<Object>>, Refused> {
        self.refresh().await?;
        self.looked_at_all();
        let own = self.service.handle;
        let named = self.state().object_named(self.tenant.handle, name);
        Ok(named.filter(|object| object.service() == own).cloned())
    }

    /// The derived key behind a found object (kinds 1, 2, 4, 5). The lease is checked here, right before
    /// the key can be derived.
    ///
    /// # Errors
    /// [`Refused::Destroyed`], [`Refused::Denied`] by policy, [`Refused::KeyUnavailable`],
    /// [`Refused::NotNow`].
    pub async fn derived_key(&mut self, found: &Found) -> Result<DerivedKey, Refused> {
        found.on_line()?;
        let salt = match &found.object.body {
            Body::Override => None,
            Body::Derived { salt } => Some(*salt),
            Body::Erased => return Err(Refused::Destroyed),
            Body::Material { .. } => return Err(Refused::Internal { cause: "material_is_not_derived" }),
        };
        let hot = self.l3(L3Place::of(&found.uid().header)).await?;
        self.check_lease()?;
        Ok(DerivedKey { hot, header: found.uid().header, salt })
    }

    /// The bytes of a derived key, in a buffer wiped when dropped: for services that use a key here.
    ///
    /// # Errors
    /// As [`Turn::derived_key`].
    pub async fn key_bytes(&mut self, found: &Found) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let key = self.derived_key(found).await?;
        let mut bytes = Zeroizing::new(vec![0; key.len()]);
        key.write(&mut bytes)?;
        Ok(bytes)
    }

    /// SHA-256 of a derived key's bytes: the Digest of its Raw form. The bytes live in one wiped buffer.
    ///
    /// # Errors
    /// As [`Turn::derived_key`].
    pub async fn key_digest(&mut self, found: &Found) -> Result<[u8; 32], Refused> {
        let bytes = self.key_bytes(found).await?;
        Ok(crypto::with_scrubbed_stack(|| crypto::digest::sha256(&[&bytes])))
    }

    /// The registered material behind a found object (kind 3), in a buffer wiped when dropped.
    ///
    /// # Errors
    /// As [`Turn::derived_key`].
    pub async fn material(&mut self, found: &Found) -> Result<Zeroizing<Vec<u8>>, Refused> {
        found.on_line()?;
        let (revision, salt, record) = match &found.object.body {
            Body::Material { revision, salt, record } => (*revision, salt, record),
            Body::Erased => return Err(Refused::Destroyed),
            Body::Override | Body::Derived { .. } => {
                return Err(Refused::Internal { cause: "derived_is_not_material" });
            }
        };
        let header = found.uid().header;
        let hot = self.l3(L3Place::of(&header)).await?;
        self.check_lease()?;
        let root = hot.l3().material_root(&header, salt).map_err(|error| {
            tracing::error!(%error, "a material root could not be derived");
            Refused::Internal { cause: "material_root_not_derived" }
        })?;
        root.unwrap(found.object.object_type, revision, record).map_err(|error| {
            tracing::error!(%error, uid = %found.uid(), "registered material does not open");
            Refused::Internal { cause: "material_does_not_open" }
        })
    }

    /// The key of the tenant's identifier tags.
    pub(crate) fn tag_key(&self) -> Result<Arc<UidKey>, Refused> {
        self.engine.hot.tag_key(self.tenant.handle, self.generation.index)
    }

    pub(crate) async fn l3(&self, place: L3Place) -> Result<Arc<HotL3>, Refused> {
        let engine = self.engine;
        engine.hot.l3(engine, &self.generation, &self.tenant, &self.service, place).await
    }
}

/// The Cryptographic Length in bits that an identifier's algorithm and material bytes stand for.
#[must_use]
pub fn length_bits(fields: &Fields) -> Option<i32> {
    crypto::material::cryptographic_length(fields.algorithm, fields.length_bytes).map(i32::from)
}

/// Bytes of material of a symmetric key of this algorithm and length, if the table of derived keys has it.
#[must_use]
pub fn material_bytes(algorithm: u32, length_bits: u32) -> Option<u8> {
    crypto::material::material_bytes(algorithm, length_bits)
}
