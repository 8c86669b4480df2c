//! The request header.

use super::Order;
use crate::credential::Credential;
use crate::field::{Decode, Encode, Field, structure};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Writer};
use crate::{
    AsynchronousIndicator, AttestationType, BatchErrorContinuationOption, DateTime, ItemType,
    ProtocolVersion, Tag, Text, Version,
};

/// The header of a request whose version we speak.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestHeader<'a> {
    /// The version to answer in.
    pub version: Version,
    /// Maximum Response Size, bytes.
    pub maximum_response_size: Option<i32>,
    /// Client Correlation Value (1.4): to be logged.
    pub client_correlation_value: Option<Text<'a>>,
    /// Server Correlation Value (1.4).
    pub server_correlation_value: Option<Text<'a>>,
    /// Asynchronous Indicator; the 1.x Boolean reads as Mandatory or Prohibited.
    pub asynchronous: Option<AsynchronousIndicator>,
    /// Attestation Capable Indicator (1.2).
    pub attestation_capable: Option<bool>,
    /// Attestation types the client can give (1.2).
    pub attestation_types: Vec<AttestationType>,
    /// Credentials beside the TLS certificate; they never widen what it allows.
    pub credentials: Vec<Credential<'a>>,
    /// Batch Error Continuation Option; absent means Stop.
    pub batch_error_continuation: Option<BatchErrorContinuationOption>,
    /// Batch Order Option; we keep the order whatever it says.
    pub batch_order: Option<bool>,
    /// Time Stamp.
    pub time_stamp: Option<DateTime>,
    /// Batch Count, as stated; equal to the number of items.
    pub batch_count: i32,
}

structure! {
    /// Authentication.
    struct Authentication<'a> {
        credentials: Vec<Credential<'a>> = CREDENTIAL,
    }
}

