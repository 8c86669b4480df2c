//! Splitting a key into parts of which some, together, give it back (KMIP 1.4, section 2.2.5).
//!
//! XOR needs all parts. The polynomial methods are Shamir's: the key is the value at zero of a random
//! polynomial, a part its value at the part's identifier; fewer parts than the threshold say nothing.
//! Arithmetic on key bytes is computed, never looked up in tables, so that its timing does not depend
//! on them. Parts carry no check of their own: joining wrong parts gives a wrong key, not an error.

mod binary;
mod prime;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::random;

/// Bytes of a part, or of a key; wiped when dropped.
pub type Piece = Zeroizing<Vec<u8>>;

/// How a key is split (KMIP Split Key Method).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// All parts together, by exclusive or.
    Xor,
    /// Shamir over GF(2^8), byte by byte; the field of FIPS 197. At most 255 parts.
    Gf8,
    /// Shamir over GF(2^16) as an extension of GF(2^8), two bytes at a time. At most 65,535 parts.
    Gf16,
    /// Shamir over the integers modulo a prime, big-endian.
    Prime(Vec<u8>),
}

/// One part.
pub struct Part {
    /// Key Part Identifier, from 1.
    pub identifier: u32,
    /// Its bytes.
    pub bytes: Piece,
}

/// Why nothing was split or joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Nobody could join what these numbers describe.
    #[error("{threshold} of {parts} parts cannot be made by this method")]
    Numbers {
        /// How many parts there are to be.
        parts: u32,
        /// How many are to be needed.
        threshold: u32,
    },
    /// An empty key, or an odd number of bytes for GF(2^16).
    #[error("a key of {bytes} bytes cannot be split by this method")]
    KeyLength {
        /// How many bytes it has.
        bytes: usize,
    },
    /// Fewer parts than the threshold.
    #[error("{given} parts are given and {needed} are needed")]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Two parts with one identifier, an identifier of zero, or parts of unequal length.
    #[error("the parts do not belong together")]
    Mismatch,
    /// Even, too small for the key, or not a prime.
    #[error("the prime field size is not a prime above the key")]
    NotAPrime,
}

impl Method {
    /// The prime that is used where none is named: 2^521 - 1, above every key of up to 65 bytes.
    #[must_use]
    pub fn default_prime() -> Vec<u8> {
        let mut prime = vec![0xff; 66];
        prime[0] = 0x01;
        prime
    }

    /// Splits `key` into `parts`, of which `threshold` give it back.
    ///
    /// # Errors
    /// [`SplitError::Numbers`], [`SplitError::KeyLength`], [`SplitError::NotAPrime`].
    pub fn split(&self, key: &[u8], parts: u32, threshold: u32) -> Result<Vec<Part>, SplitError> {
        if threshold == 0 || threshold > parts || parts > self.parts_max() {
            return Err(SplitError::Numbers { parts, threshold });
        }
        if key.is_empty() || (*self == Self::Gf16 && !key.len().is_multiple_of(2)) {
            return Err(SplitError::KeyLength { bytes: key.len() });
        }
        match self {
            Self::Xor if threshold != parts => Err(SplitError::Numbers { parts, threshold }),
            Self::Xor => Ok(split_xor(key, parts)),
            Self::Gf8 => Ok(binary::split::<u8>(key, parts, threshold)),
            Self::Gf16 => Ok(binary::split::<u16>(key, parts, threshold)),
            Self::Prime(prime) => prime::split(prime, key, parts, threshold),
        }
    }

    /// Joins at least `threshold` parts into a key of `key_bytes`.
    ///
    /// # Errors
    /// [`SplitError::TooFew`], [`SplitError::Mismatch`], [`SplitError::NotAPrime`].
    pub fn join(&self, parts: &[Part], threshold: u32, key_bytes: usize) -> Result<Piece, SplitError> {
        let needed = usize::try_from(threshold).unwrap_or(usize::MAX).max(1);
        if parts.len() < needed {
            return Err(SplitError::TooFew { given: parts.len(), needed });
        }
        let length = parts[0].bytes.len();
        let alike = parts.iter().all(|part| {
            part.bytes.len() == length && part.identifier != 0 && part.identifier <= self.parts_max()
        });
        let twice = parts.iter().enumerate().any(|(position, part)| {
            parts[..position].iter().any(|other| other.identifier == part.identifier)
        });
        if !alike || twice || length == 0 {
            return Err(SplitError::Mismatch);
        }
        let joined = match self {
            Self::Xor => join_xor(parts, length),
            Self::Gf8 => binary::join::<u8>(parts, length),
            Self::Gf16 if !length.is_multiple_of(2) => return Err(SplitError::Mismatch),
            Self::Gf16 => binary::join::<u16>(parts, length),
            Self::Prime(prime) => prime::join(prime, parts)?,
        };
        last_bytes(&joined, key_bytes)
    }

