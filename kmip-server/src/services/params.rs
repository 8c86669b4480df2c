//! From the numbers of KMIP to the algorithms of `crypto`, and from its errors to Result Reasons.

use crypto::services::{
    CipherAlgorithm, CipherSpec, Hash, MacAlgorithm, Mode, Padding, RsaEncryption, ServiceError,
};
use kmip::{
    BlockCipherMode, CryptographicAlgorithm, CryptographicParameters, DigitalSignatureAlgorithm,
    HashingAlgorithm, PaddingMethod, ResultReason,
};

use crate::failure::Failure;

/// Tag bytes where nobody says how many.
const TAG_BYTES: usize = 16;
/// A counter begins with 1 where nobody says otherwise (RFC 3686 4).
const FIRST_COUNTER: u32 = 1;

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let reason = match error {
            ServiceError::Unsupported(_) => ResultReason::UnsupportedCryptographicParameters,
            ServiceError::KeyLength(_) | ServiceError::IvLength(_) => {
                ResultReason::BadCryptographicParameters
            }
            ServiceError::IvMissing => ResultReason::InvalidMessage,
            ServiceError::TagLength => ResultReason::GeneralFailure,
            // Told alike: an answer that tells padding from length or tag is an oracle.
            ServiceError::NotAuthentic | ServiceError::DataLength | ServiceError::KeyMaterial => {
                ResultReason::CryptographicFailure
            }
            // Less came out of the derivation than was asked for.
            ServiceError::OutputLength => ResultReason::CryptographicFailure,
            ServiceError::TooMuch(_) => ResultReason::InvalidField,
        };
        let message = match error {
            ServiceError::DataLength => ServiceError::NotAuthentic.to_string(),
            error => error.to_string(),
        };
        Self { reason, message: message.into(), cause: "cryptographic_service", retryable: false }
    }
}

/// A parameter this server has no algorithm for.
pub const fn unsupported(message: &'static str) -> Failure {
    Failure::new(ResultReason::UnsupportedCryptographicParameters, message)
}

/// The hash of a Hashing Algorithm.
pub fn hash(algorithm: HashingAlgorithm) -> Result<Hash, Failure> {
    Ok(match algorithm {
        HashingAlgorithm::Md5 => Hash::Md5,
        HashingAlgorithm::Sha1 => Hash::Sha1,
        HashingAlgorithm::Sha224 => Hash::Sha224,
        HashingAlgorithm::Sha256 => Hash::Sha256,
        HashingAlgorithm::Sha384 => Hash::Sha384,
        HashingAlgorithm::Sha512 => Hash::Sha512,
        HashingAlgorithm::Sha512_224 => Hash::Sha512_224,
        HashingAlgorithm::Sha512_256 => Hash::Sha512_256,
        HashingAlgorithm::Sha3_224 => Hash::Sha3_224,
        HashingAlgorithm::Sha3_256 => Hash::Sha3_256,
        HashingAlgorithm::Sha3_384 => Hash::Sha3_384,
        HashingAlgorithm::Sha3_512 => Hash::Sha3_512,
        HashingAlgorithm::Ripemd160 => Hash::Ripemd160,
        HashingAlgorithm::Md2
        | HashingAlgorithm::Md4
        | HashingAlgorithm::Tiger
        | HashingAlgorithm::Whirlpool => return Err(unsupported("the Hashing Algorithm is not offered")),
    })
}

/// The MAC that parameters and the key's own algorithm ask for.
pub fn mac_algorithm(
    parameters: &CryptographicParameters,
    key: Option<CryptographicAlgorithm>,
) -> Result<MacAlgorithm, Failure> {
    let named = parameters.cryptographic_algorithm;
    if parameters.block_cipher_mode == Some(BlockCipherMode::Cmac) {
        return match named.or(key) {
            Some(CryptographicAlgorithm::Aes) => Ok(MacAlgorithm::AesCmac),
            Some(CryptographicAlgorithm::TripleDes) => Ok(MacAlgorithm::TripleDesCmac),
            _ => Err(unsupported("CMAC is offered with AES and 3DES")),
        };
    }
    if let Some(code) = named.and_then(hmac).or_else(|| key.and_then(hmac)) {
        return Ok(MacAlgorithm::Hmac(code));
    }
    match parameters.hashing_algorithm {
        Some(algorithm) => Ok(MacAlgorithm::Hmac(hash(algorithm)?)),
        None => Err(unsupported("neither the parameters nor the key say which MAC is wanted")),
    }
}

