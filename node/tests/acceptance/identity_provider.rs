//! A real identity provider, npm's oidc-provider, run by `node/tests/clients/identity_provider.mjs`.
//!
//! `make setup` installs it; without it the tests that need it say so and end.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

use crate::support::PATIENCE;

/// A running provider.
pub struct IdentityProvider {
    /// Its issuer.
    pub issuer: String,
    /// Where its certificate and its keys are.
    pub folder: tempfile::TempDir,
    process: Child,
    agent: ureq::Agent,
}

impl IdentityProvider {
    /// Starts one; `None` if it is not installed.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &[])
    }

    /// Starts one with these addresses that its login may send people back to.
    pub fn start_with(test: &str, redirects: &[String]) -> Option<Self> {
        let Some(modules) = modules() else {
            eprintln!("SKIPPED {test}: the identity provider is not installed; make setup installs it");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("its number")
            .port();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
        std::fs::write(&certificate, made.cert.pem()).expect("a file");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        let script = Path::new("tests/clients/identity_provider.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(modules).arg(port.to_string()).args([&certificate, &key]).arg(folder.path());
        command.env("REDIRECT_URIS", redirects.join(",")).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().expect("node starts");
        let out = process.stdout.take().expect("its output");
        let agent = agent(&certificate);
        let provider = Self { issuer: format!("https://localhost:{port}"), folder, process, agent };
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(out).lines().map_while(Result::ok);
            let _ = tell.send(lines.any(|line| line == "ready"));
        });
        assert_eq!(told.recv_timeout(PATIENCE), Ok(true), "the identity provider is not ready");
        Some(provider)
    }

    /// The settings that make a node believe it; `more` are lines of its table.
    pub fn settings(&self, tenants: &str, more: &str) -> String {
        format!(
            "[[admin.identity_provider]]\nissuer = {:?}\naudience = \"keyraft\"\nca_file = {:?}\ntenants = {tenants}\n{more}\n",
            self.issuer,
            self.folder.path().join("server.pem").display().to_string(),
        )
    }

    /// A token of one of the people in the script.
    pub fn token(&self, client: &str) -> String {
        let basic = data_encoding::BASE64.encode(format!("{client}:{client}-secret-of-the-tests").as_bytes());
        let answer = self.agent.post(format!("{}/token", self.issuer));
        let answer = answer.header("Authorization", format!("Basic {basic}"));
        let mut answer = answer.send_form([("grant_type", "client_credentials")]).expect("a token");
        let answer: Value = answer.body_mut().read_json().expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// Its keys, as a forger could have learnt them, and as only it has them.
    pub fn keys(&self) -> Value {
        let text = std::fs::read_to_string(self.folder.path().join("jwks.json")).expect("its keys");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl IdentityProvider {
    /// Ends it; its certificate stays where it is.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A client that trusts the provider, and follows nothing by itself.
fn agent(authority: &Path) -> ureq::Agent {
    let pem = std::fs::read(authority).expect("a certificate");
    let roots = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let roots: Vec<Certificate<'static>> = roots.collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let config = ureq::Agent::config_builder().tls_config(tls).timeout_global(Some(PATIENCE));
    config.max_redirects(0).http_status_as_error(false).build().into()
}

/// The folder whose `node_modules` has the provider.
fn modules() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let folder = cache.join("keyraft/node");
    folder.join("installed").exists().then_some(folder)
}
