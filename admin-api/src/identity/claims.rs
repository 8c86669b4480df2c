//! What a verified token says.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest subject we put in records; a longer one is cut there.
const SUBJECT_CHARS_MAX: usize = 120;

/// Claims of a token whose signature, issuer, audience and times were checked.
#[derive(Deserialize)]
pub(super) struct Claims {
    /// Who made it.
    pub iss: String,
    /// Whom it speaks for.
    pub sub: String,
    /// The class of the authentication (OpenID Connect Core, section 2).
    #[serde(default)]
    pub acr: Option<String>,
    /// How it was done (RFC 8176).
    #[serde(default)]
    pub amr: Vec<String>,
    /// When, in seconds since the epoch.
    #[serde(default)]
    pub auth_time: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Claims {
    /// The words of a claim: a text, words with spaces between them, or a list of texts. A name that begins
    /// with a slash is a JSON pointer.
    pub fn words<'c>(&'c self, claim: &str) -> Vec<&'c str> {
        let value = match claim.strip_prefix('/') {
            Some(path) => {
                let (first, rest) =
                    path.split_once('/').map_or((path, String::new()), |(a, b)| (a, format!("/{b}")));
                self.rest.get(first).and_then(|value| value.pointer(&rest))
            }
            None => self.rest.get(claim),
        };
        match value {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the subject may stand in records and keys.
    pub fn subject_is_plain(&self) -> bool {
        let chars = self.sub.chars().count();
        (1..=SUBJECT_CHARS_MAX).contains(&chars) && !self.sub.chars().any(char::is_control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_in_every_form_providers_use() {
        let text =
            r#"{"iss":"i","sub":"s","roles":["a","b"],"scope":"c d","realm_access":{"roles":["e"]},"n":1}"#;
        let claims: Claims = serde_json::from_str(text).expect("claims");
        assert_eq!(claims.words("roles"), ["a", "b"]);
        assert_eq!(claims.words("scope"), ["c", "d"]);
        assert_eq!(claims.words("/realm_access/roles"), ["e"]);
        assert_eq!(claims.words("/roles"), ["a", "b"]);
        assert!(claims.words("n").is_empty() && claims.words("none").is_empty());
    }
}
