//! Key bytes in the caller's hands.

use std::fmt;

use zeroize::Zeroizing;

/// The bytes of one key: wiped on drop, never printed, not cloned by accident.
pub struct KeyBytes(Zeroizing<Vec<u8>>);

impl KeyBytes {
    /// Copies key material out of an answer that is wiped next.
    pub(crate) fn copy_of(material: &[u8]) -> Self {
        Self(Zeroizing::new(material.to_vec()))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", KeyBytes::copy_of(&[7; 32])), "KeyBytes");
    }
}
