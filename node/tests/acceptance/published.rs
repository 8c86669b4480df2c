//! The specification's own published cases, played against a fresh cluster.
//!
//! The cases and their runner are not ours and not in this repository: `KMIP_CASES_DIR` and
//! `KMIP_RUNNER_DIR` name their folders, and without them the test says so and ends. What fails must
//! stand in `published_open.txt`, with the reason; anything else that fails is a mistake of ours.
//!
//! `KMIP_CASES` narrows the run: only paths that contain one of its words are played.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Cluster, text};

/// Cases we know to fail: one a line, its path as in the list of cases, then the reason.
const OPEN: &str = include_str!("published_open.txt");

/// Its counterpart, TC-OTP-SETUP-1, is played.
const EXCLUDED: &str = "/TC-OTP-SETUP-2-";

/// What presupposes the pad of TC-OTP-SETUP-2 is played after it, in a tenant of its own.
const APART: [&str; 2] = [EXCLUDED, "/TC-OTP-3-"];

/// Seconds without an answer after which the runner gives a step up: two cores may run a build beside us.
const STEP_TIMEOUT_S: &str = "60";

#[test]
fn published_cases_pass() {
    let (Some(cases), Some(runner)) = (folder("KMIP_CASES_DIR"), folder("KMIP_RUNNER_DIR")) else {
        eprintln!(
            "SKIPPED published_cases_pass: set KMIP_CASES_DIR and KMIP_RUNNER_DIR to play the published cases"
        );
        return;
    };
    let open = open_cases();
    let cluster = Cluster::start();
    let results = play(&cluster, ["KMIP_CERT", "KMIP_KEY"], &cases, &wanted(&cases), &runner);
    assert!(!results.is_empty(), "the runner played nothing");
    let apart = play(&cluster, ["KMIP_CERT2", "KMIP_KEY2"], &cases, &apart(&cases), &runner);
    for result in &apart {
        assert!(result.passed, "{} after {EXCLUDED}: {}", result.path, result.difference);
    }

    let mut surprises = String::new();
    let mut mended = Vec::new();
    for result in &results {
        match (result.passed, open.get(result.path.as_str())) {
            (false, None) => {
                let _ =
                    writeln!(surprises, "  {} ({:.1} s): {}", result.path, result.seconds, result.difference);
            }
            (true, Some(_)) => mended.push(&result.path),
            _ => {}
        }
    }
    tell(&results);
    if !mended.is_empty() {
        eprintln!("these pass now, strike them off published_open.txt: {mended:#?}");
    }
    assert!(
        surprises.is_empty(),
        "published cases that fail and are not in published_open.txt:\n{surprises}"
    );
}

/// What became of one case.
struct Played {
    path: String,
    passed: bool,
    difference: String,
    seconds: f64,
}

/// Plays every case of a list as the service whose certificate and key the environment has under these names,
/// through node 0.
fn play(cluster: &Cluster, identity: [&str; 2], cases: &Path, wanted: &str, runner: &Path) -> Vec<Played> {
    let out = tempfile::tempdir().expect("a folder");
    let (list, report) = (out.path().join("cases.txt"), out.path().join("report.json"));
    fs::write(&list, wanted).expect("a list");
    let env = cluster.env();
    let mut command = Command::new("python3");
    command.current_dir(runner).args(["-B", "-m", "kmip_conformance", "--host", "127.0.0.1"]);
    command.args(["--port", &env["KMIP_PORT"], "--timeout", STEP_TIMEOUT_S]);
    let [certificate, key] = identity.map(|name| &env[name]);
    command.args(["--cert", certificate, "--key", key, "--ca", &env["KMIP_CA"]]);
    command.arg("--list").arg(&list).arg("--root").arg(cases).arg("--json").arg(&report);
    let output = command.output().expect("python3 starts");
    let Ok(report) = fs::read(&report) else {
        panic!("the runner wrote no report: {}{}", text(&output.stdout), text(&output.stderr));
    };
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["unreadable"].as_array().map(Vec::len), Some(0), "{}", report["unreadable"]);
    let results = report["results"].as_array().expect("results");
    results.iter().map(|result| played(result, cases)).collect()
}

fn played(result: &Value, cases: &Path) -> Played {
    let word = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
    let path = word("path");
    let relative = Path::new(&path).strip_prefix(cases).map(|path| path.display().to_string());
    Played {
        path: relative.unwrap_or(path),
        // A case in which the server would have to call the client is not played.
        passed: result["status"] != "FAIL",
        difference: word("first_difference"),
        seconds: result["seconds"].as_f64().unwrap_or_default(),
    }
}

/// The list of cases, or the part of it that `KMIP_CASES` asks for. Of the two that set up one-time pads under one
/// name the list's own description wants one played.
fn wanted(cases: &Path) -> String {
    let list = fs::read_to_string(cases.join("cases.txt")).expect("the list of cases");
    let words = std::env::var("KMIP_CASES").unwrap_or_default();
    let words: Vec<&str> = words.split_whitespace().collect();
    list.lines()
        .filter(|line| words.is_empty() || words.iter().any(|word| line.contains(word)))
        .filter(|line| !line.contains(EXCLUDED))
        .fold(String::new(), |all, line| all + line + "\n")
}

/// The part of the list that is played apart.
fn apart(cases: &Path) -> String {
    let list = fs::read_to_string(cases.join("cases.txt")).expect("the list of cases");
    let played = list.lines().filter(|line| APART.iter().any(|word| line.contains(word)));
    played.fold(String::new(), |all, line| all + line + "\n")
}

/// How long it took, and what took longest.
fn tell(results: &[Played]) {
    let passed = results.iter().filter(|result| result.passed).count();
    let seconds: f64 = results.iter().map(|result| result.seconds).sum();
    eprintln!("published cases: {passed} of {} passed in {seconds:.0} s", results.len());
    let mut slowest: Vec<&Played> = results.iter().filter(|result| result.seconds > 5.0).collect();
    slowest.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    for result in slowest.iter().take(5) {
        eprintln!("  {:6.1} s  {}", result.seconds, result.path);
    }
}

/// The table of open cases: path and reason.
fn open_cases() -> BTreeMap<&'static str, &'static str> {
    let lines = OPEN.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{line}: an open case states its reason")))
        .collect()
}

/// A folder that the environment names; an empty name is none.
fn folder(variable: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os(variable).filter(|value| !value.is_empty())?);
    let found = folder.canonicalize();
    Some(found.unwrap_or_else(|error| panic!("{variable}={}: {error}", folder.display())))
}
