//! Authenticated encryption: GCM and ChaCha20-Poly1305 in parts, CCM in one piece.
//!
//! Encryption gives each part out at once. Decryption holds everything back until the tag was compared:
//! nobody may act on what is not authentic. GCM takes IVs of any length (SP 800-38D 5.2.1.1), which is
//! why it is put together here from AES, CTR and GHASH rather than taken from a crate with fixed sizes.

use aes::{Aes128, Aes192, Aes256};
use ccm::aead::AeadInOut;
use ccm::consts::{U7, U8, U9, U10, U11, U12, U13, U14, U16};
use chacha20::ChaCha20;
use cipher::{Array, BlockCipherEncrypt, BlockSizeUser, KeyInit, KeyIvInit, StreamCipher, StreamCipherSeek};
use ctr::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use poly1305::Poly1305;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::ServiceError;
use super::cipher::{CipherSpec, Part, with_aes};
use super::gathered::Gathered;

/// Which construction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AeadKind {
    Gcm,
    Ccm,
    ChaCha20Poly1305,
}

/// A message in an authenticated mode.
pub(super) fn begin(
    kind: AeadKind,
    spec: &CipherSpec<'_>,
    key: &[u8],
    encrypt: bool,
) -> Result<Box<dyn Part>, ServiceError> {
    if kind == AeadKind::Ccm {
        check_ccm(spec, key)?;
        return Ok(Box::new(Held::new(kind, spec, key, encrypt)));
    }
    let state = state(kind, spec, key)?;
    Ok(if encrypt {
        Box::new(Encrypting(state))
    } else {
        drop(state);
        Box::new(Held::new(kind, spec, key, false))
    })
}

fn state(kind: AeadKind, spec: &CipherSpec<'_>, key: &[u8]) -> Result<Box<dyn State>, ServiceError> {
    match kind {
        AeadKind::Gcm => match key.len() {
            16 => Ok(Box::new(Gcm::<Aes128>::new(key, spec.iv, spec.aad))),
            24 => Ok(Box::new(Gcm::<Aes192>::new(key, spec.iv, spec.aad))),
            32 => Ok(Box::new(Gcm::<Aes256>::new(key, spec.iv, spec.aad))),
            size => Err(ServiceError::KeyLength(size)),
        },
        AeadKind::ChaCha20Poly1305 => Ok(Box::new(ChaChaPoly::new(key, spec.iv, spec.aad)?)),
        AeadKind::Ccm => Err(ServiceError::Unsupported("CCM needs the length of the message first")),
    }
}

/// Encryption and authentication side by side; the authentication reads ciphertext.
trait State: Send {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), ServiceError>;
    fn absorb(&mut self, ciphertext: &[u8]);
    fn tag(self: Box<Self>) -> [u8; 16];
}

struct Encrypting(Box<dyn State>);

impl Part for Encrypting {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError> {
        let start = out.len();
        out.extend_from_slice(data);
        self.0.apply(&mut out[start..])?;
        self.0.absorb(&out[start..]);
        Ok(())
    }

    fn finish(self: Box<Self>, _: Option<&[u8]>, _: &mut Vec<u8>) -> Result<Option<[u8; 16]>, ServiceError> {
        Ok(Some(self.0.tag()))
    }
}

/// A message held back until its end.
struct Held {
    kind: AeadKind,
    key: Zeroizing<Vec<u8>>,
    iv: Vec<u8>,
    aad: Vec<u8>,
    tag_bytes: usize,
    encrypt: bool,
    message: Gathered,
}

impl Held {
    fn new(kind: AeadKind, spec: &CipherSpec<'_>, key: &[u8], encrypt: bool) -> Self {
        Self {
            kind,
            key: Zeroizing::new(key.to_vec()),
            iv: spec.iv.to_vec(),
            aad: spec.aad.to_vec(),
            tag_bytes: spec.tag_bytes,
            encrypt,
            message: Gathered::default(),
        }
    }

    fn spec(&self) -> CipherSpec<'_> {
        let mut spec = CipherSpec::new(super::CipherAlgorithm::Aes, None);
        (spec.iv, spec.aad, spec.tag_bytes) = (&self.iv, &self.aad, self.tag_bytes);
        spec
    }

    /// The tag is compared before anything is decrypted.
    fn open(&self, tag: &[u8], data: &mut [u8]) -> Result<(), ServiceError> {
        let mut state = state(self.kind, &self.spec(), &self.key)?;
        state.absorb(data);
        // The key stream first: a constant-time comparison decides whether it is given out.
        state.apply(data)?;
        let made = state.tag();
        if tag.len() != self.tag_bytes || !bool::from(made[..self.tag_bytes].ct_eq(tag)) {
            return Err(ServiceError::NotAuthentic);
        }
        Ok(())
    }
}

impl Part for Held {
    fn update(&mut self, data: &[u8], _: &mut Vec<u8>) -> Result<(), ServiceError> {
        self.message.add(data);
        Ok(())
    }

