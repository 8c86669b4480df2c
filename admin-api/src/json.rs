//! Bodies: JSON, read once, strictly. A key that stands twice is refused, because two readers of the same
//! document would believe different things (RFC 8259, section 4).

use std::collections::BTreeSet;
use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::app::App;
use crate::problem::Problem;

/// Deepest nesting: our deepest document has four levels.
const DEPTH_MAX: u8 = 16;

/// A request's body as a value of ours. The guard has read it whole, within its bounds.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, app).await;
        let bytes = bytes.map_err(|_| Problem::bad_request("the body broke off"))?;
        read(&bytes).map(Self)
    }
}

/// Reads a document.
///
/// # Errors
/// A problem that says what is wrong, where.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bad = |error: serde_json::Error| Problem::bad_body(error.to_string());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Strict { depth: 0 }.deserialize(&mut deserializer).map_err(bad)?;
    deserializer.end().map_err(bad)?;
    serde_json::from_slice(bytes).map_err(bad)
}

/// Walks a document without keeping it.
struct Strict {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > DEPTH_MAX {
            return Err(D::Error::custom(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strict { depth: self.depth + 1 })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            fields.next_value_seed(Strict { depth: self.depth + 1 })?;
            if let Some(twice) = seen.replace(key) {
                return Err(A::Error::custom(format!("the key {twice:?} stands twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn refused(text: &str, because: &str) {
        let problem = read::<BTreeMap<String, serde_json::Value>>(text.as_bytes()).expect_err("refused");
        assert_eq!(problem.status, 400);
        assert!(problem.detail.contains(because), "{}", problem.detail);
    }

    #[test]
    fn what_two_readers_would_read_differently_is_refused() {
        refused(r#"{"a":1,"a":2}"#, "stands twice");
        refused(r#"{"a":{"b":1,"b":1}}"#, "stands twice");
        refused(r#"{"a":1e999}"#, "out of range");
        refused(r#"{"a":1} {"a":2}"#, "trailing");
        refused("{'a':1}", "key must be a string");
        refused("", "EOF");
    }

    #[test]
    fn depth_and_size_of_numbers_are_bounded() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        refused(&deep(10_000), "deeper");
        assert!(read::<serde_json::Value>(deep(8).as_bytes()).is_ok());
        let problem = read::<BTreeMap<String, u64>>(br#"{"a":18446744073709551616}"#).expect_err("2^64");
        assert_eq!(problem.status, 400);
    }
}
