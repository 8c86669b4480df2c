//! Every route, in one table. The router, the OpenAPI document and the matrix of routes and roles that the
//! tests walk come from it, so that a route nobody judged cannot be written.

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on, post};
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::access::Role::{Auditor, KeyAdministrator, PlatformOperator, TenantAdministrator};
use crate::access::{Access, Role, Rule};
use crate::app::App;
use crate::gate;
use crate::problem::Problem;
use crate::routes::{
    backups, barrier, certificates, cluster, events, health, jobs, kmip, leases, members, objects, roots,
    services, tenants, versions, workflows,
};
use crate::server::Door;

/// Runs the platform, changes nothing of a tenant's keys that its people should decide.
const OPERATORS: Access = Access::Platform(&[PlatformOperator]);
/// Reads how the platform is.
const OBSERVERS: Access = Access::Platform(&[PlatformOperator, Auditor]);
/// Decides that a tenant is served at all.
const LANDLORDS: Access = Access::Tenant(&[PlatformOperator]);
/// Reads a tenant.
const READERS: Access = Access::Tenant(&[PlatformOperator, TenantAdministrator, KeyAdministrator, Auditor]);
/// Runs a tenant and its services.
const ADMINISTRATORS: Access = Access::Tenant(&[PlatformOperator, TenantAdministrator]);
/// Decides about a tenant's keys.
const KEY_ADMINISTRATORS: Access = Access::Tenant(&[PlatformOperator, KeyAdministrator]);

/// Decides on which root a tenant's keys hang, and whether they are served: with a second factor.
const ROOT_ADMINISTRATORS: Access = Access::TenantStrong(&[PlatformOperator, KeyAdministrator]);

/// Asks for dangerous deeds, and approves those of others.
const DECIDERS: Access = Access::Tenant(&[PlatformOperator, TenantAdministrator, KeyAdministrator]);

/// Approves, and says the last word: with a second factor.
const DECIDERS_STRONG: Access =
    Access::TenantStrong(&[PlatformOperator, TenantAdministrator, KeyAdministrator]);

macro_rules! routes {
    ($($method:ident $path:literal => $resource:ident :: $action:ident, $access:expr;)*) => {
        /// The table: every route of both listeners but KMIP's, which judges for itself.
        pub static RULES: &[Rule] = &[
            $(Rule { method: Method::$method, path: $path, access: $access }),*
        ];

        fn table(app: &App) -> Router<App> {
            let mut rules = RULES.iter();
            let mut router = Router::new();
            $(
                let rule = rules.next().expect("the table and this list come from the same rows");
                router = mount(router, app, rule, on(MethodFilter::$method, $resource::$action));
            )*
            router
        }

        #[derive(OpenApi)]
        #[openapi(
            info(
                title = "keyraft administration",
                description = "Tenants, services and nodes of a keyraft cluster."
            ),
            paths($($resource::$action),*),
            components(schemas(Problem))
        )]
        struct Description;
    };
}

