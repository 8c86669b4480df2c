//! Who we are to Google: a service account by its key, or the node's own identity, federated.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::{NAME, client};
use crate::config::GcpKmsConfig;
use crate::http::{Answer, Client, Request};
use crate::providers::form::form;
use crate::providers::held::{Held, Token};
use crate::providers::jwt::TokenSigner;
use crate::providers::service::{Fault, Told, said};
use crate::providers::workload::read_token;
use crate::registry::other_credentials;
use crate::{Credentials, Phase, RootError, SecretText, Site};

/// The least scope that KMS takes.
const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";

/// Where a service account's grant goes; also its audience. A key file may name no other place.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// How long a grant is valid: the most that Google takes.
const GRANT: Duration = Duration::from_secs(3_600);

/// What repairs a refused identity.
const RENEW: &str =
    "renew the service account's key or the node's token, and see that the node's clock is right";

/// Where tokens come from, and the last one.
pub struct Identity {
    source: Source,
    held: Held<SecretText>,
}

enum Source {
    Account { email: String, key_id: String, signer: TokenSigner, tokens: Client },
    Federated { provider: String, site: Box<Site>, exchange: Client, account: Option<(String, Client)> },
}

impl Identity {
    pub fn new(config: &GcpKmsConfig, credentials: &Credentials, site: &Site) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase: Phase::Opening };
        let to = |url: &str| client(url, site);
        let source = match credentials {
            Credentials::ServiceAccountKey { key_json } => {
                let unfit = |what: &str| {
                    told.wrong(
                        format!("the service account's key {what}"),
                        "give its JSON file as Google made it",
                    )
                };
                let key: AccountKey =
                    serde_json::from_str(key_json.expose()).map_err(|_| unfit("is not its JSON file"))?;
                if key.token_uri.as_deref().is_some_and(|uri| uri != TOKEN_URI) {
                    return Err(unfit("names another place for tokens than Google's"));
                }
                let signer = TokenSigner::from_pem(key.private_key.expose())
                    .map_err(|_| unfit("holds no RSA key in PEM"))?;
                let (email, key_id) = (key.client_email, key.private_key_id);
                Source::Account { email, key_id, signer, tokens: to("https://oauth2.googleapis.com")? }
            }
            Credentials::WorkloadIdentity => {
                let provider = config.workload_identity_provider.clone().ok_or_else(|| {
                    told.wrong(
                        "no workload identity provider is named",
                        "set `workload_identity_provider`, or give credentials of kind service_account_key",
                    )
                })?;
                let account = match &config.service_account {
                    Some(email) if is_email(email) => {
                        Some((email.clone(), to("https://iamcredentials.googleapis.com")?))
                    }
                    Some(_) => return Err(told.wrong("`service_account` is no e-mail address", "correct it")),
                    None => None,
                };
                let exchange = to("https://sts.googleapis.com")?;
                Source::Federated { provider, site: Box::new(site.clone()), exchange, account }
            }
            given => {
                return Err(other_credentials(NAME, given, "workload_identity or service_account_key"));
            }
        };
        Ok(Self { source, held: Held::default() })
    }

    /// A token; a new one if `fresh` says that the last one is not accepted.
    pub async fn token(&self, fresh: bool, told: Told<'_>) -> Result<SecretText, Fault> {
        self.held.get(fresh, self.ask(&told)).await
    }

    async fn ask(&self, told: &Told<'_>) -> Result<(SecretText, Duration), Fault> {
        match &self.source {
            Source::Account { email, key_id, signer, tokens } => {
                let body = form(&[
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", &grant(email, key_id, signer)),
                ]);
                let request = Request::post("/token", "application/x-www-form-urlencoded", body);
                read(&tokens.send(request).await?, told)
            }
            Source::Federated { provider, site, exchange, account } => {
                let file = site.workload_identity.gcp_token_file.as_deref();
                let own = read_token(file, "gcp_token_file", told)?;
                let body = serde_json::json!({
                    "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
                    "audience": provider,
                    "scope": "https://www.googleapis.com/auth/cloud-platform",
                    "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
                    "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
                    "subjectToken": &**own,
                });
                let federated = read(&exchange.send(Request::post_json("/v1/token", &body)).await?, told)?;
                match account {
                    Some((email, iam)) => impersonate(iam, email, &federated.0, told).await,
                    None => Ok(federated),
                }
            }
        }
    }
}

/// The statement that buys a token (RFC 7523).
fn grant(email: &str, key_id: &str, signer: &TokenSigner) -> zeroize::Zeroizing<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": key_id });
    let claims = serde_json::json!({
        "iss": email, "scope": SCOPE, "aud": TOKEN_URI, "iat": now, "exp": now + GRANT.as_secs(),
    });
    signer.token(&header, &claims)
}

async fn impersonate(
    iam: &Client,
    email: &str,
    federated: &SecretText,
    told: &Told<'_>,
) -> Result<(SecretText, Duration), Fault> {
    let lifetime = format!("{}s", GRANT.as_secs());
    let body = serde_json::json!({ "scope": [SCOPE], "lifetime": lifetime });
    let path = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    let request =
        Request::post_json(path, &body).header("authorization", format!("Bearer {}", federated.expose()));
    let answer = iam.send(request).await?;
    if answer.status == 403 {
        let said = said(&answer.hint::<super::Refusal>().error.message);
        let fix = "grant roles/iam.workloadIdentityUser on the service account to the node's identity";
        return Err(told.denied("iam.serviceAccounts.getAccessToken", &said, fix).into());
    }
    if !answer.is_success() {
        return Err(refused(&answer, told).into());
    }
    let given: Impersonated = answer.json()?;
    Ok((given.access_token, GRANT))
}

fn read(answer: &Answer, told: &Told<'_>) -> Result<(SecretText, Duration), Fault> {
    if !answer.is_success() {
        return Err(refused(answer, told).into());
    }
    Ok(answer.json::<Token>()?.lasting())
}

fn refused(answer: &Answer, told: &Told<'_>) -> RootError {
    let refusal = answer.hint::<TokenRefusal>();
    let said = said(&format!("{} {}", refusal.error, refusal.error_description));
    match answer.status {
        400 | 401 | 403 => told.unknown_caller(&said, RENEW),
        429 => told.throttled(answer.retry_after, said),
        status => told.silent(format!("the token was answered with {status}: {said}")),
    }
}

fn is_email(text: &str) -> bool {
    text.len() <= 256
        && text.split('@').count() == 2
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b))
}

#[derive(Deserialize)]
struct AccountKey {
    client_email: String,
    private_key: SecretText,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    token_uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: SecretText,
}

#[derive(Default, Deserialize)]
struct TokenRefusal {
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    error_description: String,
}
