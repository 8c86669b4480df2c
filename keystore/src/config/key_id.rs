//! The name of a key inside a PKCS#11 token.

use serde::{Deserialize, Serialize};

/// A `CKA_ID`: 1 to 64 bytes, written in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Vec<u8>);

impl KeyId {
    /// Most bytes of a `CKA_ID`: a hash of 512 bits, the longest anybody uses.
    pub const BYTES_MAX: usize = 64;

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for KeyId {
    type Error = BadKeyId;

    fn try_from(text: String) -> Result<Self, BadKeyId> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| BadKeyId)?;
        if bytes.is_empty() || bytes.len() > Self::BYTES_MAX { Err(BadKeyId) } else { Ok(Self(bytes)) }
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// A text that is no `CKA_ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key id: expected 1 to 64 bytes in hexadecimal, such as \"01\" or \"a0b1c2\"")]
pub struct BadKeyId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_are_hexadecimal_of_bounded_length() {
        let parse = |text: &str| KeyId::try_from(text.to_owned());
        assert_eq!(parse("0a").unwrap().as_bytes(), [10]);
        assert_eq!(parse("0A").unwrap().to_string(), "0a");
        assert!(parse(&"00".repeat(64)).is_ok());
        for bad in ["", "0", "xy", "0x01", &"00".repeat(65)] {
            assert_eq!(parse(bad), Err(BadKeyId), "{bad:?}");
        }
    }
}
