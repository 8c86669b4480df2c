//! What was put to the test in several runs of one commit, as one result.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::spread;

/// The latest result of the simulator, with everything that the same commit met before on other seeds. A median
/// is that of the worst part.
pub fn simulator(results: &[Value]) -> Option<Value> {
    let of_kind: Vec<&Value> = results.iter().filter(|result| result["kind"] == "simulator").collect();
    let latest = *of_kind.last()?;
    let same = of_kind.into_iter().rev().filter(|part| part["commit"] == latest["commit"]);
    let mut known: Vec<(u64, u64)> = Vec::new();
    let mut whole = latest.clone();
    for part in same {
        let (from, to) = range(part);
        if known.iter().any(|(begin, end)| from < *end && *begin < to) {
            continue; // played again
        }
        if !known.is_empty() {
            whole = together(&whole, part);
        }
        known.push((from, to));
    }
    Some(whole)
}

/// The latest result of real processes, with everything that the same commit went through before by other plans.
pub fn processes(results: &[Value]) -> Option<Value> {
    let of_kind: Vec<&Value> = results.iter().filter(|result| result["kind"] == "processes").collect();
    let latest = *of_kind.last()?;
    let mut parts: Vec<&Value> = Vec::new();
    for part in of_kind.into_iter().rev().filter(|part| part["commit"] == latest["commit"]) {
        // A plan that was played again counts once.
        if parts.iter().all(|known| known["replay"] != part["replay"]) {
            parts.push(part);
        }
    }
    let mut whole = latest.clone();
    for part in &parts[1..] {
        for name in ["seconds", "withdrawn_asked_while_cut_off"] {
            whole[name] = sum(&whole[name], &part[name]);
        }
        whole["derivations"] = union(&whole["derivations"], &part["derivations"], sum_of_numbers);
        whole["promises_tested"] = union(&whole["promises_tested"], &part["promises_tested"], sum);
        whole["violations"] = both(&whole["violations"], &part["violations"]);
        whole["not_exercised"] = both(&whole["not_exercised"], &part["not_exercised"]);
        whole["skipped"] = only_in_both(&whole["skipped"], &part["skipped"]);
    }
    whole["replay"] = parts.iter().map(|part| part["replay"].clone()).collect();
    whole["by_fault"] = strikes_by_fault(&parts);
    Some(whole)
}

/// What each fault did in all parts; the times are those of all its strikes.
fn strikes_by_fault(parts: &[&Value]) -> Value {
    let mut lines: BTreeMap<&str, Value> = BTreeMap::new();
    let mut strikes: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for part in parts {
        for line in part["by_fault"].as_array().into_iter().flatten() {
            let name = line["fault"].as_str().unwrap_or_default();
            let known = lines.entry(name).or_insert_with(|| json!({ "fault": name }));
            for count in ["struck", "bitten"] {
                known[count] = sum(&known[count], &line[count]);
            }
            known["operations"] = union(&known["operations"], &line["operations"], sum);
            known["last_serve_ms"] = greatest(&known["last_serve_ms"], &line["last_serve_ms"]);
        }
        for strike in part["faults"].as_array().into_iter().flatten() {
            strikes.entry(strike["fault"].as_str().unwrap_or_default()).or_default().push(strike);
        }
    }
    for (name, line) in &mut lines {
        let of_this = || strikes.get(name).into_iter().flatten();
        let returned = |strike: &&Value| Some(strike["ready"].as_u64()? - strike["healed"].as_u64()?);
        line["recovery_ms"] = spread(of_this().filter_map(returned).map(Duration::from_millis));
        let gaps = of_this().filter_map(|strike| strike["write_gap"].as_u64());
        line["write_gap_ms"] = spread(gaps.map(Duration::from_millis));
    }
    lines.into_values().collect()
}

/// The first seed of a result, and the one after its last.
fn range(part: &Value) -> (u64, u64) {
    let number = |name: &str| part[name].as_u64().unwrap_or_default();
    (number("from"), number("from") + number("seeds"))
}

fn together(a: &Value, b: &Value) -> Value {
    let mut whole = a.clone();
    for name in ["seeds", "seconds", "withdrawn_asked_while_cut_off"] {
        whole[name] = sum(&a[name], &b[name]);
    }
    whole["worst_serve_after_cut_ms"] =
        greatest(&a["worst_serve_after_cut_ms"], &b["worst_serve_after_cut_ms"]);
    whole["from"] = a["from"].as_u64().min(b["from"].as_u64()).into();
    whole["broken"] = union(&a["broken"], &b["broken"], |a, _| a.clone());
    whole["promises_tested"] = union(&a["promises_tested"], &b["promises_tested"], sum);
    whole["not_exercised"] = only_in_both(&a["not_exercised"], &b["not_exercised"]);
    whole["faults"] = faults(&a["faults"], &b["faults"]);
    whole
}

fn faults(a: &Value, b: &Value) -> Value {
    let by_name = |faults: &Value| -> Value {
        let named = |fault: &Value| Some((fault["fault"].as_str()?.to_owned(), fault.clone()));
        Value::Object(faults.as_array().into_iter().flatten().filter_map(named).collect())
    };
    let all = union(&by_name(a), &by_name(b), fault);
    all.as_object().into_iter().flat_map(Map::values).cloned().collect()
}

