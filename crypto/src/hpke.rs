//! HPKE in base mode, one message per encapsulation (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! AES-256-GCM.
//!
//! The construction is rustls's, over the same AWS-LC as our TLS; here it is only held to our ways with memory: the
//! private key rests in the arena and is lent for one call, what is opened goes straight into the caller's slot,
//! the stack is wiped, and buffers in between are wiped when the allocator takes them back.

use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use zeroize::Zeroizing;

use crate::arena::ArenaError;
use crate::secret::Secret;
use crate::stack::with_scrubbed_stack;

/// Bytes of a public key, and of an encapsulated key: X25519's.
pub(crate) const PUBLIC_BYTES: usize = 32;
/// Bytes a sealed message is longer than the message: GCM's tag.
pub(crate) const TAG_BYTES: usize = 16;

/// Why nothing was sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpkeError {
    /// No key pair was made.
    #[error("no key pair could be made")]
    NoKeyPair,
    /// The public key is no point to agree with.
    #[error("the public key cannot be sealed to")]
    PublicKey,
    /// Sealed to another key, for another use, or altered.
    #[error("it was sealed to another key or for another use, or was altered")]
    NotAuthentic,
    /// No slot for the result.
    #[error(transparent)]
    Arena(#[from] ArenaError),
}

/// A private key and its public half.
pub(crate) struct KeyPair {
    private: Secret,
    public: [u8; PUBLIC_BYTES],
}

impl KeyPair {
    /// A fresh one.
    pub fn generate() -> Result<Self, HpkeError> {
        with_scrubbed_stack(|| {
            let (public, private) = SUITE.generate_key_pair().map_err(|_| HpkeError::NoKeyPair)?;
            let public = public.0.try_into().map_err(|_| HpkeError::NoKeyPair)?;
            let private = Secret::try_fill(|out| fill(out, private.secret_bytes(), HpkeError::NoKeyPair))?;
            Ok(Self { private, public })
        })
    }

    pub fn public(&self) -> &[u8; PUBLIC_BYTES] {
        &self.public
    }

    /// Opens what was sealed to this key into `out`, which is exactly as long as the message.
    pub fn open(
        &self,
        enc: &[u8; PUBLIC_BYTES],
        info: &[u8],
        aad: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), HpkeError> {
        with_scrubbed_stack(|| {
            let private = HpkePrivateKey::from(self.private.with(|bytes| bytes.to_vec()));
            let enc = EncapsulatedSecret(enc.to_vec());
            let opened = SUITE.open(&enc, info, aad, sealed, &private);
            let opened = Zeroizing::new(opened.map_err(|_| HpkeError::NotAuthentic)?);
            fill(out, &opened, HpkeError::NotAuthentic)
        })
    }

    #[cfg(test)]
    pub fn copy(&self) -> Self {
        let private = self.private.with(|bytes| Secret::fill(|out| *out = *bytes)).expect("a slot");
        Self { private, public: self.public }
    }
}

/// Seals `message` to a public key; returns the encapsulated key, and the message with its tag.
pub(crate) fn seal(
    to: &[u8; PUBLIC_BYTES],
    info: &[u8],
    aad: &[u8],
    message: &[u8],
) -> Result<([u8; PUBLIC_BYTES], Vec<u8>), HpkeError> {
    with_scrubbed_stack(|| {
        let to = HpkePublicKey(to.to_vec());
        let (enc, sealed) = SUITE.seal(info, aad, message, &to).map_err(|_| HpkeError::PublicKey)?;
        Ok((enc.0.try_into().map_err(|_| HpkeError::PublicKey)?, sealed))
    })
}

fn fill(out: &mut [u8], bytes: &[u8], otherwise: HpkeError) -> Result<(), HpkeError> {
    if out.len() != bytes.len() {
        return Err(otherwise);
    }
    out.copy_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    // RFC 9180's test vectors (test-vectors.json of the CFRG): mode 0, kem_id 32, kdf_id 1, aead_id 2.
    const INFO: &[u8] = b"Ode on a Grecian Urn";
    const SK_R: [u8; 32] = hex!("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d");
    const PK_R: [u8; 32] = hex!("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c");
    const ENC: [u8; 32] = hex!("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256");
    const AAD: &[u8] = b"Count-0";
    const PLAIN: &[u8; 29] = b"Beauty is truth, truth beauty";
    const SEALED: [u8; 45] =
        hex!("e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a");

    fn recipient() -> KeyPair {
        KeyPair { private: Secret::fill(|out| *out = SK_R).unwrap(), public: PK_R }
    }

    #[test]
    fn rfc_9180_opens() {
        let (pair, mut out) = (recipient(), [0; 29]);
        pair.open(&ENC, INFO, AAD, &SEALED, &mut out).unwrap();
        assert_eq!(&out, PLAIN);
        let mut kept = [0; 29];
        for (info, aad) in [(&b"Ode"[..], AAD), (INFO, &b"Count-1"[..])] {
            assert_eq!(pair.open(&ENC, info, aad, &SEALED, &mut kept), Err(HpkeError::NotAuthentic));
        }
        assert_eq!(pair.open(&PK_R, INFO, AAD, &SEALED, &mut kept), Err(HpkeError::NotAuthentic));
        assert_eq!(pair.open(&ENC, INFO, AAD, &SEALED[1..], &mut kept), Err(HpkeError::NotAuthentic));
        assert_eq!(pair.open(&ENC, INFO, AAD, &[], &mut kept), Err(HpkeError::NotAuthentic));
        assert_eq!(kept, [0; 29], "nothing comes of a failed opening");
    }

    #[test]
    fn what_is_sealed_to_a_published_key_opens_by_it_and_each_sealing_has_a_key_of_its_own() {
        let mut last = [0; 32];
        for pair in [recipient(), KeyPair::generate().unwrap()] {
            for message in [&b""[..], b"one", &[7; 300]] {
                let (enc, sealed) = seal(pair.public(), INFO, AAD, message).unwrap();
                assert_eq!(sealed.len(), message.len() + TAG_BYTES);
                let mut out = vec![0; message.len()];
                pair.open(&enc, INFO, AAD, &sealed, &mut out).unwrap();
                assert_eq!(out, message);
                assert_ne!(enc, last);
                last = enc;
            }
        }
    }
}
