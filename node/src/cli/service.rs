//! `keyraft service`: the services of a tenant.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Connection, output};

/// See the module.
#[derive(Args)]
pub struct ServiceArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand)]
enum Command {
    /// Registers a service, or enables a shredded one again with a new seed
    Register {
        /// The tenant
        tenant: String,
        /// The service: the name its certificate carries
        name: String,
        /// mongodb, postgresql, redis, microservice or other
        #[arg(long, default_value = "other")]
        service_type: String,
        /// Keys are Active from creation
        #[arg(long)]
        auto_activate: bool,
        /// Get ends with Revoke
        #[arg(long)]
        deny_get_after_revoke: bool,
    },
    /// Lists the services of a tenant
    List {
        /// The tenant
        tenant: String,
    },
    /// Shows one service
    Get {
        /// The tenant
        tenant: String,
        /// The service
        name: String,
    },
    /// Replaces what is decided about the service's keys
    Policy {
        /// The tenant
        tenant: String,
        /// The service
        name: String,
        /// Keys are Active from creation
        #[arg(long)]
        auto_activate: bool,
        /// Get ends with Revoke
        #[arg(long)]
        deny_get_after_revoke: bool,
    },
    /// Refuses every answer until the service is resumed
    Suspend {
        /// The tenant
        tenant: String,
        /// The service
        name: String,
    },
    /// Ends a suspension
    Resume {
        /// The tenant
        tenant: String,
        /// The service
        name: String,
    },
    /// Erases the service's seed: none of its keys can be derived again
    Shred {
        /// The tenant
        tenant: String,
        /// The service
        name: String,
        /// Must repeat the service's name
        #[arg(long)]
        confirm: String,
    },
}

const COLUMNS: &[output::Column] = &[
    ("TENANT", "/tenant"),
    ("NAME", "/name"),
    ("TYPE", "/type"),
    ("STATE", "/state"),
    ("AUTO ACTIVATE", "/policy/auto_activate"),
    ("GET AFTER REVOKE", "/policy/get_after_revoke"),
];

/// Acts on the service named.
pub fn run(args: &ServiceArgs) -> anyhow::Result<ExitCode> {
    let api = args.connection.api()?;
    let key = super::idempotency_key()?;
    let act = |tenant: &str, name: &str, verb: &str| {
        api.post(&format!("/v1/tenants/{tenant}/services/{name}:{verb}"), &json!({}), &key)
    };
    let answer = match &args.command {
        Command::Register { tenant, name, service_type, auto_activate, deny_get_after_revoke } => {
            let body = json!({
                "name": name,
                "type": service_type,
                "policy": { "auto_activate": auto_activate, "get_after_revoke": !deny_get_after_revoke },
            });
            api.post(&format!("/v1/tenants/{tenant}/services"), &body, &key)?
        }
        Command::List { tenant } => api.list(&format!("/v1/tenants/{tenant}/services"))?,
        Command::Get { tenant, name } => api.get(&format!("/v1/tenants/{tenant}/services/{name}"))?,
        Command::Policy { tenant, name, auto_activate, deny_get_after_revoke } => {
            let policy =
                json!({ "auto_activate": auto_activate, "get_after_revoke": !deny_get_after_revoke });
            let body = json!({ "policy": policy });
            api.patch(&format!("/v1/tenants/{tenant}/services/{name}"), &body, &key)?
        }
        Command::Suspend { tenant, name } => act(tenant, name, "suspend")?,
        Command::Resume { tenant, name } => act(tenant, name, "resume")?,
        Command::Shred { tenant, name, confirm } => {
            anyhow::ensure!(
                name == confirm,
                "--confirm must repeat the service's name: this cannot be undone"
            );
            act(tenant, name, "shred")?
        }
    };
    output::print(args.connection.output, &answer, COLUMNS);
    Ok(ExitCode::SUCCESS)
}
