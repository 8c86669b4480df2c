//! `keyraft root`: root keys on this machine, and the roots of trust of tenants.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use keystore::RootKeystore as _;
use model::root::{L1_GRACE_MS_MAX, PROBE_EVERY_MS_MAX, PROBE_EVERY_MS_MIN};
use serde_json::{Value, json};

use super::api::Api;
use super::{Connection, output};

/// How long `--wait` waits for a job: its slowest step gives up after a minute without progress.
const JOB_MAX: Duration = Duration::from_secs(600);
/// How long `--wait` waits for the last node once the job has ended: a node that cannot be reached is not waited
/// for.
const EVERYWHERE_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks at a job.
const LOOK: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Args)]
pub struct RootArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a root key in a file: for development only
    Create {
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Makes the key that settings name, inside its PKCS#11 token
    CreateKey {
        /// File with the settings of the root, as in [platform_root.*]
        #[arg(long)]
        settings: PathBuf,
    },
    /// Lists the roots of a tenant with their health
    List {
        /// The tenant
        tenant: String,
    },
    /// Has a root wrap and unwrap random bytes; keeps nothing
    Test {
        /// The tenant
        tenant: String,
        #[command(flatten)]
        root: Described,
    },
    /// Keeps a root that passes its test; it wraps nothing yet
    Configure {
        /// The tenant
        tenant: String,
        /// A DNS label, unique in the tenant
        name: String,
        #[command(flatten)]
        root: Described,
    },
    /// Replaces the credentials of a root by such as open its key
    Credentials {
        /// The tenant
        tenant: String,
        /// The root
        name: String,
        /// File with what proves us there from now on, as JSON: {"kind": "pin", …}
        #[arg(long, value_name = "FILE")]
        credentials: PathBuf,
    },
    /// Makes a root the tenant's only one; `platform` goes back
    Switch(Target),
    /// Adds a root to those of the tenant: any one of them unwraps
    Activate(Target),
    /// Takes a root from those of the tenant
    Deactivate(Target),
    /// Forgets a root that wraps nothing
    Remove {
        /// The tenant
        tenant: String,
        /// The root
        name: String,
    },
    /// Sets the grace of silent roots, probes, and the age of rotation
    #[command(override_usage = "keyraft root policy [OPTIONS] <TENANT> --grace-minutes <MINUTES>\n       \
                                --rotate-after-days <DAYS>")]
    Policy {
        /// The tenant
        tenant: String,
        /// Minutes, at most 1440
        #[arg(long, value_name = "MINUTES",
              value_parser = clap::value_parser!(u64).range(..=L1_GRACE_MS_MAX / 60_000))]
        grace_minutes: u64,
        /// Seconds between two probes of a root, 2 to 20
        #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64)
              .range(PROBE_EVERY_MS_MIN / 1_000..=PROBE_EVERY_MS_MAX / 1_000))]
        probe_every_seconds: u64,
        /// Days, 1 to 36500
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
        rotate_after_days: u64,
    },
    /// Lists the jobs of a tenant, newest first
    Jobs {
        /// The tenant
        tenant: String,
    },
}

/// A root as its owner describes it.
#[derive(Args)]
struct Described {
    /// File with which key, where, as JSON: {"provider": "pkcs11", …}
    #[arg(long)]
    config: PathBuf,
    /// File with what proves us there, as JSON: {"kind": "pin", …}
    #[arg(long)]
    credentials: Option<PathBuf>,
}

/// A root to move a tenant to or from.
#[derive(Args)]
struct Target {
    /// The tenant
    tenant: String,
    /// The root
    name: String,
    /// Waits for the end of the job on every node; fails if it is rolled back
    #[arg(long)]
    wait: bool,
}

impl Described {
    /// The body of a request, with what else belongs to it.
    fn body(&self, mut body: Value) -> anyhow::Result<Value> {
        body["config"] = read_json(&self.config)?;
        if let Some(file) = &self.credentials {
            body["credentials"] = read_json(file)?;
        }
        Ok(body)
    }
}

