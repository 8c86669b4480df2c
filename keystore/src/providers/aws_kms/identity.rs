//! Who we are to AWS: an access key, or a role that we take on, with the external id that its owner
//! demands.

use std::time::{Duration, SystemTime};

use super::sigv4::{Keys, Scope, Signer};
use super::{Arn, NAME, client, xml_field};
use crate::config::AwsKmsConfig;
use crate::http::{Answer, Client, Request};
use crate::providers::form::form;
use crate::providers::held::Held;
use crate::providers::service::{Fault, Told, said};
use crate::providers::workload::read_token;
use crate::registry::other_credentials;
use crate::{Credentials, Phase, RootError, SecretText, Site};

/// How long a session is asked for: the least STS gives is 900 s, and one that was stolen ends.
const SESSION: Duration = Duration::from_secs(3_600);

/// How sessions of ours are called in CloudTrail.
const SESSION_NAME: &str = "keyraft";

/// Where keys for signing come from.
pub struct Identity {
    base: Base,
    role: Option<Role>,
    sts: Option<Client>,
    region: String,
    site: Site,
    held: Held<Keys>,
}

enum Base {
    Static(Keys),
    /// The node's own signed token, exchanged for a session of this role.
    Token {
        role_arn: String,
    },
}

struct Role {
    arn: String,
    external_id: Option<String>,
}

impl Identity {
    pub fn new(
        config: &AwsKmsConfig,
        credentials: &Credentials,
        arn: &Arn,
        site: &Site,
    ) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase: Phase::Opening };
        let mut role =
            config.role_arn.clone().map(|arn| Role { arn, external_id: config.external_id.clone() });
        let base = match credentials {
            Credentials::AccessKey { access_key_id, secret_access_key } => Base::Static(Keys {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                session_token: None,
            }),
            // From the node's own role the customer's is assumed; without one, the token is for theirs.
            Credentials::WorkloadIdentity => match &site.workload_identity.aws_role_arn {
                Some(role_arn) => Base::Token { role_arn: role_arn.clone() },
                None => match role.take() {
                    Some(Role { arn, external_id: None }) => Base::Token { role_arn: arn },
                    Some(Role { external_id: Some(_), .. }) => {
                        return Err(told.wrong(
                            "an external id needs a role of the node's own to assume the customer's from",
                            "set `aws_role_arn` in [roots.workload_identity], or leave `external_id` out",
                        ));
                    }
                    None => return Err(told.wrong("there is no role to take on", "set `role_arn`")),
                },
            },
            given => return Err(other_credentials(NAME, given, "workload_identity or access_key")),
        };
        let needs_sts = role.is_some() || matches!(base, Base::Token { .. });
        let sts =
            if needs_sts { Some(client(config.sts_endpoint.as_deref(), "sts", arn, site)?) } else { None };
        Ok(Self { base, role, sts, region: arn.region.clone(), site: site.clone(), held: Held::default() })
    }

    /// Whether a session that is over can be replaced.
    pub fn renews(&self) -> bool {
        self.sts.is_some()
    }

    /// Keys to sign with; of a new session if `fresh` says that the last one is over.
    pub async fn keys(&self, fresh: bool, told: Told<'_>) -> Result<Keys, Fault> {
        let Some(sts) = &self.sts else {
            return match &self.base {
                Base::Static(keys) => Ok(keys.clone()),
                Base::Token { .. } => unreachable!("a token is exchanged at STS"),
            };
        };
        let ask = async {
            let base = match &self.base {
                Base::Static(keys) => keys.clone(),
                Base::Token { role_arn } => self.exchange(sts, role_arn, &told).await?,
            };
            let keys = match &self.role {
                Some(role) => self.assume(sts, &base, role, &told).await?,
                None => base,
            };
            Ok((keys, SESSION))
        };
        self.held.get(fresh, ask).await
    }

    async fn exchange(&self, sts: &Client, role_arn: &str, told: &Told<'_>) -> Result<Keys, Fault> {
        let file = self.site.workload_identity.aws_token_file.as_deref();
        let token = read_token(file, "aws_token_file", told)?;
        let seconds = SESSION.as_secs().to_string();
        let body = form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role_arn),
            ("RoleSessionName", SESSION_NAME),
            ("DurationSeconds", &seconds),
            ("WebIdentityToken", &token),
        ]);
        let answer = sts.send(Request::post("/", FORM, body)).await?;
        read_keys(&answer, "sts:AssumeRoleWithWebIdentity", role_arn, told)
    }

    async fn assume(&self, sts: &Client, base: &Keys, role: &Role, told: &Told<'_>) -> Result<Keys, Fault> {
        let seconds = SESSION.as_secs().to_string();
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.arn.as_str()),
            ("RoleSessionName", SESSION_NAME),
            ("DurationSeconds", seconds.as_str()),
        ];
        fields.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
        let body = form(&fields);
        let host = sts.endpoint().host_header();
        let scope = Scope { region: &self.region, service: "sts" };
        let headers = [("content-type", FORM), ("host", host.as_str())];
        let signed = Signer { keys: base, scope, now: SystemTime::now() }.sign("POST", "/", &headers, &body);
        let mut request = Request::post("/", FORM, body);
        request.headers.extend(signed);
        let answer = sts.send(request).await?;
        read_keys(&answer, "sts:AssumeRole", &role.arn, told)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn read_keys(answer: &Answer, action: &str, role: &str, told: &Told<'_>) -> Result<Keys, Fault> {
    let xml = str::from_utf8(&answer.body).map_err(|_| answer.garbage("it is not text"))?;
    if !answer.is_success() {
        let message = said(xml_field(xml, "Message").unwrap_or_default());
        return Err(Fault::Root(match xml_field(xml, "Code").unwrap_or_default() {
            "AccessDenied" => told.denied(
                &format!("{action} on {role}"),
                &message,
                "trust keyraft's principal in the role, with the external id; the script of the connection test does",
            ),
            "Throttling" | "ThrottlingException" => told.throttled(answer.retry_after, message),
            "InvalidClientTokenId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidIdentityToken"
            | "ExpiredTokenException" | "IncompleteSignature" => {
                told.unknown_caller(&message, "renew the access key or the node's token, and see that its clock is right")
            }
            code => told.silent(format!("STS answered {} {}: {message}", answer.status, said(code))),
        }));
    }
    let field = |name| xml_field(xml, name).map(str::to_owned);
    match (field("AccessKeyId"), field("SecretAccessKey"), field("SessionToken")) {
        (Some(access_key_id), Some(secret), Some(token)) => Ok(Keys {
            access_key_id,
            secret_access_key: SecretText::new(secret),
            session_token: Some(SecretText::new(token)),
        }),
        _ => Err(answer.garbage("it holds no session").into()),
    }
}
