//! A SoftHSM of our own: tokens in a folder of this process, keys made when asked for.
//!
//! The module is initialised once per process and learns its tokens then, so all of them are made
//! before. A child process inherits them and sees what a restarted node would see.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use keystore::providers::pkcs11::{KeyId, Pkcs11Settings};
use tokio::sync::RwLock;

/// Where Debian and Fedora keep the module.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
];

pub const PIN: &str = "1234";
const SO_PIN: &str = "5678";

/// Tokens, each for tests that do not disturb one another; two are called `twin`.
const TOKENS: [&str; 9] = ["main", "crowd", "pins", "changed", "files", "loss", "restart", "twin", "twin"];

pub struct SoftHsm {
    pub module: &'static str,
    folder: PathBuf,
}

/// The SoftHSM of this process, held by one test.
pub struct Held {
    hsm: &'static SoftHsm,
    _guard: Box<dyn Send + Sync>,
}

/// SoftHSM's files are not safe between processes while one of them writes: tests that start children
/// run alone.
static ALONE: RwLock<()> = RwLock::const_new(());

/// The SoftHSM of this process beside other tests, or a visible word that there is none.
pub async fn softhsm() -> Option<Held> {
    let hsm = instance()?;
    Some(Held { hsm, _guard: Box::new(ALONE.read().await) })
}

/// As [`softhsm`], with no other test beside.
pub async fn softhsm_alone() -> Option<Held> {
    let hsm = instance()?;
    Some(Held { hsm, _guard: Box::new(ALONE.write().await) })
}

impl Deref for Held {
    type Target = SoftHsm;

    fn deref(&self) -> &SoftHsm {
        self.hsm
    }
}

fn instance() -> Option<&'static SoftHsm> {
    static SOFTHSM: LazyLock<Option<SoftHsm>> = LazyLock::new(set_up);
    SOFTHSM.as_ref()
}

fn set_up() -> Option<SoftHsm> {
    let Some(module) = MODULES.into_iter().find(|module| Path::new(module).exists()) else {
        // Written past the test harness, which hides what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: softhsm2 is not installed (make setup)");
        return None;
    };
    // A child finds the folder of its parent, tokens included.
    if let Some(conf) =
        std::env::var_os("SOFTHSM2_CONF").filter(|_| std::env::var_os("KEYSTORE_CHILD").is_some())
    {
        let folder = Path::new(&conf).parent().unwrap().to_owned();
        return Some(SoftHsm { module, folder });
    }
    let folder = own_folder();
    let tokens = folder.join("tokens");
    fs::create_dir_all(&tokens).unwrap();
    let conf = folder.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&conf, text).unwrap();
    fs::write(folder.join("pin"), format!("{PIN}\n")).unwrap();
    // SAFETY: this runs once, before the module that reads the environment is loaded: every test that
    // loads it passes through here first, and Rust's own readers share a lock with this call.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("SOFTHSM2_CONF", &conf);
    }
    for label in TOKENS {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN])
            .output()
            .unwrap();
        assert!(made.status.success(), "softhsm2-util: {}", String::from_utf8_lossy(&made.stderr));
    }
    Some(SoftHsm { module, folder })
}

/// A fresh folder named after this process; those of processes that are gone are removed.
fn own_folder() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("softhsm");
    fs::create_dir_all(&parent).unwrap();
    for entry in fs::read_dir(&parent).unwrap().flatten() {
        if !Path::new("/proc").join(entry.file_name()).exists() {
            // Another run may be removing it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let own = parent.join(std::process::id().to_string());
    let _ = fs::remove_dir_all(&own);
    own
}

impl SoftHsm {
    /// Settings for a key in a token; the key need not exist.
    pub fn settings(&self, token: &str, key_label: &str, key_id: &str) -> Pkcs11Settings {
        let text = BTreeMap::from([
            ("module", self.module.to_owned()),
            ("token", token.to_owned()),
            ("key_label", key_label.to_owned()),
            ("key_id", key_id.to_owned()),
            ("pin_file", self.folder.join("pin").display().to_string()),
        ]);
        let mut settings: Pkcs11Settings = toml::from_str(&toml::to_string(&text).unwrap()).unwrap();
        // The machine that runs tests may be slow; the production default has its own test.
        settings.call_timeout_ms = 20_000;
        settings
    }

    /// Takes all tokens away until the result is dropped.
    pub fn hide_tokens(&self) -> Hidden {
        let hidden = Hidden { shown: self.folder.join("tokens"), away: self.folder.join("tokens.away") };
        fs::rename(&hidden.shown, &hidden.away).unwrap();
        hidden
    }

    /// A PIN file with this content.
    pub fn pin_file(&self, pin: &str) -> PathBuf {
        let file = self.folder.join(format!("pin-{}", &pin[..pin.len().min(8)]));
        fs::write(&file, pin).unwrap();
        file
    }

    /// Logs in at a token by the vendor's own tool.
    pub fn log_in_elsewhere(&self, token: &str) {
        let listed = Command::new("pkcs11-tool")
            .args([
                "--module",
                self.module,
                "--token-label",
                token,
                "--login",
                "--pin",
                PIN,
                "--list-objects",
            ])
            .output()
            .unwrap();
        assert!(listed.status.success(), "pkcs11-tool: {}", String::from_utf8_lossy(&listed.stderr));
    }

    /// Runs one ignored test of this binary in a process of its own.
    pub fn child(&self, test: &str, variables: &[(&str, &str)]) {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env("KEYSTORE_CHILD", "1")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(
            ran.status.success() && text.contains("1 passed"),
            "{text}\n{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}

/// Tokens that are away.
pub struct Hidden {
    shown: PathBuf,
    away: PathBuf,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        fs::rename(&self.away, &self.shown).unwrap();
    }
}

/// A key id from its hexadecimal text.
pub fn key_id(text: &str) -> KeyId {
    text.to_owned().try_into().unwrap()
}