fn hmac(algorithm: CryptographicAlgorithm) -> Option<Hash> {
    match algorithm {
        CryptographicAlgorithm::HmacMd5 => Some(Hash::Md5),
        CryptographicAlgorithm::HmacSha1 => Some(Hash::Sha1),
        CryptographicAlgorithm::HmacSha224 => Some(Hash::Sha224),
        CryptographicAlgorithm::HmacSha256 => Some(Hash::Sha256),
        CryptographicAlgorithm::HmacSha384 => Some(Hash::Sha384),
        CryptographicAlgorithm::HmacSha512 => Some(Hash::Sha512),
        CryptographicAlgorithm::HmacSha3_224 => Some(Hash::Sha3_224),
        CryptographicAlgorithm::HmacSha3_256 => Some(Hash::Sha3_256),
        CryptographicAlgorithm::HmacSha3_384 => Some(Hash::Sha3_384),
        CryptographicAlgorithm::HmacSha3_512 => Some(Hash::Sha3_512),
        _ => None,
    }
}

/// A message to encrypt or decrypt, as far as parameters and the key's own algorithm say it; IV and
/// additional data are the request's.
pub fn cipher(
    parameters: &CryptographicParameters,
    key: Option<CryptographicAlgorithm>,
) -> Result<CipherSpec<'static>, Failure> {
    let algorithm = match (parameters.cryptographic_algorithm.and_then(cipher_algorithm), key) {
        (Some(named), Some(own)) if cipher_algorithm(own).is_some_and(|own| own != named) => {
            let message = "the Cryptographic Algorithm of the parameters is not the key's";
            return Err(Failure::new(ResultReason::BadCryptographicParameters, message));
        }
        (Some(named), _) => named,
        (None, own) => own
            .and_then(cipher_algorithm)
            .ok_or(unsupported("neither the parameters nor the key name a cipher that is offered"))?,
    };
    let mode = match (algorithm, parameters.block_cipher_mode) {
        // AEAD is the only mode of one and names no block cipher; the others are streams.
        (CipherAlgorithm::ChaCha20Poly1305, Some(BlockCipherMode::Aead))
        | (
            CipherAlgorithm::ChaCha20 | CipherAlgorithm::ChaCha20Poly1305 | CipherAlgorithm::OneTimePad,
            None,
        ) => None,
        (_, None) => {
            let message = "neither the request nor the key names a Block Cipher Mode";
            return Err(Failure::new(ResultReason::BadCryptographicParameters, message));
        }
        (_, Some(mode)) => Some(cipher_mode(mode)?),
    };
    let mut spec = CipherSpec::new(algorithm, mode);
    spec.padding = padding(parameters.padding_method)?;
    spec.tag_bytes = match parameters.tag_length {
        Some(bytes) => usize::try_from(bytes).map_err(|_| ServiceError::TagLength)?,
        None => TAG_BYTES,
    };
    spec.initial_counter = counter(parameters)?.unwrap_or(0);
    Ok(spec)
}

fn counter(parameters: &CryptographicParameters) -> Result<Option<u32>, Failure> {
    let value = parameters.initial_counter_value.map(u32::try_from).transpose();
    value.map_err(|_| Failure::invalid_field("the Initial Counter Value is negative"))
}

/// A CTR nonce shorter than a block is completed with the counter the parameters begin with.
pub fn counter_block(
    parameters: &CryptographicParameters,
    nonce: &[u8],
    block_bytes: usize,
) -> Result<Vec<u8>, Failure> {
    let missing = block_bytes.saturating_sub(nonce.len());
    let said = parameters.counter_length.map(|bits| usize::try_from(bits).unwrap_or(0) / 8);
    if missing == 0 || missing > 8 || said.is_some_and(|bytes| bytes != missing) {
        return Ok(nonce.to_vec());
    }
    let first = u64::from(counter(parameters)?.unwrap_or(FIRST_COUNTER)).to_be_bytes();
    Ok([nonce, &first[8 - missing..]].concat())
}

fn cipher_algorithm(algorithm: CryptographicAlgorithm) -> Option<CipherAlgorithm> {
    match algorithm {
        CryptographicAlgorithm::Aes => Some(CipherAlgorithm::Aes),
        CryptographicAlgorithm::TripleDes => Some(CipherAlgorithm::TripleDes),
        CryptographicAlgorithm::Des => Some(CipherAlgorithm::Des),
        CryptographicAlgorithm::ChaCha20 => Some(CipherAlgorithm::ChaCha20),
        CryptographicAlgorithm::ChaCha20Poly1305 => Some(CipherAlgorithm::ChaCha20Poly1305),
        CryptographicAlgorithm::OneTimePad => Some(CipherAlgorithm::OneTimePad),
        _ => None,
    }
}

