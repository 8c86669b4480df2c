//! Printing answers: aligned tables for people, JSON and YAML for programs.

use serde_json::Value;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// A column: its heading and the JSON pointer (RFC 6901) of its value.
pub type Column = (&'static str, &'static str);

/// Letters in a line of the terminal that everybody has.
const TERMINAL: usize = 80;

/// What stands for nothing.
const ABSENT: &str = "-";

/// Fields that hold a moment in seconds since the epoch; people read a date.
const MOMENTS: [&str; 5] = ["created", "effective_everywhere_at", "effective_time", "serves_until", "since"];

/// Prints one object or a list of them.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn print(format: Format, value: &Value, columns: &[Column]) {
    match format {
        Format::Json => println!("{value:#}"),
        Format::Yaml => print!("{}", yaml(value, 0)),
        Format::Table => print!("{}", table(value, columns)),
    }
}

/// Prints one object whose fields may be sentences: for people a line each, and none for what is absent.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn print_one(format: Format, value: &Value, columns: &[Column]) {
    match format {
        Format::Table => print!("{}", lines(value, columns)),
        format => print(format, value, columns),
    }
}

fn lines(value: &Value, columns: &[Column]) -> String {
    let width = columns.iter().map(|(heading, _)| heading.len()).max().unwrap_or(0);
    let said = columns.iter().map(|(heading, pointer)| (heading, cell(value, pointer)));
    said.filter(|(_, said)| said != ABSENT)
        .map(|(heading, said)| format!("{heading:<width$}  {said}\n"))
        .collect()
}

/// Prints a table, and below it what single rows say in whole sentences (`note`), each after the row's first column.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn print_with_notes(format: Format, value: &Value, columns: &[Column], note: &str) {
    print(format, value, columns);
    if format == Format::Table {
        print!("{}", notes(value, columns, note));
    }
}

fn notes(value: &Value, columns: &[Column], note: &str) -> String {
    let first = columns.first().map_or("", |(_, pointer)| *pointer);
    let said = |row: &Value| {
        let text = row.pointer(note)?.as_str().filter(|text| !text.is_empty())?;
        Some(format!("\n{}\n", folded(&format!("{}: {text}", cell(row, first)))))
    };
    rows(value).into_iter().filter_map(said).collect()
}

/// A sentence in lines that fit a terminal, the later ones indented. A word longer than that stays whole, to be copied.
fn folded(sentence: &str) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for word in sentence.split_whitespace() {
        let letters = word.chars().count();
        if width > 0 && width + 1 + letters > TERMINAL {
            out += "\n  ";
            width = 2;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out += word;
        width += letters;
    }
    out
}

/// A length of time for people, by its two largest units.
pub fn span(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min {:02} s", seconds % 60),
        (hours, minutes) => format!("{hours} h {minutes:02} min"),
    }
}

/// Something that turns on a terminal while one waits; nothing for programs.
pub fn spinner(format: Format, what: &'static str) -> indicatif::ProgressBar {
    if format != Format::Table {
        return indicatif::ProgressBar::hidden();
    }
    let spinner = indicatif::ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    spinner
}

/// One object, or each of a list.
fn rows(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(rows) => rows.iter().collect(),
        one => vec![one],
    }
}

fn table(value: &Value, columns: &[Column]) -> String {
    let rows = rows(value);
    let width = |(heading, pointer): &Column| {
        let longest = rows.iter().map(|row| cell(row, pointer).chars().count()).max().unwrap_or(0);
        longest.max(heading.len())
    };
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut out = line(columns.iter().map(|(heading, _)| (*heading).to_owned()).collect());
    for row in &rows {
        out += &line(columns.iter().map(|(_, pointer)| cell(row, pointer)).collect());
    }
    out
}

fn cell(row: &Value, pointer: &str) -> String {
    let value = row.pointer(pointer).unwrap_or(&Value::Null);
    match value.as_f64().filter(|_| MOMENTS.iter().any(|name| pointer.ends_with(name))) {
        Some(seconds) if seconds > 0.0 => moment(seconds),
        Some(_) => ABSENT.to_owned(),
        None => text(value),
    }
}

