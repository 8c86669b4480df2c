//! The way of a request: what every one passes before its route is looked for, and what every route asks
//! before its handler runs.
//!
//! The order is the order of cost: path and headers, the address's budget, the route, the credential, the
//! role, and only then the body. Nothing of a body is read for a stranger. A path has one spelling; another
//! one is refused, not repaired, so that no later reader can understand it differently.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use crate::access::{Access, Rule, Verdict};
use crate::app::App;
use crate::auth::{self, Assurance, Caller, Unknown};
use crate::problem::{self, Problem};
use crate::server::Peer;

/// Longest path and query in bytes: two names of 63 characters and a page's query fit.
const TARGET_BYTES_MAX: usize = 2 * 1024;
/// Largest body in bytes: a tenant with all its labels fits many times.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// From the end of the header to the end of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers by which some servers change the method that was judged.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Lets a request in, with a name by which it is found again in answers, logs and audit records.
pub(crate) async fn enter(
    app: &App,
    peer: Peer,
    mut request: Request<Body>,
    route: impl AsyncFnOnce(Request<Body>) -> Response,
) -> Response {
    let correlation = problem::Correlation::draw();
    let name = correlation.to_string();
    let mut response = problem::CORRELATION
        .scope(correlation, async move {
            match admit(app, &peer, &mut request) {
                Ok(peer) => {
                    request.extensions_mut().insert(peer);
                    route(request).await
                }
                Err(problem) => problem.into_response(),
            }
        })
        .await;
    harden(response.headers_mut());
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert("correlation-id", name);
    }
    response
}

/// Headers of every answer: nothing is cached, sniffed, framed or leaked by a referrer.
fn harden(headers: &mut HeaderMap) {
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Judges everything that needs no route; returns the peer a request really comes from.
fn admit(app: &App, peer: &Peer, request: &mut Request<Body>) -> Result<Peer, Problem> {
    let peer = Peer { address: real_address(app, peer, request.headers()), ..peer.clone() };
    let now = Instant::now();
    // KMIP over HTTPS is a service's data path, with the limits of the KMIP port.
    if request.uri().path() != "/kmip" {
        app.limits().request(peer.address.ip(), now).map_err(|many| Problem::too_many(many.retry_after_s))?;
    }
    if OVERRIDES.iter().any(|name| request.headers().contains_key(*name)) {
        return Err(Problem::bad_request("a header asks for another method than the request line"));
    }
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > TARGET_BYTES_MAX {
        return Err(Problem::bad_request(format!("path and query exceed {TARGET_BYTES_MAX} bytes")));
    }
    if !is_plain(request.uri().path()) {
        return Err(Problem::bad_request(
            "the path is not written plainly: no escapes, no empty or dot segments",
        ));
    }
    if let Some(inner) = verb_as_segment(request.uri()) {
        *request.uri_mut() = inner;
    }
    Ok(peer)
}

/// The address at the other end; behind a proxy that the settings name, the one it says.
fn real_address(app: &App, peer: &Peer, headers: &HeaderMap) -> std::net::SocketAddr {
    let direct = peer.address;
    if !app.trusts_proxy(direct.ip()) {
        return direct;
    }
    let said = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    // Each proxy appends: the last one is what our own proxy saw.
    let last =
        said.and_then(|list| list.rsplit(',').next()).and_then(|last| last.trim().parse::<IpAddr>().ok());
    last.map_or(direct, |ip| std::net::SocketAddr::new(ip, 0))
}

/// Whether a path can be understood in one way only.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let segment = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(plain)
            && !segment.starts_with('.')
            && !segment.ends_with('.')
    };
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
}

