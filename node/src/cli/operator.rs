//! `keyraft operator`: the nodes of the cluster: who may join, vote, leave and lead; and what is done to a node
//! that does not run.
//!
//! A change is decided at once and carried out by the leader; the command waits until it is, unless told not
//! to, so that a script may go on with the next node.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::Api;
use super::{Connection, Format, diagnose, output};
use crate::backup::heir::{self, Terms};
use crate::backup::recover::{self, Recovered};
use crate::config::Config;

/// How long a change may take: a learner that takes a voter's place must have been healthy for a while, and
/// another leader may have to be found first.
const CHANGE_MAX: Duration = Duration::from_secs(120);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Args)]
pub struct OperatorArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a token that lets one node join, once
    JoinToken {
        /// How long it lasts: 90s, 15m, 1h, 7d
        #[arg(long, default_value = "1h", value_parser = lasting)]
        expires: Duration,
    },
    /// Lists the members and what the cluster survives
    Members,
    /// Lets a node vote once it has caught up
    Promote(Node),
    /// Takes a node's vote; it stays as a learner
    Demote(Lowering),
    /// Removes a node for good
    Remove(Lowering),
    /// Removes a node and lets a learner vote in its place, by one change
    Replace {
        /// The node that leaves: its id or name
        node: String,
        /// The learner that votes instead: its id or name
        #[arg(long = "with")]
        by: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Makes the leader hand leadership over
    StepDown,
    /// Shows which term of the barrier seals, and how far its rotation is
    Barrier,
    /// Replaces the key that seals what nodes store; every node keeps the new one first
    RotateBarrier {
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Says what stands between a node and its service, up or down
    Diagnose {
        /// The node's configuration
        #[arg(long)]
        config: PathBuf,
    },
    /// After a lost quorum: makes a survivor the first of a new cluster
    Recover {
        /// The survivor's configuration; it must not run
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        terms: Terms,
    },
}

#[derive(Args)]
struct Node {
    /// The node: its id or name
    node: String,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Args)]
struct Lowering {
    /// The node: its id or name
    node: String,
    /// Do it although the cluster will survive fewer failures
    #[arg(long)]
    accept_lower_tolerance: bool,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Args, Clone, Copy)]
struct Waiting {
    /// Return as soon as it is decided
    #[arg(long)]
    no_wait: bool,
}

const COLUMNS: &[output::Column] = &[
    ("NODE", "/node_id"),
    ("NAME", "/name"),
    ("ROLE", "/role"),
    ("VOTES", "/voter"),
    ("MAY VOTE", "/may_vote"),
    ("LEAVING", "/leaving"),
    ("APPLIED", "/applied"),
    ("VERSION", "/version"),
];

const BARRIER_COLUMNS: &[output::Column] = &[
    ("TERM", "/term"),
    ("SINCE", "/since"),
    ("NEXT", "/rotation/term"),
    ("KEPT BY", "/rotation/kept_by"),
    ("WAITS FOR", "/rotation/waits_for"),
];

/// Acts on the nodes named.
pub fn run(args: &OperatorArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Diagnose { config } => diagnose::run(config),
        Command::Recover { config, terms } => {
            let config = Config::load(config)?;
            let recovered = super::block_on(recover::recover(&config, terms))??;
            report(recovered.as_ref(), &config);
            Ok(ExitCode::SUCCESS)
        }
        online => ask(online, &args.connection),
    }
}

/// What a running cluster is asked for.
fn ask(command: &Command, connection: &Connection) -> anyhow::Result<ExitCode> {
    let (api, format) = (connection.api()?, connection.output);
    let members = match command {
        Command::Diagnose { .. } | Command::Recover { .. } => bail!("this needs no running cluster"),
        Command::JoinToken { expires } => return join_token(&api, format, *expires),
        Command::Members => api.get("/v1/members")?,
        Command::Promote(Node { node, waiting }) => {
            let votes = |node: &Value| node["voter"] == true;
            change(&api, node, "promote", &json!({}), *waiting, |found| found.is_some_and(votes))?
        }
        Command::Demote(Lowering { node, accept_lower_tolerance, waiting }) => {
            let body = json!({ "accept_lower_tolerance": accept_lower_tolerance });
            let votes = |node: &Value| node["voter"] == true;
            change(&api, node, "demote", &body, *waiting, |found| !found.is_some_and(votes))?
        }
        Command::Remove(Lowering { node, accept_lower_tolerance, waiting }) => {
            let body = json!({ "accept_lower_tolerance": accept_lower_tolerance });
            change(&api, node, "remove", &body, *waiting, |found| found.is_none())?
        }
        Command::Replace { node, by, waiting } => {
            let body = json!({ "by": resolve(&api, by)? });
            change(&api, node, "replace", &body, *waiting, |found| found.is_none())?
        }
        Command::Barrier => {
            output::print(format, &api.get("/v1/barrier")?, BARRIER_COLUMNS);
            return Ok(ExitCode::SUCCESS);
        }
        Command::RotateBarrier { waiting } => return rotate_barrier(&api, format, *waiting),
        Command::StepDown => post(&api, "/v1/members/leader:step-down", &json!({}))?,
    };
    print(format, &members);
    Ok(ExitCode::SUCCESS)
}

