//! The barrier keyring: what seals everything a node stores (CONSISTENCY 8).
//!
//! It holds the uid root and the PRF root, made once per realm and never rotated, and the barrier's
//! terms in order; the current one seals, all of them open. Terms are only ever added, and a term that is held
//! seals nothing before the cluster says that every node holds it. A new term travels sealed under the current
//! one, so installing it needs no root of trust and no I/O; the whole keyring rests sealed under a
//! key-encryption key that each platform root wraps.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::id::{Realm, RootHandle, ServiceHandle, TenantHandle};
use model::sealer::lp;
use zeroize::Zeroizing;

use crate::arena::ArenaError;
use crate::hierarchy::Seed;
use crate::kdf::{self, Kdf};
use crate::l1_payload::Kek;
use crate::labels;
use crate::secret::Secret;
use crate::uid::UidRoot;
use crate::wrap::{self, WrapError};

mod body;
mod sealer;

/// Most terms a keyring may hold: daily rotation for eleven years.
pub const TERMS_MAX: usize = 4096;

/// The barrier keyring of one realm. All its keys rest in the arena.
pub struct Keyring {
    realm: Realm,
    uid_root: UidRoot,
    prf_root: Secret,
    set_key: Secret,
    terms: ArcSwap<Terms>,
}

/// The terms held. A changed keyring is a new map that shares the old keys.
#[derive(Clone)]
struct Terms {
    /// Term number to key; never empty.
    keys: BTreeMap<u32, Arc<Secret>>,
    /// The one that seals.
    current: u32,
}

impl Keyring {
    /// A new realm's keyring, with fresh roots and term 1.
    ///
    /// # Errors
    /// [`ArenaError`].
    pub fn generate(realm: Realm) -> Result<Self, ArenaError> {
        let first = Terms { keys: BTreeMap::from([(1, Arc::new(Secret::generate()?))]), current: 1 };
        Self::assemble(realm, Secret::generate()?, Secret::generate()?, first)
    }

    fn assemble(realm: Realm, uid_root: Secret, prf_root: Secret, terms: Terms) -> Result<Self, ArenaError> {
        assert!(terms.keys.contains_key(&terms.current), "a keyring holds the term it seals with");
        let set_key = Secret::fill(|out| {
            prf_root.with(|root| kdf::derive(Kdf::Hkdf, root, labels::SET_HASH, &[realm.as_bytes()], out));
        })?;
        let uid_root = UidRoot::from_secret(uid_root, realm);
        Ok(Self { realm, uid_root, prf_root, set_key, terms: ArcSwap::from_pointee(terms) })
    }

    /// The realm all of this belongs to.
    #[must_use]
    pub fn realm(&self) -> Realm {
        self.realm
    }

    /// The root of identifier tags.
    #[must_use]
    pub fn uid_root(&self) -> &UidRoot {
        &self.uid_root
    }

    /// The term that seals.
    #[must_use]
    pub fn current_term(&self) -> u32 {
        self.current().0
    }

    /// How many terms the keyring holds.
    #[must_use]
    pub fn term_count(&self) -> usize {
        self.terms.load().keys.len()
    }

    /// Whether the keyring holds a term.
    #[must_use]
    pub fn holds_term(&self, term: u32) -> bool {
        self.terms.load().keys.contains_key(&term)
    }

    /// Seals with a term from now on, once every node holds it. Never goes back: an older term changes nothing.
    ///
    /// # Errors
    /// [`KeyringError::UnknownTerm`].
    pub fn seal_with(&self, term: u32) -> Result<(), KeyringError> {
        if !self.holds_term(term) {
            return Err(KeyringError::UnknownTerm { term });
        }
        self.terms.rcu(|terms| Terms { current: terms.current.max(term), ..Terms::clone(terms) });
        Ok(())
    }

