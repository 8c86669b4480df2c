//! Messages: a header and batch items, in both directions (1.x section 7, 2.x section 8).
//!
//! The server reads [`RequestMessage`] and writes with [`ResponseWriter`]; the client writes with
//! [`RequestBuilder`] and reads [`ResponseMessage`]. Payloads stay unread until asked for, so that
//! a fault in one item fails that item alone.

mod header;
mod rejection;
mod request;
mod request_builder;
mod response;
mod response_writer;

pub use self::header::RequestHeader;
pub use self::rejection::Rejection;
pub use self::request::{RequestItem, RequestMessage};
pub use self::request_builder::RequestBuilder;
pub use self::response::{ResponseItem, ResponseMessage};
pub use self::response_writer::{Fit, ResponseHeader, ResponseWriter};

/// Turns the next field's place in its list into an error when it comes too late or twice.
struct Order {
    last: u8,
}

impl Order {
    const fn new() -> Self {
        Self { last: 0 }
    }

    /// Accepts a field of this rank after those before it; only repeatable fields may share one.
    fn advance(
        &mut self,
        rank: u8,
        repeatable: bool,
        item: crate::ttlv::Item<'_>,
    ) -> Result<(), crate::ttlv::DecodeError> {
        if rank < self.last || (rank == self.last && !repeatable) {
            return Err(item.error(crate::ttlv::DecodeErrorKind::Order(item.tag())));
        }
        self.last = rank;
        Ok(())
    }
}
