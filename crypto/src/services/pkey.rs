//! Signatures, RSA encryption and key agreement, through AWS-LC.
//!
//! AWS-LC is the library under our TLS; its safe Rust face has fixed sets of parameters, and KMIP's
//! clients bring others: PSS with a salt of 222 bytes, OAEP with two different hashes and a label, digests
//! that no hash of ours has that size of. So this module calls the same C library by its EVP interface.
//!
//! Invariants: a handle is never null, is freed once, and is not written after it was made, which makes
//! it fit for any thread; AWS-LC wipes what it frees. Every pointer passed on lives through the call, with
//! its length beside it. Failures leave nothing in the thread's error queue.
#![allow(unsafe_code)] // calls into AWS-LC; each block says why it is sound

use std::ffi::c_int;
use std::ptr::{NonNull, null, null_mut};

use aws_lc_sys as lc;
use zeroize::Zeroizing;

use super::{Hash, ServiceError};
use crate::stack::with_scrubbed_stack;

/// Largest key material read: an RSA key of 16,384 bits in PKCS #8 has less than 10 KiB.
const KEY_BYTES_MAX: usize = 32 << 10;

/// A private key of any offered kind.
pub struct PrivateKey(Handle);

/// A public key of any offered kind.
pub struct PublicKey(Handle);

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // their own names
pub enum KeyKind {
    Rsa,
    Ec,
    Ed25519,
    X25519,
}

/// How a message is signed. RSA and ECDSA sign a digest, Ed25519 the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 8.2); without a hash the digest is padded as it is.
    RsaPkcs1(Option<Hash>),
    /// RSASSA-PSS (RFC 8017 8.1).
    RsaPss {
        /// Of the message.
        hash: Hash,
        /// Of the mask.
        mask_hash: Hash,
        /// Bytes of salt; `None`: as long as the hash to sign, whatever the signature has to verify.
        salt_bytes: Option<u16>,
    },
    /// ECDSA (FIPS 186-5 6), signatures in DER; a digest of any size.
    Ecdsa,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// How RSA encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaEncryption<'a> {
    /// RSAES-PKCS1-v1_5 (RFC 8017 7.2).
    Pkcs1,
    /// RSAES-OAEP (RFC 8017 7.1).
    Oaep {
        /// Of the label.
        hash: Hash,
        /// Of the mask.
        mask_hash: Hash,
        /// The label (KMIP's P Source).
        label: &'a [u8],
    },
    /// The bare function on a number as long as the modulus.
    Raw,
}

/// One `EVP_PKEY`.
struct Handle(NonNull<lc::EVP_PKEY>);

// SAFETY: AWS-LC lets threads share an `EVP_PKEY` that nobody writes to, and nothing here writes to one.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle owns one reference and ends here.
        unsafe { lc::EVP_PKEY_free(self.0.as_ptr()) };
    }
}

impl Handle {
    fn new(key: *mut lc::EVP_PKEY) -> Result<Self, ServiceError> {
        let handle = NonNull::new(key).map(Self).ok_or(ServiceError::KeyMaterial);
        forget_errors();
        handle
    }

    fn kind(&self) -> Result<KeyKind, ServiceError> {
        // SAFETY: the handle is valid; the call reads it.
        match unsafe { lc::EVP_PKEY_id(self.0.as_ptr()) } {
            lc::EVP_PKEY_RSA => Ok(KeyKind::Rsa),
            lc::EVP_PKEY_EC => Ok(KeyKind::Ec),
            lc::EVP_PKEY_ED25519 => Ok(KeyKind::Ed25519),
            lc::EVP_PKEY_X25519 => Ok(KeyKind::X25519),
            _ => Err(ServiceError::Unsupported("keys of this algorithm are kept and not used here")),
        }
    }

    fn context(&self) -> Result<Context, ServiceError> {
        // SAFETY: the handle is valid; the context takes a reference of its own.
        let context = unsafe { lc::EVP_PKEY_CTX_new(self.0.as_ptr(), null_mut()) };
        NonNull::new(context).map(Context).ok_or(ServiceError::KeyMaterial)
    }

    fn check(&self, scheme: &SignatureScheme) -> Result<(), ServiceError> {
        let needed = match scheme {
            SignatureScheme::RsaPkcs1(_) | SignatureScheme::RsaPss { .. } => KeyKind::Rsa,
            SignatureScheme::Ecdsa => KeyKind::Ec,
            SignatureScheme::Ed25519 => KeyKind::Ed25519,
        };
        if self.kind()? == needed {
            return Ok(());
        }
        Err(ServiceError::Unsupported("the key is of another algorithm than the parameters name"))
    }
}