/// The first whole second by which it was.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a date that never was is not an answer
pub fn moment(seconds: f64) -> String {
    model::time::utc(seconds.ceil() as u64)
}

/// A value as it stands in a table.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => ABSENT.to_owned(),
        Value::Array(items) if items.is_empty() => ABSENT.to_owned(),
        Value::Object(fields) if fields.is_empty() => ABSENT.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(",")
        }
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
    }
}

/// YAML 1.2 block style; scalars are written as JSON, which YAML contains.
fn yaml(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(key, value)| {
                if is_scalar(value) {
                    format!("{pad}{key}: {value}\n")
                } else {
                    format!("{pad}{key}:\n{}", yaml(value, indent + 2))
                }
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| {
                let block = yaml(item, indent + 2);
                format!("{pad}- {}", block.trim_start())
            })
            .collect(),
        scalar => format!("{pad}{scalar}\n"),
    }
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_align_and_show_missing_values() {
        let rows = json!([{ "name": "tenant-a", "state": "active" }, { "name": "b" }]);
        let printed = table(&rows, &[("NAME", "/name"), ("STATE", "/state")]);
        assert_eq!(printed, "NAME      STATE\ntenant-a  active\nb         -\n");
        let empty = json!({ "labels": {}, "roots": [], "state": "active" });
        let printed = table(&empty, &[("LABELS", "/labels"), ("ROOTS", "/roots"), ("STATE", "/state")]);
        assert_eq!(printed, "LABELS  ROOTS  STATE\n-       -      active\n");
    }

    #[test]
    fn moments_are_dates_in_tables_and_numbers_in_json() {
        let rows =
            json!([{ "created": 1_795_324_200 }, { "created": 1_795_324_200.25 }, { "created": 0 }, {}]);
        let printed = table(&rows, &[("CREATED", "/created")]);
        assert_eq!(printed, "CREATED\n2026-11-22T05:10:00Z\n2026-11-22T05:10:01Z\n-\n-\n");
        assert_eq!(yaml(&rows[0], 0), "created: 1795324200\n");
    }

    #[test]
    fn one_object_takes_a_line_for_each_field_that_is_there() {
        let report = json!({ "passed": false, "problem": { "cause": "the PIN is wrong" } });
        let columns = [("PASSED", "/passed"), ("KEY", "/l1_ref"), ("PROBLEM", "/problem/cause")];
        assert_eq!(lines(&report, &columns), "PASSED   no\nPROBLEM  the PIN is wrong\n");
    }

    #[test]
    fn sentences_stand_below_a_table_in_lines_that_fit_a_terminal() {
        let detail = "the root transit:https://bao.example:8200/transit/keys/k1 did not answer within 30 s";
        let jobs = json!([{ "id": "a1", "detail": "" }, { "id": "b2", "detail": detail }, { "id": "c3" }]);
        let told = notes(&jobs, &[("JOB", "/id")], "/detail");
        assert_eq!(
            told,
            "\nb2: the root transit:https://bao.example:8200/transit/keys/k1 did not answer\n  within 30 s\n"
        );
        assert!(told.lines().all(|line| line.chars().count() <= TERMINAL), "{told}");
        assert_eq!(folded(&"x".repeat(100)), "x".repeat(100), "a word stays whole");
        assert_eq!(notes(&json!([]), &[("JOB", "/id")], "/detail"), "");
    }

    #[test]
    fn a_span_is_told_by_its_two_largest_units() {
        let check = |seconds, expected| assert_eq!(span(seconds), expected);
        check(0, "0 s");
        check(59, "59 s");
        check(65, "1 min 05 s");
        check(3_720, "1 h 02 min");
        check(86_399, "23 h 59 min");
        check(90_000, "25 h 00 min");
    }

    #[test]
    fn yaml_nests_and_quotes() {
        let value = json!({ "a": [{ "b": "x: y", "c": 1 }], "d": {} });
        assert_eq!(yaml(&value, 0), "a:\n  - b: \"x: y\"\n    c: 1\nd: {}\n");
    }
}
