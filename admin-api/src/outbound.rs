//! The one way out: HTTPS to servers that the node's settings name, verified, bounded, never redirected.
//!
//! A redirect would let the server at the other end choose whom this node talks to, so there is none. The
//! name is resolved once and that address is used; a proxy from the environment is ignored.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

/// Authorities of the public, as Debian keeps them.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// How long one exchange may take in all.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer in bytes: a key set of hundreds of keys fits.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// A client of servers that some authorities vouch for.
#[derive(Clone)]
pub(crate) struct Outbound {
    agent: ureq::Agent,
}

/// What a server answered.
pub(crate) struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
    /// The server's certificate is not trusted: nobody is to be believed there.
    #[error("the certificate of {host} is not trusted: {cause}")]
    Untrusted {
        /// Whose.
        host: String,
        /// What the TLS library says.
        cause: String,
    },
    /// Nobody answered in time.
    #[error("{host} does not answer: {cause}")]
    Unreachable {
        /// Who.
        host: String,
        /// Why.
        cause: String,
    },
}

impl Outbound {
    /// A client that trusts the authorities in a file, or those of the system.
    ///
    /// # Errors
    /// If the file cannot be read or holds no certificate.
    pub fn new(authorities: Option<&Path>) -> Result<Self, NoAnswer> {
        let file = authorities.map_or_else(|| PathBuf::from(SYSTEM_AUTHORITIES), Path::to_owned);
        let pem = std::fs::read(&file)
            .map_err(|cause| NoAnswer::Settings(format!("cannot read {}: {cause}", file.display())))?;
        let roots: Vec<Certificate<'static>> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if roots.is_empty() {
            return Err(NoAnswer::Settings(format!("{} holds no certificate", file.display())));
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        Ok(Self { agent })
    }

    /// Reads a document.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub async fn get(&self, url: &str) -> Result<Reply, NoAnswer> {
        let (agent, url) = (self.agent.clone(), url.to_owned());
        off_thread(move || finish(&url, agent.get(&url).header("Accept", "application/json").call())).await
    }
}

/// The client blocks: it runs where that hurts nobody.
async fn off_thread(
    call: impl FnOnce() -> Result<Reply, NoAnswer> + Send + 'static,
) -> Result<Reply, NoAnswer> {
    let ended = tokio::task::spawn_blocking(call).await;
    ended.unwrap_or_else(|error| Err(NoAnswer::Settings(format!("the call was given up: {error}"))))
}

fn finish(
    url: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Reply, NoAnswer> {
    let mut answer = answer.map_err(|error| refused(url, &error))?;
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let body = body.map_err(|error| refused(url, &error))?;
    Ok(Reply { status: answer.status().as_u16(), body })
}

/// A server that is not who it should be is another matter than one that is away.
fn refused(url: &str, error: &ureq::Error) -> NoAnswer {
    let host = host(url).unwrap_or(url).to_owned();
    let cause = error.to_string();
    let inner = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        _ => None,
    };
    if let Some(rustls::Error::InvalidCertificate(_)) = inner {
        return NoAnswer::Untrusted { host, cause };
    }
    NoAnswer::Unreachable { host, cause }
}

/// The host and port of an HTTPS address; `None` if it is anything else.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    (!host.is_empty() && !host.contains('@')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_has_a_host() {
        assert_eq!(host("https://idp.example:8443/realm?a=b"), Some("idp.example:8443"));
        for bad in ["http://idp.example", "file:///etc/passwd", "https://", "https://me@evil.example/", "idp"]
        {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn authorities_that_are_none_are_named() {
        let missing = Outbound::new(Some(Path::new("/nowhere/ca.pem"))).err().expect("refused");
        assert!(missing.to_string().contains("/nowhere/ca.pem"), "{missing}");
    }
}