impl PrivateKey {
    /// Reads DER: PKCS #8, PKCS #1 (RSA) or SEC 1 (EC, with its curve).
    ///
    /// # Errors
    /// [`ServiceError::KeyMaterial`].
    pub fn from_der(der: &[u8]) -> Result<Self, ServiceError> {
        let length = bounded(der)?;
        let mut at = der.as_ptr();
        // SAFETY: `at` points to `length` readable bytes; the call allocates the key it returns.
        Handle::new(unsafe { lc::d2i_AutoPrivateKey(null_mut(), &raw mut at, length) }).map(Self)
    }

    /// What kind of key it is.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`] for one that is not used here.
    pub fn kind(&self) -> Result<KeyKind, ServiceError> {
        self.0.kind()
    }

    /// Signs a digest; with Ed25519 the message.
    ///
    /// # Errors
    /// [`ServiceError`] where key, scheme and digest do not fit together.
    pub fn sign(&self, scheme: &SignatureScheme, digest: &[u8]) -> Result<Vec<u8>, ServiceError> {
        self.0.check(scheme)?;
        with_scrubbed_stack(|| {
            if *scheme == SignatureScheme::Ed25519 {
                return self.sign_message(digest);
            }
            let context = self.0.context()?;
            // SAFETY: the context is valid and has a private key.
            done(unsafe { lc::EVP_PKEY_sign_init(context.0.as_ptr()) })?;
            context.set_scheme(scheme, false)?;
            sized(|out, length| {
                // SAFETY: `out` is null, or has `*length` writable bytes; the digest is readable.
                unsafe { lc::EVP_PKEY_sign(context.0.as_ptr(), out, length, digest.as_ptr(), digest.len()) }
            })
            .map(|signature| signature.to_vec())
        })
    }

    fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let digest = MessageContext::new()?;
        // SAFETY: both are valid; Ed25519 has no hash of its own to name.
        done(unsafe {
            lc::EVP_DigestSignInit(digest.0.as_ptr(), null_mut(), null(), null_mut(), self.0.0.as_ptr())
        })?;
        sized(|out, length| {
            // SAFETY: `out` is null, or has `*length` writable bytes; the message is readable.
            unsafe { lc::EVP_DigestSign(digest.0.as_ptr(), out, length, message.as_ptr(), message.len()) }
        })
        .map(|signature| signature.to_vec())
    }

    /// Decrypts with RSA.
    ///
    /// # Errors
    /// [`ServiceError::NotAuthentic`] for whatever does not decrypt.
    pub fn decrypt(&self, how: &RsaEncryption<'_>, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        if self.kind()? != KeyKind::Rsa {
            return Err(ServiceError::Unsupported("only RSA keys decrypt"));
        }
        with_scrubbed_stack(|| {
            let context = self.0.context()?;
            // SAFETY: the context is valid and has a private key.
            done(unsafe { lc::EVP_PKEY_decrypt_init(context.0.as_ptr()) })?;
            context.set_encryption(how)?;
            sized(|out, length| {
                // SAFETY: `out` is null, or has `*length` writable bytes; the data is readable.
                unsafe { lc::EVP_PKEY_decrypt(context.0.as_ptr(), out, length, data.as_ptr(), data.len()) }
            })
            .map_err(|_| ServiceError::NotAuthentic)
        })
    }

    /// The secret shared with `peer` (ECDH per SP 800-56A 5.7.1.2, or X25519).
    ///
    /// # Errors
    /// [`ServiceError::KeyMaterial`] if the two are not of one curve.
    pub fn agree(&self, peer: &PublicKey) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        if !matches!(self.kind()?, KeyKind::Ec | KeyKind::X25519) || self.kind()? != peer.kind()? {
            return Err(ServiceError::KeyMaterial);
        }
        with_scrubbed_stack(|| {
            let context = self.0.context()?;
            // SAFETY: the context is valid; the peer outlives the calls, which take a reference.
            unsafe {
                done(lc::EVP_PKEY_derive_init(context.0.as_ptr()))?;
                done(lc::EVP_PKEY_derive_set_peer(context.0.as_ptr(), peer.0.0.as_ptr()))
                    .map_err(|_| ServiceError::KeyMaterial)?;
            }
            // SAFETY: `out` is null, or has `*length` writable bytes.
            sized(|out, length| unsafe { lc::EVP_PKEY_derive(context.0.as_ptr(), out, length) })
        })
    }
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`ServiceError::KeyMaterial`].
    pub fn from_spki(der: &[u8]) -> Result<Self, ServiceError> {
        bounded(der)?;
        let mut input = lc::CBS { data: der.as_ptr(), len: der.len() };
        // SAFETY: the input points to `len` readable bytes; the call allocates the key it returns.
        let key = Handle::new(unsafe { lc::EVP_parse_public_key(&raw mut input) })?;
        if input.len == 0 { Ok(Self(key)) } else { Err(ServiceError::KeyMaterial) }
    }

    /// Reads an `RSAPublicKey` in DER (PKCS #1).
    ///
    /// # Errors
    /// [`ServiceError::KeyMaterial`].
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, ServiceError> {
        bounded(der)?;
        // SAFETY: the input is readable; the RSA key's one reference goes to the handle, or is given back.
        unsafe {
            let key = Handle::new(lc::EVP_PKEY_new())?;
            let rsa = lc::RSA_public_key_from_bytes(der.as_ptr(), der.len());
            if rsa.is_null() {
                forget_errors();
                return Err(ServiceError::KeyMaterial);
            }
            if lc::EVP_PKEY_assign_RSA(key.0.as_ptr(), rsa) != 1 {
                lc::RSA_free(rsa);
                forget_errors();
                return Err(ServiceError::KeyMaterial);
            }
            Ok(Self(key))
        }
    }

    /// What kind of key it is.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`] for one that is not used here.
    pub fn kind(&self) -> Result<KeyKind, ServiceError> {
        self.0.kind()
    }

    /// Whether `signature` is the scheme's over `digest`; with Ed25519 over the message. Anything that is
    /// no signature at all is simply not valid.
    ///
    /// # Errors
    /// [`ServiceError`] where key and scheme do not fit together.
    pub fn verify(
        &self,
        scheme: &SignatureScheme,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, ServiceError> {
        self.0.check(scheme)?;
        let valid = if *scheme == SignatureScheme::Ed25519 {
            let context = MessageContext::new()?;
            // SAFETY: all are valid and readable; Ed25519 has no hash of its own to name.
            unsafe {
                done(lc::EVP_DigestVerifyInit(
                    context.0.as_ptr(),
                    null_mut(),
                    null(),
                    null_mut(),
                    self.0.0.as_ptr(),
                ))?;
                lc::EVP_DigestVerify(
                    context.0.as_ptr(),
                    signature.as_ptr(),
                    signature.len(),
                    digest.as_ptr(),
                    digest.len(),
                )
            }
        } else {
            let context = self.0.context()?;
            // SAFETY: the context is valid; signature and digest are readable.
            unsafe {
                done(lc::EVP_PKEY_verify_init(context.0.as_ptr()))?;
                context.set_scheme(scheme, true)?;
                lc::EVP_PKEY_verify(
                    context.0.as_ptr(),
                    signature.as_ptr(),
                    signature.len(),
                    digest.as_ptr(),
                    digest.len(),
                )
            }
        };
        forget_errors();
        Ok(valid == 1)
    }

    /// Encrypts with RSA.
    ///
    /// # Errors
    /// [`ServiceError::DataLength`] for more than the modulus takes.
    pub fn encrypt(&self, how: &RsaEncryption<'_>, data: &[u8]) -> Result<Vec<u8>, ServiceError> {
        if self.kind()? != KeyKind::Rsa {
            return Err(ServiceError::Unsupported("only RSA keys encrypt"));
        }
        with_scrubbed_stack(|| {
            let context = self.0.context()?;
            // SAFETY: the context is valid.
            done(unsafe { lc::EVP_PKEY_encrypt_init(context.0.as_ptr()) })?;
            context.set_encryption(how)?;
            sized(|out, length| {
                // SAFETY: `out` is null, or has `*length` writable bytes; the data is readable.
                unsafe { lc::EVP_PKEY_encrypt(context.0.as_ptr(), out, length, data.as_ptr(), data.len()) }
            })
            .map(|encrypted| encrypted.to_vec())
            .map_err(|_| ServiceError::DataLength)
        })
    }
}

/// One `EVP_PKEY_CTX`.
struct Context(NonNull<lc::EVP_PKEY_CTX>);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is ours and ends here.
        unsafe { lc::EVP_PKEY_CTX_free(self.0.as_ptr()) };
        forget_errors();
    }
}

