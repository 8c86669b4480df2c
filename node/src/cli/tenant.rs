//! `keyraft tenant`: the lives of tenants.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use model::tenant::{LEASE_MS_DEFAULT, LEASE_MS_MAX, LEASE_MS_MIN};
use serde_json::{Map, Value, json};

use super::api::Api;
use super::{Connection, output};

/// See the module.
#[derive(Args)]
pub struct TenantArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand)]
enum Command {
    /// Creates a tenant with its own key hierarchy
    Create {
        /// A DNS label, unique for ever
        name: String,
        /// Labels, KEY=VALUE
        #[arg(long = "label", value_parser = parse_label)]
        labels: Vec<(String, String)>,
        /// Freshness lease: strict, default, relaxed, or milliseconds
        #[arg(long, value_parser = parse_lease)]
        lease_ms: Option<u32>,
        /// Services must be registered by an administrator
        #[arg(long)]
        no_auto_register: bool,
        /// Waits until every node serves it
        #[arg(long)]
        wait: bool,
    },
    /// Lists tenants
    List,
    /// Shows one tenant
    Get {
        /// The tenant
        name: String,
    },
    /// Lists the versions of the tenant's key, newest first
    Versions {
        /// The tenant
        name: String,
    },
    /// Replaces the labels of a tenant
    Label {
        /// The tenant
        name: String,
        /// Labels, KEY=VALUE
        #[arg(value_parser = parse_label)]
        labels: Vec<(String, String)>,
    },
    /// Sets how long nodes serve the tenant without hearing of the cluster
    Lease {
        /// The tenant
        name: String,
        /// strict (2000), default (3000), relaxed (60000) or milliseconds
        #[arg(value_parser = parse_lease)]
        length: u32,
    },
    /// Sets how many other people must approve dangerous deeds
    Approvals {
        /// The tenant
        name: String,
        /// 0 to 5; to want fewer is such a deed itself
        approvals: u8,
    },
    /// Shows how much of everything the tenant has
    Usage {
        /// The tenant
        name: String,
    },
    /// Lists the objects that have records of their own, newest first
    Objects {
        /// The tenant
        name: String,
        /// Of this service alone
        #[arg(long)]
        service: Option<String>,
        /// In this state alone: Active, Destroyed, …
        #[arg(long)]
        state: Option<String>,
    },
    /// Refuses every answer until the tenant is resumed
    Suspend {
        /// The tenant
        name: String,
    },
    /// Ends a suspension
    Resume {
        /// The tenant
        name: String,
    },
    /// Makes the next version of the tenant's key
    Rotate {
        /// The tenant
        name: String,
    },
    /// The kill switch: locks the tenant and wipes its keys from memory
    Unlink {
        /// The tenant
        name: String,
    },
    /// Ends the lock, once a root of the tenant unwraps its key
    Relink {
        /// The tenant
        name: String,
    },
    /// Read-only: existing keys are given, no new ones are made
    Disable {
        /// The tenant
        name: String,
    },
    /// Makes new keys again
    Enable {
        /// The tenant
        name: String,
    },
    /// Has the tenant's roots wrap its key anew; waits for the end
    Rewrap {
        /// The tenant
        name: String,
    },
    /// Erases the tenant's keys for ever
    Terminate {
        /// The tenant
        name: String,
        /// Must repeat the name
        #[arg(long)]
        confirm: String,
    },
}

/// Columns of tenants.
pub const COLUMNS: &[output::Column] = &[
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("ROOT", "/access"),
    ("REGION", "/region"),
    ("PRIMARY KEY", "/primary"),
    ("LEASE MS", "/lease_ms"),
    ("LABELS", "/labels"),
];

/// What is shown of one tenant, a line each.
const DETAILS: &[output::Column] = &[
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("ROOT", "/access"),
    ("DISABLED", "/disabled"),
    ("REGION", "/region"),
    ("PRIMARY KEY", "/primary"),
    ("LEASE MS", "/lease_ms"),
    ("LABELS", "/labels"),
];

const VERSION_COLUMNS: &[output::Column] = &[
    ("KEY", "/name"),
    ("VERSION", "/version"),
    ("PRIMARY", "/primary"),
    ("LEVEL", "/level"),
    ("CREATED", "/created"),
];

const USAGE_COLUMNS: &[output::Column] = &[
    ("TENANT", "/tenant"),
    ("SERVICES", "/services"),
    ("OBJECTS", "/objects"),
    ("VERSIONS", "/versions"),
    ("OPEN WORKFLOWS", "/open_workflows"),
];

const OBJECT_COLUMNS: &[output::Column] =
    &[("IDENTIFIER", "/identifier"), ("SERVICE", "/service"), ("STATE", "/state")];

/// How much of everything, without saying which: a tenant may have more services than a screen is wide.
fn totals(usage: &Value) -> Value {
    let sum = |what: &str| -> u64 {
        let counts = usage[what].as_object().into_iter().flat_map(Map::values);
        counts.filter_map(Value::as_u64).sum()
    };
    let mut totals = usage.clone();
    totals["services"] = json!(sum("services"));
    totals["objects"] = json!(sum("objects"));
    totals
}

/// How long every node may take to catch up: a minute covers a rolling restart.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Pause between two looks.
const WAIT_POLL: Duration = Duration::from_millis(50);

