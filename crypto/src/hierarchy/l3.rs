//! L3: one service's key under one L2 version; the only key kept hot, and the source of all data keys.

use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
use model::uid::{Header, Kdf, Kind};
use zeroize::Zeroizing;

use super::DeriveError;
use crate::material::{self, MaterialRoot};
use crate::secret::Secret;
use crate::{kdf, labels};

/// One service's key under one L2 version and KDF. A leak costs this service and version, no more.
pub struct L3 {
    key: Secret,
    realm: Realm,
    place: L3Place,
}

/// What an L3 key belongs to; also its name in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L3Place {
    /// The owning tenant.
    pub tenant: TenantHandle,
    /// The owning service.
    pub service: ServiceHandle,
    /// The version of the L2 key it comes from.
    pub l2_version: L2Version,
    /// The function it and its data keys are made with.
    pub kdf: Kdf,
}

impl L3Place {
    /// The place an identifier points to.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        let fields = header.fields();
        Self {
            tenant: fields.tenant,
            service: fields.service,
            l2_version: fields.l2_version,
            kdf: fields.kdf,
        }
    }
}

impl L3 {
    pub(crate) fn from_secret(key: Secret, realm: Realm, place: L3Place) -> Self {
        Self { key, realm, place }
    }

    /// What this key belongs to.
    #[must_use]
    pub fn place(&self) -> L3Place {
        self.place
    }

    /// Writes the data key named by `header` into `out`, which has exactly the identifier's length.
    /// `salt` is the record's for kind 2 and `None` for kinds 1, 4 and 5.
    ///
    /// A key the algorithm must not use (3DES with equal component keys, AES-XTS with equal halves)
    /// is drawn again: draw `n` ≥ 1 has the context of draw 0 and one more part, the byte `n`. The
    /// draw is thus a function of the identifier alone, and every node ends at the same one.
    ///
    /// # Errors
    /// [`DeriveError`]; `out` is then all zero.
    pub fn l4(&self, header: &Header, salt: Option<&[u8; 32]>, out: &mut [u8]) -> Result<(), DeriveError> {
        let written = self.write_l4(header, salt, out);
        if written.is_err() {
            out.fill(0);
        }
        written
    }

    fn write_l4(&self, header: &Header, salt: Option<&[u8; 32]>, out: &mut [u8]) -> Result<(), DeriveError> {
        self.check_place(header)?;
        let fields = header.fields();
        let salted = match fields.kind {
            Kind::EphemeralPreActive | Kind::EphemeralActive | Kind::Context => false,
            Kind::Recorded => true,
            Kind::Registered => return Err(DeriveError::NotDerived),
        };
        if salted != salt.is_some() {
            return Err(DeriveError::Salt);
        }
        if material::cryptographic_length(fields.algorithm, fields.length_bytes).is_none() {
            return Err(DeriveError::NotDerived);
        }
        if out.len() != usize::from(fields.length_bytes) {
            return Err(DeriveError::Length { expected: fields.length_bytes.into(), given: out.len() });
        }
        let draws = 0..=u8::MAX;
        for draw in draws {
            self.draw(header, salt, draw, out);
            if material::make_sound(fields.algorithm, out) {
                return Ok(());
            }
        }
        Err(DeriveError::NoSoundKey)
    }

    fn draw(&self, header: &Header, salt: Option<&[u8; 32]>, draw: u8, out: &mut [u8]) {
        let mut parts: [&[u8]; 4] = [self.realm.as_bytes(), header.as_bytes(), &[], &[]];
        let mut count = 2;
        let draw_part = [draw];
        if let Some(salt) = salt {
            parts[count] = salt;
            count += 1;
        }
        if draw > 0 {
            parts[count] = &draw_part;
            count += 1;
        }
        self.key.with(|key| kdf::derive(self.place.kdf, key, labels::L4, &parts[..count], out));
    }

    /// The key that wraps the material of one registered object (kind 3).
    ///
    /// # Errors
    /// [`DeriveError::WrongPlace`], [`DeriveError::NotDerived`] for another kind, [`DeriveError::Arena`].
    pub fn material_root(&self, header: &Header, salt: &[u8; 32]) -> Result<MaterialRoot, DeriveError> {
        self.check_place(header)?;
        if header.fields().kind != Kind::Registered {
            return Err(DeriveError::NotDerived);
        }
        let context: [&[u8]; 3] = [self.realm.as_bytes(), header.as_bytes(), salt];
        let root = Secret::fill(|out| {
            self.key.with(|key| kdf::derive(self.place.kdf, key, labels::MATERIAL, &context, out));
        })?;
        Ok(MaterialRoot::from_secret(root, self.realm, *header))
    }

    /// The nonce of a context key (kind 5): a PRF of Derive Key's salt and info, so that the same
    /// context always gives the same identifier, hence the same key.
    ///
    /// # Errors
    /// [`DeriveError::ContextTooLong`].
    pub fn context_nonce(&self, salt: &[u8], info: &[u8]) -> Result<[u8; 12], DeriveError> {
        let length = |part: &[u8]| u16::try_from(part.len()).map_err(|_| DeriveError::ContextTooLong);
        let (salt_length, info_length) = (length(salt)?.to_be_bytes(), length(info)?.to_be_bytes());
        let mut k_ctx = Zeroizing::new([0; 32]);
        self.key.with(|key| {
            kdf::derive(self.place.kdf, key, labels::CONTEXT, &[self.realm.as_bytes()], &mut *k_ctx);
        });
        let mac = kdf::mac(&k_ctx, &[&salt_length, salt, &info_length, info]);
        Ok(mac[..12].try_into().expect("twelve of 32 bytes"))
    }

    pub(crate) fn realm(&self) -> Realm {
        self.realm
    }

    /// Lends the bytes to what seals them for another node.
    pub(crate) fn with<R>(&self, read: impl FnOnce(&[u8; 32]) -> R) -> R {
        self.key.with(read)
    }

    fn check_place(&self, header: &Header) -> Result<(), DeriveError> {
        if L3Place::of(header) == self.place { Ok(()) } else { Err(DeriveError::WrongPlace) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::service_root;

    /// A second draw happens once in 2⁵⁴ 3DES keys, so its context is pinned here.
    #[test]
    fn a_second_draw_has_one_more_part() {
        let place = L3Place {
            tenant: TenantHandle([1; 4]),
            service: ServiceHandle([2; 4]),
            l2_version: L2Version(3),
            kdf: Kdf::Hkdf,
        };
        let l3 = L3::from_secret(Secret::fill(|out| *out = [7; 32]).unwrap(), Realm([4; 16]), place);
        let header = service_root(place.kdf, place.tenant, place.service, place.l2_version);
        let check = |salt: Option<&[u8; 32]>, draw, context: &[&[u8]]| {
            let (mut drawn, mut expected) = ([0; 24], [0; 24]);
            l3.draw(&header, salt, draw, &mut drawn);
            kdf::derive(place.kdf, &[7; 32], labels::L4, context, &mut expected);
            assert_eq!(drawn, expected);
        };
        let (realm, salt) = ([4; 16], [5; 32]);
        check(None, 0, &[&realm, header.as_bytes()]);
        check(None, 1, &[&realm, header.as_bytes(), &[1]]);
        check(Some(&salt), 0, &[&realm, header.as_bytes(), &salt]);
        check(Some(&salt), 2, &[&realm, header.as_bytes(), &salt, &[2]]);
    }
}
