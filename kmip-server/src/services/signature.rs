//! How a key signs, and what it signs: the scheme follows from the key's kind, the rest from the parameters.

use crypto::services::pkey::KeyKind;
use crypto::services::{Hash, SignatureScheme};
use engine::{Refused, Stream, Work};
use kmip::field::{Decode as _, Encode as _};
use kmip::ttlv::{Item, Limits, Writer};
use kmip::{CryptographicParameters, PaddingMethod, Tag, Version};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::services::params::{hash, signature_algorithm, unsupported};

/// Where nobody names a hash.
const DEFAULT_HASH: Hash = Hash::Sha256;

/// What parameters say about a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    hash: Option<Hash>,
    padding: Option<PaddingMethod>,
    mask_hash: Option<Hash>,
    salt_bytes: Option<u16>,
}

impl Wanted {
    /// Reads the parameters; a Digital Signature Algorithm fills in what they leave open.
    pub fn of(parameters: &CryptographicParameters) -> Result<Self, Failure> {
        let named = match parameters.digital_signature_algorithm {
            Some(algorithm) => signature_algorithm(algorithm)?,
            None => (None, None),
        };
        let salt = parameters.salt_length.map(u16::try_from).transpose();
        Ok(Self {
            hash: parameters.hashing_algorithm.map(hash).transpose()?.or(named.0),
            padding: parameters.padding_method.or(named.1),
            mask_hash: parameters.mask_generator_hashing_algorithm.map(hash).transpose()?,
            salt_bytes: salt.map_err(|_| Failure::invalid_field("the Salt Length is out of range"))?,
        })
    }

    /// The hash of the message.
    pub fn message_hash(self) -> Hash {
        self.hash.unwrap_or(DEFAULT_HASH)
    }

    /// The scheme of a key of this kind, over a message or over a digest the client made. A digest that
    /// comes without a hash's name is padded as it is in PKCS #1 v1.5, and known by its size in PSS.
    pub fn scheme(self, kind: KeyKind, digested: Option<usize>) -> Result<SignatureScheme, Failure> {
        match kind {
            KeyKind::Ec => Ok(SignatureScheme::Ecdsa),
            KeyKind::Ed25519 if digested.is_some() => Err(unsupported("Ed25519 signs messages, not digests")),
            KeyKind::Ed25519 => Ok(SignatureScheme::Ed25519),
            KeyKind::X25519 => Err(unsupported("X25519 keys agree on secrets and do not sign")),
            KeyKind::Rsa => self.rsa(digested),
        }
    }

    fn rsa(self, digested: Option<usize>) -> Result<SignatureScheme, Failure> {
        let hash = match digested {
            None => Some(self.message_hash()),
            Some(_) => self.hash,
        };
        match self.padding {
            None | Some(PaddingMethod::Pkcs1V1_5) => Ok(SignatureScheme::RsaPkcs1(hash)),
            Some(PaddingMethod::Pss) => {
                let by_size = || digested.and_then(hash_of_size);
                let hash =
                    hash.or_else(by_size).ok_or(unsupported("PSS needs the name of the digest's hash"))?;
                let mask_hash = self.mask_hash.unwrap_or(hash);
                Ok(SignatureScheme::RsaPss { hash, mask_hash, salt_bytes: self.salt_bytes })
            }
            Some(_) => Err(unsupported("RSA signs with PSS or PKCS1 v1.5")),
        }
    }
}

/// What a message in parts was begun with: later parts need not say it again, and change nothing about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// How it is signed.
    pub parameters: CryptographicParameters,
    /// The signature to verify, once a part has brought it.
    pub signature: Vec<u8>,
}

impl Begun {
    /// Of the message an earlier part began, or of one that begins with these parameters.
    pub fn of(parameters: CryptographicParameters, stream: Option<&Stream>) -> Result<Self, Refused> {
        match stream {
            Some(stream) => Self::from_bytes(&stream.kept).ok_or(Refused::NoStream),
            None => Ok(Self { parameters, signature: Vec::new() }),
        }
    }

    /// For the stream to keep: the parameters in TTLV, which tells its length, then the signature.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let tag = Tag::CRYPTOGRAPHIC_PARAMETERS;
        self.parameters.encode(&mut Writer::new(&mut bytes, Version::V2_1), tag);
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        const HEADER_BYTES: usize = 8;
        let length = u32::from_be_bytes(bytes.get(4..HEADER_BYTES)?.try_into().ok()?);
        let (parameters, signature) = bytes.split_at_checked(HEADER_BYTES + length as usize)?;
        let parameters = Item::parse(parameters, &Limits::DEFAULT).and_then(CryptographicParameters::decode);
        Some(Self { parameters: parameters.ok()?, signature: signature.to_vec() })
    }
}

fn hash_of_size(bytes: usize) -> Option<Hash> {
    [Hash::Sha1, Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512]
        .into_iter()
        .find(|hash| hash.output_bytes() == bytes)
}

/// Begins to take a message in: hashed as it comes, or kept where the signature needs all of it.
pub fn begin(wanted: Wanted, kind: KeyKind) -> Work {
    match kind {
        KeyKind::Ed25519 => Work::Message(Vec::new()),
        KeyKind::Rsa | KeyKind::Ec | KeyKind::X25519 => {
            Work::Hash(crypto::services::Hasher::new(wanted.message_hash()))
        }
    }
}

/// Takes the next part.
pub fn update(work: &mut Work, data: &[u8]) -> Result<(), Refused> {
    match work {
        Work::Hash(hasher) => hasher.update(data),
        Work::Message(parts) => parts.push(Zeroizing::new(data.to_vec())),
        Work::Cipher(_) | Work::Mac(_) => return Err(Refused::NoStream),
    }
    Ok(())
}

/// What is signed: the digest, or the message itself.
pub fn finish(work: Work) -> Result<Zeroizing<Vec<u8>>, Refused> {
    match work {
        Work::Hash(hasher) => Ok(hasher.finish()),
        Work::Message(parts) => {
            let total = parts.iter().map(|part| part.len()).sum();
            let mut message = Zeroizing::new(Vec::with_capacity(total));
            for part in &parts {
                message.extend_from_slice(part);
            }
            Ok(message)
        }
        Work::Cipher(_) | Work::Mac(_) => Err(Refused::NoStream),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmip::HashingAlgorithm;

    #[test]
    fn what_a_message_was_begun_with_comes_back_with_its_next_part() {
        let pss = CryptographicParameters {
            padding_method: Some(PaddingMethod::Pss),
            hashing_algorithm: Some(HashingAlgorithm::Sha384),
            salt_length: Some(20),
            ..CryptographicParameters::default()
        };
        for parameters in [pss, CryptographicParameters::default()] {
            for signature in [Vec::new(), vec![7; 256]] {
                let begun = Begun { parameters: parameters.clone(), signature };
                assert_eq!(Begun::from_bytes(&begun.to_bytes()), Some(begun));
            }
        }
        assert_eq!(Begun::from_bytes(&[0; 7]), None);
    }
}
