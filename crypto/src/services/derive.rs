//! Key derivation as KMIP's Derive Key names it: PBKDF2, Hash, HMAC, HKDF, and the three modes of
//! SP 800-108r1.
//!
//! These serve clients that must meet other systems' derivations bit for bit. Our own hierarchy has a
//! function of its own, [`crate::kdf`], and never meets these.

use zeroize::Zeroizing;

use super::ServiceError;
use super::hash::{Hash, with_hash};
use super::mac::{MacAlgorithm, mac};

/// Most rounds of PBKDF2 in one request: about a second of one core per block of output.
pub const ITERATIONS_MAX: u32 = 2_000_000;

/// Most bytes one derivation gives: 255 blocks of SHA-512, the bound HKDF has anyway.
pub const OUTPUT_BYTES_MAX: usize = 255 * 64;

/// A derived key.
type Derived = Zeroizing<Vec<u8>>;

fn empty(bytes: usize) -> Result<Derived, ServiceError> {
    if bytes == 0 || bytes > OUTPUT_BYTES_MAX {
        return Err(ServiceError::OutputLength);
    }
    Ok(Zeroizing::new(vec![0; bytes]))
}

/// PBKDF2 with HMAC (RFC 8018 5.2).
///
/// # Errors
/// [`ServiceError::TooMuch`] beyond [`ITERATIONS_MAX`] or for none; [`ServiceError::OutputLength`].
pub fn pbkdf2(
    hash: Hash,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    bytes: usize,
) -> Result<Derived, ServiceError> {
    let blocks = u32::try_from(bytes.div_ceil(hash.output_bytes())).unwrap_or(u32::MAX);
    if rounds == 0 || rounds.saturating_mul(blocks) > ITERATIONS_MAX {
        return Err(ServiceError::TooMuch("the Iteration Count is 0 or costs too much for one request"));
    }
    let mut out = empty(bytes)?;
    with_hash!(hash, D => ::pbkdf2::pbkdf2::<hmac::SimpleHmac<D>>(password, salt, rounds, &mut out))
        .expect("HMAC takes a key of any length");
    Ok(out)
}

/// HKDF (RFC 5869): Extract and Expand.
///
/// # Errors
/// [`ServiceError::OutputLength`] beyond 255 blocks.
pub fn hkdf(hash: Hash, key: &[u8], salt: &[u8], info: &[u8], bytes: usize) -> Result<Derived, ServiceError> {
    let mut out = empty(bytes)?;
    // RFC 5869 2.2: no salt is a salt of zeroes, which is what HMAC makes of an empty key.
    let salt = (!salt.is_empty()).then_some(salt);
    with_hash!(hash, D => ::hkdf::SimpleHkdf::<D>::new(salt, key).expand(info, &mut out))
        .map_err(|_| ServiceError::OutputLength)?;
    Ok(out)
}

/// The first bytes of a hash.
///
/// # Errors
/// [`ServiceError::OutputLength`] beyond the hash's own size.
pub fn hashed(hash: Hash, data: &[u8], bytes: usize) -> Result<Derived, ServiceError> {
    first(&hash.digest(&[data]), bytes)
}

/// The first bytes of a code over `data`.
///
/// # Errors
/// [`ServiceError::OutputLength`] beyond the code's own size; [`ServiceError::KeyLength`].
pub fn authenticated(
    prf: MacAlgorithm,
    key: &[u8],
    data: &[u8],
    bytes: usize,
) -> Result<Derived, ServiceError> {
    first(&mac(prf, key, &[data])?, bytes)
}

/// The first `bytes` of something longer.
///
/// # Errors
/// [`ServiceError::OutputLength`].
pub fn first(whole: &[u8], bytes: usize) -> Result<Derived, ServiceError> {
    let mut out = empty(bytes)?;
    out.copy_from_slice(whole.get(..bytes).ok_or(ServiceError::OutputLength)?);
    Ok(out)
}

/// SP 800-108r1 4.1, counter mode: a 32-bit counter, then the data; nothing else is added.
///
/// # Errors
/// [`ServiceError::OutputLength`], [`ServiceError::KeyLength`].
pub fn counter_mode(
    prf: MacAlgorithm,
    key: &[u8],
    data: &[u8],
    bytes: usize,
) -> Result<Derived, ServiceError> {
    expand(bytes, |counter, _| mac(prf, key, &[&counter, data]))
}

/// SP 800-108r1 4.2, feedback mode: the last block, a 32-bit counter, then the data. `iv` stands for the
/// block before the first.
///
/// # Errors
/// As [`counter_mode`].
pub fn feedback_mode(
    prf: MacAlgorithm,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
    bytes: usize,
) -> Result<Derived, ServiceError> {
    expand(bytes, |counter, last| mac(prf, key, &[last.unwrap_or(iv), &counter, data]))
}

/// SP 800-108r1 4.3, double-pipeline mode: a first pipeline over the data feeds the second.
///
/// # Errors
/// As [`counter_mode`].
pub fn double_pipeline_mode(
    prf: MacAlgorithm,
    key: &[u8],
    data: &[u8],
    bytes: usize,
) -> Result<Derived, ServiceError> {
    let mut pipeline = Zeroizing::new(data.to_vec());
    expand(bytes, |counter, _| {
        pipeline = mac(prf, key, &[&pipeline])?;
        mac(prf, key, &[&pipeline, &counter, data])
    })
}

/// Blocks one after another, each told its number from 1 and the block before it.
fn expand(
    bytes: usize,
    mut block: impl FnMut([u8; 4], Option<&[u8]>) -> Result<Derived, ServiceError>,
) -> Result<Derived, ServiceError> {
    let mut out = empty(bytes)?;
    let mut last: Option<Derived> = None;
    let mut filled = 0;
    for counter in 1_u32.. {
        let next = block(counter.to_be_bytes(), last.as_ref().map(|block| block.as_slice()))?;
        let take = next.len().min(bytes - filled);
        out[filled..filled + take].copy_from_slice(&next[..take]);
        filled += take;
        if filled == bytes {
            break;
        }
        last = Some(next);
    }
    Ok(out)
}