routes! {
    GET "/livez" => health::livez, Access::Public;
    GET "/readyz" => health::readyz, Access::Public;
    GET "/health" => health::health, Access::Public;
    GET "/management/health" => health::management_health, Access::Public;
    GET "/metrics" => health::metrics, OBSERVERS;
    GET "/v1/openapi.json" => health::openapi_document, Access::Anyone;
    GET "/v1/whoami" => health::whoami, Access::Anyone;
    GET "/v1/cluster" => cluster::show, OBSERVERS;
    GET "/v1/backups" => backups::list, OBSERVERS;
    POST "/v1/backups" => backups::create, OPERATORS;
    GET "/v1/barrier" => barrier::show, OBSERVERS;
    POST "/v1/barrier:rotate" => barrier::rotate, OPERATORS;
    GET "/v1/members" => members::list, OBSERVERS;
    POST "/v1/members/join-tokens" => members::issue_token, OPERATORS;
    POST "/v1/members/{node}:promote" => members::promote, OPERATORS;
    POST "/v1/members/{node}:demote" => members::demote, OPERATORS;
    POST "/v1/members/{node}:remove" => members::remove, OPERATORS;
    POST "/v1/members/{node}:replace" => members::replace, OPERATORS;
    POST "/v1/members/{node}:step-down" => members::step_down, OPERATORS;
    GET "/v1/tenants" => tenants::list, Access::Anyone;
    POST "/v1/tenants" => tenants::create, OPERATORS;
    GET "/v1/tenants/{tenant}" => tenants::show, READERS;
    PATCH "/v1/tenants/{tenant}" => tenants::change, ADMINISTRATORS;
    GET "/v1/tenants/{tenant}/versions" => tenants::versions, READERS;
    PUT "/v1/tenants/{tenant}/lease" => leases::set, LANDLORDS;
    POST "/v1/tenants/{tenant}:suspend" => tenants::suspend, ADMINISTRATORS;
    POST "/v1/tenants/{tenant}:resume" => tenants::resume, LANDLORDS;
    POST "/v1/tenants/{tenant}:rotate" => tenants::rotate, KEY_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}:terminate" => tenants::terminate, LANDLORDS;
    GET "/v1/tenants/{tenant}/versions/older-in-use" => versions::older, READERS;
    POST "/v1/tenants/{tenant}:unlink" => roots::unlink, ROOT_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}:relink" => roots::relink, ROOT_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}:disable" => roots::disable, KEY_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}:enable" => roots::enable, KEY_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}:rewrap" => jobs::rewrap, KEY_ADMINISTRATORS;
    PUT "/v1/tenants/{tenant}/root-policy" => roots::policy, ROOT_ADMINISTRATORS;
    GET "/v1/tenants/{tenant}/roots" => roots::list, READERS;
    POST "/v1/tenants/{tenant}/roots" => roots::configure, ROOT_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/roots:test" => roots::test, KEY_ADMINISTRATORS;
    GET "/v1/tenants/{tenant}/roots/{root}" => roots::show, READERS;
    PUT "/v1/tenants/{tenant}/roots/{root}/credentials" => roots::credentials, ROOT_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/roots/{root}:switch" => roots::switch, ROOT_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/roots/{root}:activate" => roots::activate, ROOT_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/roots/{root}:deactivate" => roots::deactivate, ROOT_ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/roots/{root}:remove" => roots::remove, ROOT_ADMINISTRATORS;
    GET "/v1/tenants/{tenant}/jobs" => jobs::list, READERS;
    GET "/v1/tenants/{tenant}/jobs/{job}" => jobs::show, READERS;
    GET "/v1/tenants/{tenant}/services" => services::list, READERS;
    POST "/v1/tenants/{tenant}/services" => services::register, ADMINISTRATORS;
    GET "/v1/tenants/{tenant}/services/{service}" => services::show, READERS;
    PATCH "/v1/tenants/{tenant}/services/{service}" => services::set_policy, ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/services/{service}:suspend" => services::suspend, ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/services/{service}:resume" => services::resume, ADMINISTRATORS;
    POST "/v1/tenants/{tenant}/services/{service}:shred" => services::shred, KEY_ADMINISTRATORS;
    GET "/v1/certificates" => certificates::list, OBSERVERS;
    POST "/v1/certificates:deny" => certificates::deny, OPERATORS;
    POST "/v1/certificates:allow" => certificates::allow, OPERATORS;
    GET "/v1/tenants/{tenant}/objects" => objects::list, READERS;
    GET "/v1/tenants/{tenant}/usage" => objects::usage, READERS;
    GET "/v1/tenants/{tenant}/workflows" => workflows::list, READERS;
    POST "/v1/tenants/{tenant}/workflows" => workflows::open, DECIDERS;
    GET "/v1/tenants/{tenant}/workflows/{workflow}" => workflows::show, READERS;
    POST "/v1/tenants/{tenant}/workflows/{workflow}:submit" => workflows::submit, DECIDERS;
    POST "/v1/tenants/{tenant}/workflows/{workflow}:approve" => workflows::approve, DECIDERS_STRONG;
    POST "/v1/tenants/{tenant}/workflows/{workflow}:reject" => workflows::reject, DECIDERS;
    POST "/v1/tenants/{tenant}/workflows/{workflow}:confirm" => workflows::confirm, DECIDERS_STRONG;
    POST "/v1/tenants/{tenant}/workflows/{workflow}:revoke" => workflows::revoke, DECIDERS;
    GET "/v1/events" => events::list, Access::Anyone;
}