fn cipher_mode(mode: BlockCipherMode) -> Result<Mode, Failure> {
    Ok(match mode {
        BlockCipherMode::Ecb => Mode::Ecb,
        BlockCipherMode::Cbc => Mode::Cbc,
        BlockCipherMode::Cfb => Mode::Cfb,
        BlockCipherMode::Ofb => Mode::Ofb,
        BlockCipherMode::Ctr => Mode::Ctr,
        BlockCipherMode::Gcm => Mode::Gcm,
        BlockCipherMode::Ccm => Mode::Ccm,
        BlockCipherMode::Xts => Mode::Xts,
        BlockCipherMode::NistKeyWrap => Mode::KeyWrap,
        BlockCipherMode::AesKeyWrapPadding => Mode::KeyWrapPadded,
        BlockCipherMode::Pcbc
        | BlockCipherMode::Cmac
        | BlockCipherMode::CbcMac
        | BlockCipherMode::X9_102AesKw
        | BlockCipherMode::X9_102TdKw
        | BlockCipherMode::X9_102Akw1
        | BlockCipherMode::X9_102Akw2
        | BlockCipherMode::Aead => return Err(unsupported("the Block Cipher Mode is not offered here")),
    })
}

fn padding(method: Option<PaddingMethod>) -> Result<Padding, Failure> {
    Ok(match method {
        None | Some(PaddingMethod::None) => Padding::None,
        Some(PaddingMethod::Pkcs5) => Padding::Pkcs5,
        Some(PaddingMethod::Zeros) => Padding::Zeros,
        Some(PaddingMethod::Ansix9_23) => Padding::AnsiX923,
        Some(PaddingMethod::Iso10126) => Padding::Iso10126,
        Some(PaddingMethod::Ssl3) => Padding::Ssl3,
        Some(PaddingMethod::Oaep | PaddingMethod::Pkcs1V1_5 | PaddingMethod::X9_31 | PaddingMethod::Pss) => {
            return Err(unsupported("the Padding Method does not pad blocks"));
        }
    })
}

/// How RSA encrypts; OAEP with SHA-1, as RFC 8017 has it, unless said otherwise.
pub fn rsa_encryption(parameters: &CryptographicParameters) -> Result<RsaEncryption<'_>, Failure> {
    match parameters.padding_method {
        None | Some(PaddingMethod::Oaep) => {
            let main = parameters.hashing_algorithm.map_or(Ok(Hash::Sha1), hash)?;
            let mask_hash = parameters.mask_generator_hashing_algorithm.map_or(Ok(main), hash)?;
            let label = parameters.p_source.as_ref().map_or(&[][..], |label| &label.0);
            Ok(RsaEncryption::Oaep { hash: main, mask_hash, label })
        }
        Some(PaddingMethod::Pkcs1V1_5) => Ok(RsaEncryption::Pkcs1),
        Some(PaddingMethod::None) => Ok(RsaEncryption::Raw),
        Some(_) => Err(unsupported("RSA encrypts with OAEP, PKCS1 v1.5 or no padding")),
    }
}

