//! Block ciphers in modes without authentication, stream ciphers, and the one-time pad.

use cipher::{
    Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    KeyInit, KeyIvInit, StreamCipher, StreamCipherSeek,
};
use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};
use zeroize::Zeroizing;

use super::ServiceError;
use super::cipher::{CipherSpec, Mode, Padding, Part};

/// A block cipher as the modes here need it.
pub(super) trait BlockCipher:
    BlockCipherEncrypt + BlockCipherDecrypt + KeyInit + BlockSizeUser + Send + 'static
{
    /// CTR over a counter as wide as the block.
    fn ctr(key: &[u8], iv: &[u8]) -> Result<Box<dyn Part>, ServiceError>;
    /// OFB with full feedback.
    fn ofb(key: &[u8], iv: &[u8]) -> Result<Box<dyn Part>, ServiceError>;
}

macro_rules! block_ciphers {
    ($($cipher:ty => $ctr:ident;)*) => {$(
        impl BlockCipher for $cipher {
            fn ctr(key: &[u8], iv: &[u8]) -> Result<Box<dyn Part>, ServiceError> {
                let stream = ctr::$ctr::<$cipher>::new_from_slices(key, iv);
                Ok(Box::new(KeyStream(stream.map_err(|_| ServiceError::IvLength(iv.len()))?)))
            }

            fn ofb(key: &[u8], iv: &[u8]) -> Result<Box<dyn Part>, ServiceError> {
                let stream = ofb::Ofb::<$cipher>::new_from_slices(key, iv);
                Ok(Box::new(KeyStream(stream.map_err(|_| ServiceError::IvLength(iv.len()))?)))
            }
        }
    )*};
}

block_ciphers! {
    aes::Aes128 => Ctr128BE;
    aes::Aes192 => Ctr128BE;
    aes::Aes256 => Ctr128BE;
    des::Des => Ctr64BE;
    des::TdesEde2 => Ctr64BE;
    des::TdesEde3 => Ctr64BE;
}

/// A message in ECB, CBC, CFB, OFB or CTR.
pub(super) fn begin<C: BlockCipher>(
    mode: Mode,
    spec: &CipherSpec<'_>,
    key: &[u8],
    encrypt: bool,
) -> Result<Box<dyn Part>, ServiceError> {
    let cipher = C::new_from_slice(key).map_err(|_| ServiceError::KeyLength(key.len()))?;
    let iv = spec.iv;
    if mode != Mode::Ecb && iv.len() != C::block_size() {
        return Err(ServiceError::IvLength(iv.len()));
    }
    let padding = spec.padding;
    let misfit = |_| ServiceError::IvLength(iv.len());
    drop(cipher);
    Ok(match (mode, encrypt) {
        (Mode::Ecb, true) => {
            let mode = ecb::Encryptor::<C>::new_from_slice(key).map_err(misfit)?;
            Box::new(Encrypting { mode, padding, pending: Pending::default() })
        }
        (Mode::Ecb, false) => {
            let mode = ecb::Decryptor::<C>::new_from_slice(key).map_err(misfit)?;
            Box::new(Decrypting { mode, padding, pending: Pending::default() })
        }
        (Mode::Cbc, true) => {
            let mode = cbc::Encryptor::<C>::new_from_slices(key, iv).map_err(misfit)?;
            Box::new(Encrypting { mode, padding, pending: Pending::default() })
        }
        (Mode::Cbc, false) => {
            let mode = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(misfit)?;
            Box::new(Decrypting { mode, padding, pending: Pending::default() })
        }
        (Mode::Cfb, true) => {
            Box::new(CfbEncrypting(cfb_mode::BufEncryptor::<C>::new_from_slices(key, iv).map_err(misfit)?))
        }
        (Mode::Cfb, false) => {
            Box::new(CfbDecrypting(cfb_mode::BufDecryptor::<C>::new_from_slices(key, iv).map_err(misfit)?))
        }
        (Mode::Ofb, _) => C::ofb(key, iv)?,
        (Mode::Ctr, _) => C::ctr(key, iv)?,
        (Mode::Gcm | Mode::Ccm | Mode::Xts | Mode::KeyWrap | Mode::KeyWrapPadded, _) => {
            return Err(ServiceError::Unsupported("the mode is offered with AES only"));
        }
    })
}

