//! Who we are to Azure: an application, by a federated token of the node, a certificate or a secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crypto::services::Hash;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{NAME, client};
use crate::config::AzureConfig;
use crate::http::{Answer, Client, Endpoint, Request};
use crate::providers::form::form;
use crate::providers::held::{Held, Token};
use crate::providers::jwt::TokenSigner;
use crate::providers::service::{Fault, Told, said};
use crate::providers::workload::read_token;
use crate::registry::other_credentials;
use crate::{Credentials, Phase, RootError, SecretText, Site};

/// Where applications log in, unless the configuration says otherwise.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// What a signed statement is, in the words of RFC 7523.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long a signed statement is valid: one log-in.
const STATEMENT: Duration = Duration::from_secs(300);

/// What a token is for, by the domain of the vault; private endpoints are of the public cloud.
const RESOURCES: [(&str, &str); 5] = [
    (".managedhsm.azure.net", "https://managedhsm.azure.net"),
    (".managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net"),
    (".vault.azure.cn", "https://vault.azure.cn"),
    (".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
    ("", "https://vault.azure.net"),
];

/// Where tokens come from, and the last one.
pub struct Identity {
    authority: Client,
    directory: String,
    client_id: String,
    scope: String,
    proof: Proof,
    held: Held<SecretText>,
}

enum Proof {
    Federated(Box<Site>),
    Certificate { thumbprint: String, signer: TokenSigner },
    Secret(SecretText),
}

impl Identity {
    pub fn new(
        config: &AzureConfig,
        credentials: &Credentials,
        vault: &Endpoint,
        site: &Site,
    ) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase: Phase::Opening };
        for (setting, id) in [("directory_id", &config.directory_id), ("client_id", &config.client_id)] {
            if !is_id(id) {
                return Err(
                    told.wrong(format!("`{}` is no `{setting}`", said(id)), "give it as Azure shows it")
                );
            }
        }
        let authority = config.authority.as_deref().unwrap_or(AUTHORITY);
        let authority = client(authority, site)?;
        let proof = match credentials {
            Credentials::WorkloadIdentity => Proof::Federated(Box::new(site.clone())),
            Credentials::Certificate { certificate_pem, private_key_pem } => {
                let unfit = |what: &str| {
                    told.wrong(format!("the certificate {what}"), "give both in PEM, the key as PKCS#8")
                };
                let leaf = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
                    .map_err(|_| unfit("is not PEM"))?;
                let signer = TokenSigner::from_pem(private_key_pem.expose())
                    .map_err(|_| unfit("has no RSA key in PEM"))?;
                let thumbprint = BASE64URL_NOPAD.encode(&Hash::Sha256.digest(&[&leaf]));
                Proof::Certificate { thumbprint, signer }
            }
            Credentials::ClientSecret { client_secret } => Proof::Secret(client_secret.clone()),
            given => {
                let wanted = "workload_identity, certificate or client_secret";
                return Err(other_credentials(NAME, given, wanted));
            }
        };
        let resource = RESOURCES.iter().find(|(domain, _)| vault.host().ends_with(domain));
        let (_, resource) = resource.expect("every host ends with nothing");
        Ok(Self {
            authority,
            directory: config.directory_id.clone(),
            client_id: config.client_id.clone(),
            scope: format!("{resource}/.default"),
            proof,
            held: Held::default(),
        })
    }

    /// The directory of the application.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// A token; a new one if `fresh` says that the last one is not accepted.
    pub async fn token(&self, fresh: bool, told: Told<'_>) -> Result<SecretText, Fault> {
        let ask = async {
            let path = format!("/{}/oauth2/v2.0/token", self.directory);
            let answer = self.authority.send(Request::post(path, FORM, self.body(&told)?)).await?;
            if !answer.is_success() {
                return Err(refused(&answer, &told).into());
            }
            Ok(answer.json::<Token>()?.lasting())
        };
        self.held.get(fresh, ask).await
    }

    fn body(&self, told: &Told<'_>) -> Result<Zeroizing<Vec<u8>>, RootError> {
        let statement;
        let (name, proof) = match &self.proof {
            Proof::Secret(secret) => ("client_secret", secret.expose()),
            Proof::Certificate { thumbprint, signer } => {
                statement = self.statement(thumbprint, signer);
                ("client_assertion", statement.as_str())
            }
            Proof::Federated(site) => {
                let file = site.workload_identity.azure_token_file.as_deref();
                statement = read_token(file, "azure_token_file", told)?;
                ("client_assertion", statement.as_str())
            }
        };
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("scope", self.scope.as_str()),
            (name, proof),
        ];
        if name == "client_assertion" {
            fields.push(("client_assertion_type", ASSERTION));
        }
        Ok(form(&fields))
    }

    /// That we hold the certificate's key.
    fn statement(&self, thumbprint: &str, signer: &TokenSigner) -> Zeroizing<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let audience = format!(
            "https://{}/{}/oauth2/v2.0/token",
            self.authority.endpoint().host_header(),
            self.directory
        );
        let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "x5t#S256": thumbprint });
        let claims = serde_json::json!({
            "aud": audience, "iss": self.client_id, "sub": self.client_id,
            "jti": HEXLOWER.encode(&crypto::random::bytes::<16>()),
            "nbf": now, "iat": now, "exp": now + STATEMENT.as_secs(),
        });
        signer.token(&header, &claims)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn refused(answer: &Answer, told: &Told<'_>) -> RootError {
    let refusal = answer.hint::<TokenRefusal>();
    let said = said(&refusal.error_description);
    match answer.status {
        400 | 401 => {
            told.unknown_caller(&said, "correct `directory_id` and `client_id`, or renew the credentials")
        }
        429 => told.throttled(answer.retry_after, said),
        status => told.silent(format!("the log-in was answered with {status}: {said}")),
    }
}

/// An id or a domain, as directories and applications have.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        && !text.starts_with('.')
}

#[derive(Default, Deserialize)]
struct TokenRefusal {
    #[serde(default)]
    error_description: String,
}
