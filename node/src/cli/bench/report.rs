//! Figures, as a table of 80 columns or as JSON.

use serde_json::{Value, json};

use super::load::{Tally, Target};
use super::request::Operation;
use super::{Format, output};

/// One line of the table.
pub struct Row {
    /// Who took the load.
    pub target: &'static str,
    /// Connections at once.
    pub connections: usize,
    /// What was measured.
    pub tally: Tally,
}

const COLUMNS: &[output::Column] = &[
    ("TARGET", "/target"),
    ("CONNS", "/connections"),
    ("OPS/S", "/ops_per_s"),
    ("P50 MS", "/p50_ms"),
    ("P95 MS", "/p95_ms"),
    ("P99 MS", "/p99_ms"),
    ("MAX MS", "/max_ms"),
    ("ERRORS", "/errors"),
    ("CPU US/REQ", "/server_cpu_us_per_request"),
];

impl Row {
    /// A row to be measured.
    pub fn new(target: &Target, connections: usize) -> Self {
        Self { target: target.name, connections, tally: Tally::new() }
    }

    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
    fn requests(&self) -> f64 {
        self.tally.latencies_us.len() as f64
    }

    fn ops_per_s(&self) -> f64 {
        self.requests() / self.tally.measured.as_secs_f64()
    }

    fn cpu_us(&self) -> Option<f64> {
        let cpu = self.tally.cpu?;
        (self.requests() > 0.0).then(|| cpu.as_secs_f64() * 1e6 / self.requests())
    }

    fn to_json(&self) -> Value {
        let latencies = &self.tally.latencies_us;
        #[allow(clippy::cast_precision_loss)] // microseconds of minutes
        let ms = |us: u64| round(us as f64 / 1e3, 3);
        json!({
            "target": self.target,
            "connections": self.connections,
            "ops_per_s": round(self.ops_per_s(), 0),
            "p50_ms": ms(latencies.value_at_quantile(0.50)),
            "p95_ms": ms(latencies.value_at_quantile(0.95)),
            "p99_ms": ms(latencies.value_at_quantile(0.99)),
            "max_ms": ms(latencies.max()),
            "errors": self.tally.errors,
            "server_cpu_us_per_request": self.cpu_us().map(|us| round(us, 1)),
        })
    }
}

/// A number short enough for a table.
#[allow(clippy::cast_possible_truncation)] // what has no fraction fits an i64
fn round(value: f64, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    let rounded = (value * scale).round() / scale;
    if rounded.fract() == 0.0 { json!(rounded as i64) } else { json!(rounded) }
}

/// The nodes against the echo, for the same number of connections.
fn ratios(rows: &[Row]) -> Vec<Value> {
    let of = |target: &str, connections: usize| {
        rows.iter().find(|row| row.target == target && row.connections == connections)
    };
    let echoes = rows.iter().filter(|row| row.target == "echo");
    echoes
        .filter_map(|echo| {
            let keyraft = of("keyraft", echo.connections)?;
            let cpu = keyraft.cpu_us().zip(echo.cpu_us()).map(|(ours, bare)| round(ours / bare, 2));
            Some(json!({
                "connections": echo.connections,
                "ops_per_s": round(keyraft.ops_per_s() / echo.ops_per_s(), 2),
                "server_cpu_per_request": cpu,
            }))
        })
        .collect()
}

/// Prints the rows, and the ratios when there was an echo.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn print(format: Format, operation: Operation, rows: &[Row]) {
    let values: Vec<Value> = rows.iter().map(Row::to_json).collect();
    let ratios = ratios(rows);
    if format != Format::Table {
        let whole = json!({ "operation": operation.name(), "rows": values, "ratios_to_echo": ratios });
        return output::print(format, &whole, &[]);
    }
    println!("{} over mutual TLS, closed loop\n", operation.name());
    output::print(format, &Value::Array(values), COLUMNS);
    if !ratios.is_empty() {
        println!("\nkeyraft to bare TLS echo");
        let columns: &[output::Column] =
            &[("CONNS", "/connections"), ("OPS/S", "/ops_per_s"), ("CPU/REQ", "/server_cpu_per_request")];
        output::print(format, &Value::Array(ratios), columns);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(target: &'static str, latency_us: u64, requests: u64, cpu_ms: u64) -> Row {
        let mut tally = Tally::new();
        tally.latencies_us.record_n(latency_us, requests).expect("within bounds");
        tally.measured = Duration::from_secs(2);
        tally.cpu = Some(Duration::from_millis(cpu_ms));
        Row { target, connections: 8, tally }
    }

    #[test]
    fn figures_are_per_second_and_per_request() {
        let value = row("keyraft", 250, 20_000, 600).to_json();
        assert_eq!(value["ops_per_s"], 10_000);
        assert_eq!(value["p99_ms"], json!(0.25));
        assert_eq!(value["server_cpu_us_per_request"], 30);
    }

    #[test]
    fn ratios_compare_the_same_load() {
        let rows = [row("keyraft", 1, 10_000, 600), row("echo", 1, 20_000, 800)];
        let expected = json!({ "connections": 8, "ops_per_s": 0.5, "server_cpu_per_request": 1.5 });
        assert_eq!(ratios(&rows), [expected]);
        assert!(ratios(&rows[..1]).is_empty());
    }
}