/// The hash and the padding a Digital Signature Algorithm names.
pub fn signature_algorithm(
    algorithm: DigitalSignatureAlgorithm,
) -> Result<(Option<Hash>, Option<PaddingMethod>), Failure> {
    use DigitalSignatureAlgorithm as Named;
    let pkcs1 = Some(PaddingMethod::Pkcs1V1_5);
    Ok(match algorithm {
        Named::Md5WithRsaEncryptionPkcs1V1_5 => (Some(Hash::Md5), pkcs1),
        Named::Sha1WithRsaEncryptionPkcs1V1_5 => (Some(Hash::Sha1), pkcs1),
        Named::Sha224WithRsaEncryptionPkcs1V1_5 => (Some(Hash::Sha224), pkcs1),
        Named::Sha256WithRsaEncryptionPkcs1V1_5 => (Some(Hash::Sha256), pkcs1),
        Named::Sha384WithRsaEncryptionPkcs1V1_5 => (Some(Hash::Sha384), pkcs1),
        Named::Sha512WithRsaEncryptionPkcs1V1_5 => (Some(Hash::Sha512), pkcs1),
        Named::Sha3_256WithRsaEncryption => (Some(Hash::Sha3_256), pkcs1),
        Named::Sha3_384WithRsaEncryption => (Some(Hash::Sha3_384), pkcs1),
        Named::Sha3_512WithRsaEncryption => (Some(Hash::Sha3_512), pkcs1),
        Named::RsassaPss => (None, Some(PaddingMethod::Pss)),
        Named::EcdsaWithSha1 => (Some(Hash::Sha1), None),
        Named::EcdsaWithSha224 => (Some(Hash::Sha224), None),
        Named::EcdsaWithSha256 => (Some(Hash::Sha256), None),
        Named::EcdsaWithSha384 => (Some(Hash::Sha384), None),
        Named::EcdsaWithSha512 => (Some(Hash::Sha512), None),
        Named::Md2WithRsaEncryptionPkcs1V1_5
        | Named::DsaWithSha1
        | Named::DsaWithSha224
        | Named::DsaWithSha256 => {
            return Err(unsupported("the Digital Signature Algorithm is not offered"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_name_a_cipher_or_are_refused() {
        use CryptographicAlgorithm as A;
        let check = |parameters: CryptographicParameters,
                     key: Option<A>,
                     expected: Option<(CipherAlgorithm, Option<Mode>)>| {
            let spec = cipher(&parameters, key).map(|spec| (spec.algorithm, spec.mode)).ok();
            assert_eq!(spec, expected, "{parameters:?} {key:?}");
        };
        let mode = |mode| CryptographicParameters { block_cipher_mode: Some(mode), ..Default::default() };
        let named = |algorithm| CryptographicParameters {
            cryptographic_algorithm: Some(algorithm),
            ..mode(BlockCipherMode::Cbc)
        };
        check(mode(BlockCipherMode::Cbc), Some(A::Aes), Some((CipherAlgorithm::Aes, Some(Mode::Cbc))));
        check(named(A::Aes), None, Some((CipherAlgorithm::Aes, Some(Mode::Cbc))));
        check(named(A::TripleDes), Some(A::Aes), None);
        check(CryptographicParameters::default(), Some(A::Aes), None);
        check(CryptographicParameters::default(), Some(A::ChaCha20), Some((CipherAlgorithm::ChaCha20, None)));
        check(
            mode(BlockCipherMode::Aead),
            Some(A::ChaCha20Poly1305),
            Some((CipherAlgorithm::ChaCha20Poly1305, None)),
        );
        check(mode(BlockCipherMode::Aead), Some(A::Aes), None);
        check(mode(BlockCipherMode::Pcbc), Some(A::Aes), None);
        check(mode(BlockCipherMode::Ecb), Some(A::Rc4), None);
    }

    #[test]
    fn a_short_counter_nonce_is_completed() {
        let parameters = |length, initial| CryptographicParameters {
            counter_length: length,
            initial_counter_value: initial,
            ..Default::default()
        };
        let check = |parameters: &CryptographicParameters, nonce: &[u8], expected: &[u8]| {
            assert_eq!(counter_block(parameters, nonce, 16).unwrap(), expected);
        };
        check(&parameters(None, None), &[7; 16], &[7; 16]);
        check(&parameters(Some(32), None), &[7; 12], &[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 1]);
        check(&parameters(None, Some(258)), &[7; 12], &[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 1, 2]);
        // A counter of another size than is missing is the client's mistake; the cipher refuses the size.
        check(&parameters(Some(64), None), &[7; 12], &[7; 12]);
        assert!(counter_block(&parameters(None, Some(-1)), &[7; 12], 16).is_err());
    }

    #[test]
    fn more_than_a_derivation_gives_is_a_cryptographic_failure() {
        assert_eq!(Failure::from(ServiceError::OutputLength).reason, ResultReason::CryptographicFailure);
        assert_eq!(Failure::from(ServiceError::TooMuch("rounds")).reason, ResultReason::InvalidField);
    }

    #[test]
    fn what_went_wrong_in_a_message_is_told_alike() {
        let told = |error: ServiceError| {
            let failure = Failure::from(error);
            (failure.reason, failure.message)
        };
        assert_eq!(told(ServiceError::NotAuthentic), told(ServiceError::DataLength));
        assert_eq!(told(ServiceError::NotAuthentic).0, ResultReason::CryptographicFailure);
        assert_eq!(told(ServiceError::TagLength).0, ResultReason::GeneralFailure);
        assert_eq!(told(ServiceError::IvMissing).0, ResultReason::InvalidMessage);
    }
}
