//! Every bound of the KMIP service, with its reason.

use std::time::Duration;

use kmip::ttlv::{ANSWER_BYTES_MAX, Limits};

/// Largest message in bytes: registered material (256 KiB) and a batch of attributes fit twice.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// What a node of this cluster answered, read again.
pub const OWN_ANSWER: Limits = Limits { frame_bytes: ANSWER_BYTES_MAX, ..Limits::DEFAULT };
/// Structures of a search that say only some of their fields: each is compared field by field with every object.
pub const PARTIAL_FILTERS_MAX: usize = 64;
/// Open connections of one node: a database opens tens, a platform thousands.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Unfinished handshakes: each costs a signature; more would only wait for the two cores.
pub const HANDSHAKES_MAX: usize = 2_048;
/// Open connections of one address: behind one address stand a proxy's clients, not the whole platform.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 8_192;
/// A handshake takes two round trips; a client that needs longer is not one.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte of a message to its last: a megabyte over a slow line, but no slow loris.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not read its answer for so long is gone.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// In seconds: pools keep connections for hours; half a day without a request is a leak.
pub const IDLE_TIMEOUT_S: i64 = 12 * 60 * 60;
/// After a stop is asked for, open requests may take this long: a withdrawal behind a partitioned node
/// with the default lease ends within 5 s.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Pause after a failed accept (no file descriptors left): long enough for others to close some.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// An answer's capacity to begin with: a Create and Get batch needs about 600 bytes.
pub const RESPONSE_BYTES: usize = 1024;
/// A connection's read buffer to begin with.
pub const REQUEST_BYTES: usize = 4096;