/// Waits until every node has applied what the one that answers first has applied now.
fn wait_for_all(connection: &Connection, api: &Api) -> anyhow::Result<()> {
    let applied = |cluster: &Value| -> Vec<u64> {
        let nodes = cluster["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
        nodes
            .iter()
            .map(|node| if node["role"] == "unreachable" { 0 } else { node["applied"].as_u64().unwrap_or(0) })
            .collect()
    };
    let wanted = applied(&api.get("/v1/cluster")?).into_iter().max().unwrap_or(0);
    let deadline = Instant::now() + WAIT_MAX;
    let spinner = output::spinner(connection.output, "waiting until every node serves it");
    while applied(&api.get("/v1/cluster")?).into_iter().any(|applied| applied < wanted) {
        anyhow::ensure!(
            Instant::now() < deadline,
            "made, but not every node has caught up; see keyraft status"
        );
        std::thread::sleep(WAIT_POLL);
    }
    spinner.finish_and_clear();
    Ok(())
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The classes of leases (CONSISTENCY 2), or a length between.
fn parse_lease(text: &str) -> Result<u32, String> {
    match text {
        "strict" => Ok(LEASE_MS_MIN),
        "default" => Ok(LEASE_MS_DEFAULT),
        "relaxed" => Ok(LEASE_MS_MAX),
        _ => {
            text.parse().map_err(|_| format!("{text:?} is neither strict, default, relaxed nor milliseconds"))
        }
    }
}

fn labels_of(labels: &[(String, String)]) -> Value {
    Value::Object(labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>())
}

/// Acts on the tenant named.
pub fn run(args: &TenantArgs) -> anyhow::Result<ExitCode> {
    let api = args.connection.api()?;
    let key = super::idempotency_key()?;
    let act = |name: &str, verb: &str| api.post(&format!("/v1/tenants/{name}:{verb}"), &json!({}), &key);
    let answer = match &args.command {
        Command::Create { name, labels, lease_ms, no_auto_register, wait } => {
            let mut body =
                json!({ "name": name, "labels": labels_of(labels), "auto_register": !no_auto_register });
            if let Some(lease_ms) = lease_ms {
                body["lease_ms"] = json!(lease_ms);
            }
            let made = api.post("/v1/tenants", &body, &key)?;
            if *wait {
                wait_for_all(&args.connection, &api)?;
            }
            made
        }
        Command::List => api.list("/v1/tenants")?,
        Command::Approvals { name, approvals } => {
            api.patch(&format!("/v1/tenants/{name}"), &json!({ "approvals": approvals }), &key)?
        }
        Command::Usage { name } => {
            let mut usage = api.get(&format!("/v1/tenants/{name}/usage"))?;
            if args.connection.output == output::Format::Table {
                usage = totals(&usage);
            }
            output::print(args.connection.output, &usage, USAGE_COLUMNS);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Objects { name, service, state } => {
            let filter = |what: &str, value: &Option<String>| {
                value.as_ref().map(|value| format!("{what}={value}&")).unwrap_or_default()
            };
            let query = filter("service", service) + &filter("state", state) + "limit=1000";
            let objects = api.list(&format!("/v1/tenants/{name}/objects?{query}"))?;
            output::print(args.connection.output, &objects, OBJECT_COLUMNS);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Get { name } => api.get(&format!("/v1/tenants/{name}"))?,
        Command::Versions { name } => api.get(&format!("/v1/tenants/{name}/versions"))?["items"].take(),
        Command::Label { name, labels } => {
            api.patch(&format!("/v1/tenants/{name}"), &json!({ "labels": labels_of(labels) }), &key)?
        }
        Command::Lease { name, length } => {
            api.put(&format!("/v1/tenants/{name}/lease"), &json!({ "lease_ms": length }), &key)?
        }
        Command::Suspend { name } => act(name, "suspend")?,
        Command::Resume { name } => act(name, "resume")?,
        Command::Rotate { name } => act(name, "rotate")?,
        Command::Unlink { name } => act(name, "unlink")?,
        Command::Relink { name } => act(name, "relink")?,
        Command::Disable { name } => act(name, "disable")?,
        Command::Enable { name } => act(name, "enable")?,
        Command::Rewrap { name } => super::root::wait(&api, name, act(name, "rewrap")?)?,
        Command::Terminate { name, confirm } => {
            anyhow::ensure!(
                name == confirm,
                "--confirm must repeat the tenant's name: this cannot be undone"
            );
            act(name, "terminate")?
        }
    };
    match args.command {
        Command::Versions { .. } => output::print(args.connection.output, &answer, VERSION_COLUMNS),
        Command::Rewrap { .. } => super::root::print_jobs(args.connection.output, &answer),
        Command::Get { .. } => output::print_one(args.connection.output, &answer, DETAILS),
        _ => output::print(args.connection.output, &answer, COLUMNS),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_counted_also_where_it_is_nothing() {
        let used = json!({ "services": { "active": 2, "shredded": 1 }, "objects": { "a": 5, "b": 0 }, "versions": 1 });
        assert_eq!(totals(&used), json!({ "services": 3, "objects": 5, "versions": 1 }));
        let unused = json!({ "services": {}, "objects": {} });
        assert_eq!(totals(&unused), json!({ "services": 0, "objects": 0 }));
    }
}