/// `/v1/tenants/acme:suspend` as the router knows it. The mark that stands for the colon cannot come from
/// outside: a plain path has none.
fn verb_as_segment(uri: &Uri) -> Option<Uri> {
    let (before, verb) = uri.path().rsplit_once(':')?;
    if verb.is_empty() || verb.contains('/') || before.ends_with('/') {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{before}/@{verb}{query}").parse().ok()
}

/// A row's path as the router knows it.
pub(crate) fn routed(path: &str) -> String {
    match path.rsplit_once(':') {
        Some((before, verb)) => format!("{before}/@{verb}"),
        None => path.to_owned(),
    }
}

/// What stands before the handler of a row.
pub(crate) async fn guard(
    State((app, rule)): State<(App, &'static Rule)>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let tenant = params.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned());
    let (mut parts, body) = request.into_parts();
    let passed = async {
        if rule.access != Access::Public {
            let caller = authorise(&app, rule, tenant.as_deref(), &parts.extensions, &parts.headers).await?;
            parts.extensions.insert(caller);
        }
        read_body(&parts.method, &parts.headers, body).await
    };
    match passed.await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(problem) => problem.into_response(),
    }
}

async fn authorise(
    app: &App,
    rule: &Rule,
    tenant: Option<&str>,
    extensions: &axum::http::Extensions,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let peer = extensions.get::<Peer>().ok_or_else(Problem::unauthenticated)?;
    let caller = match auth::identify(app, peer, headers).await {
        Ok(caller) => caller,
        Err(Unknown::Absent) => return Err(Problem::unauthenticated()),
        Err(Unknown::NotNow) => return Err(Problem::provider_away()),
        Err(Unknown::Wrong) => {
            app.limits().wrong_credential(peer.address.ip(), Instant::now());
            return Err(Problem::unauthenticated());
        }
    };
    let verdict = caller.grants.judge(rule.access, tenant);
    if verdict == Verdict::Allowed {
        return match (rule.access, &caller.assurance) {
            (Access::TenantStrong(_), Assurance::Single { acr_values, max_age_s }) => {
                Err(Problem::step_up(acr_values, *max_age_s))
            }
            _ => Ok(caller),
        };
    }
    let target = format!("{} {}", rule.method, rule.path.replace("{tenant}", tenant.unwrap_or("{tenant}")));
    app.engine()?.note_forbidden(&caller.administrator, &target).await?;
    Err(if verdict == Verdict::Hidden { Problem::not_found("tenant") } else { Problem::forbidden() })
}

/// The whole body, within its bounds; empty where none is expected.
async fn read_body(method: &Method, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported("a compressed body is not accepted", "send it uncompressed"));
    }
    let read =
        timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_MAX)).await.map_err(|_| Problem::too_slow())?;
    let bytes = read.map_err(|_| Problem::too_large(BODY_BYTES_MAX))?;
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::DELETE);
    if changes && !bytes.is_empty() && !is_json(headers) {
        return Err(unsupported("the body is not said to be JSON", "send Content-Type: application/json"));
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (media, parameters) = said.split_once(';').unwrap_or((said, ""));
    let parameters = parameters.trim().to_ascii_lowercase();
    let utf8 = ["", "charset=utf-8", "charset=\"utf-8\""].contains(&parameters.as_str());
    media.trim().eq_ignore_ascii_case("application/json") && utf8
}

fn unsupported(detail: &str, next: &str) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported-media-type", "Unsupported media type", detail, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a03_a_path_has_one_spelling() {
        for plain in ["/livez", "/v1/tenants", "/v1/tenants/acme:suspend", "/v1/tenants/a-b.c/services/x"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "",
            "v1",
            "/",
            "//",
            "/v1//tenants",
            "/v1/tenants/",
            "/v1/../metrics",
            "/v1/./tenants",
            "/v1/tenants/.",
            "/v1/tenants/%2e%2e/x",
            "/v1/tenants/a%00",
            "/v1/tenants/a;b",
            "/v1/tenants/acme.",
            "/v1/tenants/@suspend",
            "/v1/tenants/a\\b",
            "/v1/tenants/a b",
            "/v1/tenants/+",
            "/v1/tenants/*",
            "/v1/t\u{e9}",
        ] {
            assert!(!is_plain(other), "{other:?}");
        }
    }

    #[test]
    fn verbs_are_segments_to_the_router_alone() {
        let inner = |path: &str| verb_as_segment(&path.parse().expect("a URI")).map(|uri| uri.to_string());
        assert_eq!(inner("/v1/tenants/acme:suspend").as_deref(), Some("/v1/tenants/acme/@suspend"));
        assert_eq!(inner("/v1/tenants/acme:suspend?a=b").as_deref(), Some("/v1/tenants/acme/@suspend?a=b"));
        assert_eq!(inner("/v1/tenants/acme"), None);
        assert_eq!(inner("/v1/tenants/:suspend"), None);
        assert_eq!(inner("/v1/ten:ants/acme"), None);
        assert_eq!(routed("/v1/tenants/{tenant}:suspend"), "/v1/tenants/{tenant}/@suspend");
    }

    #[test]
    fn a_body_is_json_or_nothing() {
        let said = |text: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]))
        };
        assert!(said("application/json") && said("Application/JSON; charset=UTF-8"));
        assert!(!said("text/plain") && !said("application/json; charset=latin1") && !said(""));
        assert!(!said("application/x-www-form-urlencoded"));
    }
}