    fn finish(
        self: Box<Self>,
        tag: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Option<[u8; 16]>, ServiceError> {
        let mut data = self.message.whole(16);
        if self.encrypt {
            let tag = ccm(&self.spec(), &self.key, &mut data, None)?;
            out.extend_from_slice(&data);
            return Ok(Some(tag));
        }
        // Without a tag of its own the message carries it at its end, as versions before 1.4 do.
        let carried = match tag {
            Some(tag) => tag.to_vec(),
            None => {
                let at = data.len().checked_sub(self.tag_bytes).ok_or(ServiceError::NotAuthentic)?;
                data.split_off(at)
            }
        };
        match self.kind {
            AeadKind::Ccm => ccm(&self.spec(), &self.key, &mut data, Some(&carried)).map(drop)?,
            AeadKind::Gcm | AeadKind::ChaCha20Poly1305 => self.open(&carried, &mut data)?,
        }
        out.extend_from_slice(&data);
        Ok(None)
    }

    fn held(&self) -> usize {
        self.message.len()
    }
}

/// GCM under way (SP 800-38D 7.1).
struct Gcm<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> {
    stream: Ctr32BE<C>,
    hash: Blockwise<GHash>,
    mask: [u8; 16],
    aad_bits: u64,
    data_bits: u64,
}

impl<C> Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    fn new(key: &[u8], iv: &[u8], aad: &[u8]) -> Self {
        let cipher = C::new_from_slice(key).expect("the length was matched");
        let mut hash_key = Array::default();
        cipher.encrypt_block(&mut hash_key);
        let ghash = GHash::new(&hash_key);
        let first = Self::first_counter(&ghash, iv);
        let mut stream = Ctr32BE::<C>::new_from_slices(key, &first).expect("the lengths were matched");
        let mut mask = [0; 16];
        stream.apply_keystream(&mut mask);
        let mut hash = Blockwise::new(ghash);
        hash.update(aad);
        hash.pad();
        Self { stream, hash, mask, aad_bits: bits(aad.len()), data_bits: 0 }
    }

    /// The counter block that masks the tag; the message begins at the next.
    fn first_counter(ghash: &GHash, iv: &[u8]) -> [u8; 16] {
        let mut first = [0; 16];
        if iv.len() == 12 {
            first[..12].copy_from_slice(iv);
            first[15] = 1;
            return first;
        }
        let mut hash = Blockwise::new(ghash.clone());
        hash.update(iv);
        hash.pad();
        first[8..].copy_from_slice(&bits(iv.len()).to_be_bytes());
        hash.update(&first);
        hash.finish()
    }
}

impl<C> State for Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send,
{
    fn apply(&mut self, data: &mut [u8]) -> Result<(), ServiceError> {
        self.stream.try_apply_keystream(data).map_err(|_| ServiceError::DataLength)
    }

    fn absorb(&mut self, ciphertext: &[u8]) {
        self.hash.update(ciphertext);
        self.data_bits += bits(ciphertext.len());
    }

    fn tag(mut self: Box<Self>) -> [u8; 16] {
        self.hash.pad();
        let mut lengths = [0; 16];
        lengths[..8].copy_from_slice(&self.aad_bits.to_be_bytes());
        lengths[8..].copy_from_slice(&self.data_bits.to_be_bytes());
        self.hash.update(&lengths);
        let mut tag = self.hash.finish();
        tag.iter_mut().zip(self.mask).for_each(|(byte, mask)| *byte ^= mask);
        tag
    }
}

/// ChaCha20-Poly1305 under way (RFC 8439 2.8).
struct ChaChaPoly {
    stream: ChaCha20,
    hash: Blockwise<Poly1305>,
    aad_bytes: u64,
    data_bytes: u64,
}

impl ChaChaPoly {
    fn new(key: &[u8], iv: &[u8], aad: &[u8]) -> Result<Self, ServiceError> {
        if key.len() != 32 {
            return Err(ServiceError::KeyLength(key.len()));
        }
        let mut stream = ChaCha20::new_from_slices(key, iv).map_err(|_| ServiceError::IvLength(iv.len()))?;
        let mut hash_key = Zeroizing::new([0; 32]);
        stream.apply_keystream(&mut *hash_key);
        stream.seek(64_u64);
        let mut hash = Blockwise::new(Poly1305::new((&*hash_key).into()));
        hash.update(aad);
        hash.pad();
        Ok(Self { stream, hash, aad_bytes: aad.len() as u64, data_bytes: 0 })
    }
}

