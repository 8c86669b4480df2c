//! The page of figures, from results to Markdown.

use std::fmt::Write as _;

use serde_json::Value;

use super::parts;

const HEAD: &str = "# Figures\n\n\
    Written by the runs themselves from `figures.jsonl`, one section for the latest result of each kind, gathered from all runs of its commit: \
    `make sim`, `make planted-bugs`, `make chaos`, `make chaos-long`, `make etcd`. Times are milliseconds unless \
    said otherwise. An operation \
    is *ok*, *failed* (surely without effect) or *unknown* (may take effect, or not); refusals that are \
    right are ok.\n";

/// The page for these results, oldest first.
pub fn page(results: &[Value]) -> String {
    let mut page = HEAD.to_owned();
    let latest = |kind: &str| results.iter().rev().find(|result| result["kind"] == kind).cloned();
    for (result, title, section) in [
        (parts::simulator(results), "Simulator", simulator as fn(&mut String, &Value)),
        (latest("planted"), "Mistakes put back in", planted),
        (parts::processes(results), "Real processes", processes),
        (latest("etcd"), "The same loss of a leader, met by etcd", etcd),
        (latest("writes"), "Durable writes beside etcd", writes),
    ] {
        if let Some(result) = result {
            let _ = write!(
                page,
                "\n## {title}\n\nCommit {}; {}.\n\n",
                text(&result["commit"]),
                text(&result["machine"])
            );
            section(&mut page, &result);
        }
    }
    page
}

fn simulator(page: &mut String, result: &Value) {
    let broken = result["broken"].as_object().map_or(0, serde_json::Map::len);
    let _ = writeln!(
        page,
        "{} seeds from {} on, in {} s: {broken} broke a promise. A node that was cut off gave its last key at most \
         {} ms after the cut; it was asked {} times for a key whose withdrawal was acknowledged meanwhile.\n",
        result["seeds"],
        text(&result["from"]),
        result["seconds"],
        result["worst_serve_after_cut_ms"],
        text(&result["withdrawn_asked_while_cut_off"]),
    );
    promises(page, result);
    faults(page, &result["faults"], false);
    list(page, "Not exercised", &result["not_exercised"]);
}

fn planted(page: &mut String, result: &Value) {
    let _ = writeln!(page, "Each within {} seeds, which break nothing without it.\n", result["seeds"]);
    page.push_str("| Mistake | Noticed at seed |\n|---|---:|\n");
    for (bug, seed) in result["noticed"].as_object().into_iter().flatten() {
        let _ = writeln!(page, "| {bug} | {seed} |");
    }
}

fn processes(page: &mut String, result: &Value) {
    let violations = result["violations"].as_array().map_or(0, Vec::len);
    let derivations = &result["derivations"];
    let plans: Vec<String> = result["replay"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|replay| format!("`{}`", text(replay)))
        .collect();
    let _ = writeln!(
        page,
        "{} s of faults: {violations} promises broken. Keys derived {}, lost on nodes nothing happened to {}.\n",
        result["seconds"], derivations["succeeded"], derivations["lost_on_surviving_nodes"],
    );
    if let Some(asked @ 1..) = result["withdrawn_asked_while_cut_off"].as_u64() {
        let _ = writeln!(
            page,
            "Nodes that were cut off were asked {asked} times for a key whose withdrawal was acknowledged meanwhile.\n",
        );
    }
    promises(page, result);
    faults(page, &result["by_fault"], true);
    list(page, "Skipped on this machine", &result["skipped"]);
    list(page, "Not exercised", &result["not_exercised"]);
    let _ = writeln!(page, "\nAgain with {}.", plans.join(", "));
}

fn etcd(page: &mut String, result: &Value) {
    let gap = &result["write_gap_after_leader_loss_ms"];
    let _ = writeln!(
        page,
        "{}, three members with its own defaults, {} leaders killed: writes back p50 {}, p95 {}, max {}.",
        text(&result["version"]),
        gap["count"],
        gap["p50"],
        gap["p95"],
        gap["max"],
    );
}

