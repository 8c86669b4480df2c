//! Seeds that were played in several runs of one commit, as one result.

use serde_json::{Map, Value, json};

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

    #[test]
    fn seeds_that_were_played_twice_count_once() {
        let whole = simulator(&[part("new", 0, 10), part("new", 5, 20)]).unwrap();
        assert_eq!((&whole["from"], &whole["seeds"]), (&json!(5), &json!(20)));
        assert!(simulator(&[]).is_none());
    }
}
