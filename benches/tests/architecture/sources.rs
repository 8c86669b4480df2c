//! Sources stay short and finished, and the lowest floor deterministic.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace;

/// Longest source file in lines. The middle file has a quarter of it; tables may be long.
const LINES_MAX: usize = 900;

/// Words that stand for something unfinished; split, so that this file does not contain them.
const UNFINISHED: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!(")];

/// What would make two nodes decide differently, or reach out of the lowest floor.
const NOT_ON_FLOOR_0: &[&str] =
    &["SystemTime", "Instant::now", "HashMap", "HashSet", "rand::", "std::net", "std::fs", "std::thread"];

/// Floating point differs between machines; nothing the cluster agrees on is computed with it.
const NOT_IN_MODEL: &[&str] = &["f32", "f64"];

#[test]
fn files_are_short() {
    for (path, text) in all_sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines, more than {LINES_MAX}", path.display());
    }
}

#[test]
fn nothing_is_unfinished() {
    for (path, text) in all_sources() {
        assert_absent(&path, &text, UNFINISHED, "nothing half-built lands");
    }
}

#[test]
fn the_lowest_floor_is_deterministic() {
    for (path, text) in sources(&["model/src", "kmip/src"]) {
        assert_absent(&path, &text, NOT_ON_FLOOR_0, "floor 0 has no clock, no chance and no I/O");
    }
    for (path, text) in sources(&["model/src"]) {
        assert_absent(&path, &text, NOT_IN_MODEL, "no node may compute another value");
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    let members = workspace::members();
    let folders: Vec<String> = members.iter().map(|name| format!("{name}/src")).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    for (path, text) in sources(&folders) {
        let generated = text.starts_with("// @generated") || text.starts_with("// This file is @generated");
        assert!(generated || text.starts_with("//!"), "{} does not begin with //!", path.display());
    }
}

fn assert_absent(path: &Path, text: &str, words: &[&str], reason: &str) {
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for word in words {
            assert!(!has_word(code, word), "{}:{} contains {word}: {reason}", path.display(), number + 1);
        }
    }
}

/// Whether `word` stands in `code` and is not the tail or head of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let open_end = !word.ends_with(part_of_name);
        !before.is_some_and(part_of_name) && (open_end || !after.is_some_and(part_of_name))
    })
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let members: Vec<String> = workspace::members().into_iter().collect();
    let folders: Vec<&str> = members.iter().map(String::as_str).collect();
    sources(&folders)
}

fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&workspace::root().join(folder), &mut files);
    }
    assert!(!files.is_empty(), "no sources in {folders:?}");
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" {
            collect(&path, files);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.strip_prefix(workspace::root()).unwrap().to_owned(), text));
        }
    }
}

#[test]
fn words_are_found_as_words() {
    assert!(has_word("let x: f64 = 1.0;", "f64"));
    assert!(!has_word("let uf64 = 1;", "f64"));
    assert!(!has_word("f64x", "f64"));
    assert!(has_word("use rand::Rng;", "rand::"));
    assert!(!has_word("strand::x", "rand::"));
}
