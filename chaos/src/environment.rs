//! What `keyraft dev` writes for clients: `<data>/env`, `KEY=VALUE` lines.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use client::Settings;

/// The variables of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Whose certificate a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// tenant-a, who works.
    A,
    /// tenant-b, who tries doors.
    B,
}

impl Environment {
    /// Reads the file.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut variables = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let Some((key, value)) = line.split_once('=') else { bail!("{line:?} is not KEY=VALUE") };
            variables.insert(key.to_owned(), unquoted(value));
        }
        Ok(Self(variables))
    }

    /// A variable.
    pub fn get(&self, key: &str) -> anyhow::Result<&str> {
        self.0.get(key).map(String::as_str).with_context(|| format!("<data>/env has no {key}"))
    }

    /// A comma-separated list of numbers.
    pub fn numbers<N: std::str::FromStr>(&self, key: &str) -> anyhow::Result<Vec<N>> {
        let parse = |text: &str| text.parse().ok().with_context(|| format!("{key} in <data>/env: {text:?}"));
        self.get(key)?.split(',').map(parse).collect()
    }

    /// All variables, for a process of ours.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Settings of a tenant's client that knows these nodes only.
    pub fn settings(&self, tenant: Tenant, nodes: &[usize], call: Duration) -> anyhow::Result<Settings> {
        let (certificate, key) = match tenant {
            Tenant::A => ("KMIP_CERT", "KMIP_KEY"),
            Tenant::B => ("KMIP_CERT2", "KMIP_KEY2"),
        };
        let ports: Vec<u16> = self.numbers("KMIP_PORTS")?;
        let host = self.get("KMIP_HOST")?;
        let read = |name: &str| -> anyhow::Result<Vec<u8>> {
            let file = self.get(name)?;
            std::fs::read(file).with_context(|| format!("cannot read {file}"))
        };
        let nodes = nodes.iter().map(|node| format!("{host}:{}", ports[*node])).collect();
        let mut settings = Settings::new(nodes, read("KMIP_CA")?, read(certificate)?, read(key)?.into());
        settings.timeouts.call = call;
        Ok(settings)
    }
}

/// The value as a POSIX shell reads it: single quotes, and `'\''` for one of them.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => inner.replace(r"'\''", "'"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        let text = "KMIP_PORTS=5696,5697\nKMIP_CA='/a b/it'\\''s.pem'\nKMIP_HOST=127.0.0.1\n";
        let environment = Environment::parse(text).expect("well formed");
        assert_eq!(environment.get("KMIP_CA").expect("set"), "/a b/it's.pem");
        assert_eq!(environment.numbers::<u16>("KMIP_PORTS").expect("numbers"), [5696, 5697]);
        assert!(environment.get("KMIP_KEY").is_err());
        assert!(Environment::parse("nonsense").is_err());
    }
}
