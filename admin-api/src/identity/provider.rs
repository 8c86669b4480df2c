//! One identity provider: its settings, its discovery document, its keys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::id::TenantName;
use serde::Deserialize;

use super::keys::Keys;
use super::token::{self, Identified, Refused};
use crate::access::Role;
use crate::auth::Assurance;
use crate::outbound::{NoAnswer, Outbound, host};

/// What a node is told about an identity provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The issuer, exactly as it stands in tokens: `https://…`.
    pub issuer: String,
    /// The audience tokens must be made for.
    pub audience: String,
    /// Authorities of the provider's certificate (PEM); the system's unless given.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The tenants it may speak for: a list of names, or `"any"`.
    pub tenants: Pin,
    /// Whether it may name platform operators, and auditors of every tenant.
    #[serde(default)]
    pub platform: bool,
    /// The claim that holds roles: a name, or a JSON pointer such as `/realm_access/roles`.
    #[serde(default = "roles_claim")]
    pub roles_claim: String,
    /// The claim that holds the tenants they are for; `"*"` in it means the whole platform.
    #[serde(default = "tenants_claim")]
    pub tenants_claim: String,
    /// The provider's words for each role; the role's own name unless given.
    #[serde(default)]
    pub roles: BTreeMap<String, Vec<String>>,
    /// What this provider says of a second factor; without it nothing counts as one.
    #[serde(default)]
    pub second_factor: SecondFactor,
}

/// What counts as a second factor: one of these classes, or one of these methods.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondFactor {
    /// Values of `acr`.
    #[serde(default)]
    pub acr: Vec<String>,
    /// Values of `amr` (RFC 8176): `otp`, `hwk`, `mfa`, …
    #[serde(default)]
    pub amr: Vec<String>,
    /// How long ago it may have been shown, in seconds.
    #[serde(default = "max_age_s")]
    pub max_age_s: u64,
}

impl Default for SecondFactor {
    fn default() -> Self {
        Self { acr: Vec::new(), amr: Vec::new(), max_age_s: max_age_s() }
    }
}

impl SecondFactor {
    fn judge(&self, claims: &super::claims::Claims, now: u64) -> Assurance {
        let class = claims.acr.as_ref().is_some_and(|acr| self.acr.contains(acr));
        let method = claims.amr.iter().any(|amr| self.amr.contains(amr));
        // A time to come is no time: somebody's clock is wrong, or somebody lies.
        let age = claims.auth_time.and_then(|shown| (now + LEEWAY_S).checked_sub(shown));
        if (class || method) && age.is_some_and(|age| age <= self.max_age_s + LEEWAY_S) {
            return Assurance::SecondFactor;
        }
        Assurance::Single { acr_values: self.acr.clone(), max_age_s: self.max_age_s }
    }
}

/// Five minutes: the time it takes to do what the factor was shown for.
const fn max_age_s() -> u64 {
    300
}

/// How far clocks may differ, in seconds.
const LEEWAY_S: u64 = 30;

/// The tenants a provider may speak for.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Pin {
    /// Exactly these.
    Tenants(Vec<String>),
    /// `"any"`.
    Any(AnyTenant),
}

/// The word `"any"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnyTenant {
    /// Every tenant.
    Any,
}

fn roles_claim() -> String {
    "roles".to_owned()
}

fn tenants_claim() -> String {
    "tenant".to_owned()
}

/// An identity provider a node does not start with.
#[derive(Debug, thiserror::Error)]
#[error("identity provider {issuer}: {what}")]
pub struct BadProvider {
    issuer: String,
    what: String,
}

impl BadProvider {
    fn new(issuer: &str, what: impl Into<String>) -> Self {
        Self { issuer: issuer.to_owned(), what: what.into() }
    }

    pub(super) fn twice(issuer: &str) -> Self {
        Self::new(issuer, "is configured twice; two sets of rules for one issuer would be a guess")
    }
}

/// What the discovery document says, as far as we believe it.
#[derive(Clone, Debug, Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

/// An identity provider.
pub struct Provider {
    settings: Settings,
    tenants: Option<Vec<TenantName>>,
    words: Vec<(String, Role)>,
    outbound: Outbound,
    keys: Keys,
}

