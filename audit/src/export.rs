//! Reading records back, checked, for exporters and the CLI.

use std::path::Path;

use crate::finding::Finding;
use crate::record::Record;
use crate::walk::Walk;

/// Records in order. The first fault is the last item.
///
/// On a log that is being written, take only as many records as are durable
/// ([`crate::AuditLog::size`]): what follows may be half written.
pub struct Export {
    walk: Option<Walk>,
    from: u64,
}

/// Reads a log's records from sequence `from` on (1 for all), checking chains and hashes from the
/// beginning of that record's segment. Streams.
///
/// # Errors
/// If the folder or its first segment cannot be read.
pub fn export(dir: &Path, from: u64) -> Result<Export, Finding> {
    Ok(Export { walk: Walk::begin(dir, from)?, from })
}

impl Iterator for Export {
    type Item = Result<Record, Finding>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let item = self.walk.as_mut()?.next().transpose();
            match item {
                Some(Ok(record)) if record.place.sequence < self.from => {}
                Some(Ok(record)) => return Some(Ok(record)),
                ended => {
                    self.walk = None;
                    return ended;
                }
            }
        }
    }
}
