//! Encryption and decryption, in one piece or in parts.
//!
//! One [`Cipher`] is one direction of one message under one key. A message in one part is `finish` alone.
//! Decryption in an authenticated mode gives nothing before its tag was checked, however many parts
//! came before.

use aes::{Aes128, Aes192, Aes256};
use des::{Des, TdesEde2, TdesEde3};
use zeroize::Zeroizing;

use super::aead::{self, AeadKind};
use super::{ServiceError, blocks, key_wrap};
use crate::stack::with_scrubbed_stack;

/// The ciphers offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CipherAlgorithm {
    /// AES (FIPS 197); keys of 16, 24 or 32 bytes, two of them for XTS.
    Aes,
    /// 3DES (SP 800-67) with two or three keys. Weak keys are taken as they are: they exist on tapes.
    TripleDes,
    /// DES, for what is still encrypted with it.
    Des,
    /// ChaCha20: with a nonce of 8 bytes Bernstein's original, with 12 RFC 8439's.
    ChaCha20,
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305,
    /// The key is a pad as long as the longest message.
    OneTimePad,
}

/// What a block cipher is run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // their own names
pub enum Mode {
    Ecb,
    Cbc,
    Cfb,
    Ofb,
    Ctr,
    Gcm,
    Ccm,
    Xts,
    /// AES key wrap (RFC 3394).
    KeyWrap,
    /// AES key wrap with padding (RFC 5649).
    KeyWrapPadded,
}

impl Mode {
    /// Whether one repeated IV gives away more than the equality of two messages: the key of the
    /// authentication itself.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        matches!(self, Self::Gcm | Self::Ccm)
    }
}

/// How the last block is filled. Wrong padding is told exactly like a wrong tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Not at all: the data is whole blocks.
    #[default]
    None,
    /// RFC 8018: n bytes of value n.
    Pkcs5,
    /// Zeroes up to the next block; removed as far as they go, so the data must not end in one.
    Zeros,
    /// ANSI X9.23: zeroes, then their number.
    AnsiX923,
    /// ISO 10126: random bytes, then their number.
    Iso10126,
    /// SSL 3.0: random bytes, then their number without itself.
    Ssl3,
}

/// How a message is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct CipherSpec<'a> {
    /// The cipher.
    pub algorithm: CipherAlgorithm,
    /// Its mode; `None` for stream ciphers.
    pub mode: Option<Mode>,
    /// How the last block is filled, in ECB and CBC.
    pub padding: Padding,
    /// IV, counter, nonce or tweak; empty where there is none.
    pub iv: &'a [u8],
    /// Authenticated and not encrypted.
    pub aad: &'a [u8],
    /// Tag bytes, in authenticated modes.
    pub tag_bytes: usize,
    /// The first block's counter, for ChaCha20.
    pub initial_counter: u32,
}

impl<'a> CipherSpec<'a> {
    /// Without IV, padding and additional data; tags of 16 bytes.
    #[must_use]
    pub const fn new(algorithm: CipherAlgorithm, mode: Option<Mode>) -> Self {
        Self { algorithm, mode, padding: Padding::None, iv: &[], aad: &[], tag_bytes: 16, initial_counter: 0 }
    }

    /// Bytes of an IV the server makes: what the mode takes best. 0 where there is none to make.
    #[must_use]
    pub fn iv_bytes(&self) -> usize {
        match (self.algorithm, self.mode) {
            (CipherAlgorithm::ChaCha20 | CipherAlgorithm::ChaCha20Poly1305, _)
            | (CipherAlgorithm::Aes, Some(Mode::Gcm | Mode::Ccm)) => 12,
            (CipherAlgorithm::Aes, Some(Mode::Cbc | Mode::Cfb | Mode::Ofb | Mode::Ctr | Mode::Xts)) => 16,
            (
                CipherAlgorithm::TripleDes | CipherAlgorithm::Des,
                Some(Mode::Cbc | Mode::Cfb | Mode::Ofb | Mode::Ctr),
            ) => 8,
            _ => 0,
        }
    }

