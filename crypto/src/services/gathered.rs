//! A message that is worked on at its end: its parts, in buffers that are wiped and never grow.

use zeroize::Zeroizing;

/// The parts so far.
#[derive(Default)]
pub(super) struct Gathered {
    parts: Vec<Zeroizing<Vec<u8>>>,
    bytes: usize,
}

impl Gathered {
    /// Takes in a part.
    pub(super) fn add(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.parts.push(Zeroizing::new(data.to_vec()));
            self.bytes += data.len();
        }
    }

    /// How many bytes are held.
    pub(super) const fn len(&self) -> usize {
        self.bytes
    }

    /// The whole message, with room for so many bytes behind it.
    pub(super) fn whole(&self, room: usize) -> Zeroizing<Vec<u8>> {
        let mut whole = Zeroizing::new(Vec::with_capacity(self.bytes + room));
        for part in &self.parts {
            whole.extend_from_slice(part);
        }
        whole
    }
}
