//! `keyraft workflow`: dangerous deeds that one person asks for and others approve.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Connection, output};

/// See the module.
#[derive(Args)]
pub struct WorkflowArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Task {
    /// Erase the tenant's keys for ever
    TerminateTenant,
    /// Erase a service's seed
    ShredService,
    /// Want another number of approvals
    SetApprovals,
    /// Lock the tenant until it is linked again
    UnlinkTenant,
    /// Move the tenant to other roots of trust
    SwitchRoots,
}

#[derive(Subcommand)]
enum Command {
    /// Drafts a workflow and shows what it would hit
    Open {
        /// The tenant
        tenant: String,
        /// What is to be done
        task: Task,
        /// Why, for those who are asked
        #[arg(long)]
        reason: String,
        /// For shred-service: which
        #[arg(long)]
        service: Option<String>,
        /// For set-approvals: how many
        #[arg(long)]
        approvals: Option<u8>,
        /// For switch-roots: each of the roots to be, or `platform`
        #[arg(long = "root")]
        roots: Vec<String>,
        /// Only shows what it would hit
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the workflows of a tenant, newest first
    List {
        /// The tenant
        tenant: String,
        /// In this state alone, such as waiting_approval
        #[arg(long)]
        state: Option<String>,
    },
    /// Shows a workflow
    Get(Which),
    /// Asks the others
    Submit(Which),
    /// Says yes
    Approve(Which),
    /// Says no, which ends it
    Reject(Which),
    /// Confirms an approved workflow and carries it out
    Confirm(Which),
    /// Takes it back
    Revoke(Which),
}

#[derive(Args)]
struct Which {
    /// The tenant
    tenant: String,
    /// The workflow
    id: String,
}

const COLUMNS: &[output::Column] =
    &[("ID", "/id"), ("TASK", "/task"), ("STATE", "/state"), ("WANTED", "/approvals_wanted")];

const IMPACT_COLUMNS: &[output::Column] = &[
    ("ID", "/id"),
    ("STATE", "/state"),
    ("SERVICES", "/impact/services"),
    ("OBJECTS", "/impact/objects"),
    ("REVERSIBLE", "/impact/reversible"),
];

/// Acts on the workflow named.
pub fn run(args: &WorkflowArgs) -> anyhow::Result<ExitCode> {
    let api = args.connection.api()?;
    let key = super::idempotency_key()?;
    let step = |which: &Which, verb: &str| {
        api.post(&format!("/v1/tenants/{}/workflows/{}:{verb}", which.tenant, which.id), &json!({}), &key)
    };
    let (answer, columns): (Value, _) = match &args.command {
        Command::Open { tenant, task, reason, service, approvals, roots, dry_run } => {
            let mut body = json!({ "task": word(*task), "reason": reason, "dry_run": dry_run });
            if let Some(service) = service {
                body["service"] = json!(service);
            }
            if let Some(approvals) = approvals {
                body["approvals"] = json!(approvals);
            }
            if !roots.is_empty() {
                body["roots"] = json!(roots);
            }
            (api.post(&format!("/v1/tenants/{tenant}/workflows"), &body, &key)?, IMPACT_COLUMNS)
        }
        Command::List { tenant, state } => {
            let query = state.as_ref().map(|state| format!("?state={state}")).unwrap_or_default();
            (api.list(&format!("/v1/tenants/{tenant}/workflows{query}"))?, COLUMNS)
        }
        Command::Get(which) => {
            (api.get(&format!("/v1/tenants/{}/workflows/{}", which.tenant, which.id))?, IMPACT_COLUMNS)
        }
        Command::Submit(which) => (step(which, "submit")?, COLUMNS),
        Command::Approve(which) => (step(which, "approve")?, COLUMNS),
        Command::Reject(which) => (step(which, "reject")?, COLUMNS),
        Command::Confirm(which) => (step(which, "confirm")?, COLUMNS),
        Command::Revoke(which) => (step(which, "revoke")?, COLUMNS),
    };
    output::print(args.connection.output, &answer, columns);
    Ok(ExitCode::SUCCESS)
}

/// The task as the interface calls it.
const fn word(task: Task) -> &'static str {
    match task {
        Task::TerminateTenant => "terminate_tenant",
        Task::ShredService => "shred_service",
        Task::SetApprovals => "set_approvals",
        Task::UnlinkTenant => "unlink_tenant",
        Task::SwitchRoots => "switch_roots",
    }
}
