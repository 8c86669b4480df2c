//! What cargo knows of the workspace, without building or fetching anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A direct dependency of one of our crates.
#[derive(Debug)]
pub struct Arrow {
    /// Who imports.
    pub from: String,
    /// What is imported.
    pub to: String,
    /// `normal`, `build` or `dev`.
    pub kind: String,
}

/// The folder of the workspace: that of the clone in which the tests run, which may have been built in another.
pub fn root() -> PathBuf {
    Path::new("..").canonicalize().unwrap()
}

/// Names of our crates.
pub fn members() -> BTreeSet<String> {
    packages().iter().map(|package| text(&package["name"])).collect()
}

/// Every direct dependency of every crate of ours.
pub fn arrows() -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for package in packages() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let kind = dependency["kind"].as_str().unwrap_or("normal").to_owned();
            arrows.push(Arrow { from: text(&package["name"]), to: text(&dependency["name"]), kind });
        }
    }
    arrows
}

/// Names of all packages that are really built for `package` (`None`: the whole workspace) on this
/// platform, with the features that are really on. Edges as for `cargo tree --edges`.
pub fn tree(package: Option<&str>, edges: &str) -> BTreeSet<String> {
    let selection = package.map_or(vec!["--workspace"], |name| vec!["--package", name]);
    let mut arguments =
        vec!["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p}", "--edges", edges];
    arguments.extend(selection);
    let listed = cargo(&arguments);
    listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
