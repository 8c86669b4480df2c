//! The node's own identity, as its platform writes it into a file.

use std::path::Path;

use zeroize::Zeroizing;

use super::service::Told;
use crate::{RootError, Who};

/// Longest token, bytes: signed tokens have a few kilobytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Reads the token; `setting` names it in [roots.workload_identity].
pub fn read_token(
    file: Option<&Path>,
    setting: &str,
    told: &Told<'_>,
) -> Result<Zeroizing<String>, RootError> {
    let missing = |missing: String| RootError::Misconfigured {
        root: told.root.to_owned(),
        who: Who::Operator,
        missing,
        fix: format!(
            "set `{setting}` in [roots.workload_identity] to the file that this node's platform writes"
        ),
    };
    let file = file.ok_or_else(|| missing("this node has no identity of its own for it".to_owned()))?;
    let bytes = std::fs::read(file)
        .map(Zeroizing::new)
        .map_err(|error| missing(format!("{} cannot be read: {error}", file.display())))?;
    let text = str::from_utf8(&bytes).ok().map(str::trim).filter(|text| !text.is_empty());
    match text.filter(|text| text.len() <= TOKEN_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic())) {
        Some(text) => Ok(Zeroizing::new(text.to_owned())),
        None => Err(missing(format!("{} holds no token", file.display()))),
    }
}