    /// How many parts it can tell apart. XOR's bound is only that of sanity.
    const fn parts_max(&self) -> u32 {
        match self {
            Self::Gf8 => 255,
            Self::Xor | Self::Gf16 | Self::Prime(_) => 65_535,
        }
    }
}

/// The key is the end of what was joined; whatever stands before it must be zero.
fn last_bytes(joined: &[u8], key_bytes: usize) -> Result<Piece, SplitError> {
    let lead = joined.len().checked_sub(key_bytes).ok_or(SplitError::Mismatch)?;
    if !bool::from(joined[..lead].ct_eq(&vec![0; lead])) {
        return Err(SplitError::Mismatch);
    }
    Ok(Zeroizing::new(joined[lead..].to_vec()))
}

fn split_xor(key: &[u8], parts: u32) -> Vec<Part> {
    let mut last = Zeroizing::new(key.to_vec());
    let mut made = Vec::new();
    for identifier in 1..parts {
        let mut bytes = Zeroizing::new(vec![0; key.len()]);
        random::fill(&mut bytes);
        last.iter_mut().zip(bytes.iter()).for_each(|(last, byte)| *last ^= byte);
        made.push(Part { identifier, bytes });
    }
    made.push(Part { identifier: parts, bytes: last });
    made
}

fn join_xor(parts: &[Part], length: usize) -> Piece {
    let mut key = Zeroizing::new(vec![0; length]);
    for part in parts {
        key.iter_mut().zip(part.bytes.iter()).for_each(|(key, byte)| *key ^= byte);
    }
    key
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    const KEY: [u8; 16] = *b"0123456789abcdef";

    fn methods() -> [Method; 3] {
        [Method::Gf8, Method::Gf16, Method::Prime(Method::default_prime())]
    }

    fn pick(parts: &[Part], which: &[usize]) -> Vec<Part> {
        let copy = |part: &Part| Part { identifier: part.identifier, bytes: part.bytes.clone() };
        which.iter().map(|at| copy(&parts[*at])).collect()
    }

    #[test]
    fn any_threshold_parts_give_the_key_in_any_order() {
        for method in methods() {
            let parts = method.split(&KEY, 5, 3).expect("splits");
            for which in [&[0, 1, 2][..], &[4, 0, 2], &[3, 4, 1], &[0, 1, 2, 3, 4]] {
                let joined = method.join(&pick(&parts, which), 3, KEY.len()).expect("joins");
                assert_eq!(**joined, KEY, "{method:?} {which:?}");
            }
        }
    }

    #[test]
    fn xor_needs_every_part() {
        let parts = Method::Xor.split(&KEY, 4, 4).expect("splits");
        assert_eq!(**Method::Xor.join(&pick(&parts, &[3, 2, 1, 0]), 4, 16).expect("joins"), KEY);
        let few = Method::Xor.join(&pick(&parts, &[1]), 4, 16).err();
        assert_eq!(few, Some(SplitError::TooFew { given: 1, needed: 4 }));
        assert!(Method::Xor.split(&KEY, 4, 3).is_err());
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        for method in methods() {
            let parts = method.split(&KEY, 3, 2).expect("splits");
            assert_eq!(method.join(&pick(&parts, &[0, 0]), 2, 16).err(), Some(SplitError::Mismatch));
            let mut short = pick(&parts, &[0, 1]);
            short[1].bytes.pop();
            assert_eq!(method.join(&short, 2, 16).err(), Some(SplitError::Mismatch));
        }
    }

    #[test]
    fn fewer_parts_than_the_threshold_do_not_hold_the_key() {
        let parts = Method::Gf8.split(&KEY, 3, 3).expect("splits");
        let wrong = Method::Gf8.join(&pick(&parts, &[0, 1]), 2, 16).expect("joins to something");
        assert_ne!(**wrong, KEY);
    }

    #[test]
    fn primes_are_judged() {
        let composite = Method::Prime([&[1][..], &[0; 16], &[1]].concat());
        assert_eq!(composite.split(&KEY, 2, 2).err(), Some(SplitError::NotAPrime));
        let small = Method::Prime(vec![0xfb]);
        assert_eq!(small.split(&KEY, 2, 2).err(), Some(SplitError::NotAPrime));
        assert!(Method::Gf8.split(&KEY, 256, 2).is_err());
        assert!(Method::Gf16.split(&KEY[1..], 3, 2).is_err());
    }
}
