//! `keyraft events` and `keyraft whoami`: what happened, and who is asking.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{Connection, output};

/// See the module.
#[derive(Args)]
pub struct EventsArgs {
    /// Of this tenant alone
    #[arg(long)]
    tenant: Option<String>,
    /// Of this kind alone, such as key_rotation
    #[arg(long)]
    event: Option<String>,
    /// What came after the event of this number
    #[arg(long)]
    after: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: &[output::Column] = &[
    ("NUMBER", "/id"),
    ("TIME", "/effective_time"),
    ("EVENT", "/event"),
    ("TENANT", "/tenant_id"),
    ("ABOUT", "/about"),
];

/// What an event says beside its kind, with the word before it: as columns of their own they would not fit a screen.
const ABOUT: [(&str, &str); 9] = [
    ("service", ""),
    ("root", ""),
    ("roots", ""),
    ("job", "job "),
    ("version", "version "),
    ("node", "node "),
    ("term", "term "),
    ("certificates", "certificates "),
    ("state", ""),
];

/// What an event is about, in a few words.
fn about(event: &Value) -> Value {
    let there = ABOUT.iter().filter(|(field, _)| !event[*field].is_null());
    let said: Vec<String> =
        there.map(|(field, before)| format!("{before}{}", output::text(&event[*field]))).collect();
    if said.is_empty() { Value::Null } else { said.join(", ").into() }
}

/// One sentence, where events after the number asked for are kept no more.
fn lost(events: &Value) -> Option<String> {
    let gap = events.as_array()?.iter().find(|event| event["event"] == "events_lost")?;
    let since = output::moment(gap["effective_time"].as_f64().unwrap_or_default());
    Some(format!("events were lost: those before {since} are kept no more"))
}

const GRANT_COLUMNS: &[output::Column] = &[("ROLE", "/role"), ("TENANT", "/tenant")];

/// Lists what happened, oldest first.
pub fn run(args: &EventsArgs) -> anyhow::Result<ExitCode> {
    let api = args.connection.api()?;
    let filter = |what: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{what}={value}&")).unwrap_or_default()
    };
    let query = filter("tenant", &args.tenant) + &filter("event", &args.event) + "limit=1000";
    let mut events = match &args.after {
        // One page: the list is followed from its beginning only.
        Some(after) => api.get(&format!("/v1/events?{query}&after={after}"))?["items"].take(),
        None => api.list(&format!("/v1/events?{query}"))?,
    };
    if let Some(told) = lost(&events) {
        eprintln!("keyraft: {told}");
    }
    if args.connection.output == output::Format::Table {
        for event in events.as_array_mut().into_iter().flatten() {
            event["about"] = about(event);
        }
    }
    output::print(args.connection.output, &events, COLUMNS);
    Ok(ExitCode::SUCCESS)
}

/// Shows the name that stands in records, and the roles.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn whoami(connection: &Connection) -> anyhow::Result<ExitCode> {
    let who = connection.api()?.get("/v1/whoami")?;
    if connection.output == output::Format::Table {
        println!("{}\n", who["subject"].as_str().unwrap_or_default());
        output::print(connection.output, &who["grants"], GRANT_COLUMNS);
    } else {
        output::print(connection.output, &who, &[]);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_says_what_it_is_about() {
        assert_eq!(
            about(&json!({ "event": "key_rotation", "level": "L2_internal", "version": 2 })),
            "version 2"
        );
        assert_eq!(about(&json!({ "event": "service_shredded", "service": "orders" })), "orders");
        assert_eq!(about(&json!({ "event": "node_joined", "node": 7 })), "node 7");
        assert_eq!(about(&json!({ "event": "tenant_created" })), Value::Null);
    }

    #[test]
    fn lost_events_are_told_in_one_sentence() {
        let gap = json!({ "id": "100-65535", "event": "events_lost", "effective_time": 1_795_324_200 });
        let told = lost(&json!([gap, { "event": "tenant_created" }])).expect("a sentence");
        assert_eq!(told, "events were lost: those before 2026-11-22T05:10:00Z are kept no more");
        assert_eq!(lost(&json!([{ "event": "tenant_created" }])), None);
    }
}