/// Begins a rotation and, unless told otherwise, waits until every node seals with the new term.
fn rotate_barrier(api: &Api, format: Format, waiting: Waiting) -> anyhow::Result<ExitCode> {
    let mut barrier = post(api, "/v1/barrier:rotate", &json!({}))?;
    let deadline = Instant::now() + CHANGE_MAX;
    while !waiting.no_wait && !barrier["rotation"].is_null() {
        if Instant::now() > deadline {
            bail!(
                "begun, but not kept by {} within {} s; it goes on by itself: see keyraft operator barrier",
                output::text(&barrier["rotation"]["waits_for"]),
                CHANGE_MAX.as_secs()
            );
        }
        std::thread::sleep(LOOK_EVERY);
        barrier = api.get("/v1/barrier").unwrap_or(barrier); // a leader may be changing just now
    }
    output::print(format, &barrier, BARRIER_COLUMNS);
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stdout)] // the answer of a command
fn join_token(api: &Api, format: Format, expires: Duration) -> anyhow::Result<ExitCode> {
    let made = post(api, "/v1/members/join-tokens", &json!({ "lasts_s": expires.as_secs() }))?;
    match format {
        // Alone on its line: it goes into a file.
        Format::Table => println!("{}", made["token"].as_str().unwrap_or_default()),
        format => output::print(format, &made, &[]),
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stdout)] // the answer of a command
fn print(format: Format, members: &Value) {
    if format != Format::Table {
        return output::print(format, members, &[]);
    }
    let tolerance = match members["failure_tolerance"].as_u64() {
        None => "no quorum: nothing can be written".to_owned(),
        Some(0) => "survives no failed voter".to_owned(),
        Some(1) => "survives 1 failed voter".to_owned(),
        Some(many) => format!("survives {many} failed voters"),
    };
    println!("{tolerance}; format {}\n", members["format"]);
    output::print(Format::Table, &members["items"], COLUMNS);
}

/// Decides a change and, unless told otherwise, waits until it is carried out.
fn change(
    api: &Api,
    node: &str,
    verb: &str,
    body: &Value,
    waiting: Waiting,
    done: impl Fn(Option<&Value>) -> bool,
) -> anyhow::Result<Value> {
    let node = resolve(api, node)?;
    let mut members = post(api, &format!("/v1/members/{node}:{verb}"), body)?;
    let deadline = Instant::now() + CHANGE_MAX;
    while !waiting.no_wait && !done(find(&members, node)) {
        if Instant::now() > deadline {
            bail!(
                "decided, but not carried out within {} s; see keyraft operator members and the leader's log",
                CHANGE_MAX.as_secs()
            );
        }
        std::thread::sleep(LOOK_EVERY);
        members = api.get("/v1/members").unwrap_or(members); // a leader may be changing just now
    }
    Ok(members)
}

fn post(api: &Api, path: &str, body: &Value) -> anyhow::Result<Value> {
    Ok(api.post(path, body, &super::idempotency_key()?)?)
}

fn find(members: &Value, node: u64) -> Option<&Value> {
    members["items"].as_array()?.iter().find(|member| member["node_id"] == node)
}

/// The id of a node that is named by its id or its name.
fn resolve(api: &Api, node: &str) -> anyhow::Result<u64> {
    if let Ok(id) = node.parse() {
        return Ok(id);
    }
    let members = api.get("/v1/members")?;
    let all = members["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids: Vec<u64> = all
        .iter()
        .filter(|member| member["name"] == node)
        .filter_map(|member| member["node_id"].as_u64())
        .collect();
    match ids[..] {
        [id] => Ok(id),
        [] => bail!("no member is called {node:?}; see keyraft operator members"),
        _ => bail!("several members are called {node:?}: name one by its id, {ids:?}"),
    }
}

/// A number and one of the units s, m, h, d.
fn lasting(text: &str) -> anyhow::Result<Duration> {
    let unit_at = text.char_indices().last().map_or(0, |(at, _)| at);
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => bail!("a number and a unit, such as 90s, 15m, 1h or 7d"),
    };
    let number: u64 = number.parse().context("a number and a unit, such as 90s, 15m, 1h or 7d")?;
    number.checked_mul(seconds).map(Duration::from_secs).context("longer than any clock runs")
}

#[allow(clippy::print_stdout)] // the answer of a command
fn report(recovered: Option<&Recovered>, config: &Config) {
    let Some(Recovered { last, committed, aside, heir }) = recovered else {
        println!("an interrupted recovery was ended; start the node");
        return;
    };
    println!("entry     {last}, known to be committed up to {committed}");
    println!("lost      whatever other nodes acknowledged after entry {last}");
    println!("aside     {}", aside.display());
    heir::report(heir, config);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_of_tokens_have_a_unit() {
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(lasting(text).ok(), seconds.map(Duration::from_secs), "{text:?}");
        };
        check("90s", Some(90));
        check("15m", Some(900));
        check("1h", Some(3_600));
        check("7d", Some(604_800));
        for bad in ["", "h", "5", "-1h", "1.5h", "1w", "99999999999999999999d", "1ä"] {
            check(bad, None);
        }
    }
}