fn fault(a: &Value, b: &Value) -> Value {
    json!({
        "fault": a["fault"],
        "struck": sum(&a["struck"], &b["struck"]),
        "bitten": sum(&a["bitten"], &b["bitten"]),
        "operations": union(&a["operations"], &b["operations"], sum),
        "recovery_ms": union(&a["recovery_ms"], &b["recovery_ms"], greatest),
    })
}

fn sum(a: &Value, b: &Value) -> Value {
    (a.as_u64().unwrap_or_default() + b.as_u64().unwrap_or_default()).into()
}

/// Sums numbers, and leaves the rest as the first has it.
fn sum_of_numbers(a: &Value, b: &Value) -> Value {
    if a.is_u64() { sum(a, b) } else { a.clone() }
}

fn both(a: &Value, b: &Value) -> Value {
    a.as_array().into_iter().chain(b.as_array()).flatten().cloned().collect()
}

fn greatest(a: &Value, b: &Value) -> Value {
    a.as_u64().max(b.as_u64()).into()
}

fn union(a: &Value, b: &Value, both: impl Fn(&Value, &Value) -> Value) -> Value {
    let mut all = a.as_object().cloned().unwrap_or_default();
    for (name, value) in b.as_object().into_iter().flatten() {
        let value = all.get(name).map_or_else(|| value.clone(), |known| both(known, value));
        all.insert(name.clone(), value);
    }
    Value::Object(all)
}

fn only_in_both(a: &Value, b: &Value) -> Value {
    let in_b = |item: &&Value| b.as_array().is_some_and(|b| b.contains(item));
    a.as_array().into_iter().flatten().filter(in_b).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(commit: &str, from: u64, seeds: u64) -> Value {
        json!({ "kind": "simulator", "commit": commit, "from": from, "seeds": seeds, "seconds": 1,
            "broken": {}, "promises_tested": { "I1": seeds }, "worst_serve_after_cut_ms": from + 7,
            "not_exercised": if from == 0 { json!(["a", "b"]) } else { json!(["b"]) },
            "faults": [{ "fault": "crash", "struck": 2, "bitten": 1, "operations": { "ok": 3 },
                "recovery_ms": { "p50": from, "max": 9 } }] })
    }

    #[test]
    fn parts_of_one_commit_are_one_result() {
        let results =
            [part("old", 0, 900), part("new", 0, 10), json!({ "kind": "planted" }), part("new", 10, 20)];
        let whole = simulator(&results).unwrap();
        assert_eq!((&whole["from"], &whole["seeds"], &whole["seconds"]), (&json!(0), &json!(30), &json!(2)));
        assert_eq!(whole["promises_tested"]["I1"], 30);
        assert_eq!(whole["worst_serve_after_cut_ms"], 17);
        assert_eq!(whole["not_exercised"], json!(["b"]));
        let crash = &whole["faults"][0];
        assert_eq!((&crash["struck"], &crash["operations"]["ok"]), (&json!(4), &json!(6)));
        assert_eq!(crash["recovery_ms"], json!({ "p50": 10, "max": 9 }));
    }

    fn nemesis(commit: &str, replay: &str, gap: u64) -> Value {
        json!({ "kind": "processes", "commit": commit, "replay": replay, "seconds": 60, "violations": [],
            "not_exercised": [], "skipped": ["clock"], "promises_tested": { "I1": 4 },
            "derivations": { "succeeded": 9, "lost_on_surviving_nodes": 0, "lost": [] },
            "faults": [{ "fault": "kill", "healed": 100, "ready": 100 + gap, "write_gap": gap }],
            "by_fault": [{ "fault": "kill", "struck": 1, "bitten": 1, "operations": { "ok": 3 },
                "last_serve_ms": gap }] })
    }

    #[test]
    fn plans_of_one_commit_are_one_result() {
        let results = [nemesis("old", "a", 1), nemesis("new", "a", 10), nemesis("new", "b", 30)];
        let whole = processes(&results).unwrap();
        assert_eq!((&whole["seconds"], &whole["replay"]), (&json!(120), &json!(["b", "a"])));
        assert_eq!(
            (&whole["promises_tested"]["I1"], &whole["derivations"]["succeeded"]),
            (&json!(8), &json!(18))
        );
        let kill = &whole["by_fault"][0];
        assert_eq!(
            (&kill["struck"], &kill["operations"]["ok"], &kill["last_serve_ms"]),
            (&json!(2), &json!(6), &json!(30))
        );
        assert_eq!(kill["write_gap_ms"], json!({ "count": 2, "p50": 30, "p95": 30, "max": 30 }));
        let again = processes(&[nemesis("new", "a", 10), nemesis("new", "a", 30)]).unwrap();
        assert_eq!((&again["seconds"], &again["by_fault"][0]["struck"]), (&json!(60), &json!(1)));
        assert!(processes(&[]).is_none());
    }

    #[test]
    fn seeds_that_were_played_twice_count_once() {
        let whole = simulator(&[part("new", 0, 10), part("new", 5, 20)]).unwrap();
        assert_eq!((&whole["from"], &whole["seeds"]), (&json!(5), &json!(20)));
        assert!(simulator(&[]).is_none());
    }
}