impl State for ChaChaPoly {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), ServiceError> {
        self.stream.try_apply_keystream(data).map_err(|_| ServiceError::DataLength)
    }

    fn absorb(&mut self, ciphertext: &[u8]) {
        self.hash.update(ciphertext);
        self.data_bytes += ciphertext.len() as u64;
    }

    fn tag(mut self: Box<Self>) -> [u8; 16] {
        self.hash.pad();
        let mut lengths = [0; 16];
        lengths[..8].copy_from_slice(&self.aad_bytes.to_le_bytes());
        lengths[8..].copy_from_slice(&self.data_bytes.to_le_bytes());
        self.hash.update(&lengths);
        self.hash.finish()
    }
}

fn bits(bytes: usize) -> u64 {
    bytes as u64 * 8
}

/// A universal hash fed with any number of bytes at a time.
struct Blockwise<H> {
    hash: H,
    partial: [u8; 16],
    filled: usize,
}

impl<H: UniversalHash<BlockSize = U16>> Blockwise<H> {
    fn new(hash: H) -> Self {
        Self { hash, partial: [0; 16], filled: 0 }
    }

    fn update(&mut self, mut data: &[u8]) {
        if self.filled > 0 {
            let take = data.len().min(16 - self.filled);
            self.partial[self.filled..self.filled + take].copy_from_slice(&data[..take]);
            self.filled += take;
            data = &data[take..];
            if self.filled < 16 {
                return;
            }
            self.pad();
        }
        let (blocks, rest) = Array::slice_as_chunks(data);
        self.hash.update(blocks);
        self.partial[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// Ends a block that was begun with zeroes.
    fn pad(&mut self) {
        if self.filled > 0 {
            self.partial[self.filled..].fill(0);
            self.hash.update(&[Array::from(self.partial)]);
            self.filled = 0;
        }
    }

    fn finish(self) -> [u8; 16] {
        self.hash.finalize().into()
    }
}

fn check_ccm(spec: &CipherSpec<'_>, key: &[u8]) -> Result<(), ServiceError> {
    if !matches!(key.len(), 16 | 24 | 32) {
        return Err(ServiceError::KeyLength(key.len()));
    }
    if !(7..=13).contains(&spec.iv.len()) {
        return Err(ServiceError::IvLength(spec.iv.len()));
    }
    if spec.tag_bytes.is_multiple_of(2) { Ok(()) } else { Err(ServiceError::TagLength) }
}

/// CCM (SP 800-38C) in place: encrypts and returns the tag, or decrypts if one is given to compare.
fn ccm(
    spec: &CipherSpec<'_>,
    key: &[u8],
    data: &mut [u8],
    tag: Option<&[u8]>,
) -> Result<[u8; 16], ServiceError> {
    with_aes!(key, |cipher| match spec.tag_bytes {
        12 => ccm_nonce::<_, U12>(cipher, spec, data, tag),
        14 => ccm_nonce::<_, U14>(cipher, spec, data, tag),
        16 => ccm_nonce::<_, U16>(cipher, spec, data, tag),
        _ => Err(ServiceError::TagLength),
    })
}

fn ccm_nonce<C, M>(
    cipher: C,
    spec: &CipherSpec<'_>,
    data: &mut [u8],
    tag: Option<&[u8]>,
) -> Result<[u8; 16], ServiceError>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    M: cipher::array::ArraySize + ccm::TagSize,
{
    match spec.iv.len() {
        7 => ccm_run::<C, M, U7>(cipher, spec, data, tag),
        8 => ccm_run::<C, M, U8>(cipher, spec, data, tag),
        9 => ccm_run::<C, M, U9>(cipher, spec, data, tag),
        10 => ccm_run::<C, M, U10>(cipher, spec, data, tag),
        11 => ccm_run::<C, M, U11>(cipher, spec, data, tag),
        12 => ccm_run::<C, M, U12>(cipher, spec, data, tag),
        13 => ccm_run::<C, M, U13>(cipher, spec, data, tag),
        size => Err(ServiceError::IvLength(size)),
    }
}

fn ccm_run<C, M, N>(
    cipher: C,
    spec: &CipherSpec<'_>,
    data: &mut [u8],
    tag: Option<&[u8]>,
) -> Result<[u8; 16], ServiceError>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    M: cipher::array::ArraySize + ccm::TagSize,
    N: cipher::array::ArraySize + ccm::NonceSize,
{
    let ccm = ccm::Ccm::<C, M, N>::from(cipher);
    let nonce = spec.iv.try_into().map_err(|_| ServiceError::IvLength(spec.iv.len()))?;
    let mut out = [0; 16];
    match tag {
        Some(tag) => {
            let tag = tag.try_into().map_err(|_| ServiceError::NotAuthentic)?;
            ccm.decrypt_inout_detached(nonce, spec.aad, data.into(), tag)
                .map_err(|_| ServiceError::NotAuthentic)?;
        }
        None => {
            let tag = ccm
                .encrypt_inout_detached(nonce, spec.aad, data.into())
                .map_err(|_| ServiceError::DataLength)?;
            out[..tag.len()].copy_from_slice(&tag);
        }
    }
    Ok(out)
}
