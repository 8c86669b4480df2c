//! Writing a request.

use super::RequestHeader;
use crate::field::Encode;
use crate::ttlv::{Mark, Writer};
use crate::{Operation, Tag};

/// Writes one request message. Nothing is valid before [`finish`](Self::finish).
#[derive(Debug)]
pub struct RequestBuilder<'b> {
    w: Writer<'b>,
    start: usize,
    message: Mark,
    batch_count_at: usize,
    items: i32,
}

impl<'b> RequestBuilder<'b> {
    /// Begins a message at the end of `out`; the header's batch count is ours to fill in.
    pub fn new(out: &'b mut Vec<u8>, header: &RequestHeader<'_>) -> Self {
        let mut w = Writer::new(out, header.version);
        let start = w.position();
        let message = w.open(Tag::REQUEST_MESSAGE);
        let batch_count_at = header.encode(&mut w);
        Self { w, start, message, batch_count_at, items: 0 }
    }

    /// Adds an item. Batches of several need ids.
    pub fn item(&mut self, operation: Operation, id: Option<&[u8]>, payload: &impl Encode) -> &mut Self {
        let item = self.w.open(Tag::BATCH_ITEM);
        self.w.enumeration(Tag::OPERATION, operation.value());
        if let Some(id) = id {
            self.w.bytes(Tag::UNIQUE_BATCH_ITEM_ID, id);
        }
        payload.encode(&mut self.w, Tag::REQUEST_PAYLOAD);
        self.w.close(item);
        self.items = self.items.saturating_add(1);
        self
    }

    /// Ends the message: patches its length and batch count, returns its length in bytes.
    pub fn finish(mut self) -> usize {
        self.w.patch_integer(self.batch_count_at, self.items);
        self.w.close(self.message);
        self.w.position() - self.start
    }
}
