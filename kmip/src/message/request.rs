//! Reading a request.

use super::{Order, Rejection, RequestHeader};
use crate::field::{Decode, structure};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Items, Limits};
use crate::{Bytes, Operation, RequestPayload, Tag};

/// A request: its header, and items whose payloads are not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestMessage<'a> {
    /// The header.
    pub header: RequestHeader<'a>,
    /// The batch, at least one item.
    pub items: Vec<RequestItem<'a>>,
}

/// One item of the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestItem<'a> {
    /// The operation's number, known or not; echo it also on failure.
    pub operation_value: u32,
    /// Unique Batch Item ID; echo it byte for byte.
    pub id: Option<Bytes<'a>>,
    /// Ephemeral (2.0): the response need not tell the identifier.
    pub ephemeral: Option<bool>,
    /// The payload, unread.
    pub payload: Option<Item<'a>>,
    /// Whether a Message Extension must be understood; we understand none.
    pub critical_extension: bool,
}

impl<'a> RequestMessage<'a> {
    /// Checks and reads a whole message.
    ///
    /// # Errors
    /// A [`Rejection`], which writes the answer itself.
    pub fn decode(bytes: &'a [u8], limits: &Limits) -> Result<Self, Rejection> {
        Self::read(bytes, limits).map_err(|error| Rejection::new(error, bytes))
    }

    fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let message = Item::parse(bytes, limits)?;
        if message.tag() != Tag::REQUEST_MESSAGE {
            return Err(message.error(DecodeErrorKind::NotTheMessage));
        }
        let mut items = message.structure()?;
        let first = items.next().ok_or(message.error(DecodeErrorKind::EmptyFrame))?;
        if first.tag() != Tag::REQUEST_HEADER {
            return Err(first.error(DecodeErrorKind::Order(first.tag())));
        }
        let header = RequestHeader::decode(first)?;
        let items = read_batch(items, header.batch_count, first, limits.batch_items)?;
        Ok(Self { header, items })
    }
}

/// Reads the items, and judges their number last: a count that lies ends the connection, an honest
/// one that is too large does not.
fn read_batch<'a>(
    items: Items<'a>,
    batch_count: i32,
    header: Item<'a>,
    limit: usize,
) -> Result<Vec<RequestItem<'a>>, DecodeError> {
    let stated = usize::try_from(batch_count).unwrap_or(0);
    let mut batch = Vec::with_capacity(stated.min(limit));
    let mut found = 0;
    for item in items {
        if item.tag() != Tag::BATCH_ITEM {
            return Err(item.error(DecodeErrorKind::Order(item.tag())));
        }
        found += 1;
        if found <= limit {
            batch.push(RequestItem::decode(item)?);
        }
    }
    if found == 0 || found != stated {
        return Err(header.error(DecodeErrorKind::BatchCount));
    }
    if found > limit {
        return Err(header.error(DecodeErrorKind::TooManyBatchItems));
    }
    Ok(batch)
}

impl<'a> RequestItem<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        let mut operation = None;
        let mut this =
            Self { operation_value: 0, id: None, ephemeral: None, payload: None, critical_extension: false };
        let mut order = Order::new();
        for field in item.structure()? {
            let rank = match field.tag() {
                Tag::OPERATION => 1,
                Tag::EPHEMERAL => 2,
                Tag::UNIQUE_BATCH_ITEM_ID => 3,
                Tag::REQUEST_PAYLOAD => 4,
                Tag::MESSAGE_EXTENSION => 5,
                tag => return Err(field.error(DecodeErrorKind::Order(tag))),
            };
            order.advance(rank, field.tag() == Tag::MESSAGE_EXTENSION, field)?;
            match field.tag() {
                Tag::OPERATION => operation = Some(field.enumeration()?),
                Tag::EPHEMERAL => this.ephemeral = Some(field.boolean()?),
                Tag::UNIQUE_BATCH_ITEM_ID => this.id = Some(Bytes::decode(field)?),
                Tag::REQUEST_PAYLOAD => this.payload = Some(field),
                _ => this.critical_extension |= MessageExtension::is_critical(field)?,
            }
        }
        this.operation_value = operation.ok_or(item.error(DecodeErrorKind::Order(Tag::OPERATION)))?;
        Ok(this)
    }

    /// The operation, when this crate has payloads for it.
    #[must_use]
    pub const fn operation(&self) -> Option<Operation> {
        Operation::from_value(self.operation_value)
    }

    /// Reads the payload. An error here fails this item alone.
    ///
    /// # Errors
    /// A [`DecodeError`]: the operation or a critical extension is not supported, or the payload
    /// is at fault.
    pub fn decode_payload(&self) -> Result<RequestPayload<'a>, DecodeError> {
        let nowhere = |kind| DecodeError { kind, offset: self.payload.map_or(0, |payload| payload.offset()) };
        let operation = self.operation().ok_or_else(|| nowhere(DecodeErrorKind::OperationNotSupported))?;
        if self.critical_extension {
            return Err(nowhere(DecodeErrorKind::CriticalExtension));
        }
        let payload = self.payload.ok_or_else(|| nowhere(DecodeErrorKind::Missing(Tag::REQUEST_PAYLOAD)))?;
        RequestPayload::decode(operation, payload)
    }
}

structure! {
    /// Message Extension; its content is not looked at.
    struct MessageExtension<'a> {
        vendor: crate::Text<'a> = VENDOR_IDENTIFICATION,
        critical: bool = CRITICALITY_INDICATOR,
        content: Option<crate::field::RawStructure<'a>> = VENDOR_EXTENSION,
    }
}

impl MessageExtension<'_> {
    fn is_critical(item: Item<'_>) -> Result<bool, DecodeError> {
        MessageExtension::decode(item).map(|extension| extension.critical)
    }
}