fn read_json(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

const COLUMNS: &[output::Column] = &[
    ("ROOT", "/name"),
    ("IN USE", "/in_use"),
    ("STATE", "/state"),
    ("KEY STATE", "/key_state"),
    ("SERVES UNTIL", "/serves_until"),
    ("PROVIDER", "/provider"),
];

const TEST_COLUMNS: &[output::Column] = &[
    ("PASSED", "/passed"),
    ("STATE", "/state"),
    ("KEY", "/l1_ref"),
    ("PROBLEM", "/problem/cause"),
    ("WHO", "/problem/who"),
    ("NEXT STEP", "/problem/next_step"),
];

const JOB_COLUMNS: &[output::Column] = &[
    ("JOB", "/id"),
    ("KIND", "/kind"),
    ("STATE", "/state"),
    ("STEP", "/step"),
    ("DONE", "/done"),
    ("OF", "/total"),
    ("TO", "/to"),
];

/// Prints one job or several; why one was rolled back is a sentence, and stands below.
pub fn print_jobs(format: output::Format, jobs: &Value) {
    output::print_with_notes(format, jobs, JOB_COLUMNS, "/detail");
}

/// Acts on the root named.
///
/// # Errors
/// One sentence that says what is in the way.
pub fn run(args: &RootArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Create { file } => {
            let made = keystore::providers::software::DangerSoftwareRoot::create(file)?.l1_ref().to_owned();
            return Ok(tell(&made));
        }
        Command::CreateKey { settings } => return Ok(tell(&crate::dev::create_root_key(settings)?)),
        _ => {}
    }
    let (answer, columns) = remote(args)?;
    match args.command {
        Command::Test { .. } => output::print_one(args.connection.output, &answer, columns),
        Command::Switch(_) | Command::Activate(_) | Command::Deactivate(_) | Command::Jobs { .. } => {
            print_jobs(args.connection.output, &answer);
        }
        _ => output::print(args.connection.output, &answer, columns),
    }
    let failed = answer["state"] == "rolled back" || answer["passed"] == false;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[allow(clippy::print_stdout)] // the answer of a command
fn tell(made: &str) -> ExitCode {
    println!("{made}");
    ExitCode::SUCCESS
}

fn remote(args: &RootArgs) -> anyhow::Result<(Value, &'static [output::Column])> {
    let api = args.connection.api()?;
    let key = super::idempotency_key()?;
    let roots = |tenant: &str| format!("/v1/tenants/{tenant}/roots");
    Ok(match &args.command {
        Command::Create { .. } | Command::CreateKey { .. } => (Value::Null, COLUMNS),
        Command::List { tenant } => (api.get(&roots(tenant))?["items"].take(), COLUMNS),
        Command::Test { tenant, root } => {
            let body = root.body(json!({}))?;
            (api.post(&format!("{}:test", roots(tenant)), &body, &key)?, TEST_COLUMNS)
        }
        Command::Configure { tenant, name, root } => {
            let body = root.body(json!({ "name": name }))?;
            (api.post(&roots(tenant), &body, &key)?, COLUMNS)
        }
        Command::Credentials { tenant, name, credentials } => {
            let body = json!({ "credentials": read_json(credentials)? });
            (api.put(&format!("{}/{name}/credentials", roots(tenant)), &body, &key)?, COLUMNS)
        }
        Command::Switch(target) => (target.job(&api, "switch", &key)?, JOB_COLUMNS),
        Command::Activate(target) => (target.job(&api, "activate", &key)?, JOB_COLUMNS),
        Command::Deactivate(target) => (target.job(&api, "deactivate", &key)?, JOB_COLUMNS),
        Command::Remove { tenant, name } => {
            api.post(&format!("{}/{name}:remove", roots(tenant)), &json!({}), &key)?;
            (api.get(&roots(tenant))?["items"].take(), COLUMNS)
        }
        Command::Policy { tenant, grace_minutes, probe_every_seconds, rotate_after_days } => {
            let body = json!({
                "l1_grace_ms": grace_minutes.saturating_mul(60_000),
                "probe_every_ms": probe_every_seconds.saturating_mul(1_000),
                "rotate_after_ms": rotate_after_days.saturating_mul(86_400_000),
            });
            api.put(&format!("/v1/tenants/{tenant}/root-policy"), &body, &key)?;
            (api.get(&format!("/v1/tenants/{tenant}"))?, super::tenant::COLUMNS)
        }
        Command::Jobs { tenant } => {
            (api.get(&format!("/v1/tenants/{tenant}/jobs"))?["items"].take(), JOB_COLUMNS)
        }
    })
}

impl Target {
    fn job(&self, api: &Api, verb: &str, key: &str) -> anyhow::Result<Value> {
        let path = format!("/v1/tenants/{}/roots/{}:{verb}", self.tenant, self.name);
        let job = api.post(&path, &json!({}), key)?;
        if self.wait { wait(api, &self.tenant, job) } else { Ok(job) }
    }
}

/// Follows a job to its end, and until every node serves by what it left.
///
/// # Errors
/// If no node answers, or the job does not end.
pub fn wait(api: &Api, tenant: &str, mut job: Value) -> anyhow::Result<Value> {
    let path = format!("/v1/tenants/{tenant}/jobs/{}", job["id"].as_str().unwrap_or_default());
    let deadline = Instant::now() + JOB_MAX;
    let look = |job: &mut Value| {
        std::thread::sleep(LOOK);
        // A node that dies meanwhile leaves the job to the others.
        if let Ok(newer) = api.get(&path) {
            *job = newer;
        }
    };
    while job["state"] == "running" {
        anyhow::ensure!(Instant::now() < deadline, "the job still runs; see keyraft root jobs {tenant}");
        look(&mut job);
    }
    let deadline = Instant::now() + EVERYWHERE_MAX;
    while job["applied_everywhere_at"].is_null() && Instant::now() < deadline {
        look(&mut job);
    }
    Ok(job)
}
