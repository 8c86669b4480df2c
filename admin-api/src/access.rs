//! Who may use which route: roles, what they were given for, and the judgement.
//!
//! A pure table and a pure function. A caller holds roles for the platform, or for tenants by name; a route
//! names the roles that may use it. Nobody learns from a refusal whether a tenant exists that is not theirs.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use model::id::TenantName;

/// What a person or a machine is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs the cluster and its tenants.
    PlatformOperator,
    /// Runs one tenant: its services, its labels, whom it notifies.
    TenantAdministrator,
    /// Decides about one tenant's keys and their root.
    KeyAdministrator,
    /// Reads everything of its tenants, changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] =
        [Self::PlatformOperator, Self::TenantAdministrator, Self::KeyAdministrator, Self::Auditor];

    /// The word used in settings, claims and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformOperator => "platform_operator",
            Self::TenantAdministrator => "tenant_administrator",
            Self::KeyAdministrator => "key_administrator",
            Self::Auditor => "auditor",
        }
    }

    /// Reads the word; `None` if it is no role.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a credential.
    Public,
    /// Any caller with a role; the answer shows what is theirs.
    Anyone,
    /// These roles, held for the whole platform.
    Platform(&'static [Role]),
    /// These roles, held for the tenant in the path.
    Tenant(&'static [Role]),
    /// The same, by somebody who has just shown a second factor.
    TenantStrong(&'static [Role]),
}

/// One row of the table of routes.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its method.
    pub method: Method,
    /// Its path as OpenAPI writes it: `/v1/tenants/{tenant}:suspend`.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

/// The roles of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    platform: BTreeSet<Role>,
    tenants: BTreeMap<TenantName, BTreeSet<Role>>,
}

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It may not, and knows the thing exists.
    Forbidden,
    /// It may not, and must not learn whether the thing exists.
    Hidden,
}

impl Grants {
    /// A platform operator.
    #[must_use]
    pub fn operator() -> Self {
        Self { platform: BTreeSet::from([Role::PlatformOperator]), tenants: BTreeMap::new() }
    }

    /// Adds a role for the whole platform. Only operators and auditors exist there: the others decide for
    /// one customer, and nobody is every customer.
    pub fn give_platform(&mut self, role: Role) {
        if matches!(role, Role::PlatformOperator | Role::Auditor) {
            self.platform.insert(role);
        }
    }

    /// Adds a role for a tenant. A platform operator of one tenant does not exist.
    pub fn give_tenant(&mut self, tenant: TenantName, role: Role) {
        if role != Role::PlatformOperator {
            self.tenants.entry(tenant).or_default().insert(role);
        }
    }

    /// Whether no role was given at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.platform.is_empty() && self.tenants.is_empty()
    }

    /// Whether the caller holds any role for a tenant, or for all of them.
    #[must_use]
    pub fn sees(&self, tenant: &TenantName) -> bool {
        !self.platform.is_empty() || self.tenants.contains_key(tenant)
    }

    /// Whether the caller holds a role for the whole platform.
    #[must_use]
    pub fn sees_platform(&self) -> bool {
        !self.platform.is_empty()
    }

    /// The roles held for the platform, and for each tenant.
    pub fn all(&self) -> impl Iterator<Item = (Option<&TenantName>, Role)> {
        let platform = self.platform.iter().map(|role| (None, *role));
        let tenants = self.tenants.iter();
        platform.chain(tenants.flat_map(|(name, roles)| roles.iter().map(move |role| (Some(name), *role))))
    }

    /// Judges a request for a route; `tenant` is the one in its path.
    #[must_use]
    pub fn judge(&self, access: Access, tenant: Option<&str>) -> Verdict {
        let platform = |roles: &[Role]| roles.iter().any(|role| self.platform.contains(role));
        match access {
            Access::Public => Verdict::Allowed,
            Access::Anyone if self.is_empty() => Verdict::Forbidden,
            Access::Anyone => Verdict::Allowed,
            Access::Platform(roles) if platform(roles) => Verdict::Allowed,
            Access::Platform(_) => Verdict::Forbidden,
            Access::Tenant(roles) | Access::TenantStrong(roles) => {
                self.judge_tenant(roles, platform(roles), tenant)
            }
        }
    }

    fn judge_tenant(&self, roles: &[Role], everywhere: bool, tenant: Option<&str>) -> Verdict {
        let held =
            tenant.and_then(|name| TenantName::parse(name).ok()).and_then(|name| self.tenants.get(&name));
        if everywhere || held.is_some_and(|held| roles.iter().any(|role| held.contains(role))) {
            Verdict::Allowed
        } else if held.is_some() || !self.platform.is_empty() {
            Verdict::Forbidden
        } else {
            Verdict::Hidden
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TenantName {
        TenantName::parse(text).expect("a name")
    }

    #[test]
    fn a_role_counts_where_it_was_given() {
        let mut grants = Grants::default();
        grants.give_tenant(name("acme"), Role::KeyAdministrator);
        let keys = Access::Tenant(&[Role::PlatformOperator, Role::KeyAdministrator]);
        assert_eq!(grants.judge(keys, Some("acme")), Verdict::Allowed);
        assert_eq!(grants.judge(keys, Some("other")), Verdict::Hidden);
        assert_eq!(grants.judge(keys, Some("ACME")), Verdict::Hidden);
        assert_eq!(grants.judge(keys, None), Verdict::Hidden);
        assert_eq!(grants.judge(Access::Tenant(&[Role::Auditor]), Some("acme")), Verdict::Forbidden);
        assert_eq!(grants.judge(Access::Platform(&[Role::PlatformOperator]), None), Verdict::Forbidden);
        assert_eq!(grants.judge(Access::Anyone, None), Verdict::Allowed);
    }

    #[test]
    fn nobody_is_every_customer_and_nobody_operates_one_tenant() {
        let mut grants = Grants::default();
        grants.give_platform(Role::KeyAdministrator);
        grants.give_platform(Role::TenantAdministrator);
        grants.give_tenant(name("acme"), Role::PlatformOperator);
        assert!(grants.is_empty());
        assert_eq!(grants.judge(Access::Anyone, None), Verdict::Forbidden);
    }

    #[test]
    fn an_operator_is_told_the_truth_and_an_auditor_changes_nothing() {
        let mut auditor = Grants::default();
        auditor.give_platform(Role::Auditor);
        let change = Access::Tenant(&[Role::PlatformOperator]);
        assert_eq!(Grants::operator().judge(change, Some("anything")), Verdict::Allowed);
        assert_eq!(auditor.judge(change, Some("anything")), Verdict::Forbidden);
    }
}