/// ChaCha20: 8 bytes of nonce mean the original with a 64-bit counter, 12 the one of RFC 8439; 16 are a
/// counter of 4 bytes, little-endian, before a nonce of 12.
pub(super) fn chacha20(spec: &CipherSpec<'_>, key: &[u8]) -> Result<Box<dyn Part>, ServiceError> {
    if key.len() != 32 {
        return Err(ServiceError::KeyLength(key.len()));
    }
    let misfit = |_| ServiceError::IvLength(spec.iv.len());
    let (nonce, counter) = match spec.iv.len() {
        16 => {
            let (counter, nonce) = spec.iv.split_at(4);
            (nonce, u32::from_le_bytes(counter.try_into().expect("split at four")))
        }
        _ => (spec.iv, spec.initial_counter),
    };
    let start = u64::from(counter) * 64;
    Ok(if nonce.len() == 8 {
        let mut stream = chacha20::ChaCha20Legacy::new_from_slices(key, nonce).map_err(misfit)?;
        stream.seek(start);
        Box::new(KeyStream(stream))
    } else {
        let mut stream = chacha20::ChaCha20::new_from_slices(key, nonce).map_err(misfit)?;
        stream.seek(start);
        Box::new(KeyStream(stream))
    })
}

/// A one-time pad; its two directions are one.
pub(super) fn pad(key: &[u8]) -> Box<dyn Part> {
    Box::new(OneTimePad { pad: Zeroizing::new(key.to_vec()), used: 0 })
}

/// What does not fill a block yet. Its buffer never grows, so that no copy stays behind.
struct Pending(Zeroizing<Vec<u8>>);

impl Default for Pending {
    fn default() -> Self {
        // The widest block is 16 bytes; decryption may hold a whole one.
        Self(Zeroizing::new(Vec::with_capacity(32)))
    }
}

impl Pending {
    /// Appends what is pending and `data` to `out`, and takes back what is left over when `keep(total)`
    /// bytes must stay behind. Returns where the new output begins.
    fn release(&mut self, data: &[u8], out: &mut Vec<u8>, keep: impl FnOnce(usize) -> usize) -> usize {
        let start = out.len();
        out.extend_from_slice(&self.0);
        out.extend_from_slice(data);
        let kept = keep(out.len() - start);
        self.0.clear();
        self.0.extend_from_slice(&out[out.len() - kept..]);
        out.truncate(out.len() - kept);
        start
    }
}

struct Encrypting<M> {
    mode: M,
    padding: Padding,
    pending: Pending,
}

impl<M: BlockModeEncrypt + Send> Part for Encrypting<M> {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        let start = self.pending.release(data, out, |total| total % M::block_size());
        self.mode.encrypt_blocks(blocks::<M>(&mut out[start..]));
        Ok(())
    }

    fn finish(
        mut self: Box<Self>,
        _: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Option<[u8; 16]>, ServiceError> {
        let start = out.len();
        out.extend_from_slice(&self.pending.0);
        fill(self.padding, M::block_size(), start, out)?;
        self.mode.encrypt_blocks(blocks::<M>(&mut out[start..]));
        Ok(None)
    }

    fn held(&self) -> usize {
        self.pending.0.len()
    }
}

struct Decrypting<M> {
    mode: M,
    padding: Padding,
    pending: Pending,
}

impl<M: BlockModeDecrypt + Send> Part for Decrypting<M> {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        let size = M::block_size();
        let padded = self.padding != Padding::None;
        // A whole last block stays behind: it may be padding.
        let start = self.pending.release(data, out, |total| match total % size {
            0 if padded && total > 0 => size,
            rest => rest,
        });
        self.mode.decrypt_blocks(blocks::<M>(&mut out[start..]));
        Ok(())
    }

    fn finish(
        mut self: Box<Self>,
        _: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Option<[u8; 16]>, ServiceError> {
        let start = out.len();
        out.extend_from_slice(&self.pending.0);
        let size = M::block_size();
        if !(out.len() - start).is_multiple_of(size) {
            return Err(ServiceError::DataLength);
        }
        self.mode.decrypt_blocks(blocks::<M>(&mut out[start..]));
        strip(self.padding, size, start, out)?;
        Ok(None)
    }

    fn held(&self) -> usize {
        self.pending.0.len()
    }
}

