//! Our codec against PyKMIP's, on the same random messages: what we write it reads, and writes back as the
//! very same bytes; and what it writes back we read as what we meant.
//!
//! PyKMIP lives in the Python environment that `make setup` makes; without it the tests say so and end. A
//! failure prints the seed; `KMIP_DIFFERENTIAL_SEED=<seed>` replays it, `KMIP_DIFFERENTIAL_MESSAGES` sets how
//! many messages are tried.

mod random;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use kmip::ttlv::Limits;
use kmip::{RequestMessage, ResponseMessage};
use random::Random;

/// Messages of each kind; enough for every field of every operation to come and to stay away many times.
const MESSAGES: u64 = 1_000;

/// The other codec, as a process that answers line by line.
struct PyKmip {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PyKmip {
    /// Starts it; `None`, and a line that says so, when it is not installed.
    fn start(test: &str) -> Option<Self> {
        let Some(python) = python() else {
            eprintln!("SKIPPED {test}: PyKMIP is not installed; make setup installs it");
            return None;
        };
        let script = "tests/differential/pykmip_codec.py";
        let mut command = Command::new(python);
        command.args(["-B", "-W", "ignore", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python starts");
        let (ask, answers) = (child.stdin.take(), child.stdout.take());
        let answers = BufReader::new(answers.expect("piped"));
        Some(Self { ask: ask.expect("piped"), child, answers })
    }

    fn again(&mut self, kind: &str, message: &[u8]) -> String {
        let hex = hex(message);
        writeln!(self.ask, "{kind} {hex}").expect("PyKMIP listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("PyKMIP answers");
        assert!(!answer.is_empty(), "PyKMIP ended at {kind} {hex}");
        answer.trim_end().to_owned()
    }
}

impl Drop for PyKmip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter of the environment `scripts/setup` makes.
fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("KEYRAFT_TEST_PYTHON") {
        return Some(python.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let environment = cache.join("keyraft/python");
    environment.join("installed").exists().then(|| environment.join("bin/python"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Tries one kind of message with one seed after the other.
fn compare(test: &str, kind: &str, write: impl Fn(&mut Random) -> Vec<u8>, read: impl Fn(&[u8])) {
    let Some(mut pykmip) = PyKmip::start(test) else { return };
    let fixed = setting("KMIP_DIFFERENTIAL_SEED");
    let first = fixed.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::try_from(since.expect("after 1970").as_micros()).expect("a few thousand years")
    });
    let messages = setting("KMIP_DIFFERENTIAL_MESSAGES").unwrap_or(MESSAGES);
    for seed in (first..).take(if fixed.is_some() { 1 } else { usize::try_from(messages).expect("a number") })
    {
        let ours = write(&mut Random::new(seed));
        let theirs = pykmip.again(kind, &ours);
        assert!(
            theirs == hex(&ours),
            "PyKMIP differs\n  ours   {}\n  theirs {theirs}\nreplay: KMIP_DIFFERENTIAL_SEED={seed} \
             make test ARGS='--test differential -- {test}'",
            hex(&ours)
        );
        read(&ours);
    }
}

#[test]
fn requests_are_the_same_to_pykmip() {
    compare("requests_are_the_same_to_pykmip", "request", random::request, |bytes| {
        let message = RequestMessage::decode(bytes, &Limits::DEFAULT).expect("we read what we wrote");
        for item in &message.items {
            item.decode_payload().expect("a payload");
        }
    });
}

#[test]
fn responses_are_the_same_to_pykmip() {
    compare("responses_are_the_same_to_pykmip", "response", random::response, |bytes| {
        ResponseMessage::decode(bytes, &Limits::DEFAULT).expect("we read what we wrote");
    });
}
