//! What the benchmarks share: the messages of the hot path, and an honest way to compare two things.
//!
//! Measures code without sockets, disks and other processes; `keyraft bench` measures the rest. The plain
//! tests beside it hold the architecture of the whole workspace.

mod messages;
mod ratio;

pub use self::messages::{IDENTIFIER, KEY_BYTES, create_and_get_request, write_response};
pub use self::ratio::{Comparison, compare};