impl Provider {
    /// Judges the settings; asks nobody.
    ///
    /// # Errors
    /// [`BadProvider`].
    pub fn new(settings: Settings) -> Result<Self, BadProvider> {
        let bad = |what: String| BadProvider::new(&settings.issuer, what);
        if host(&settings.issuer).is_none() || settings.issuer.contains(['?', '#']) {
            return Err(bad("the issuer is an https address without query or fragment".to_owned()));
        }
        if settings.audience.is_empty() {
            return Err(bad("the audience is empty: tokens made for anybody would be accepted".to_owned()));
        }
        let tenants = match &settings.tenants {
            Pin::Any(_) => None,
            Pin::Tenants(names) => {
                let names = names.iter().map(|name| {
                    TenantName::parse(name).map_err(|error| bad(format!("tenants: {name:?}: {error}")))
                });
                Some(names.collect::<Result<Vec<_>, _>>()?)
            }
        };
        let words = words(&settings.roles).map_err(bad)?;
        let outbound = Outbound::new(settings.ca_file.as_deref()).map_err(|error| bad(error.to_string()))?;
        Ok(Self { settings, tenants, words, outbound, keys: Keys::default() })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Asks for the keys for the first time.
    ///
    /// # Errors
    /// If the provider answers, but not as itself. That it does not answer is none: a node must be able to
    /// start, and serve keys, while the provider is away.
    pub(super) async fn greet(&self) -> Result<(), BadProvider> {
        match self.refresh().await {
            Ok(()) => Ok(()),
            Err(NoAnswer::Unreachable { host, cause }) => {
                tracing::warn!(issuer = self.issuer(), %host, %cause, "no bearer token of this identity provider is accepted until it answers");
                Ok(())
            }
            Err(error) => Err(BadProvider::new(self.issuer(), error.to_string())),
        }
    }

    /// Who a token of this provider speaks for.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) async fn identify(&self, token: &str) -> Result<Identified, Refused> {
        let head = token::head(token)?;
        if self.keys.should_ask(head.kid.as_deref())
            && let Err(error) = self.refresh().await
        {
            tracing::warn!(issuer = self.issuer(), %error, "the identity provider's keys could not be read");
        }
        let keys = self.keys.current().ok_or(Refused::NoKeys)?;
        let claims = token::verify(token, &head, &keys, &self.settings.issuer, &self.settings.audience)?;
        let assurance = self.settings.second_factor.judge(&claims, jsonwebtoken::get_current_timestamp());
        Ok(Identified { grants: self.grants(&claims), subject: self.subject(&claims), assurance })
    }

    /// `subject@host`: readable in records, and never the same for two providers.
    fn subject(&self, claims: &super::claims::Claims) -> String {
        format!("{} at {}", claims.sub, self.settings.issuer)
    }

    fn grants(&self, claims: &super::claims::Claims) -> crate::access::Grants {
        let said = claims.words(&self.settings.roles_claim);
        let roles =
            self.words.iter().filter(|(word, _)| said.contains(&word.as_str())).map(|(_, role)| *role);
        let tenants = claims.words(&self.settings.tenants_claim);
        let mut grants = crate::access::Grants::default();
        for role in roles {
            let platform = role == Role::PlatformOperator || tenants.contains(&"*");
            if platform && self.settings.platform {
                grants.give_platform(role);
            }
            for name in tenants.iter().filter_map(|name| TenantName::parse(name).ok()) {
                if self.tenants.as_ref().is_none_or(|pinned| pinned.contains(&name)) {
                    grants.give_tenant(name, role);
                }
            }
        }
        grants
    }

    async fn refresh(&self) -> Result<(), NoAnswer> {
        let base = self.settings.issuer.trim_end_matches('/');
        let document: Discovered = self.document(&format!("{base}/.well-known/openid-configuration")).await?;
        if document.issuer != self.settings.issuer {
            let what = format!("it calls itself {:?}: set the issuer to exactly that", document.issuer);
            return Err(NoAnswer::Settings(what));
        }
        if host(&document.jwks_uri).is_none() {
            return Err(NoAnswer::Settings("its keys are not at an https address".to_owned()));
        }
        self.keys.replace(self.document(&document.jwks_uri).await?);
        Ok(())
    }

    async fn document<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, NoAnswer> {
        let reply = self.outbound.get(url).await?;
        let host = || host(url).unwrap_or(url).to_owned();
        if reply.status != 200 {
            return Err(NoAnswer::Unreachable { host: host(), cause: format!("status {}", reply.status) });
        }
        serde_json::from_str(&reply.body)
            .map_err(|error| NoAnswer::Unreachable { host: host(), cause: format!("no document: {error}") })
    }
}

