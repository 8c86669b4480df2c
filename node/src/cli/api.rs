//! The CLI's way to the administration interface: verified TLS, a bearer token, fail-over over nodes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

/// How long one request may take in all: the slowest, a withdrawal behind a partitioned node with the
/// longest lease, ends within about 65 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);
/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// HTTP status of a node that cannot answer now; another one may.
const UNAVAILABLE: u16 = 503;

/// What is shown in the place of a root's credentials.
const CREDENTIALS_SHOWN: &str = "PUT THE CONTENT OF THE CREDENTIALS FILE HERE";

/// A client of the administration interface of one cluster.
pub struct Api {
    agent: ureq::Agent,
    addresses: Vec<String>,
    token: Option<String>,
    authority: PathBuf,
    show: bool,
}

/// What a node answered, or that none did.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A node answered with problem details (RFC 9457).
    #[error("{title}{}{}", separator(detail), detail)]
    Problem {
        /// HTTP status.
        status: u16,
        /// The problem's title.
        title: String,
        /// What happened and what to do.
        detail: String,
    },
    /// No node could be reached.
    #[error("no node answered at {addresses}: {cause}; is the cluster running, and is KEYRAFT_ADDR right?")]
    Unreachable {
        /// What was tried.
        addresses: String,
        /// The last failure.
        cause: String,
    },
    /// The settings of the client cannot work.
    #[error("{0}")]
    Settings(String),
    /// Nothing was sent: this is what would have been, for curl.
    #[error("{0}")]
    Shown(String),
}

/// A body without what nobody but the cluster may read.
fn to_show(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(credentials) = body.get_mut("credentials") {
        *credentials = CREDENTIALS_SHOWN.into();
    }
    body
}

fn separator(detail: &str) -> &'static str {
    if detail.is_empty() { "" } else { ": " }
}

impl Api {
    /// A client of the nodes at `addresses` (`https://host:port`), whose certificates `ca` issued.
    ///
    /// # Errors
    /// If the authority cannot be read or there is no address.
    pub fn new(addresses: Vec<String>, ca: &Path, token: Option<String>) -> Result<Self, ApiError> {
        if addresses.is_empty() {
            let what = "no address: set KEYRAFT_ADDR or KEYRAFT_ADDRS, or pass --addr";
            return Err(ApiError::Settings(what.to_owned()));
        }
        let agent = agent(ca)?;
        Ok(Self { agent, addresses, token, authority: ca.to_owned(), show: false })
    }

    /// Shows requests as commands for curl instead of sending them.
    #[must_use]
    pub fn showing(mut self, show: bool) -> Self {
        self.show = show;
        self
    }

    /// The command for curl, if that is what is wanted. The token stays in the environment, and a root's credentials
    /// in their file: commands end up in histories and tickets.
    fn shown(&self, method: &str, path: &str, body: Option<(&Value, &str)>) -> Result<(), ApiError> {
        if !self.show {
            return Ok(());
        }
        let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let address = self.addresses.first().map_or("", |address| address.trim_end_matches('/'));
        let mut text = format!("curl --cacert {} -X {method}", quote(&self.authority.display().to_string()));
        text += " -H \"Authorization: Bearer $KEYRAFT_TOKEN\"";
        if let Some((body, key)) = body {
            text += &format!(" -H {}", quote(&format!("Idempotency-Key: {key}")));
            text += &format!(" -H 'Content-Type: application/json' -d {}", quote(&to_show(body).to_string()));
        }
        Err(ApiError::Shown(format!("{text} {}", quote(&format!("{address}{path}")))))
    }

