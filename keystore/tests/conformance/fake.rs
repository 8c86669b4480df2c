//! A fake of `tests/fakes`, run as a program beside the tests.
//!
//! Each is written from its provider's published interface and driven by that provider's own Python
//! SDK (`<name>_driver.py`), so that it is not merely what we believe. They need the Python
//! environment that `scripts/setup` makes; without it their tests skip, visibly.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keystore::Site;
use serde_json::Value;
use tempfile::TempDir;

/// How long a fake may take to end in order before it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// A running fake; it ends with its standard input.
pub struct Fake {
    /// What it said when it listened.
    pub hello: Value,
    name: &'static str,
    /// What it is told and what it says; taken when it shall end.
    pipe: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    child: Child,
    /// Where it and its helpers keep files: one that was killed leaves some behind.
    _files: TempDir,
}

fn folder() -> PathBuf {
    // From any crate whose tests bring this file in.
    Path::new("../keystore/tests/fakes").canonicalize().unwrap()
}

/// The Python of the environment with the SDKs.
pub fn python() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let python = cache.join("keyraft/python-roots/bin/python");
    if python.exists() {
        return Some(python);
    }
    // Written past the test harness, which hides what passing tests print.
    let _ = writeln!(std::io::stderr(), "skipped: {} is not there (make setup)", python.display());
    None
}

impl Fake {
    /// Starts the fake of this name; `None` if there is no Python for it.
    pub fn start(name: &'static str) -> Option<Self> {
        let python = python()?;
        let files = TempDir::new().unwrap();
        let mut child = Command::new(python)
            .arg(folder().join(format!("{name}.py")))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TMPDIR", files.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let hello = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{name}.py said {line:?}"));
        let pipe = Mutex::new(Some((child.stdin.take().unwrap(), said)));
        Some(Self { hello, name, pipe, child, _files: files })
    }

    /// Gives a command and waits until it is carried out.
    pub fn tell(&self, command: &Value) -> Value {
        let mut pipe = self.pipe.lock().unwrap();
        let pipe = pipe.as_mut().unwrap();
        writeln!(pipe.0, "{command}").unwrap();
        let mut line = String::new();
        pipe.1.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it said {line:?}"));
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    /// How it behaves from now on.
    pub fn mode(&self, mode: &str) {
        self.tell(&serde_json::json!({ "mode": mode }));
    }

    /// A field of its greeting, as text.
    pub fn text(&self, field: &str) -> String {
        self.hello[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.hello)).to_owned()
    }

    /// `https://localhost:<port>`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.hello["port"])
    }

    /// Its authority, in PEM.
    pub fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.text("ca")).unwrap()
    }

    /// A site that may reach it.
    pub fn site(&self) -> Site {
        Site {
            allow: vec!["localhost:*".to_owned()],
            ca_bundle: Some(self.text("ca").into()),
            danger_allow_loopback: true,
            ..Site::default()
        }
    }

    /// Has the vendor's own SDK speak with it.
    pub fn drive(&self) {
        let driver = folder().join(format!("{}_driver.py", self.name));
        let ran = Command::new(python().unwrap())
            .arg(driver)
            .args([self.hello["port"].to_string(), self.text("ca"), self.hello.to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(
            ran.status.success() && text.contains("\"passed\": true"),
            "{text}\n{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // Without its input it ends by itself, and ends what it started; a killed one could not.
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
        let deadline = Instant::now() + END_TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