    /// Whether the message carries a tag.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.algorithm == CipherAlgorithm::ChaCha20Poly1305 || self.mode.is_some_and(Mode::is_authenticated)
    }

    /// Bytes of a block, in which use is counted too; 1 for stream ciphers.
    #[must_use]
    pub const fn block_bytes(&self) -> usize {
        match self.algorithm {
            CipherAlgorithm::Aes => 16,
            CipherAlgorithm::TripleDes | CipherAlgorithm::Des => 8,
            CipherAlgorithm::ChaCha20 | CipherAlgorithm::ChaCha20Poly1305 => 64,
            CipherAlgorithm::OneTimePad => 1,
        }
    }
}

/// One direction of one message, in as many parts as it comes. Wiped when dropped.
pub struct Cipher {
    part: Box<dyn Part>,
    /// Bytes not yet given out: the capacity the next output needs beyond its input.
    held: usize,
}

/// What the last part gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// The rest of the output.
    pub data: Zeroizing<Vec<u8>>,
    /// The tag, when an authenticated mode encrypted.
    pub tag: Option<Vec<u8>>,
}

/// A message under way. Output is appended to `out`, which has room for all of it.
pub(super) trait Part: Send {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), ServiceError>;

    /// The rest, and a tag if encryption made one. `tag` is what decryption compares with. What gives out
    /// every byte at once has neither.
    fn finish(self: Box<Self>, _: Option<&[u8]>, _: &mut Vec<u8>) -> Result<Option<[u8; 16]>, ServiceError> {
        Ok(None)
    }

    /// Bytes taken in and not yet given out.
    fn held(&self) -> usize {
        0
    }
}

/// Runs `$body` with `$cipher`, a block cipher of 16 bytes keyed with `$key`.
macro_rules! with_aes {
    ($key:expr, |$cipher:ident| $body:expr) => {{
        use cipher::KeyInit as _;
        const FITS: &str = "the length was matched";
        match $key.len() {
            16 => {
                let $cipher = aes::Aes128::new_from_slice($key).expect(FITS);
                $body
            }
            24 => {
                let $cipher = aes::Aes192::new_from_slice($key).expect(FITS);
                $body
            }
            32 => {
                let $cipher = aes::Aes256::new_from_slice($key).expect(FITS);
                $body
            }
            size => Err($crate::services::ServiceError::KeyLength(size)),
        }
    }};
}
pub(super) use with_aes;

impl Cipher {
    /// Begins to encrypt.
    ///
    /// # Errors
    /// [`ServiceError`] for whatever does not fit together.
    pub fn encrypt(spec: &CipherSpec<'_>, key: &[u8]) -> Result<Self, ServiceError> {
        with_scrubbed_stack(|| Self::begin(spec, key, true))
    }

    /// Begins to decrypt.
    ///
    /// # Errors
    /// As [`Cipher::encrypt`].
    pub fn decrypt(spec: &CipherSpec<'_>, key: &[u8]) -> Result<Self, ServiceError> {
        with_scrubbed_stack(|| Self::begin(spec, key, false))
    }