fn writes(page: &mut String, result: &Value) {
    let _ = writeln!(
        page,
        "{}, three members, by turns with three nodes of keyraft in the same minutes. A write of etcd is a put over its \
         JSON gateway without TLS; one of keyraft is a Create with a Name over mutual TLS, whose audit record is durable \
         too. Times are microseconds.\n",
        text(&result["version"]),
    );
    page.push_str(
        "| Clients | etcd writes/s | p50 | p95 | keyraft writes/s | p50 | p95 | keyraft : etcd |\n",
    );
    page.push_str("|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for row in result["rows"].as_array().into_iter().flatten() {
        let cells = ["etcd", "keyraft"]
            .map(|who| ["per_s", "p50_us", "p95_us"].map(|figure| text(&row[who][figure])).join(" | "));
        let [theirs, ours] = ["etcd", "keyraft"].map(|who| row[who]["per_s"].as_f64().unwrap_or_default());
        let _ =
            writeln!(page, "| {} | {} | {:.2} |", row["clients"], cells.join(" | "), ours / theirs.max(1.0));
    }
}

fn promises(page: &mut String, result: &Value) {
    page.push_str("| Promise | Put to the test |\n|---|---:|\n");
    for (promise, tests) in result["promises_tested"].as_object().into_iter().flatten() {
        let _ = writeln!(page, "| {promise} | {tests} |");
    }
    page.push('\n');
}

/// One line per fault; real runs also say when writes were back and when a node that was cut off fell silent.
fn faults(page: &mut String, faults: &Value, real: bool) {
    page.push_str("| Fault | struck | bit | ok | failed | unknown | in order again p50 | max |");
    page.push_str(if real { " writes back p50 | p95 | max | last serve |\n" } else { "\n" });
    page.push_str(if real {
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    } else {
        "|---|--:|--:|--:|--:|--:|--:|--:|\n"
    });
    for fault in faults.as_array().into_iter().flatten() {
        let (ended, recovery) = (&fault["operations"], &fault["recovery_ms"]);
        let mut cells = vec![
            fault["fault"].clone(),
            fault["struck"].clone(),
            fault["bitten"].clone(),
            ended["ok"].clone(),
            ended["failed"].clone(),
            ended["unknown"].clone(),
            recovery["p50"].clone(),
            recovery["max"].clone(),
        ];
        if real {
            let gap = &fault["write_gap_ms"];
            cells.extend(["p50", "p95", "max"].map(|name| gap[name].clone()));
            cells.push(fault["last_serve_ms"].clone());
        }
        let cells: Vec<String> = cells.iter().map(text).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
}

fn list(page: &mut String, title: &str, items: &Value) {
    let items: Vec<String> = items.as_array().into_iter().flatten().map(text).collect();
    if !items.is_empty() {
        let _ = writeln!(page, "\n{title}: {}.", items.join("; "));
    }
}

/// A value without quotes; nothing for nothing.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_shows_the_latest_of_each_kind() {
        let result = |seeds| {
            json!({ "kind": "simulator", "seeds": seeds, "commit": "abc", "machine": "m", "broken": {},
                "promises_tested": { "I1": 7 },
                "faults": [{ "fault": "crash", "struck": 2, "bitten": 1, "operations": { "ok": 3 } }] })
        };
        let page = page(&[result(5), result(9)]);
        assert!(page.contains("9 seeds") && !page.contains("5 seeds"), "{page}");
        assert!(page.contains("| crash | 2 | 1 | 3 |  |"), "{page}");
        assert!(!page.contains("Real processes"));
    }

    #[test]
    fn writes_stand_beside_each_other() {
        let turn = |per_s| json!({ "per_s": per_s, "p50_us": 5, "p95_us": 9 });
        let result = json!({ "kind": "writes", "version": "etcd 3", "commit": "abc", "machine": "m",
            "rows": [{ "clients": 16, "etcd": turn(200), "keyraft": turn(500) }] });
        let page = page(&[result]);
        assert!(page.contains("| 16 | 200 | 5 | 9 | 500 | 5 | 9 | 2.50 |"), "{page}");
    }
}
