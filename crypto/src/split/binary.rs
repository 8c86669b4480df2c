//! Shamir's polynomials over GF(2^8) and GF(2^16).

use zeroize::{Zeroize as _, Zeroizing};

use super::{Part, Piece};
use crate::random;

/// A field of characteristic two: addition is exclusive or. Nothing branches on a value.
pub(super) trait Field: Copy {
    const BYTES: usize;

    fn read(bytes: &[u8]) -> Self;
    fn write(self, out: &mut [u8]);
    fn at(identifier: u32) -> Self;
    fn zero() -> Self;
    fn one() -> Self;
    fn add(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn inverse(self) -> Self;
}

/// FIPS 197, section 4.2: modulo x^8 + x^4 + x^3 + x + 1.
impl Field for u8 {
    const BYTES: usize = 1;

    fn read(bytes: &[u8]) -> Self {
        bytes[0]
    }

    fn write(self, out: &mut [u8]) {
        out[0] = self;
    }

    fn at(identifier: u32) -> Self {
        Self::try_from(identifier).expect("the number of parts was bounded")
    }

    fn zero() -> Self {
        0
    }

    fn one() -> Self {
        1
    }

    fn add(self, other: Self) -> Self {
        self ^ other
    }

    fn times(self, other: Self) -> Self {
        let (mut a, mut product) = (self, 0);
        for bit in 0..8 {
            product ^= a & 0_u8.wrapping_sub((other >> bit) & 1);
            a = (a << 1) ^ (0x1b & 0_u8.wrapping_sub(a >> 7));
        }
        product
    }

    /// a^254: the multiplicative group has 255 elements.
    fn inverse(self) -> Self {
        let (mut power, mut result) = (self, 1);
        for _ in 0..7 {
            power = power.times(power);
            result = power.times(result);
        }
        result
    }
}

/// KMIP 1.4, section 2.2.5: pairs u·y + v over GF(2^8) with y^2 = y + m, m = x^5 + x^4 + x^3 + x.
const M: u8 = 0x3a;

impl Field for u16 {
    const BYTES: usize = 2;

    fn read(bytes: &[u8]) -> Self {
        Self::from_be_bytes([bytes[0], bytes[1]])
    }

    fn write(self, out: &mut [u8]) {
        out.copy_from_slice(&self.to_be_bytes());
    }

    fn at(identifier: u32) -> Self {
        Self::try_from(identifier).expect("the number of parts was bounded")
    }

    fn zero() -> Self {
        0
    }

    fn one() -> Self {
        1
    }

    fn add(self, other: Self) -> Self {
        self ^ other
    }

    fn times(self, other: Self) -> Self {
        let ([r, s], [u, v]) = (self.to_be_bytes(), other.to_be_bytes());
        let sv = s.times(v);
        let high = (r ^ s).times(u ^ v) ^ sv;
        let low = sv ^ r.times(u).times(M);
        Self::from_be_bytes([high, low])
    }

    fn inverse(self) -> Self {
        let [u, v] = self.to_be_bytes();
        let norm = (u ^ v).times(v) ^ M.times(u.times(u));
        let inverse = norm.inverse();
        Self::from_be_bytes([u.times(inverse), (u ^ v).times(inverse)])
    }
}

pub(super) fn split<F: Field>(key: &[u8], parts: u32, threshold: u32) -> Vec<Part> {
    let empty = |identifier| Part { identifier, bytes: Zeroizing::new(vec![0; key.len()]) };
    let mut made: Vec<Part> = (1..=parts).map(empty).collect();
    // One polynomial for each element of the key; its other coefficients are random.
    let more = usize::try_from(threshold).unwrap_or(1) - 1;
    let mut coefficients = Zeroizing::new(vec![0; more * F::BYTES]);
    for (position, piece) in key.chunks_exact(F::BYTES).enumerate() {
        random::fill(&mut coefficients);
        let place = position * F::BYTES..(position + 1) * F::BYTES;
        for part in &mut made {
            let at = F::at(part.identifier);
            let higher = coefficients
                .chunks_exact(F::BYTES)
                .fold(F::zero(), |sum, coefficient| sum.times(at).add(F::read(coefficient)));
            higher.times(at).add(F::read(piece)).write(&mut part.bytes[place.clone()]);
        }
    }
    coefficients.zeroize();
    made
}

/// Lagrange's interpolation at zero.
pub(super) fn join<F: Field>(parts: &[Part], length: usize) -> Piece {
    let mut key = Zeroizing::new(vec![0; length]);
    for (position, part) in parts.iter().enumerate() {
        let weight = weight::<F>(parts, position);
        let pieces = part.bytes.chunks_exact(F::BYTES).zip(key.chunks_exact_mut(F::BYTES));
        for (piece, sum) in pieces {
            F::read(sum).add(weight.times(F::read(piece))).write(sum);
        }
    }
    key
}

/// Π x_j / (x_j - x_i) over the other parts j.
fn weight<F: Field>(parts: &[Part], position: usize) -> F {
    let own = F::at(parts[position].identifier);
    let others = parts.iter().enumerate().filter(|(other, _)| *other != position);
    others.fold(F::one(), |weight, (_, part)| {
        let at = F::at(part.identifier);
        weight.times(at).times(at.add(own).inverse())
    })
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn fips_197_multiplies_so() {
        assert_eq!(0x57_u8.times(0x83), 0xc1);
        assert_eq!(0x57_u8.times(0x13), 0xfe);
        assert_eq!(0x53_u8.inverse(), 0xca);
    }

    #[test]
    fn every_element_has_its_inverse() {
        assert!((1..=u8::MAX).all(|a| a.times(a.inverse()) == 1));
        assert!((1..=u16::MAX).step_by(7).all(|a| a.times(a.inverse()) == 1));
    }

    #[test]
    fn multiplication_in_the_extension_distributes_and_commutes() {
        let (a, b, c) = (0x1234_u16, 0xbeef, 0x0f0f);
        assert_eq!(a.times(b), b.times(a));
        assert_eq!(a.times(b ^ c), a.times(b) ^ a.times(c));
        assert_eq!(a.times(b).times(c), a.times(b.times(c)));
        // y * y = y + m
        assert_eq!(0x0100_u16.times(0x0100), 0x0100 | u16::from(M));
    }
}
