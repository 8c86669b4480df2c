//! Join tokens as people carry them: the lineage they belong to, and a secret.
//!
//! The cluster keeps a keyed hash alone. The lineage stands in the text so that a token of another cluster
//! is told as such, by any node, before anything is asked of the leader.

use std::fmt;

use model::id::ClusterId;
use model::sealer::Sealer;

use crate::env::Entropy;
use crate::identity::hex;

/// How every token begins; a later form gets another number.
const FORM: &str = "krj1";
/// Bytes of the secret: 160 bits are guessed by nobody, and a token fits a line of 80 columns.
const SECRET_BYTES: usize = 20;
/// Longest text taken for a token, in bytes: a file with anything else in it is not hashed.
pub(crate) const TEXT_BYTES_MAX: usize = 256;
/// Sets these hashes apart from those of rows.
const LABEL: &[u8] = b"keyraft/v1/join-token";

/// A token that lets one node into one cluster, once. Whoever holds it and a peer certificate can join.
pub struct JoinToken(String);

impl JoinToken {
    /// A fresh one.
    pub(crate) fn draw(cluster: ClusterId, entropy: &dyn Entropy) -> Self {
        let mut secret = [0; SECRET_BYTES];
        entropy.fill(&mut secret);
        Self(format!("{FORM}.{cluster}.{}", hex(&secret)))
    }

    /// The text to hand over.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken")
    }
}

/// Why bytes a node brought are no token of ours, before the state is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("no join token was given; make one with keyraft operator join-token")]
    Missing,
    #[error("this is no join token; make one with keyraft operator join-token")]
    Malformed,
    #[error("the join token belongs to cluster {theirs}, this is cluster {ours}")]
    Foreign { theirs: ClusterId, ours: ClusterId },
}

/// The keyed hash of a token of this cluster.
pub(crate) fn hash(text: &[u8], ours: ClusterId, sealer: &dyn Sealer) -> Result<[u8; 32], BadToken> {
    if text.is_empty() {
        return Err(BadToken::Missing);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(BadToken::Malformed);
    }
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'.').collect();
    let [form, cluster, secret] = parts[..] else { return Err(BadToken::Malformed) };
    if form != FORM.as_bytes() || secret.len() != 2 * SECRET_BYTES {
        return Err(BadToken::Malformed);
    }
    let cluster = std::str::from_utf8(cluster).ok().and_then(|text| text.parse().ok());
    match cluster.ok_or(BadToken::Malformed)? {
        theirs if theirs != ours => Err(BadToken::Foreign { theirs, ours }),
        _ => Ok(sealer.set_hash(LABEL, text)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use model::id::{Realm, TenantHandle};
    use model::sealer::{ROW_PRF_LEN, Unopenable};

    /// Hides nothing.
    pub(crate) struct Plain;
    impl Sealer for Plain {
        fn realm(&self) -> Realm {
            Realm([0; 16])
        }
        fn seal(&self, _: &[u8], plaintext: &[u8]) -> Vec<u8> {
            plaintext.to_vec()
        }
        fn open(&self, _: &[u8], record: &[u8]) -> Result<Vec<u8>, Unopenable> {
            Ok(record.to_vec())
        }
        fn row_prefix(&self, _: TenantHandle) -> [u8; ROW_PRF_LEN] {
            [0; ROW_PRF_LEN]
        }
        fn row_name(&self, _: TenantHandle, _: &[u8]) -> [u8; ROW_PRF_LEN] {
            [0; ROW_PRF_LEN]
        }
        fn set_hash(&self, _: &[u8], value: &[u8]) -> [u8; 32] {
            let mut out = [0; 32];
            value.iter().enumerate().for_each(|(i, byte)| out[i % 32] ^= byte.rotate_left(i as u32 % 8));
            out
        }
    }

    struct Counting;
    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            out.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
        }
    }

    #[test]
    fn a_token_names_its_cluster_and_hides_its_secret() {
        let ours = ClusterId([0xab; 16]);
        let token = JoinToken::draw(ours, &Counting);
        assert!(token.expose().len() <= 80 && !format!("{token:?}").contains("0102"));
        assert!(hash(token.expose().as_bytes(), ours, &Plain).is_ok());
        let other = ClusterId([1; 16]);
        let foreign = hash(token.expose().as_bytes(), other, &Plain);
        assert_eq!(foreign, Err(BadToken::Foreign { theirs: ours, ours: other }));
    }

    #[test]
    fn what_is_no_token_is_told_without_asking_anybody() {
        let check = |text: &str, expected| {
            assert_eq!(hash(text.as_bytes(), ClusterId([0xab; 16]), &Plain), Err(expected), "{text:?}");
        };
        check("", BadToken::Missing);
        check("let me in", BadToken::Malformed);
        check("krj1.abab.0102", BadToken::Malformed);
        check(&format!("krj2.{}.{}", "ab".repeat(16), "01".repeat(20)), BadToken::Malformed);
        check(&format!("krj1.{}.{}", "zz".repeat(16), "01".repeat(20)), BadToken::Malformed);
        check(&format!("krj1.{}.{}", "ab".repeat(16), "01".repeat(500)), BadToken::Malformed);
    }
}
