//! Writing a response, in the version of its request and in strict field order.
//!
//! Old parsers read fields by position: Operation, item id, status, reason, message, payload; no
//! reason on success, no payload on failure; the header is version, time stamp, batch count.

use crate::field::{Encode, Field};
use crate::ttlv::{Mark, Writer};
use crate::{Operation, ResultReason, ResultStatus, Tag, Text, Version};

/// The header of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseHeader<'a> {
    /// The version of the request.
    pub version: Version,
    /// Seconds since 1970.
    pub time_stamp: i64,
    /// Client Correlation Value, echoed (1.4).
    pub client_correlation_value: Option<Text<'a>>,
    /// Server Correlation Value (1.4).
    pub server_correlation_value: Option<Text<'a>>,
}

impl ResponseHeader<'_> {
    /// A header without correlation values.
    #[must_use]
    pub const fn new(version: Version, time_stamp: i64) -> Self {
        Self { version, time_stamp, client_correlation_value: None, server_correlation_value: None }
    }
}

/// Whether an item fitted into the client's Maximum Response Size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an item that did not fit was answered Response Too Large"]
pub enum Fit {
    /// The item stands as written.
    Complete,
    /// It was rolled back, wiped, and replaced by a failure.
    TooLarge,
}

/// Writes one response message. Nothing is valid before [`finish`](Self::finish).
#[derive(Debug)]
pub struct ResponseWriter<'b> {
    w: Writer<'b>,
    start: usize,
    message: Mark,
    batch_count_at: usize,
    items: i32,
    bytes_max: usize,
}

/// Room made at the start: a header and two small items, in one allocation.
const FIRST_RESERVE_BYTES: usize = 768;

impl<'b> ResponseWriter<'b> {
    /// Begins a message at the end of `out`. `maximum_response_size` is the request's, in bytes; a
    /// negative one allows nothing.
    pub fn new(
        out: &'b mut Vec<u8>,
        header: &ResponseHeader<'_>,
        maximum_response_size: Option<i32>,
    ) -> Self {
        let mut w = Writer::for_response(out, header.version);
        w.reserve(FIRST_RESERVE_BYTES);
        let start = w.position();
        let message = w.open(Tag::RESPONSE_MESSAGE);
        let mark = w.open(Tag::RESPONSE_HEADER);
        header.version.protocol().encode(&mut w, Tag::PROTOCOL_VERSION);
        w.date_time(Tag::TIME_STAMP, header.time_stamp);
        if w.admits(Version::V1_4) {
            header.client_correlation_value.put(&mut w, Tag::CLIENT_CORRELATION_VALUE);
            header.server_correlation_value.put(&mut w, Tag::SERVER_CORRELATION_VALUE);
        }
        let batch_count_at = w.position();
        w.integer(Tag::BATCH_COUNT, 0);
        w.close(mark);
        let bytes_max = maximum_response_size.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(0));
        Self { w, start, message, batch_count_at, items: 0, bytes_max }
    }

    /// Makes room for `more` bytes at once.
    pub fn reserve(&mut self, more: usize) {
        self.w.reserve(more);
    }

    /// A successful item.
    pub fn success(&mut self, operation: Operation, id: Option<&[u8]>, payload: &impl Encode) -> Fit {
        self.payload_item(operation, id, ResultStatus::Success, payload)
    }

    /// An item of a batch that was undone after it had succeeded: its payload without key material.
    pub fn undone(&mut self, operation: Operation, id: Option<&[u8]>, payload: &impl Encode) -> Fit {
        self.payload_item(operation, id, ResultStatus::OperationUndone, payload)
    }

    fn payload_item(
        &mut self,
        operation: Operation,
        id: Option<&[u8]>,
        status: ResultStatus,
        payload: &impl Encode,
    ) -> Fit {
        let start = self.w.position();
        let item = self.begin(Some(operation.value()), id, status);
        payload.encode(&mut self.w, Tag::RESPONSE_PAYLOAD);
        self.end(start, item, operation, id)
    }

    /// A successful item whose payload `write` puts down itself, structure included, so that key
    /// material is derived where it is sent from. On an error nothing of the item remains.
    ///
    /// # Errors
    /// Whatever `write` returns.
    pub fn success_with<E>(
        &mut self,
        operation: Operation,
        id: Option<&[u8]>,
        write: impl FnOnce(&mut Writer<'b>) -> Result<(), E>,
    ) -> Result<Fit, E> {
        let start = self.w.position();
        let item = self.begin(Some(operation.value()), id, ResultStatus::Success);
        if let Err(error) = write(&mut self.w) {
            self.w.roll_back(start);
            return Err(error);
        }
        Ok(self.end(start, item, operation, id))
    }

    /// A failed item. The operation is echoed by number, known or not; `None` when the message
    /// could not be read. The reason becomes one the version lists.
    pub fn failure(
        &mut self,
        operation: Option<u32>,
        id: Option<&[u8]>,
        reason: ResultReason,
        message: &str,
    ) {
        let item = self.begin(operation, id, ResultStatus::OperationFailed);
        self.w.enumeration(Tag::RESULT_REASON, reason.in_version(self.w.version()).value());
        if !message.is_empty() {
            self.w.text(Tag::RESULT_MESSAGE, message);
        }
        self.close(item);
    }

    /// An item accepted for asynchronous processing.
    pub fn pending(&mut self, operation: Operation, id: Option<&[u8]>, correlation_value: &[u8]) {
        let item = self.begin(Some(operation.value()), id, ResultStatus::OperationPending);
        self.w.bytes(Tag::ASYNCHRONOUS_CORRELATION_VALUE, correlation_value);
        self.close(item);
    }

    /// Ends the message: patches its length and batch count, returns its length in bytes.
    pub fn finish(mut self) -> usize {
        self.w.patch_integer(self.batch_count_at, self.items);
        self.w.close(self.message);
        self.w.position() - self.start
    }

    /// Gives the message up and wipes it: the right to answer ended while it was written.
    pub fn discard(mut self) {
        self.w.roll_back(self.start);
    }

    fn begin(&mut self, operation: Option<u32>, id: Option<&[u8]>, status: ResultStatus) -> Mark {
        let item = self.w.open(Tag::BATCH_ITEM);
        if let Some(operation) = operation {
            self.w.enumeration(Tag::OPERATION, operation);
        }
        if let Some(id) = id {
            self.w.bytes(Tag::UNIQUE_BATCH_ITEM_ID, id);
        }
        self.w.enumeration(Tag::RESULT_STATUS, status.value());
        item
    }

    fn close(&mut self, item: Mark) {
        self.w.close(item);
        self.items = self.items.saturating_add(1);
    }

    /// Closes an item, or replaces it when the client's limit is passed: a response is never cut.
    fn end(&mut self, start: usize, item: Mark, operation: Operation, id: Option<&[u8]>) -> Fit {
        if self.w.position() - self.start > self.bytes_max {
            self.w.roll_back(start);
            let message = "response exceeds the maximum response size of the request";
            self.failure(Some(operation.value()), id, ResultReason::ResponseTooLarge, message);
            return Fit::TooLarge;
        }
        self.close(item);
        Fit::Complete
    }
}
