//! What needs the whole message at once: XTS with its stolen last block, and the AES key wraps.

use aes::{Aes128, Aes256};
use cipher::{Array, KeyInit};
use subtle::ConstantTimeEq;
use xts_mode::Xts128;
use zeroize::Zeroizing;

use super::ServiceError;
use super::cipher::{CipherSpec, Part};
use super::gathered::Gathered;
use crate::key_wrap::{KeyWrap, KeyWrapError};

/// Which one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// XTS-AES (IEEE 1619, SP 800-38E): the IV is the tweak, 16 bytes, little-endian data unit number.
    Xts,
    /// RFC 3394.
    KeyWrap,
    /// RFC 5649.
    KeyWrapPadded,
}

/// A message that is worked on at its end.
pub(super) fn begin(
    kind: Whole,
    spec: &CipherSpec<'_>,
    key: &[u8],
    encrypt: bool,
) -> Result<Box<dyn Part>, ServiceError> {
    match kind {
        Whole::Xts if !matches!(key.len(), 32 | 64) => return Err(ServiceError::KeyLength(key.len())),
        // Equal halves turn XTS into something weaker (SP 800-38E, FIPS 140 IG C.I).
        Whole::Xts if key[..key.len() / 2].ct_eq(&key[key.len() / 2..]).into() => {
            return Err(ServiceError::KeyMaterial);
        }
        Whole::Xts if spec.iv.len() != 16 => return Err(ServiceError::IvLength(spec.iv.len())),
        Whole::KeyWrap | Whole::KeyWrapPadded if !matches!(key.len(), 16 | 24 | 32) => {
            return Err(ServiceError::KeyLength(key.len()));
        }
        Whole::Xts | Whole::KeyWrap | Whole::KeyWrapPadded => {}
    }
    let key = Zeroizing::new(key.to_vec());
    Ok(Box::new(Waiting { kind, key, tweak: spec.iv.to_vec(), encrypt, message: Gathered::default() }))
}

struct Waiting {
    kind: Whole,
    key: Zeroizing<Vec<u8>>,
    tweak: Vec<u8>,
    encrypt: bool,
    message: Gathered,
}

impl Part for Waiting {
    fn update(&mut self, data: &[u8], _: &mut Vec<u8>) -> Result<(), ServiceError> {
        self.message.add(data);
        Ok(())
    }

    fn finish(
        self: Box<Self>,
        _: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Option<[u8; 16]>, ServiceError> {
        let mut data = self.message.whole(0);
        match self.kind {
            Whole::Xts => {
                xts(&self.key, &self.tweak, &mut data, self.encrypt)?;
                out.extend_from_slice(&data);
            }
            Whole::KeyWrap => self.wrap(KeyWrap::Kw, &data, out)?,
            Whole::KeyWrapPadded => self.wrap(KeyWrap::Kwp, &data, out)?,
        }
        Ok(None)
    }

    fn held(&self) -> usize {
        self.message.len()
    }
}

impl Waiting {
    fn wrap(&self, how: KeyWrap, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        if self.encrypt {
            out.extend_from_slice(&how.wrap(&self.key, data).map_err(refused)?);
        } else {
            out.extend_from_slice(&how.unwrap(&self.key, data).map_err(refused)?);
        }
        Ok(())
    }
}

fn xts(key: &[u8], tweak: &[u8], data: &mut [u8], encrypt: bool) -> Result<(), ServiceError> {
    const FITS: &str = "the length was matched";
    if data.len() < 16 {
        return Err(ServiceError::DataLength);
    }
    let tweak = Array::try_from(tweak).map_err(|_| ServiceError::IvLength(tweak.len()))?;
    let (data_key, tweak_key) = key.split_at(key.len() / 2);
    if data_key.len() == 16 {
        let xts = Xts128::new(
            Aes128::new_from_slice(data_key).expect(FITS),
            Aes128::new_from_slice(tweak_key).expect(FITS),
        );
        if encrypt { xts.encrypt_sector(data, tweak) } else { xts.decrypt_sector(data, tweak) }
    } else {
        let xts = Xts128::new(
            Aes256::new_from_slice(data_key).expect(FITS),
            Aes256::new_from_slice(tweak_key).expect(FITS),
        );
        if encrypt { xts.encrypt_sector(data, tweak) } else { xts.decrypt_sector(data, tweak) }
    }
    Ok(())
}

fn refused(error: KeyWrapError) -> ServiceError {
    match error {
        KeyWrapError::KekLength { bytes } => ServiceError::KeyLength(bytes),
        KeyWrapError::DataLength { .. } => ServiceError::DataLength,
        KeyWrapError::Integrity => ServiceError::NotAuthentic,
    }
}
