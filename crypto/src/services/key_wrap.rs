//! What needs the whole message at once: XTS with its stolen last block, and the AES key wraps.

use aes::{Aes128, Aes256};
use aes_kw::{AesKw, AesKwp};
use cipher::common::InnerInit;
use cipher::{Array, KeyInit};
use subtle::ConstantTimeEq;
use xts_mode::Xts128;
use zeroize::Zeroizing;

use super::ServiceError;
use super::cipher::{CipherSpec, Part, with_aes};

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
    Ok(Box::new(Waiting { kind, key, tweak: spec.iv.to_vec(), encrypt, parts: Vec::new(), total: 0 }))
}

struct Waiting {
    kind: Whole,
    key: Zeroizing<Vec<u8>>,
    tweak: Vec<u8>,
    encrypt: bool,
    parts: Vec<Zeroizing<Vec<u8>>>,
    total: usize,
}

impl Part for Waiting {
    fn update(&mut self, data: &[u8], _: &mut Vec<u8>) -> Result<(), ServiceError> {
        if !data.is_empty() {
            self.parts.push(Zeroizing::new(data.to_vec()));
            self.total += data.len();
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Option<[u8; 16]>, ServiceError> {
        let mut data = Zeroizing::new(Vec::with_capacity(self.total));
        for part in &self.parts {
            data.extend_from_slice(part);
        }
        match self.kind {
            Whole::Xts => {
                xts(&self.key, &self.tweak, &mut data, self.encrypt)?;
                out.extend_from_slice(&data);
            }
            Whole::KeyWrap if self.encrypt => out.extend_from_slice(&wrap(&self.key, &data)?),
            Whole::KeyWrap => out.extend_from_slice(&unwrap(&self.key, &data)?),
            Whole::KeyWrapPadded if self.encrypt => out.extend_from_slice(&wrap_padded(&self.key, &data)?),
            Whole::KeyWrapPadded => out.extend_from_slice(&unwrap_padded(&self.key, &data)?),
        }
        Ok(None)
    }

    fn held(&self) -> usize {
        self.total
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

/// Wraps whole blocks of 8 bytes, at least two (RFC 3394).
///
/// # Errors
/// [`ServiceError::DataLength`], [`ServiceError::KeyLength`].
pub(super) fn wrap(key: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    if data.len() < 16 || !data.len().is_multiple_of(8) {
        return Err(ServiceError::DataLength);
    }
    let mut out = Zeroizing::new(vec![0; data.len() + 8]);
    with_aes!(key, |cipher| AesKw::inner_init(cipher)
        .wrap_key(data, &mut out)
        .map(drop)
        .map_err(|_| ServiceError::DataLength))?;
    Ok(out)
}

/// Unwraps what [`wrap`] made.
///
/// # Errors
/// [`ServiceError::NotAuthentic`], [`ServiceError::KeyLength`].
pub(super) fn unwrap(key: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    if data.len() < 24 || !data.len().is_multiple_of(8) {
        return Err(ServiceError::NotAuthentic);
    }
    let mut out = Zeroizing::new(vec![0; data.len() - 8]);
    with_aes!(key, |cipher| AesKw::inner_init(cipher)
        .unwrap_key(data, &mut out)
        .map(drop)
        .map_err(|_| ServiceError::NotAuthentic))?;
    Ok(out)
}

/// Wraps any number of bytes above zero (RFC 5649).
///
/// # Errors
/// [`ServiceError::DataLength`], [`ServiceError::KeyLength`].
pub(super) fn wrap_padded(key: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    if data.is_empty() {
        return Err(ServiceError::DataLength);
    }
    let mut out = Zeroizing::new(vec![0; data.len().div_ceil(8) * 8 + 8]);
    with_aes!(key, |cipher| AesKwp::inner_init(cipher)
        .wrap_key(data, &mut out)
        .map(drop)
        .map_err(|_| ServiceError::DataLength))?;
    Ok(out)
}

/// Unwraps what [`wrap_padded`] made.
///
/// # Errors
/// [`ServiceError::NotAuthentic`], [`ServiceError::KeyLength`].
pub(super) fn unwrap_padded(key: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    if data.len() < 16 || !data.len().is_multiple_of(8) {
        return Err(ServiceError::NotAuthentic);
    }
    let mut out = Zeroizing::new(vec![0; data.len()]);
    let length = with_aes!(key, |cipher| AesKwp::inner_init(cipher)
        .unwrap_key(data, &mut out)
        .map(<[u8]>::len)
        .map_err(|_| ServiceError::NotAuthentic))?;
    out.truncate(length);
    Ok(out)
}
