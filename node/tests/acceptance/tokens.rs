//! Bearer tokens of a real identity provider: whom a node believes, and what every role may do.

use std::time::{SystemTime, UNIX_EPOCH};

use admin_api::{Access, RULES, Role, Rule};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::identity_provider::IdentityProvider;
use crate::rest::Request;
use crate::support::{Cluster, KEYRAFT, text, until};
use crate::wire::Credentials;

/// A tenant and a service that the matrix may act on; neither exists, so nothing is changed by an answer.
fn target(rule: &Rule) -> String {
    let absent =
        [("{service}", "no-such-service"), ("{node}", "999"), ("{workflow}", "none"), ("{root}", "none")];
    let mut path = rule.path.replace("{tenant}", "tenant-a").replace("{job}", "none");
    for (place, name) in absent {
        path = path.replace(place, name);
    }
    assert!(!path.contains('{'), "{path} has a place that this test does not know");
    path
}

fn request(rule: &Rule) -> Request {
    // What a body lacks is judged after the role: an empty one never succeeds.
    Request::new(format!("{} {}", rule.method, target(rule)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a01_every_route_but_the_named_few_needs_a_credential() {
    let cluster = Cluster::shared();
    for rule in RULES {
        let reply = request(rule).send(&cluster).await;
        match rule.access {
            Access::Public => assert_eq!(reply.status, 200, "{}", rule.path),
            _ => {
                assert_eq!(reply.status, 401, "{} {}", rule.method, rule.path);
                assert_eq!(reply.headers["www-authenticate"], "Bearer");
                assert_eq!(reply.body["type"], "urn:keyraft:problem:unauthenticated");
            }
        }
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{}", rule.path);
        assert_eq!(reply.headers["correlation-id"].len(), 32, "{}", rule.path);
    }
    let public: Vec<&str> =
        RULES.iter().filter(|rule| rule.access == Access::Public).map(|rule| rule.path).collect();
    assert_eq!(public, ["/livez", "/readyz", "/health", "/management/health"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a02_every_role_may_do_what_the_table_says_and_nothing_else() {
    let Some(provider) = IdentityProvider::start("a02") else { return };
    let settings = provider.settings("\"any\"", "platform = true");
    let cluster = Cluster::start_with(&settings);
    let callers = [
        ("operator", Some(Role::PlatformOperator), true),
        ("operator-rsa", Some(Role::PlatformOperator), true),
        ("chief-auditor", Some(Role::Auditor), true),
        ("tenant-admin", Some(Role::TenantAdministrator), false),
        ("key-admin", Some(Role::KeyAdministrator), false),
        ("auditor", Some(Role::Auditor), false),
        ("stranger", None, false),
        ("nobody", None, false),
    ];
    for (name, role, platform) in callers {
        let token = provider.token(name);
        for rule in RULES {
            let holds = |roles: &[Role]| role.is_some_and(|role| roles.contains(&role));
            let expected = match rule.access {
                Access::Public => "allowed",
                Access::Anyone if name == "nobody" => "403",
                Access::Anyone => "allowed",
                Access::Platform(roles) if platform && holds(roles) => "allowed",
                Access::Platform(_) => "403",
                Access::Tenant(roles) if holds(roles) => "allowed",
                // The right role, and no second factor.
                Access::TenantStrong(roles) if holds(roles) => "401",
                // Whoever has no role in a tenant learns nothing of it, not even that it is there.
                Access::Tenant(_) | Access::TenantStrong(_) if role.is_none() => "404",
                Access::Tenant(_) | Access::TenantStrong(_) => "403",
            };
            if expected == "allowed" && !changes_nothing(rule) {
                continue;
            }
            let status = request(rule).token(&token).send(&cluster).await.status;
            let told = match status {
                401 | 403 | 429 => status.to_string(),
                404 if expected == "404" => "404".to_owned(),
                _ => "allowed".to_owned(),
            };
            assert_eq!(told, expected, "{name}: {} {} was answered {status}", rule.method, rule.path);
        }
    }
    what_is_shown_is_what_is_theirs(&cluster, &provider).await;
    a19_a_tenant_in_the_body_is_judged_too(&cluster, &provider).await;
    a18_backups_are_the_platforms_and_none_is_handed_out(&cluster, &provider).await;
}

/// Whether asking for it with an empty body, by somebody who may, leaves the cluster as it is.
fn changes_nothing(rule: &Rule) -> bool {
    rule.method != "POST" || !rule.path.starts_with("/v1/tenants/{tenant}:")
}

async fn what_is_shown_is_what_is_theirs(cluster: &Cluster, provider: &IdentityProvider) {
    let names = async |client: &str| {
        let reply = Request::new("GET /v1/tenants").token(&provider.token(client)).send(cluster).await;
        let items = reply.body["items"].as_array().expect("items").clone();
        items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("operator").await, ["tenant-a", "tenant-b"]);
    assert_eq!(names("auditor").await, ["tenant-a"]);
    assert_eq!(names("stranger").await, ["tenant-b"]);
    let me = Request::new("GET /v1/whoami").token(&provider.token("key-admin")).send(cluster).await;
    assert_eq!(me.body["subject"], format!("key-admin at {}", provider.issuer));
    assert_eq!(me.body["grants"], json!([{ "role": "key_administrator", "tenant": "tenant-a" }]));
    // A tenant that is not theirs and one that is not there look the same.
    let token = provider.token("key-admin");
    let foreign = Request::new("GET /v1/tenants/tenant-b").token(&token).send(cluster).await;
    let absent = Request::new("GET /v1/tenants/tenant-z").token(&token).send(cluster).await;
    let shape =
        |reply: &crate::rest::Reply| (reply.status, reply.body["type"].clone(), reply.body["detail"].clone());
    assert_eq!(shape(&foreign), shape(&absent));
    assert_eq!(foreign.status, 404);
}

async fn a19_a_tenant_in_the_body_is_judged_too(cluster: &Cluster, provider: &IdentityProvider) {
    let body = json!({ "name": "tenant-a" });
    for name in ["tenant-admin", "key-admin", "stranger", "chief-auditor"] {
        let reply =
            Request::new("POST /v1/tenants").token(&provider.token(name)).json(&body).send(cluster).await;
        assert_eq!(reply.status, 403, "{name}");
    }
}

/// A backup is everything, if sealed. Only the platform's people make one, it lies where the node's own file says,
/// and nobody downloads it; who tried stands in the audit log.
async fn a18_backups_are_the_platforms_and_none_is_handed_out(
    cluster: &Cluster,
    provider: &IdentityProvider,
) {
    let ask = async |who: &str, line: &str| {
        Request::new(line).token(&provider.token(who)).json(&json!({})).send(cluster).await
    };
    for who in ["tenant-admin", "key-admin", "auditor", "stranger", "chief-auditor"] {
        assert_eq!(ask(who, "POST /v1/backups").await.status, 403, "{who}");
    }
    assert_eq!(ask("key-admin", "GET /v1/backups").await.status, 403);
    let made = ask("operator", "POST /v1/backups").await;
    assert_eq!(made.status, 201, "{}", made.body);
    let name = made.body["name"].as_str().expect("a name");
    for path in ["", ":download", "/snapshot", "/keyring"] {
        let reply = ask("operator", &format!("GET /v1/backups/{name}{path}")).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
    }
    // Asked for as text or bytes, the list stays a list.
    let listed = Request::new("GET /v1/backups").token(&provider.token("operator"));
    let listed = listed.header("Accept: application/octet-stream").send(cluster).await;
    assert_eq!(listed.headers["content-type"], "application/json");

    let log = cluster.node(0).join("data/audit");
    let told = std::process::Command::new(KEYRAFT).args(["audit", "export"]).arg(&log).output();
    let told = text(&told.expect("keyraft audit").stdout);
    let of = |who: &str| {
        let lines = told.lines().filter(|line| line.contains("POST /v1/backups") && line.contains(who));
        lines.count()
    };
    for who in ["tenant-admin at", "key-admin at", "stranger at"] {
        assert!(of(who) > 0, "the refusal of {who} is not in the audit log");
    }
    assert!(told.contains("create_backup") && told.contains(name), "who made it is not in the audit log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_only_tokens_that_the_provider_made_for_us_count() {
    let Some(provider) = IdentityProvider::start("a13") else { return };
    let Some(second) = IdentityProvider::start("a13") else { return };
    let cluster = Cluster::start_with(&provider.settings("[\"tenant-a\"]", "platform = true"));
    let good = provider.token("operator");
    let status = async |token: &str| Request::new("GET /v1/cluster").token(token).send(&cluster).await.status;
    assert_eq!(status(&good).await, 200);

    let forger = Forger::new(&provider);
    for ((what, token), node) in forger.forgeries(&good).into_iter().zip([0, 1, 2].into_iter().cycle()) {
        // Each node counts wrong guesses for itself; this many at one would end in 429.
        let reply = Request::new("GET /v1/cluster").token(&token).to(node).send(&cluster).await;
        assert_eq!(reply.status, 401, "{what}");
        assert_eq!(
            reply.body["detail"], "the request carries no valid credential",
            "{what}: one text for all"
        );
    }
    assert_eq!(status(&provider.token("operator-elsewhere")).await, 401, "made for another audience");
    assert_eq!(status(&second.token("operator")).await, 401, "made by a provider nobody configured");
    // The forger can sign: with the provider's own key and honest claims its tokens are as good as any.
    assert_eq!(status(&forger.sign(&forger.honest(), "es", Algorithm::ES256)).await, 200);

    // Pinned to tenant-a: what it says about tenant-b counts for nothing.
    let stranger = Request::new("GET /v1/tenants").token(&provider.token("stranger")).send(&cluster).await;
    assert_eq!(stranger.status, 403);

    // The provider goes away: those it vouched for go on while its keys are known.
    drop(provider);
    assert_eq!(status(&good).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_a_node_starts_with_a_provider_that_is_away_and_not_with_one_that_is_another() {
    let Some(mut provider) = IdentityProvider::start("a13") else { return };
    let (token, honest) = (provider.token("operator"), provider.settings("\"any\"", "platform = true"));
    // Somebody else's authority: whoever answers there is not to be believed.
    let mut cluster = Cluster::start();
    let stranger = cluster.data.join("ca/server.pem").display().to_string();
    let untrusted = provider
        .settings("\"any\"", "")
        .replace(&provider.folder.path().join("server.pem").display().to_string(), &stranger);
    let misnamed = honest.replace("localhost", "LOCALHOST");
    let plain = honest.replace("https://", "http://");
    for (settings, told) in
        [(&untrusted, "is not trusted"), (&misnamed, "calls itself"), (&plain, "an https address")]
    {
        let said = refuses_to_start(&cluster, settings);
        assert!(said.contains(told), "{said:?} does not say {told:?}");
    }

    // Nobody answers: keys are served, operators come by certificate, tokens wait.
    cluster.stop(rustix::process::Signal::INT);
    drop(cluster);
    provider.stop();
    let cluster = Cluster::start_with(&honest);
    let reply = Request::new("GET /v1/cluster").token(&token).send(&cluster).await;
    assert_eq!((reply.status, reply.body["who_must_act"].as_str()), (503, Some("nobody")));
    let operator = Credentials::operator(&cluster);
    assert_eq!(Request::new("GET /v1/cluster").send_as(&cluster, &operator).await.status, 200);
}

#[test]
fn a_script_logs_in_and_its_token_serves_the_next_commands() {
    let Some(provider) = IdentityProvider::start("login") else { return };
    let cluster = Cluster::start_with(&provider.settings("\"any\"", ""));
    let home = tempfile::tempdir().expect("a home");
    let secret = home.path().join("secret");
    std::fs::write(&secret, "key-admin-secret-of-the-tests\n").expect("a file");
    let authority = provider.folder.path().join("server.pem");
    let keyraft = |arguments: &[&str]| {
        let mut command = std::process::Command::new(KEYRAFT);
        command
            .args(arguments)
            .envs(cluster.env())
            .env_remove("KEYRAFT_TOKEN")
            .env("XDG_CONFIG_HOME", home.path());
        command.output().expect("keyraft starts")
    };
    let login = |client: &str| {
        let (secret, authority) = (secret.to_str().expect("text"), authority.to_str().expect("text"));
        let client = ["--client-id", client, "--client-secret-file", secret, "--issuer-ca", authority];
        keyraft(&[&["login", "--issuer", &provider.issuer], &client[..]].concat())
    };
    let before = keyraft(&["tenant", "list"]);
    assert!(!before.status.success() && text(&before.stderr).contains("Authentication required"));
    let wrong = login("auditor");
    assert!(
        !wrong.status.success() && text(&wrong.stderr).contains("refused with 401"),
        "{}",
        text(&wrong.stderr)
    );
    let right = login("key-admin");
    assert!(right.status.success(), "{}", text(&right.stderr));
    assert!(text(&right.stdout).contains("key_administrator"), "{}", text(&right.stdout));
    let after = keyraft(&["tenant", "list", "-o", "json"]);
    let tenants: Value = serde_json::from_slice(&after.stdout).expect("JSON");
    assert_eq!(tenants[0]["name"], "tenant-a");
    assert_eq!(tenants.as_array().map(Vec::len), Some(1), "its own tenant alone");
}

/// Starts node 0 again with more settings; what it says when it ends.
fn refuses_to_start(cluster: &Cluster, settings: &str) -> String {
    let known = std::fs::read_to_string(cluster.node(0).join("config.toml")).expect("a configuration");
    // Its own ports and folder, so that nothing but the settings is in its way.
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = known.replace(
        &cluster.node(0).join("data").display().to_string(),
        &folder.path().join("data").display().to_string(),
    );
    let ports = cluster.ports;
    for port in [ports.kmip, ports.admin, ports.admin + 50, ports.peer] {
        text = text.replace(&format!(":{port}\""), ":0\"");
    }
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text + settings).expect("a configuration");
    let mut command = std::process::Command::new(KEYRAFT);
    command.args(["server", "--config"]).arg(&file).env("KEYRAFT_LOG", "error");
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("keyraft starts");
    until("the node refuses to start", || child.try_wait().expect("our own child").is_some());
    let output = child.wait_with_output().expect("its output");
    assert_eq!(output.status.code(), Some(1));
    text_of(&output)
}

fn text_of(output: &std::process::Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// Somebody who knows what the provider publishes, has a key of its own, and for once the provider's.
struct Forger {
    issuer: String,
    keys: Value,
}

impl Forger {
    fn new(provider: &IdentityProvider) -> Self {
        Self { issuer: provider.issuer.clone(), keys: provider.keys() }
    }

    /// Claims that the node would believe.
    fn honest(&self) -> Value {
        let now = now();
        json!({ "iss": self.issuer, "aud": "keyraft", "sub": "forger", "iat": now, "exp": now + 300,
                "roles": ["platform_operator"], "tenant": ["*"] })
    }

    fn with(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.honest();
        claims[claim] = value;
        claims
    }

    /// Signs with the provider's elliptic key.
    fn sign(&self, claims: &Value, kid: &str, alg: Algorithm) -> String {
        let mut header = Header::new(alg);
        header.kid = Some(kid.to_owned());
        self.sign_as(&header, claims)
    }

    fn sign_as(&self, header: &Header, claims: &Value) -> String {
        let jwk = &self.keys["keys"][0];
        let part = |name: &str| {
            BASE64URL_NOPAD.decode(jwk[name].as_str().expect("a part").as_bytes()).expect("base64")
        };
        let key = EncodingKey::from_ec_der(&pkcs8(&part("d"), &part("x"), &part("y")));
        jsonwebtoken::encode(header, claims, &key).expect("a token")
    }

    fn forgeries(&self, good: &str) -> Vec<(&'static str, String)> {
        let es = |claims: &Value| self.sign(claims, "es", Algorithm::ES256);
        let now = now();
        let [head, payload, signature]: [&str; 3] =
            good.split('.').collect::<Vec<_>>().try_into().expect("three parts");
        let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let mut without = self.honest();
        without.as_object_mut().expect("claims").remove("exp");
        let mut flipped: Vec<char> = signature.chars().collect();
        flipped[10] = if flipped[10] == 'A' { 'B' } else { 'A' };
        let flipped: String = flipped.into_iter().collect();
        let own = rcgen::KeyPair::generate().expect("a key");
        let mut own_header = Header::new(Algorithm::ES256);
        own_header.kid = Some("es".to_owned());
        let own_key = EncodingKey::from_ec_der(own.serialized_der());
        let mut critical = own_header.clone();
        critical.crit = Some(vec!["b64".to_owned()]);
        let mut logout = own_header.clone();
        logout.typ = Some("logout+jwt".to_owned());
        vec![
            ("alg none", format!("{}.{payload}.", encode(json!({ "alg": "none", "kid": "es" })))),
            (
                "alg none, in another case",
                format!("{}.{payload}.{signature}", encode(json!({ "alg": "nOnE" }))),
            ),
            ("the public key as the secret of an HMAC", self.confused(Algorithm::HS256)),
            ("another family than the key's", self.sign(&self.honest(), "rs", Algorithm::ES256)),
            (
                "another curve's algorithm",
                format!("{}.{payload}.{signature}", encode(json!({ "alg": "ES384", "kid": "es" }))),
            ),
            (
                "a key of the forger's",
                jsonwebtoken::encode(&own_header, &self.honest(), &own_key).expect("a token"),
            ),
            ("a key nobody published", self.sign(&self.honest(), "no-such-key", Algorithm::ES256)),
            ("no key named, and two published", self.sign_as(&Header::new(Algorithm::ES256), &self.honest())),
            ("an extension we do not know", self.sign_as(&critical, &self.honest())),
            ("a token of another type", self.sign_as(&logout, &self.honest())),
            ("expired", es(&self.with("exp", json!(now - 120)))),
            ("not valid yet", es(&self.with("nbf", json!(now + 120)))),
            ("no end", es(&without)),
            ("an end that is no number", es(&self.with("exp", json!("never")))),
            ("another audience", es(&self.with("aud", json!("keyraft-2")))),
            ("another issuer", es(&self.with("iss", json!("https://idp.example")))),
            ("a list of issuers", es(&self.with("iss", json!([self.issuer, "https://idp.example"])))),
            ("no subject", es(&self.with("sub", json!("")))),
            ("a subject with a line break", es(&self.with("sub", json!("a\nb")))),
            ("a changed signature", format!("{head}.{payload}.{flipped}")),
            ("a changed payload", format!("{head}.{}.{signature}", encode(self.honest()))),
            ("no signature", format!("{head}.{payload}.")),
            ("two parts", format!("{head}.{payload}")),
            ("nonsense", "nonsense".to_owned()),
            ("a long one", "x".repeat(12_000)),
        ]
    }

    /// Signed by HMAC with what the provider publishes as its public key.
    fn confused(&self, alg: Algorithm) -> String {
        let mut public = self.keys["keys"][0].clone();
        public.as_object_mut().expect("a key").remove("d");
        let mut header = Header::new(alg);
        header.kid = Some("es".to_owned());
        let key = EncodingKey::from_secret(public.to_string().as_bytes());
        jsonwebtoken::encode(&header, &self.honest(), &key).expect("a token")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A P-256 key in PKCS#8 (RFC 5958, RFC 5915): every length is fixed.
fn pkcs8(d: &[u8], x: &[u8], y: &[u8]) -> Vec<u8> {
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hexadecimal");
    let head = hex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420");
    [&head[..], d, &hex("a144034200"), &[4], x, y].concat()
}
