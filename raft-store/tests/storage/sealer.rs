//! A sealer for tests: it binds records to their place and detects changes, and hides nothing worth hiding.

use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use model::id::{Realm, TenantHandle};
use model::sealer::{ROW_PRF_LEN, Sealer, Unopenable};

pub const TERM: u32 = 1;
const HEAD: usize = 4 + 8 + 8;

/// Insecure on purpose: SipHash with a fixed key, and a salt that counts.
#[derive(Default)]
pub struct InsecureSealer {
    salt: AtomicU64,
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

fn wide<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    for (i, eight) in out.chunks_mut(8).enumerate() {
        let number = [u8::try_from(i).unwrap()];
        eight.copy_from_slice(&hash(&[&[&number[..]], parts].concat()).to_be_bytes()[..eight.len()]);
    }
    out
}

fn mask(salt: &[u8], data: &mut [u8]) {
    for (i, block) in data.chunks_mut(8).enumerate() {
        let pad = hash(&[b"mask", salt, &i.to_be_bytes()]).to_be_bytes();
        block.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
    }
}

impl Sealer for InsecureSealer {
    fn realm(&self) -> Realm {
        Realm([0x11; 16])
    }

    fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let salt = self.salt.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let tag = hash(&[b"tag", &salt, aad, plaintext]).to_be_bytes();
        let mut record = [&TERM.to_be_bytes()[..], &salt, &tag, plaintext].concat();
        mask(&salt, &mut record[HEAD..]);
        record
    }

    fn open(&self, aad: &[u8], record: &[u8]) -> Result<Vec<u8>, Unopenable> {
        let (head, data) = record.split_first_chunk::<HEAD>().ok_or(Unopenable::Malformed)?;
        let term = u32::from_be_bytes(head[..4].try_into().unwrap());
        if term != TERM {
            return Err(Unopenable::UnknownTerm { term });
        }
        let (salt, tag) = (&head[4..12], &head[12..]);
        let mut plaintext = data.to_vec();
        mask(salt, &mut plaintext);
        if hash(&[b"tag", salt, aad, &plaintext]).to_be_bytes() != tag {
            return Err(Unopenable::NotAuthentic);
        }
        Ok(plaintext)
    }

    fn row_prefix(&self, tenant: TenantHandle) -> [u8; ROW_PRF_LEN] {
        wide(&[b"prefix", tenant.as_bytes()])
    }

    fn row_name(&self, tenant: TenantHandle, name: &[u8]) -> [u8; ROW_PRF_LEN] {
        wide(&[b"name", tenant.as_bytes(), name])
    }

    fn set_hash(&self, key: &[u8], value: &[u8]) -> [u8; 32] {
        wide(&[b"set", key, value])
    }
}