    fn begin(spec: &CipherSpec<'_>, key: &[u8], encrypt: bool) -> Result<Self, ServiceError> {
        if spec.is_authenticated() && !(12..=16).contains(&spec.tag_bytes) {
            return Err(ServiceError::TagLength);
        }
        if spec.iv.is_empty() && spec.iv_bytes() > 0 {
            return Err(ServiceError::IvMissing);
        }
        let part = match (spec.algorithm, spec.mode) {
            (CipherAlgorithm::OneTimePad, None) => blocks::pad(key),
            (CipherAlgorithm::ChaCha20, None) => blocks::chacha20(spec, key)?,
            (CipherAlgorithm::ChaCha20Poly1305, None) => {
                aead::begin(AeadKind::ChaCha20Poly1305, spec, key, encrypt)?
            }
            (
                CipherAlgorithm::OneTimePad | CipherAlgorithm::ChaCha20 | CipherAlgorithm::ChaCha20Poly1305,
                _,
            ) => {
                return Err(ServiceError::Unsupported("the algorithm has no block cipher mode"));
            }
            (_, None) => return Err(ServiceError::Unsupported("a block cipher needs a Block Cipher Mode")),
            (CipherAlgorithm::Aes, Some(Mode::Gcm)) => aead::begin(AeadKind::Gcm, spec, key, encrypt)?,
            (CipherAlgorithm::Aes, Some(Mode::Ccm)) => aead::begin(AeadKind::Ccm, spec, key, encrypt)?,
            (CipherAlgorithm::Aes, Some(Mode::Xts)) => {
                key_wrap::begin(key_wrap::Whole::Xts, spec, key, encrypt)?
            }
            (CipherAlgorithm::Aes, Some(Mode::KeyWrap)) => {
                key_wrap::begin(key_wrap::Whole::KeyWrap, spec, key, encrypt)?
            }
            (CipherAlgorithm::Aes, Some(Mode::KeyWrapPadded)) => {
                key_wrap::begin(key_wrap::Whole::KeyWrapPadded, spec, key, encrypt)?
            }
            (CipherAlgorithm::Aes, Some(mode)) => match key.len() {
                16 => blocks::begin::<Aes128>(mode, spec, key, encrypt)?,
                24 => blocks::begin::<Aes192>(mode, spec, key, encrypt)?,
                32 => blocks::begin::<Aes256>(mode, spec, key, encrypt)?,
                size => return Err(ServiceError::KeyLength(size)),
            },
            (CipherAlgorithm::TripleDes, Some(mode)) => match key.len() {
                16 => blocks::begin::<TdesEde2>(mode, spec, key, encrypt)?,
                24 => blocks::begin::<TdesEde3>(mode, spec, key, encrypt)?,
                size => return Err(ServiceError::KeyLength(size)),
            },
            (CipherAlgorithm::Des, Some(mode)) => blocks::begin::<Des>(mode, spec, key, encrypt)?,
        };
        Ok(Self { part, held: 0 })
    }

    /// Takes the next part; gives what can be given already.
    ///
    /// # Errors
    /// [`ServiceError::DataLength`] beyond what the mode or the pad allows.
    pub fn update(&mut self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        with_scrubbed_stack(|| {
            let mut out = Zeroizing::new(Vec::with_capacity(self.held + data.len()));
            self.part.update(data, &mut out)?;
            self.held = self.part.held();
            Ok(out)
        })
    }

    /// Bytes taken in and not yet given out.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes the last part. `tag` is needed to decrypt in an authenticated mode.
    ///
    /// # Errors
    /// [`ServiceError::NotAuthentic`] for a wrong tag, padding or wrapped key; [`ServiceError::DataLength`].
    pub fn finish(mut self, data: &[u8], tag: Option<&[u8]>) -> Result<Finished, ServiceError> {
        with_scrubbed_stack(|| {
            // Room for the data, a block of padding and one that was held back.
            let mut out = Zeroizing::new(Vec::with_capacity(self.held + data.len() + 32));
            self.part.update(data, &mut out)?;
            let made = self.part.finish(tag, &mut out)?;
            Ok(Finished { data: out, tag: made.map(|tag| tag.to_vec()) })
        })
    }
}

/// Encrypts a message in one piece.
///
/// # Errors
/// As [`Cipher::encrypt`] and [`Cipher::finish`].
pub fn encrypt(spec: &CipherSpec<'_>, key: &[u8], data: &[u8]) -> Result<Finished, ServiceError> {
    let mut finished = Cipher::encrypt(spec, key)?.finish(data, None)?;
    if let Some(tag) = &mut finished.tag {
        tag.truncate(spec.tag_bytes);
    }
    Ok(finished)
}

/// Decrypts a message in one piece.
///
/// # Errors
/// As [`Cipher::decrypt`] and [`Cipher::finish`].
pub fn decrypt(
    spec: &CipherSpec<'_>,
    key: &[u8],
    data: &[u8],
    tag: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    Ok(Cipher::decrypt(spec, key)?.finish(data, tag)?.data)
}
