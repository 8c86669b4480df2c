//! Shamir's polynomial over the integers modulo a prime.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use zeroize::Zeroizing;

use super::{Method, Part, Piece, SplitError};
use crate::random;

/// Rounds of Miller and Rabin's test: a composite passes with a chance below 2^-32. The prime is its caller's
/// own choice, and guards nobody else's key.
const PRIMALITY_ROUNDS: u32 = 16;

/// Longest prime in bytes: 2,048 bits. A longer one would cost seconds to judge; longer keys are split over
/// the binary fields.
const PRIME_BYTES_MAX: usize = 256;

struct PrimeField {
    params: BoxedMontyParams,
    bits: u32,
    /// Bytes of a part.
    bytes: usize,
}

impl PrimeField {
    fn new(prime: &[u8]) -> Result<Self, SplitError> {
        let lead = prime.iter().take_while(|byte| **byte == 0).count();
        let prime = &prime[lead..];
        if prime.is_empty() || prime.len() > PRIME_BYTES_MAX {
            return Err(SplitError::NotAPrime);
        }
        let precision = u32::try_from(prime.len() * 8).map_err(|_| SplitError::NotAPrime)?;
        let number = BoxedUint::from_be_slice(prime, precision).map_err(|_| SplitError::NotAPrime)?;
        let bits = number.bits();
        let odd: Option<Odd<BoxedUint>> = Odd::new(number).into();
        let params = BoxedMontyParams::new_vartime(odd.ok_or(SplitError::NotAPrime)?);
        let field = Self { params, bits, bytes: prime.len() };
        // The default is a Mersenne prime, known since 1952.
        if prime == Method::default_prime() || field.is_prime() {
            Ok(field)
        } else {
            Err(SplitError::NotAPrime)
        }
    }

    fn number(&self, bytes: &[u8]) -> BoxedUint {
        BoxedUint::from_be_slice_truncated(bytes, self.params.bits_precision())
    }

    fn element(&self, number: BoxedUint) -> BoxedMontyForm {
        BoxedMontyForm::new(number, &self.params)
    }

    fn small(&self, number: u32) -> BoxedMontyForm {
        self.element(self.number(&number.to_be_bytes()))
    }

    /// Uniform below the prime: drawn again until it is, which says nothing of what is kept.
    fn random(&self) -> BoxedMontyForm {
        let mut bytes = Zeroizing::new(vec![0; self.bytes]);
        loop {
            random::fill(&mut bytes);
            let spare = u32::try_from(self.bytes * 8).unwrap_or(u32::MAX) - self.bits;
            bytes[0] &= 0xff >> spare;
            let number = self.number(&bytes);
            if number < *self.params.modulus().as_ref() {
                return self.element(number);
            }
        }
    }

    fn bytes_of(&self, element: &BoxedMontyForm) -> Piece {
        let all = Zeroizing::new(element.retrieve().to_be_bytes().into_vec());
        Zeroizing::new(all[all.len() - self.bytes..].to_vec())
    }

    /// Miller and Rabin, with random bases.
    fn is_prime(&self) -> bool {
        let one = BoxedMontyForm::one(&self.params);
        let minus_one = -one.clone();
        let modulus: &BoxedUint = self.params.modulus().as_ref();
        if self.bits < 3 {
            return self.bits == 2;
        }
        let mut odd_part = modulus.wrapping_sub(BoxedUint::one_with_precision(modulus.bits_precision()));
        let twos = odd_part.trailing_zeros_vartime();
        odd_part = odd_part.wrapping_shr_vartime(twos);
        (0..PRIMALITY_ROUNDS).all(|_| {
            let mut power = self.random().pow(&odd_part);
            if power == one || power == minus_one || power == BoxedMontyForm::zero(&self.params) {
                return true;
            }
            (1..twos).any(|_| {
                power = power.square();
                power == minus_one
            })
        })
    }
}

pub(super) fn split(prime: &[u8], key: &[u8], parts: u32, threshold: u32) -> Result<Vec<Part>, SplitError> {
    let field = PrimeField::new(prime)?;
    let key_bits = u32::try_from(key.len() * 8).unwrap_or(u32::MAX);
    // Every key of this length, and every identifier, must lie below the prime.
    if field.bits <= key_bits.max(16) {
        return Err(SplitError::NotAPrime);
    }
    let secret = field.element(field.number(key));
    let coefficients: Vec<BoxedMontyForm> = (1..threshold).map(|_| field.random()).collect();
    let value = |identifier: u32| {
        let at = field.small(identifier);
        let zero = BoxedMontyForm::zero(&field.params);
        let higher = coefficients.iter().fold(zero, |sum, coefficient| sum * &at + coefficient);
        field.bytes_of(&(higher * &at + &secret))
    };
    Ok((1..=parts).map(|identifier| Part { identifier, bytes: value(identifier) }).collect())
}

pub(super) fn join(prime: &[u8], parts: &[Part]) -> Result<Piece, SplitError> {
    let field = PrimeField::new(prime)?;
    let mut sum = BoxedMontyForm::zero(&field.params);
    for (position, part) in parts.iter().enumerate() {
        if part.bytes.len() > field.bytes {
            return Err(SplitError::Mismatch);
        }
        let number = field.number(&part.bytes);
        if number >= *field.params.modulus().as_ref() {
            return Err(SplitError::Mismatch);
        }
        let own = field.small(part.identifier);
        let mut weight = field.element(number);
        for (_, other) in parts.iter().enumerate().filter(|(other, _)| *other != position) {
            let at = field.small(other.identifier);
            let inverse: Option<BoxedMontyForm> = (&at - &own).invert().into();
            weight = weight * at * inverse.ok_or(SplitError::Mismatch)?;
        }
        sum += weight;
    }
    Ok(field.bytes_of(&sum))
}