/// All routes of a listener. KMIP is on the operator port alone: the other asks for no certificate.
pub(crate) fn router(app: App, door: &Door) -> Router {
    let kmip = match door {
        Door::Public => Router::new(),
        Door::Operator { .. } => Router::new().route("/kmip", post(kmip::exchange)),
    };
    table(&app)
        .merge(kmip)
        .fallback(|| async { Problem::not_found("resource") })
        .method_not_allowed_fallback(|| async {
            let detail = "the resource does not have this method";
            let next = "see /v1/openapi.json";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Problem::new(status, "method-not-allowed", "Method not allowed", detail, next)
        })
        .with_state(app)
}

/// A row with its guard before it.
fn mount(router: Router<App>, app: &App, rule: &'static Rule, handler: MethodRouter<App>) -> Router<App> {
    let guard = from_fn_with_state((app.clone(), rule), gate::guard);
    router.route(&gate::routed(rule.path), handler.route_layer(guard))
}

/// The OpenAPI document as JSON.
#[must_use]
pub fn openapi() -> String {
    let mut document = serde_json::to_value(Description::openapi()).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "A token of an identity provider." },
        "operator": { "type": "mutualTLS", "description": "An operator's certificate, on the operator port." },
    });
    for rule in RULES {
        let operation = &mut document["paths"][rule.path][rule.method.as_str().to_ascii_lowercase()];
        describe_access(operation, rule.access);
    }
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// Adds to a route's description who may use it, and what others are told.
fn describe_access(operation: &mut Value, access: Access) {
    let (scope, roles): (_, &[Role]) = match access {
        Access::Public => {
            operation["security"] = json!([]);
            return;
        }
        Access::Anyone => ("own", &Role::ALL),
        Access::Platform(roles) => ("platform", roles),
        Access::Tenant(roles) | Access::TenantStrong(roles) => ("tenant", roles),
    };
    if matches!(access, Access::TenantStrong(_)) {
        operation["x-keyraft-second-factor"] = json!(true);
    }
    operation["security"] = json!([{ "token": [] }, { "operator": [] }]);
    operation["x-keyraft-scope"] = json!(scope);
    operation["x-keyraft-roles"] = roles.iter().map(|role| role.as_str()).collect();
    let problem = |what: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        json!({ "description": what, "content": { "application/problem+json": { "schema": schema } } })
    };
    for (status, what) in [
        ("401", "no valid credential"),
        ("403", "the caller's roles do not allow it"),
        ("429", "too many requests or wrong credentials from this address"),
    ] {
        operation["responses"][status] = problem(what);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_describes_the_table_and_nothing_else() {
        let document: Value = serde_json::from_str(&openapi()).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let described: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().expect("methods").keys();
                methods.map(move |method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let listed: BTreeSet<(String, String)> =
            RULES.iter().map(|rule| (rule.path.to_owned(), rule.method.to_string())).collect();
        assert_eq!(described, listed, "a handler's description names another path or method than its row");
        assert_eq!(listed.len(), RULES.len(), "every row is another route");
    }

    #[test]
    fn every_route_says_who_may_use_it_and_describes_its_answers() {
        let document: Value = serde_json::from_str(&openapi()).expect("JSON");
        for rule in RULES {
            let operation = &document["paths"][rule.path][rule.method.as_str().to_ascii_lowercase()];
            assert!(operation["security"].is_array(), "{}", rule.path);
            assert!(operation["summary"].is_string(), "{} has no sentence", rule.path);
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{} never succeeds", rule.path);
            for name in ["tenant", "service", "workflow"]
                .iter()
                .filter(|name| rule.path.contains(&format!("{{{name}}}")))
            {
                let parameters = operation["parameters"].as_array().expect("parameters");
                assert!(parameters.iter().any(|one| one["name"] == **name), "{}: {name}", rule.path);
            }
        }
    }

    #[test]
    fn rows_about_a_tenant_are_judged_for_that_tenant() {
        for rule in RULES {
            let about_one = rule.path.contains("{tenant}");
            assert_eq!(
                about_one,
                matches!(rule.access, Access::Tenant(_) | Access::TenantStrong(_)),
                "{}",
                rule.path
            );
            if matches!(rule.access, Access::Public) {
                assert!(!rule.path.starts_with("/v1/"), "{} is open to strangers", rule.path);
            }
        }
    }

    #[test]
    fn an_auditor_changes_nothing() {
        for rule in RULES.iter().filter(|rule| rule.method != Method::GET) {
            let (Access::Tenant(roles) | Access::TenantStrong(roles) | Access::Platform(roles)) = rule.access
            else {
                continue;
            };
            assert!(!roles.contains(&Auditor), "{} {}", rule.method, rule.path);
        }
    }
}