fn blocks<M: BlockSizeUser>(whole: &mut [u8]) -> &mut [Block<M>] {
    let (blocks, rest) = Array::slice_as_chunks_mut(whole);
    debug_assert!(rest.is_empty(), "only whole blocks come here");
    blocks
}

/// Fills the last block, which begins at `start` and may be empty.
fn fill(padding: Padding, size: usize, start: usize, out: &mut Vec<u8>) -> Result<(), ServiceError> {
    let rest = out.len() - start;
    let missing = size - rest;
    let count = u8::try_from(missing).expect("a block has at most 16 bytes");
    match padding {
        Padding::None if rest == 0 => {}
        Padding::None => return Err(ServiceError::DataLength),
        Padding::Pkcs5 => out.resize(start + size, count),
        Padding::Zeros if rest == 0 => {}
        Padding::Zeros => out.resize(start + size, 0),
        Padding::AnsiX923 => {
            out.resize(start + size, 0);
            out[start + size - 1] = count;
        }
        Padding::Iso10126 | Padding::Ssl3 => {
            out.resize(start + size, 0);
            crate::random::fill(&mut out[start + rest..]);
            out[start + size - 1] = if padding == Padding::Ssl3 { count - 1 } else { count };
        }
    }
    Ok(())
}

/// Takes the filling off the last block, which begins at `start`. Every wrong filling of a whole block
/// takes the same time and gives the same error.
fn strip(padding: Padding, size: usize, start: usize, out: &mut Vec<u8>) -> Result<(), ServiceError> {
    if padding == Padding::None {
        return Ok(());
    }
    if padding == Padding::Zeros {
        let kept = out[start..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        out.truncate(start + kept);
        return Ok(());
    }
    if out.len() - start != size {
        return Err(ServiceError::NotAuthentic);
    }
    let block = &out[start..];
    let count = match padding {
        Padding::Ssl3 => block[size - 1].wrapping_add(1),
        _ => block[size - 1],
    };
    let widest = u8::try_from(size).expect("a block has at most 16 bytes");
    let mut sound = count.ct_gt(&0) & !count.ct_gt(&widest);
    let filler = match padding {
        Padding::Pkcs5 => Some(count),
        Padding::AnsiX923 => Some(0),
        _ => None,
    };
    if let Some(filler) = filler {
        for (from_end, byte) in (1_u8..).zip(block[..size - 1].iter().rev()) {
            let is_filling: Choice = from_end.ct_lt(&count);
            sound &= !is_filling | byte.ct_eq(&filler);
        }
    }
    if !bool::from(sound) {
        return Err(ServiceError::NotAuthentic);
    }
    out.truncate(start + size - usize::from(count));
    Ok(())
}

struct KeyStream<S>(S);

impl<S: StreamCipher + Send> Part for KeyStream<S> {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        let start = out.len();
        out.extend_from_slice(data);
        self.0.try_apply_keystream(&mut out[start..]).map_err(|_| ServiceError::DataLength)
    }
}

struct CfbEncrypting<C: BlockCipherEncrypt>(cfb_mode::BufEncryptor<C>);

impl<C: BlockCipherEncrypt + Send> Part for CfbEncrypting<C> {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        let start = out.len();
        out.extend_from_slice(data);
        self.0.encrypt(&mut out[start..]);
        Ok(())
    }
}

struct CfbDecrypting<C: BlockCipherEncrypt>(cfb_mode::BufDecryptor<C>);

impl<C: BlockCipherEncrypt + Send> Part for CfbDecrypting<C> {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        let start = out.len();
        out.extend_from_slice(data);
        self.0.decrypt(&mut out[start..]);
        Ok(())
    }
}

struct OneTimePad {
    pad: Zeroizing<Vec<u8>>,
    used: usize,
}

impl Part for OneTimePad {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        let fresh = self.pad.get(self.used..self.used + data.len()).ok_or(ServiceError::DataLength)?;
        out.extend(data.iter().zip(fresh).map(|(byte, pad)| byte ^ pad));
        self.used += data.len();
        Ok(())
    }
}
