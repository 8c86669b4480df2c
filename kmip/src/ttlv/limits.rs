//! Bounds on what a peer may send, each with its reason.

/// Bytes of a whole message. A megabyte carries every published test case, certificates and bulk
/// Encrypt parts included, and bounds what an unauthenticated length can make us reserve.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Bytes of an answer to a request of ours: the last part of a message that was held back to its end gives all of it,
/// 8 MiB and a whole part.
pub const ANSWER_BYTES_MAX: usize = 9 * FRAME_BYTES_MAX + (64 << 10);

/// Structures inside each other, the message itself being the first. The deepest message of the
/// specifications has nine; a structured custom attribute may need a few more.
pub const DEPTH_MAX: usize = 32;

/// Items in a message, structures included. A Create has about fifteen, so a full batch of 256
/// fits, while a megabyte of empty items (65,536) does not cost us a walk.
pub const ITEMS_MAX: usize = 4096;

/// Batch items in a message: keeps one request's work, and its answer, well below a second.
pub const BATCH_ITEMS_MAX: usize = 256;

/// Bytes of one Text String. Names, descriptions and distinguished names stay far below it.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// Bytes of one Big Integer: 32,768 bits, twice the largest RSA modulus in use.
pub const BIG_INTEGER_BYTES_MAX: usize = 4 << 10;

/// The bounds a decoder applies; [`Default`] is the constants above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole message, header included.
    pub frame_bytes: usize,
    /// Nested structures; values above [`DEPTH_MAX`] mean [`DEPTH_MAX`].
    pub depth: usize,
    /// Items in a message.
    pub items: usize,
    /// Batch items in a message.
    pub batch_items: usize,
    /// Whether padding other than zero is tolerated. Off: such bytes are a covert channel, and no
    /// known client sends them.
    pub loose_padding: bool,
}

impl Limits {
    /// The constants of this module.
    pub const DEFAULT: Self = Self {
        frame_bytes: FRAME_BYTES_MAX,
        depth: DEPTH_MAX,
        items: ITEMS_MAX,
        batch_items: BATCH_ITEMS_MAX,
        loose_padding: false,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
