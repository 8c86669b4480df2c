//! TTLV: the binary encoding of KMIP (1.x section 9.1, 2.x section 8).
//!
//! Reading is one iterative [`check`](Item::parse) of a whole message, then zero-copy access: an
//! [`Item`] borrows from the message. Writing goes straight into the caller's buffer with lengths
//! patched afterwards. Nothing here recurses, allocates for a length it was only told, or panics on
//! bytes from a peer.

mod check;
mod error;
mod item;
mod limits;
mod writer;

pub use self::check::{FrameError, frame_length, frame_length_of};
pub use self::error::{DecodeError, DecodeErrorKind};
pub use self::item::{Item, Items};
pub use self::limits::{
    ANSWER_BYTES_MAX, BATCH_ITEMS_MAX, BIG_INTEGER_BYTES_MAX, DEPTH_MAX, FRAME_BYTES_MAX, ITEMS_MAX, Limits,
    TEXT_BYTES_MAX,
};
pub use self::writer::{Mark, Writer};

/// Bytes of an item before its value: tag 3, type 1, length 4.
pub const HEADER_BYTES: usize = 8;

/// A length rounded up to the 8 bytes every value is padded to; `None` when it overflows.
pub(crate) const fn padded(length: usize) -> Option<usize> {
    match length.checked_add(7) {
        Some(sum) => Some(sum & !7),
        None => None,
    }
}
