//! `keyraft key`: what a person or a script at a terminal gets, when all is well and when it is not.

use std::process::Output;

use rustix::process::Signal;

use crate::support::{Cluster, text};

#[test]
fn keys_live_their_lives_on_the_command_line() {
    let cluster = Cluster::start();
    let key = |arguments: &[&str]| {
        let output = cluster.keyraft(&[&["key"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let many = key(&["create", "--batch", "1000"]);
    let mut lines: Vec<&str> = many.lines().collect();
    assert_eq!(lines.remove(0), "IDENTIFIER");
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 1000, "as many identifiers, each once");
    assert!(lines.iter().all(|line| line.len() == 64), "identifiers and nothing else");

    // A terminal shows how far it is, in one line: going up (CSI A) would be the way to wipe a line that broke.
    let shown = on_a_terminal(&cluster, &[], "key create --batch 20000");
    assert!(shown.contains("/20000 keys"), "no progress was shown: {:?}", shown.get(..400));
    assert!(!shown.contains("\u{1b}[1A"), "the bar is wider than the terminal: {:?}", shown.get(..400));

    let made = cluster.json(&["key", "create", "--name", "orders", "--bits", "128"]);
    let identifier = made[0]["identifier"].as_str().expect("an identifier");
    let hex = key(&["get", identifier]);
    assert_eq!(hex.trim().len(), 32, "{hex:?} is 128 bits");
    assert_eq!(key(&["get", identifier]), hex);
    assert!(key(&["locate", "--name", "orders"]).contains(identifier));
    assert!(!key(&["locate", "--name", "invoices"]).contains(identifier));
    let attributes = cluster.json(&["key", "attributes", identifier]);
    let state = |attributes: &serde_json::Value| {
        let rows = attributes.as_array().expect("rows").iter();
        let row = rows.clone().find(|row| row["name"] == "State").expect("a State");
        row["value"].as_str().expect("its name").to_owned()
    };
    assert_eq!(state(&attributes), "PreActive");
    key(&["activate", identifier]);
    key(&["revoke", identifier, "--reason", "superseded"]);
    let attributes = cluster.json(&["key", "attributes", identifier]);
    assert_eq!(state(&attributes), "Deactivated");

    let unsure = cluster.keyraft(&["key", "destroy", identifier, "--confirm", "orders"]);
    assert!(!unsure.status.success() && text(&unsure.stderr).contains("--confirm"));
    key(&["destroy", identifier, "--confirm", identifier]);
    let gone = cluster.keyraft(&["key", "get", identifier]);
    one_sentence(&gone, &["Get was refused", "ItemNotFound"]);
}

#[test]
fn what_is_in_the_way_of_a_key_is_said_in_one_sentence() {
    let mut cluster = Cluster::start();
    let stranger = |name: &str| cluster.data.join("clients/tenant-b/mongodb").with_extension(name);
    let (cert, key) = (stranger("pem"), stranger("key"));
    let authority = cluster.data.join("ca/clients-tenant-a.pem");
    assert!(authority.is_file(), "a file to misuse as the nodes' authority");
    let shown = |path: &std::path::Path| path.to_str().expect("text").to_owned();

    let mixed = cluster.keyraft(&["key", "create", "--key", &shown(&key)]);
    one_sentence(&mixed, &["the key does not belong to the certificate", "KMIP_KEY"]);
    let no_certificate = cluster.keyraft(&["key", "create", "--cert", &shown(&key)]);
    one_sentence(&no_certificate, &["the certificate cannot be used", "KMIP_CERT"]);
    let nothing = cluster.keyraft(&["key", "create", "--cert", "/nowhere/client.pem"]);
    one_sentence(&nothing, &["/nowhere/client.pem", "KMIP_CERT"]);
    let administration = cluster.env()["KEYRAFT_ADDR"].rsplit(':').next().expect("a port").to_owned();
    let other_port = cluster.keyraft(&["key", "create", "--ports", &administration]);
    one_sentence(&other_port, &["it is not KMIP", "KMIP_PORTS"]);
    let other_authority = cluster.keyraft(&["key", "create", "--ca", &shown(&authority)]);
    one_sentence(&other_authority, &["was not issued by the authority we trust", "KMIP_CA"]);
    let server = |name: &str| shown(&cluster.node(0).join("tls").join(name));
    let (server_cert, server_key) = (server("server.pem"), server("server.key"));
    let refused = cluster.keyraft(&["key", "create", "--cert", &server_cert, "--key", &server_key]);
    one_sentence(&refused, &["refused our certificate", "KMIP_CERT"]);
    // On a terminal no bar is left before the sentence.
    let theirs = [("KMIP_CERT", &*server_cert), ("KMIP_KEY", &server_key)];
    let told = on_a_terminal(&cluster, &theirs, "key create --batch 1000");
    assert!(told.contains("0 of 1000 keys were made") && !told.contains("/1000 keys"), "{told:?}");
    let other = cluster.keyraft(&["key", "create", "--cert", &shown(&cert), "--key", &shown(&key)]);
    assert!(other.status.success(), "tenant-b has keys of its own: {}", text(&other.stderr));

    cluster.json(&["tenant", "unlink", "tenant-b"]);
    let theirs = ["key", "create", "--cert", &shown(&cert), "--key", &shown(&key)].map(str::to_owned);
    let sealed = cluster.keyraft(&theirs.each_ref().map(String::as_str));
    one_sentence(&sealed, &["unlinked from its root of trust", "an operator can relink it"]);
    cluster.json(&["tenant", "suspend", "tenant-a"]);
    one_sentence(
        &cluster.keyraft(&["key", "create"]),
        &["the tenant is suspended", "an operator can resume it"],
    );
    cluster.json(&["tenant", "resume", "tenant-a"]);

    // Two of three are gone: the last one's lease runs out, and it says so.
    cluster.kill(1);
    cluster.kill(2);
    std::thread::sleep(std::time::Duration::from_secs(4));
    let alone = cluster.keyraft(&["key", "create"]);
    one_sentence(&alone, &["no node answered", "keyraft status"]);

    let environment = cluster.env();
    cluster.stop(Signal::TERM);
    let down = std::process::Command::new(crate::support::KEYRAFT)
        .args(["key", "create"])
        .envs(environment)
        .output()
        .expect("keyraft starts");
    one_sentence(&down, &["cannot connect to 127.0.0.1", "start the nodes"]);
}

#[test]
fn tenants_are_administered_on_the_command_line() {
    let cluster = Cluster::start();
    let made = cluster.json(&["tenant", "create", "acme", "--label", "team=blue", "--wait"]);
    assert_eq!((made["name"].as_str(), made["approvals"].as_u64()), (Some("acme"), Some(0)));
    let me = cluster.json(&["whoami"]);
    assert_eq!(me["grants"][0]["role"], "platform_operator");
    assert_eq!(cluster.json(&["tenant", "lease", "acme", "5000"])["lease_ms"], 5000);
    let brief = cluster.keyraft(&["tenant", "lease", "acme", "1"]);
    one_sentence(&brief, &["the lease is out of range: 2000 to 60000 ms"]);
    assert_eq!(shown(&cluster, &["tenant", "usage", "acme"])[1], "acme    0         0        1         0");
    cluster.json(&["service", "register", "acme", "orders"]);
    let policy = cluster.json(&["service", "policy", "acme", "orders", "--deny-get-after-revoke"]);
    assert_eq!(policy["policy"]["get_after_revoke"], false);
    assert_eq!(cluster.json(&["tenant", "usage", "acme"])["services"]["active"], 1);

    cluster.json(&["tenant", "approvals", "acme", "1"]);
    let alone = cluster.keyraft(&["tenant", "terminate", "acme", "--confirm", "acme"]);
    one_sentence(&alone, &["Approval wanted", "open a workflow"]);
    let open = ["workflow", "open", "acme", "terminate-tenant", "--reason", "moved away"];
    let drafted = cluster.json(&open);
    assert_eq!(
        (drafted["state"].as_str(), &drafted["impact"]["services"][0]),
        (Some("initial"), &"orders".into())
    );
    let id = drafted["id"].as_str().expect("an id");
    assert_eq!(cluster.json(&["workflow", "submit", "acme", id])["state"], "waiting_approval");
    one_sentence(&cluster.keyraft(&["workflow", "approve", "acme", id]), &["Another person must act"]);
    assert_eq!(cluster.json(&["workflow", "list", "acme", "--state", "waiting_approval"])[0]["id"], id);

    let table = shown(&cluster, &["events", "--tenant", "acme"]);
    let created = table[1].split_whitespace().nth(1).expect("a time");
    assert!(created.len() == 20 && created.ends_with('Z'), "{created} is no date");
    a_lock_shows_what_it_leaves(&cluster);
    let events = cluster.json(&["events", "--tenant", "acme"]);
    assert!(events[0]["effective_time"].is_u64(), "programs get the number");
    let told: Vec<&str> =
        events.as_array().expect("a list").iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(
        told,
        [
            "tenant_created",
            "tenant_changed",
            "service_registered",
            "service_changed",
            "tenant_changed",
            "workflow_moved",
            "workflow_moved",
        ]
    );
    let shown = cluster.keyraft(&["tenant", "suspend", "acme", "--curl"]);
    let command = text(&shown.stdout);
    assert!(shown.status.success() && command.starts_with("curl --cacert '"), "{command}");
    assert!(command.contains("/v1/tenants/acme:suspend'") && command.contains("$KEYRAFT_TOKEN"), "{command}");
    assert!(!command.contains(&cluster.env()["KEYRAFT_TOKEN"]), "the token itself stays out of histories");
    let ran = std::process::Command::new("sh").arg("-c").arg(&command).envs(cluster.env()).output();
    if let Ok(ran) = ran
        && ran.status.success()
    {
        assert!(text(&ran.stdout).contains("\"suspended\""), "{}", text(&ran.stdout));
    }
}

/// That a locked tenant will make no new keys is told before the lock ends.
fn a_lock_shows_what_it_leaves(cluster: &Cluster) {
    for (verb, access, disabled) in [
        ("unlink", "unlinked", false),
        ("relink", "linked", false),
        ("disable", "disabled", true),
        ("unlink", "unlinked", true),
        ("relink", "disabled", true),
        ("enable", "linked", false),
    ] {
        let tenant = cluster.json(&["tenant", verb, "tenant-b"]);
        assert_eq!((&tenant["access"], &tenant["disabled"]), (&access.into(), &disabled.into()), "{verb}");
        let line = format!("DISABLED     {}", if disabled { "yes" } else { "no" });
        let shown = shown(cluster, &["tenant", "get", "tenant-b"]);
        assert!(shown.contains(&line), "{shown:?}");
    }
}

#[test]
fn what_is_not_there_is_named_once() {
    let check = |arguments: &[&str], parts: &[&str]| {
        let output = std::process::Command::new(crate::support::KEYRAFT).args(arguments).output();
        let output = output.expect("keyraft starts");
        one_sentence(&output, parts);
        let told = text(&output.stderr);
        for part in parts {
            assert_eq!(told.matches(part).count(), 1, "{told:?} says {part:?} twice");
        }
    };
    let missing = "No such file or directory";
    check(&["server", "--config", "/nowhere/node.toml"], &["/nowhere/node.toml", missing]);
    check(&["operator", "recover", "--config", "/nowhere/node.toml"], &["/nowhere/node.toml", missing]);
    check(&["audit", "verify", "/nowhere/audit"], &["/nowhere/audit is no folder"]);
    check(&["audit", "export", "/nowhere/audit"], &["/nowhere/audit is no folder"]);
    check(&["backup", "verify", "/nowhere/backup"], &["/nowhere/backup"]);
}

/// The lines of an answer for people; none is wider than a terminal.
fn shown(cluster: &Cluster, arguments: &[&str]) -> Vec<String> {
    let output = cluster.keyraft(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line:?} is wider than a terminal");
    }
    lines
}

/// What a terminal of 80 columns shows of a command; util-linux's script makes one.
fn on_a_terminal(cluster: &Cluster, settings: &[(&str, &str)], command: &str) -> String {
    let command = format!("stty cols 80; '{}' {command}", crate::support::KEYRAFT);
    let shown = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .envs(cluster.env())
        .envs(settings.iter().copied())
        .output();
    text(&shown.expect("script starts").stdout)
}

/// A failure with one line on standard error that holds all of these.
fn one_sentence(output: &Output, parts: &[&str]) {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(output.stdout.is_empty(), "an error is no answer");
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in parts {
        assert!(told.contains(part), "{told:?} does not say {part:?}");
    }
}
