//! Signed statements about ourselves: JSON Web Tokens by RS256 (RFC 7515, RFC 7518 3.3), made and never
//! read here.

use crypto::services::{Hash, PrivateKey, SignatureScheme};
use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use zeroize::Zeroizing;

/// A private key that signs tokens.
pub struct TokenSigner {
    key: PrivateKey,
}

/// A key that does not sign: not PEM, not RSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASigner;

impl TokenSigner {
    /// From an RSA key in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, NotASigner> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| NotASigner)?;
        let key = PrivateKey::from_der(der.secret_der()).map_err(|_| NotASigner)?;
        let signer = Self { key };
        signer.signature(b"can it sign").ok_or(NotASigner)?;
        Ok(signer)
    }

    /// The token of this header and these claims. It is a credential while it lasts.
    pub fn token(&self, header: &Value, claims: &Value) -> Zeroizing<String> {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let mut token = format!("{}.{}", part(header), part(claims));
        let signature = self.signature(token.as_bytes()).expect("it signed when it was read");
        token.push('.');
        token.push_str(&BASE64URL_NOPAD.encode(&signature));
        Zeroizing::new(token)
    }

    fn signature(&self, text: &[u8]) -> Option<Vec<u8>> {
        let digest = Hash::Sha256.digest(&[text]);
        self.key.sign(&SignatureScheme::RsaPkcs1(Some(Hash::Sha256)), &digest).ok()
    }
}
