//! The numbers keys are made of.

use std::fmt;

use zeroize::Zeroizing;

/// A non-negative number: big-endian, without leading zero bytes (zero itself is empty), wiped when
/// dropped. Comparing is not constant time and is meant for tests and public numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Number(Zeroizing<Vec<u8>>);

impl Number {
    /// From big-endian bytes, leading zeroes or not.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let leading = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(Zeroizing::new(bytes[leading..].to_vec()))
    }

    /// The bytes, big-endian, without leading zeroes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bits it has.
    #[must_use]
    pub fn bits(&self) -> u32 {
        let Some(first) = self.0.first() else { return 0 };
        let bytes = u32::try_from(self.0.len()).unwrap_or(u32::MAX / 8);
        bytes.saturating_mul(8).saturating_sub(first.leading_zeros())
    }

    /// Big-endian in exactly `length` bytes; `None` if it does not fit.
    #[must_use]
    pub fn padded(&self, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let zeroes = length.checked_sub(self.0.len())?;
        let mut bytes = Zeroizing::new(vec![0; length]);
        bytes[zeroes..].copy_from_slice(&self.0);
        Some(bytes)
    }

    /// As a KMIP Big Integer wants it: two's complement, so never with the highest bit set, and a
    /// multiple of 8 bytes long.
    #[must_use]
    pub fn to_big_integer(&self) -> Zeroizing<Vec<u8>> {
        let sign = self.0.first().is_none_or(|first| *first >= 0x80);
        let length = (self.0.len() + usize::from(sign)).next_multiple_of(8);
        self.padded(length).expect("the length was taken from the number")
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bits]", self.bits())
    }
}
