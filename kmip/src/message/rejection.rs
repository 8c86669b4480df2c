//! The answer to a message that cannot be read.

use super::{ResponseHeader, ResponseWriter};
use crate::ttlv::DecodeError;
use crate::{ProtocolVersion, Version};

/// A message refused as a whole: why, and the version its answer is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Rejection {
    /// Why.
    pub error: DecodeError,
    /// The version the client can read, as far as its bytes show one.
    pub version: Version,
}

impl Rejection {
    /// A rejection of these bytes, which may be no more than a header.
    #[must_use]
    pub fn new(error: DecodeError, bytes: &[u8]) -> Self {
        let version = stated_version(bytes).map_or(Version::V1_0, ProtocolVersion::nearest);
        Self { error, version }
    }

    /// Whether the connection ends after the answer.
    #[must_use]
    pub const fn closes_connection(&self) -> bool {
        self.error.closes_connection()
    }

    /// Appends the whole response: one failed item without an operation.
    pub fn respond(&self, time_stamp: i64, out: &mut Vec<u8>) {
        let mut writer = ResponseWriter::new(out, &ResponseHeader::new(self.version, time_stamp), None);
        writer.failure(None, None, self.error.reason(), &self.error.to_string());
        writer.finish();
    }
}

/// The version where every message has it: the first field of the header, at fixed offsets. The
/// rest of the message need not be well formed.
fn stated_version(bytes: &[u8]) -> Option<ProtocolVersion> {
    const MAJOR: [u8; 8] = [0x42, 0x00, 0x6A, 0x02, 0, 0, 0, 4];
    const MINOR: [u8; 8] = [0x42, 0x00, 0x6B, 0x02, 0, 0, 0, 4];
    let integer_at = |at: usize, head: [u8; 8]| {
        let bytes = bytes.get(at..at + 12)?.strip_prefix(&head)?;
        bytes.first_chunk().copied().map(i32::from_be_bytes)
    };
    Some(ProtocolVersion { major: integer_at(24, MAJOR)?, minor: integer_at(40, MINOR)? })
}