    /// Reads a list to its end, page by page.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn list(&self, path: &str) -> Result<Value, ApiError> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(&if after.is_empty() {
                path.to_owned()
            } else {
                format!("{path}{sign}after={after}")
            })?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.shown("GET", path, None)?;
        self.any_node(|agent, url| self.sign(agent.get(format!("{url}{path}"))).call())
    }

    /// Posts a body; `key` makes a repeated request have its effect once.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn post(&self, path: &str, body: &Value, key: &str) -> Result<Value, ApiError> {
        self.shown("POST", path, Some((body, key)))?;
        self.any_node(|agent, url| {
            let request = self.sign(agent.post(format!("{url}{path}"))).header("Idempotency-Key", key);
            request.send_json(body)
        })
    }

    /// Changes a resource; `key` makes a repeated request have its effect once.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn patch(&self, path: &str, body: &Value, key: &str) -> Result<Value, ApiError> {
        self.shown("PATCH", path, Some((body, key)))?;
        self.any_node(|agent, url| {
            let request = self.sign(agent.patch(format!("{url}{path}"))).header("Idempotency-Key", key);
            request.send_json(body)
        })
    }

    /// Replaces a resource; `key` makes a repeated request have its effect once.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn put(&self, path: &str, body: &Value, key: &str) -> Result<Value, ApiError> {
        self.shown("PUT", path, Some((body, key)))?;
        self.any_node(|agent, url| {
            let request = self.sign(agent.put(format!("{url}{path}"))).header("Idempotency-Key", key);
            request.send_json(body)
        })
    }

    fn sign<Any>(&self, request: ureq::RequestBuilder<Any>) -> ureq::RequestBuilder<Any> {
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Asks one node after the other until one answers something other than "not now".
    fn any_node(
        &self,
        call: impl Fn(&ureq::Agent, &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, ApiError> {
        let mut cause = String::new();
        let mut not_now = None;
        for address in &self.addresses {
            match call(&self.agent, address.trim_end_matches('/')).map(read) {
                Ok(Err(problem @ ApiError::Problem { status: UNAVAILABLE, .. })) => not_now = Some(problem),
                Ok(answer) => return answer,
                Err(error) => cause = error.to_string(),
            }
        }
        Err(not_now.unwrap_or(ApiError::Unreachable { addresses: self.addresses.join(", "), cause }))
    }
}

/// An HTTPS client that trusts the authorities in a file and follows nothing by itself.
///
/// # Errors
/// If the file cannot be read.
pub fn agent(ca: &Path) -> Result<ureq::Agent, ApiError> {
    let pem = std::fs::read(ca).map_err(|cause| {
        ApiError::Settings(format!("cannot read the authority {}: {cause}", ca.display()))
    })?;
    let roots: Vec<Certificate<'static>> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    Ok(ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(REQUEST_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into())
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Value, ApiError> {
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().unwrap_or_default();
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let title =
        if body["title"].is_string() { field("title") } else { format!("the node answered {status}") };
    // The next step is told where it says more than the title does.
    let next = match own_words(&field("type")) {
        Some(next) => next.to_owned(),
        None if [409, 401, 403].contains(&status) => field("next_step"),
        None => String::new(),
    };
    let detail = [field("detail"), next].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    Err(ApiError::Problem { status, title, detail: detail.join("; ") })
}

/// What to do next about a kind of problem, where the interface would speak of its own fields and paths.
fn own_words(kind: &str) -> Option<&'static str> {
    match kind.strip_prefix("urn:keyraft:problem:")? {
        "lowers-tolerance" => Some("join a replacement first, or add --accept-lower-tolerance"),
        "approval-wanted" => Some("open a workflow for it: keyraft workflow open"),
        "unauthenticated" => Some("set KEYRAFT_TOKEN, or log in: keyraft login"),
        "outcome-unknown" => Some("look what became of it, then repeat the command"),
        "not-everywhere-yet" => Some("wait until then, or repeat the command"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_for_curl_tells_no_secret() {
        let address = "https://node-1.example.com:8443".to_owned();
        let token = Some("do-not-print-the-token".to_owned());
        let api = Api::new(vec![address], Path::new("/dev/null"), token).expect("a client").showing(true);
        let body = json!({
            "name": "frankfurt",
            "config": {"provider": "pkcs11", "hsm": "luna"},
            "credentials": {"kind": "pin", "pin": "do-not-print-the-pin"},
        });
        let shown = |body: &Value| match api.post("/v1/tenants/a/roots", body, "key") {
            Err(ApiError::Shown(text)) => text,
            other => panic!("it was sent: {other:?}"),
        };
        let text = shown(&body);
        assert!(!text.contains("do-not-print"), "{text}");
        assert!(text.contains(r#""credentials":"PUT THE CONTENT"#) && text.contains("luna"), "{text}");
        assert!(!shown(&json!({"name": "frankfurt"})).contains("credentials"));
    }
}