impl<'a> RequestHeader<'a> {
    /// A header with nothing but the version; the builder counts the batch.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            maximum_response_size: None,
            client_correlation_value: None,
            server_correlation_value: None,
            asynchronous: None,
            attestation_capable: None,
            attestation_types: Vec::new(),
            credentials: Vec::new(),
            batch_error_continuation: None,
            batch_order: None,
            time_stamp: None,
            batch_count: 0,
        }
    }

    /// Reads the header. The version comes first: what follows depends on it.
    pub(super) fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        let mut items = item.structure()?;
        let first = items.next().ok_or(item.error(DecodeErrorKind::Missing(Tag::PROTOCOL_VERSION)))?;
        if first.tag() != Tag::PROTOCOL_VERSION {
            return Err(first.error(DecodeErrorKind::Order(first.tag())));
        }
        let version = ProtocolVersion::decode(first)?;
        let version = version.supported().ok_or(first.error(DecodeErrorKind::UnsupportedVersion))?;
        let mut header = Self::new(version);
        let mut order = Order::new();
        for field in items {
            header.accept(field, &mut order)?;
        }
        if order.last != LAST {
            return Err(item.error(DecodeErrorKind::Missing(Tag::BATCH_COUNT)));
        }
        Ok(header)
    }

    fn accept(&mut self, field: Item<'a>, order: &mut Order) -> Result<(), DecodeError> {
        let rank = rank(field)?;
        order.advance(rank, field.tag() == Tag::ATTESTATION_TYPE, field)?;
        match field.tag() {
            Tag::MAXIMUM_RESPONSE_SIZE => self.maximum_response_size = Some(field.integer()?),
            Tag::CLIENT_CORRELATION_VALUE => self.client_correlation_value = Some(Text::decode(field)?),
            Tag::SERVER_CORRELATION_VALUE => self.server_correlation_value = Some(Text::decode(field)?),
            Tag::ASYNCHRONOUS_INDICATOR => self.asynchronous = Some(asynchronous(field)?),
            Tag::ATTESTATION_CAPABLE_INDICATOR => self.attestation_capable = Some(field.boolean()?),
            Tag::ATTESTATION_TYPE => self.attestation_types.push(AttestationType::decode(field)?),
            Tag::AUTHENTICATION => self.credentials = Authentication::decode(field)?.credentials,
            Tag::BATCH_ERROR_CONTINUATION_OPTION => {
                self.batch_error_continuation = Some(BatchErrorContinuationOption::decode(field)?);
            }
            Tag::BATCH_ORDER_OPTION => self.batch_order = Some(field.boolean()?),
            Tag::TIME_STAMP => self.time_stamp = Some(DateTime::decode(field)?),
            Tag::BATCH_COUNT => self.batch_count = field.integer()?,
            _ => {}
        }
        Ok(())
    }

    /// Writes the header and returns where the batch count stands, to be patched.
    pub(super) fn encode(&self, w: &mut Writer<'_>) -> usize {
        let mark = w.open(Tag::REQUEST_HEADER);
        self.version.protocol().encode(w, Tag::PROTOCOL_VERSION);
        self.maximum_response_size.put(w, Tag::MAXIMUM_RESPONSE_SIZE);
        self.client_correlation_value.put(w, Tag::CLIENT_CORRELATION_VALUE);
        self.server_correlation_value.put(w, Tag::SERVER_CORRELATION_VALUE);
        if let Some(indicator) = self.asynchronous {
            if self.version.is_v2() {
                w.enumeration(Tag::ASYNCHRONOUS_INDICATOR, indicator.value());
            } else {
                w.boolean(Tag::ASYNCHRONOUS_INDICATOR, indicator != AsynchronousIndicator::Prohibited);
            }
        }
        self.attestation_capable.put(w, Tag::ATTESTATION_CAPABLE_INDICATOR);
        self.attestation_types.put(w, Tag::ATTESTATION_TYPE);
        if !self.credentials.is_empty() {
            w.structure(Tag::AUTHENTICATION, |w| self.credentials.put(w, Tag::CREDENTIAL));
        }
        self.batch_error_continuation.put(w, Tag::BATCH_ERROR_CONTINUATION_OPTION);
        self.batch_order.put(w, Tag::BATCH_ORDER_OPTION);
        self.time_stamp.put(w, Tag::TIME_STAMP);
        let count_at = w.position();
        w.integer(Tag::BATCH_COUNT, 0);
        w.close(mark);
        count_at
    }
}

/// The rank of Batch Count, which ends the header.
const LAST: u8 = 12;

/// A field's place in the header (1.4 table 259, 2.1 table 415).
fn rank(field: Item<'_>) -> Result<u8, DecodeError> {
    Ok(match field.tag() {
        Tag::MAXIMUM_RESPONSE_SIZE => 1,
        Tag::CLIENT_CORRELATION_VALUE => 2,
        Tag::SERVER_CORRELATION_VALUE => 3,
        Tag::ASYNCHRONOUS_INDICATOR => 4,
        Tag::ATTESTATION_CAPABLE_INDICATOR => 5,
        Tag::ATTESTATION_TYPE => 6,
        Tag::AUTHENTICATION => 7,
        Tag::BATCH_ERROR_CONTINUATION_OPTION => 8,
        Tag::BATCH_ORDER_OPTION => 9,
        Tag::TIME_STAMP => 10,
        Tag::BATCH_COUNT => LAST,
        Tag::PROTOCOL_VERSION => return Err(field.error(DecodeErrorKind::Repeated(field.tag()))),
        tag => return Err(field.error(DecodeErrorKind::Unexpected(tag))),
    })
}

fn asynchronous(field: Item<'_>) -> Result<AsynchronousIndicator, DecodeError> {
    if field.kind() == ItemType::Boolean {
        let wanted = field.boolean()?;
        return Ok(if wanted { AsynchronousIndicator::Mandatory } else { AsynchronousIndicator::Prohibited });
    }
    AsynchronousIndicator::decode(field)
}
