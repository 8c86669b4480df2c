//! The connection test: everything a root must be able to do, tried before anything is saved.
//!
//! It opens the root as a node would, wraps and unwraps random bytes, compares them, asks the root's
//! home what it says about the key and what we may do there, and reports. It stores nothing, changes
//! nothing at the root, and ends within [`TEST_TIMEOUT`].

use std::time::{Duration, Instant};

use crate::report::millis;
use crate::{
    Credentials, Custody, Evidence, Health, KeyState, Permission, Problem, Report, RootConfig, RootError,
    Site, Step, advice, registry,
};

/// How long a test may take, all time-outs included: a person waits for it.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Tests a root; never fails, but reports.
pub async fn test(config: &RootConfig, credentials: &Credentials, site: &Site) -> Report {
    let start = Instant::now();
    let mut report = Report {
        passed: false,
        provider: config.provider(),
        l1_ref: None,
        state: KeyState::Unknown,
        steps: Vec::new(),
        permissions: Vec::new(),
        evidence: Vec::new(),
        warnings: Vec::new(),
        problem: None,
        policy: advice::policy(config),
        script: advice::script(config),
        took_ms: 0,
    };
    let tried = tokio::time::timeout(TEST_TIMEOUT, attempt(&mut report, config, credentials, site)).await;
    let outcome = tried.unwrap_or_else(|_| {
        let detail = format!("no result within {} s", TEST_TIMEOUT.as_secs());
        Err(RootError::Unreachable { root: config.provider().to_owned(), detail })
    });
    match outcome {
        Ok(health) => accept(&mut report, &health),
        Err(error) => {
            report.state = KeyState::told_by(&error).unwrap_or(KeyState::Unknown);
            report.problem = Some(Problem::of(&error));
        }
    }
    report.took_ms = millis(start.elapsed());
    report
}

/// Open, then probe; a step each.
async fn attempt(
    report: &mut Report,
    config: &RootConfig,
    credentials: &Credentials,
    site: &Site,
) -> Result<Health, RootError> {
    let begun = Instant::now();
    let opened = registry::open_inspected(None, config, credentials, site).await;
    let outcome = match &opened {
        Ok(root) => Ok(root.root.l1_ref().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    report.steps.push(Step::new("open", begun.elapsed(), outcome));
    let opened = opened?;
    report.l1_ref = Some(opened.root.l1_ref().to_owned());

    let begun = Instant::now();
    report.permissions = opened.permissions().await;
    let missing: Vec<&str> = missing(&report.permissions).collect();
    if !report.permissions.is_empty() {
        let outcome = if missing.is_empty() {
            Ok("nothing that is needed is missing".to_owned())
        } else {
            Err(format!("missing: {}", missing.join(", ")))
        };
        report.steps.push(Step::new("permissions", begun.elapsed(), outcome));
    }

    let begun = Instant::now();
    let probed = opened.root.probe().await;
    let outcome = match &probed {
        Ok(health) => Ok(format!("wrapped and unwrapped in {} ms", health.round_trip.as_millis())),
        Err(error) => Err(error.to_string()),
    };
    report.steps.push(Step::new("probe", begun.elapsed(), outcome));
    if probed.is_ok() {
        // What was done just now was allowed.
        for permission in report.permissions.iter_mut().filter(|row| row.needed && row.granted.is_none()) {
            permission.granted = Some(true);
        }
    }
    probed
}

fn missing(permissions: &[Permission]) -> impl Iterator<Item = &str> {
    permissions.iter().filter(|row| row.needed && row.granted == Some(false)).map(|row| row.name.as_str())
}

fn accept(report: &mut Report, health: &Health) {
    report.state = KeyState::Enabled;
    report.warnings = health.warnings();
    report.evidence = evidence(&health.custody);
    let missing: Vec<&str> = missing(&report.permissions).collect();
    report.passed = missing.is_empty();
    if !report.passed {
        report.problem = Some(Problem {
            code: "misconfigured",
            cause: format!("the key works, but needed permissions are missing: {}", missing.join(", ")),
            who: crate::Who::KeyOwner,
            next_step: "grant them; the policy of this report does".to_owned(),
            retry: false,
        });
    }
}

fn evidence(custody: &Custody) -> Vec<Evidence> {
    match custody {
        Custody::DangerSoftwareFile => {
            vec![Evidence::new("custody", "a file, in the clear", Some(false))]
        }
        Custody::Token { token, attributes } => {
            let flag = |name: &str, stated: Option<bool>, wanted: bool| {
                let value = stated.map_or_else(|| "not stated".to_owned(), |stated| stated.to_string());
                Evidence::new(name, value, Some(stated == Some(wanted)))
            };
            vec![
                Evidence::new("token", token.clone(), None),
                flag("CKA_SENSITIVE", attributes.sensitive, true),
                flag("CKA_EXTRACTABLE", attributes.extractable, false),
                flag("CKA_ALWAYS_SENSITIVE", attributes.always_sensitive, true),
                flag("CKA_NEVER_EXTRACTABLE", attributes.never_extractable, true),
                flag("CKA_LOCAL", attributes.local, true),
            ]
        }
        Custody::Service { service, statements } => {
            let mut rows = vec![Evidence::new("service", service.clone(), None)];
            rows.extend(statements.iter().map(|statement| {
                let good = if statement.warning.is_some() { Some(false) } else { None };
                Evidence::new(statement.name.clone(), statement.value.clone(), good)
            }));
            rows
        }
    }
}