/// The provider's words, each with the role it stands for.
fn words(roles: &BTreeMap<String, Vec<String>>) -> Result<Vec<(String, Role)>, String> {
    if let Some(unknown) = roles.keys().find(|name| Role::parse(name).is_none()) {
        let known = Role::ALL.map(Role::as_str).join(", ");
        return Err(format!("roles: {unknown:?} is none of {known}"));
    }
    let own = |role: Role| vec![role.as_str().to_owned()];
    let of = |role: Role| roles.get(role.as_str()).cloned().unwrap_or_else(|| own(role));
    Ok(Role::ALL.into_iter().flat_map(|role| of(role).into_iter().map(move |word| (word, role))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::claims::Claims;

    fn settings(tenants: &[&str], platform: bool) -> Settings {
        Settings {
            issuer: "https://idp.example".to_owned(),
            audience: "keyraft".to_owned(),
            ca_file: None,
            tenants: Pin::Tenants(tenants.iter().map(|&name| name.to_owned()).collect()),
            platform,
            roles_claim: roles_claim(),
            tenants_claim: tenants_claim(),
            roles: BTreeMap::from([("auditor".to_owned(), vec!["KEYRAFT_AUDIT".to_owned()])]),
            second_factor: SecondFactor::default(),
        }
    }

    fn grants(settings: Settings, claims: &str) -> Vec<String> {
        let claims: Claims = serde_json::from_str(claims).expect("claims");
        let provider = Provider::new(settings).expect("settings that work");
        let grants = provider.grants(&claims);
        grants
            .all()
            .map(|(name, role)| format!("{}:{}", name.map_or("*", |n| n.as_str()), role.as_str()))
            .collect()
    }

    #[test]
    fn a_provider_speaks_for_its_tenants_and_no_others() {
        let claims = r#"{"iss":"i","sub":"s","roles":["key_administrator","platform_operator","KEYRAFT_AUDIT","auditor"],"tenant":["acme","other","*"]}"#;
        assert_eq!(
            grants(settings(&["acme"], false), claims),
            ["acme:key_administrator", "acme:auditor"],
            "neither another tenant nor the platform, whatever the token says"
        );
        assert_eq!(
            grants(settings(&["acme"], true), claims),
            ["*:platform_operator", "*:auditor", "acme:key_administrator", "acme:auditor"]
        );
        let none = r#"{"iss":"i","sub":"s","roles":"key_administrator"}"#;
        assert_eq!(
            grants(settings(&["acme"], true), none),
            Vec::<String>::new(),
            "no tenant claimed, no role"
        );
    }

    #[test]
    fn a_second_factor_is_of_a_kind_we_know_and_fresh() {
        let factor =
            SecondFactor { acr: vec!["two".to_owned()], amr: vec!["otp".to_owned()], max_age_s: 300 };
        let judge = |factor: &SecondFactor, more: &str| {
            let claims = format!(r#"{{"iss":"i","sub":"s"{more}}}"#);
            factor.judge(&serde_json::from_str(&claims).expect("claims"), 10_000) == Assurance::SecondFactor
        };
        assert!(judge(&factor, r#","acr":"two","auth_time":9800"#));
        assert!(judge(&factor, r#","amr":["pwd","otp"],"auth_time":9800"#));
        assert!(!judge(&factor, r#","acr":"one","amr":["pwd"],"auth_time":9800"#), "one factor");
        assert!(!judge(&factor, r#","acr":"two""#), "shown at no time");
        assert!(!judge(&factor, r#","acr":"two","auth_time":9600"#), "shown too long ago");
        assert!(!judge(&factor, r#","acr":"two","auth_time":99999"#), "shown in the future");
        assert!(
            !judge(&SecondFactor::default(), r#","acr":"two","amr":["otp"],"auth_time":9999"#),
            "denied unless told"
        );
    }

    #[test]
    fn settings_that_would_let_anybody_in_are_refused() {
        let refused = |change: &dyn Fn(&mut Settings), because: &str| {
            let mut settings = settings(&["acme"], false);
            change(&mut settings);
            let error = Provider::new(settings).err().expect("refused").to_string();
            assert!(error.contains(because), "{error}");
        };
        refused(&|settings| settings.issuer = "http://idp.example".to_owned(), "https");
        refused(&|settings| settings.audience.clear(), "audience");
        refused(&|settings| settings.tenants = Pin::Tenants(vec!["ADMIN".to_owned()]), "ADMIN");
        refused(&|settings| settings.ca_file = Some("/nowhere".into()), "/nowhere");
        refused(
            &|settings| {
                settings.roles.insert("root".to_owned(), Vec::new());
            },
            "\"root\" is none of",
        );
    }
}