impl Context {
    fn set_scheme(&self, scheme: &SignatureScheme, verify: bool) -> Result<(), ServiceError> {
        let context = self.0.as_ptr();
        // SAFETY: the context is valid and was initialised; the hashes are static.
        unsafe {
            match *scheme {
                SignatureScheme::RsaPkcs1(hash) => {
                    done(lc::EVP_PKEY_CTX_set_rsa_padding(context, lc::RSA_PKCS1_PADDING))?;
                    match hash {
                        Some(hash) => done(lc::EVP_PKEY_CTX_set_signature_md(context, function(hash))),
                        None => Ok(()),
                    }
                }
                SignatureScheme::RsaPss { hash, mask_hash, salt_bytes } => {
                    let salt = match salt_bytes {
                        Some(bytes) => c_int::from(bytes),
                        None if verify => lc::RSA_PSS_SALTLEN_AUTO,
                        None => lc::RSA_PSS_SALTLEN_DIGEST,
                    };
                    done(lc::EVP_PKEY_CTX_set_rsa_padding(context, lc::RSA_PKCS1_PSS_PADDING))?;
                    done(lc::EVP_PKEY_CTX_set_signature_md(context, function(hash)))?;
                    done(lc::EVP_PKEY_CTX_set_rsa_mgf1_md(context, function(mask_hash)))?;
                    done(lc::EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt))
                }
                SignatureScheme::Ecdsa | SignatureScheme::Ed25519 => Ok(()),
            }
        }
    }

    fn set_encryption(&self, how: &RsaEncryption<'_>) -> Result<(), ServiceError> {
        let context = self.0.as_ptr();
        // SAFETY: the context is valid and was initialised; the hashes are static; the label is a copy
        // in AWS-LC's own memory, which the context owns once the call has succeeded.
        unsafe {
            match *how {
                RsaEncryption::Pkcs1 => {
                    done(lc::EVP_PKEY_CTX_set_rsa_padding(context, lc::RSA_PKCS1_PADDING))
                }
                RsaEncryption::Raw => done(lc::EVP_PKEY_CTX_set_rsa_padding(context, lc::RSA_NO_PADDING)),
                RsaEncryption::Oaep { hash, mask_hash, label } => {
                    done(lc::EVP_PKEY_CTX_set_rsa_padding(context, lc::RSA_PKCS1_OAEP_PADDING))?;
                    done(lc::EVP_PKEY_CTX_set_rsa_oaep_md(context, function(hash)))?;
                    done(lc::EVP_PKEY_CTX_set_rsa_mgf1_md(context, function(mask_hash)))?;
                    if label.is_empty() {
                        return Ok(());
                    }
                    let copy = lc::OPENSSL_memdup(label.as_ptr().cast(), label.len());
                    if copy.is_null() {
                        return Err(ServiceError::TooMuch("no memory for the label"));
                    }
                    done(lc::EVP_PKEY_CTX_set0_rsa_oaep_label(context, copy.cast(), label.len()))
                        .inspect_err(|_| lc::OPENSSL_free(copy))
                }
            }
        }
    }
}

/// One `EVP_MD_CTX`.
struct MessageContext(NonNull<lc::EVP_MD_CTX>);

impl MessageContext {
    fn new() -> Result<Self, ServiceError> {
        // SAFETY: the call allocates what it returns.
        let context = unsafe { lc::EVP_MD_CTX_new() };
        NonNull::new(context).map(Self).ok_or(ServiceError::TooMuch("no memory for a signature"))
    }
}

impl Drop for MessageContext {
    fn drop(&mut self) {
        // SAFETY: the context is ours and ends here.
        unsafe { lc::EVP_MD_CTX_free(self.0.as_ptr()) };
        forget_errors();
    }
}

/// Asks how long the output may get, then for the output.
fn sized(mut call: impl FnMut(*mut u8, *mut usize) -> c_int) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    let mut length = 0;
    done(call(null_mut(), &raw mut length))?;
    let mut out = Zeroizing::new(vec![0; length]);
    done(call(out.as_mut_ptr(), &raw mut length))?;
    out.truncate(length);
    Ok(out)
}

/// AWS-LC says 1 for success.
fn done(code: c_int) -> Result<(), ServiceError> {
    if code == 1 {
        return Ok(());
    }
    forget_errors();
    Err(ServiceError::Unsupported("the key does not take these parameters or data of this size"))
}

fn forget_errors() {
    // SAFETY: empties the calling thread's own queue.
    unsafe { lc::ERR_clear_error() };
}

fn bounded(der: &[u8]) -> Result<std::ffi::c_long, ServiceError> {
    if der.len() > KEY_BYTES_MAX {
        return Err(ServiceError::KeyMaterial);
    }
    std::ffi::c_long::try_from(der.len()).map_err(|_| ServiceError::KeyMaterial)
}

fn function(hash: Hash) -> *const lc::EVP_MD {
    // SAFETY: each returns a static table.
    unsafe {
        match hash {
            Hash::Md5 => lc::EVP_md5(),
            Hash::Sha1 => lc::EVP_sha1(),
            Hash::Sha224 => lc::EVP_sha224(),
            Hash::Sha256 => lc::EVP_sha256(),
            Hash::Sha384 => lc::EVP_sha384(),
            Hash::Sha512 => lc::EVP_sha512(),
            Hash::Sha512_224 => lc::EVP_sha512_224(),
            Hash::Sha512_256 => lc::EVP_sha512_256(),
            Hash::Sha3_224 => lc::EVP_sha3_224(),
            Hash::Sha3_256 => lc::EVP_sha3_256(),
            Hash::Sha3_384 => lc::EVP_sha3_384(),
            Hash::Sha3_512 => lc::EVP_sha3_512(),
            Hash::Ripemd160 => lc::EVP_ripemd160(),
        }
    }
}