    /// Makes the next term's key and seals it under the current one. Nothing is kept here: every node, this
    /// one too, installs the record: `u32be(new term) ‖ u32be(current term) ‖ KRW1 record`.
    ///
    /// # Errors
    /// [`KeyringError::TooManyTerms`], [`KeyringError::Arena`].
    pub fn propose_term(&self) -> Result<Vec<u8>, KeyringError> {
        if self.term_count() >= TERMS_MAX {
            return Err(KeyringError::TooManyTerms);
        }
        let next = self.current_term() + 1;
        let key = Secret::generate()?;
        let mut record = next.to_be_bytes().to_vec();
        record.extend(key.with(|key| self.seal_under_current(&self.term_aad(next), key)));
        Ok(record)
    }

    /// Installs a proposed term and returns its number; it opens from now on, and seals nothing before
    /// [`Keyring::seal_with`]. Installing the same one again is harmless.
    ///
    /// # Errors
    /// [`KeyringError`]; the keyring is then unchanged.
    pub fn install_term(&self, record: &[u8]) -> Result<u32, KeyringError> {
        let (term, sealed) = split_term(record)?;
        let key = Arc::new(self.open_key(&self.term_aad(term), sealed)?);
        let mut outcome = Ok(term);
        self.terms.rcu(|terms| {
            let mut next = Terms::clone(terms);
            outcome = add_term(&mut next.keys, term, &key);
            next
        });
        outcome
    }

    /// Seals a service's seed for its place.
    #[must_use]
    pub fn seal_seed(&self, seed: &Seed) -> Vec<u8> {
        let (realm, tenant, service) = seed.place();
        assert_eq!(realm, self.realm, "a seed is sealed by its own realm's keyring");
        seed.with(|key| self.seal_under_current(&self.seed_aad(tenant, service), key))
    }

    /// Opens what [`Keyring::seal_seed`] made for this tenant and service.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open_seed(
        &self,
        tenant: TenantHandle,
        service: ServiceHandle,
        record: &[u8],
    ) -> Result<Seed, KeyringError> {
        let key = self.open_key(&self.seed_aad(tenant, service), record)?;
        Ok(Seed::from_secret(key, self.realm, tenant, service))
    }

    /// Seals the configuration of a tenant's own root, which may hold credentials, for its place.
    #[must_use]
    pub fn seal_root_settings(&self, tenant: TenantHandle, root: RootHandle, settings: &[u8]) -> Vec<u8> {
        self.seal_under_current(&self.root_settings_aad(tenant, root), settings)
    }

    /// Opens what [`Keyring::seal_root_settings`] made for this tenant and root; the buffer is wiped when
    /// dropped.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open_root_settings(
        &self,
        tenant: TenantHandle,
        root: RootHandle,
        record: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        self.open_bytes(&self.root_settings_aad(tenant, root), record)
    }

    /// The whole keyring sealed under `kek`, to be stored beside `kek`'s wraps.
    #[must_use]
    pub fn sealed(&self, kek: &Kek) -> Vec<u8> {
        let body = body::write(self.uid_root.secret(), &self.prf_root, &self.terms.load());
        wrap::seal(kek.secret(), &keyring_aad(self.realm), &body)
    }

    /// Opens what [`Keyring::sealed`] made in this realm.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn unseal(realm: Realm, kek: &Kek, record: &[u8]) -> Result<Self, KeyringError> {
        let body = wrap::open(kek.secret(), &keyring_aad(realm), record)?;
        let (uid_root, prf_root, terms) = body::read(&body)?;
        Ok(Self::assemble(realm, uid_root, prf_root, terms)?)
    }

    fn current(&self) -> (u32, Arc<Secret>) {
        let terms = self.terms.load();
        let key = terms.keys.get(&terms.current).expect("a keyring holds the term it seals with");
        (terms.current, Arc::clone(key))
    }

    /// `u32be(term) ‖ KRW1 record` under the current term.
    fn seal_under_current(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let (term, key) = self.current();
        let sealed = wrap::seal(&key, aad, plaintext);
        let mut record = Vec::with_capacity(4 + sealed.len());
        record.extend_from_slice(&term.to_be_bytes());
        record.extend_from_slice(&sealed);
        record
    }

    fn open_bytes(&self, aad: &[u8], record: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (key, sealed) = self.key_of(record)?;
        Ok(wrap::open(&key, aad, sealed)?)
    }

    fn open_key(&self, aad: &[u8], record: &[u8]) -> Result<Secret, KeyringError> {
        let (key, sealed) = self.key_of(record)?;
        Ok(wrap::open_secret(&key, aad, sealed)?)
    }

    /// The key a record names, and the rest of the record.
    fn key_of<'a>(&self, record: &'a [u8]) -> Result<(Arc<Secret>, &'a [u8]), KeyringError> {
        let (term, sealed) = split_term(record)?;
        let key = self.terms.load().keys.get(&term).cloned().ok_or(KeyringError::UnknownTerm { term })?;
        Ok((key, sealed))
    }

    fn term_aad(&self, term: u32) -> Vec<u8> {
        lp(&[labels::AAD_TERM.as_bytes(), self.realm.as_bytes(), &term.to_be_bytes()])
    }

    fn root_settings_aad(&self, tenant: TenantHandle, root: RootHandle) -> Vec<u8> {
        let label = labels::AAD_ROOT_SETTINGS.as_bytes();
        lp(&[label, self.realm.as_bytes(), tenant.as_bytes(), root.as_bytes()])
    }

    fn seed_aad(&self, tenant: TenantHandle, service: ServiceHandle) -> Vec<u8> {
        lp(&[labels::AAD_SEED.as_bytes(), self.realm.as_bytes(), tenant.as_bytes(), service.as_bytes()])
    }
}

