//! Where the user PIN comes from.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::fault::Fault;
use crate::SecretText;

/// Longest PIN file in bytes; PINs have 4 to 64 characters, and a wrong file should be noticed.
const PIN_FILE_BYTES_MAX: usize = 256;

/// Where the user PIN comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "PathBuf")]
pub enum PinSource {
    /// A file; a line end after the PIN is ignored. Read at each log-in, never kept.
    File(PathBuf),
    /// The credentials of the root.
    Held(SecretText),
    /// As before, but an earlier attempt had no answer: it is tried only by a token that counts no
    /// failure.
    Doubtful(SecretText),
}

impl From<PathBuf> for PinSource {
    fn from(file: PathBuf) -> Self {
        Self::File(file)
    }
}

impl PinSource {
    /// The PIN.
    pub fn read(&self) -> Result<SecretText, Fault> {
        match self {
            Self::File(file) => read_file(file),
            Self::Held(pin) | Self::Doubtful(pin) if pin.expose().is_empty() => {
                Err(Fault::PinUnusable { source: self.name(), problem: "is empty".to_owned() })
            }
            Self::Held(pin) | Self::Doubtful(pin) => Ok(pin.clone()),
        }
    }

    /// How errors name it.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => format!("in {}", file.display()),
            Self::Held(_) | Self::Doubtful(_) => "of its credentials".to_owned(),
        }
    }

    /// A file to lock while logging in, so that processes of one machine take turns: that of the PIN,
    /// or else the module's own.
    pub fn lock_file<'a>(&'a self, module: &'a Path) -> &'a Path {
        match self {
            Self::File(file) => file,
            Self::Held(_) | Self::Doubtful(_) => module,
        }
    }
}

fn read_file(file: &Path) -> Result<SecretText, Fault> {
    let broken = |problem: String| Fault::PinUnusable {
        source: format!("in the PIN file {}", file.display()),
        problem,
    };
    let bytes = std::fs::read(file)
        .map(Zeroizing::new)
        .map_err(|error| broken(format!("cannot be read: {error}")))?;
    if bytes.len() > PIN_FILE_BYTES_MAX {
        return Err(broken(format!("has more than {PIN_FILE_BYTES_MAX} bytes")));
    }
    let text = str::from_utf8(&bytes).map_err(|_| broken("is not UTF-8".to_owned()))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(broken("is empty".to_owned())),
        pin => Ok(SecretText::new(pin.to_owned())),
    }
}