fn keyring_aad(realm: Realm) -> Vec<u8> {
    lp(&[labels::AAD_KEYRING.as_bytes(), realm.as_bytes()])
}

fn split_term(record: &[u8]) -> Result<(u32, &[u8]), KeyringError> {
    let (term, rest) = record.split_first_chunk().ok_or(KeyringError::Malformed)?;
    Ok((u32::from_be_bytes(*term), rest))
}

fn add_term(
    terms: &mut BTreeMap<u32, Arc<Secret>>,
    term: u32,
    key: &Arc<Secret>,
) -> Result<u32, KeyringError> {
    let expected = terms.last_key_value().map_or(1, |(last, _)| last + 1);
    if let Some(known) = terms.get(&term) {
        return if body::equal(known, key) { Ok(term) } else { Err(KeyringError::TermConflict { term }) };
    }
    if term != expected {
        return Err(KeyringError::TermOutOfOrder { expected, given: term });
    }
    if terms.len() >= TERMS_MAX {
        return Err(KeyringError::TooManyTerms);
    }
    terms.insert(term, Arc::clone(key));
    Ok(term)
}

/// Why the keyring did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not a record of this kind.
    #[error("not a sealed record of this format and length")]
    Malformed,
    /// The record was altered, or belongs to another place or keyring.
    #[error("the record was altered or does not belong in this place")]
    NotAuthentic,
    /// The record names a term this keyring lacks.
    #[error("sealed under barrier term {term}, which the keyring does not hold")]
    UnknownTerm {
        /// The term named.
        term: u32,
    },
    /// Terms are added one by one.
    #[error("the next barrier term is {expected}, the record holds term {given}")]
    TermOutOfOrder {
        /// The next term.
        expected: u32,
        /// The record's term.
        given: u32,
    },
    /// Another key is already known under this number: two proposals raced.
    #[error("barrier term {term} already has another key")]
    TermConflict {
        /// The term in question.
        term: u32,
    },
    /// The bound [`TERMS_MAX`] is reached.
    #[error("the keyring holds {TERMS_MAX} terms, the most it can")]
    TooManyTerms,
    /// No slot for a key.
    #[error(transparent)]
    Arena(#[from] ArenaError),
}

impl From<WrapError> for KeyringError {
    fn from(error: WrapError) -> Self {
        match error {
            WrapError::Malformed => Self::Malformed,
            WrapError::NotAuthentic => Self::NotAuthentic,
            WrapError::Arena(arena) => Self::Arena(arena),
        }
    }
}
