//! Reading a response: the client's side, lenient about order.

use crate::credential::Nonce;
use crate::field::{Decode, RawStructure, structure};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Limits};
use crate::{
    AttestationType, Bytes, DateTime, Operation, ProtocolVersion, RawEnumeration, ResultReason, ResultStatus,
    Tag, Text,
};

/// A response: what its header says, and items whose payloads are not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseMessage<'a> {
    /// The version answered in.
    pub version: ProtocolVersion,
    /// The server's clock.
    pub time_stamp: DateTime,
    /// Server Correlation Value (1.4).
    pub server_correlation_value: Option<Text<'a>>,
    /// The batch.
    pub items: Vec<ResponseItem<'a>>,
}

structure! {
    struct Header<'a> {
        version: ProtocolVersion = PROTOCOL_VERSION,
        time_stamp: DateTime = TIME_STAMP,
        nonce: Option<Nonce<'a>> = NONCE,
        server_hashed_password: Option<Bytes<'a>> = SERVER_HASHED_PASSWORD,
        attestation_types: Vec<AttestationType> = ATTESTATION_TYPE,
        client_correlation_value: Option<Text<'a>> = CLIENT_CORRELATION_VALUE,
        server_correlation_value: Option<Text<'a>> = SERVER_CORRELATION_VALUE,
        batch_count: i32 = BATCH_COUNT,
    }
}

structure! {
    /// One item of the batch.
    pub struct ResponseItem<'a> {
        /// Operation, by number; absent when the request could not be read.
        operation: Option<RawEnumeration> = OPERATION,
        /// Unique Batch Item ID.
        id: Option<Bytes<'a>> = UNIQUE_BATCH_ITEM_ID,
        /// Result Status.
        status: ResultStatus = RESULT_STATUS,
        /// Result Reason, by number: a server may know more than we do.
        reason_value: Option<RawEnumeration> = RESULT_REASON,
        /// Result Message.
        message: Option<Text<'a>> = RESULT_MESSAGE,
        /// Names the work in Poll and Cancel, when pending.
        correlation_value: Option<Bytes<'a>> = ASYNCHRONOUS_CORRELATION_VALUE,
        /// The payload, unread.
        raw_payload: Option<RawStructure<'a>> = RESPONSE_PAYLOAD,
        /// Message extensions, not looked at.
        extensions: Vec<RawStructure<'a>> = MESSAGE_EXTENSION,
    }
}

structure! {
    struct Message<'a> {
        header: Header<'a> = RESPONSE_HEADER,
        items: Vec<ResponseItem<'a>> = BATCH_ITEM,
    }
}

impl<'a> ResponseMessage<'a> {
    /// Checks and reads a whole message.
    ///
    /// # Errors
    /// A [`DecodeError`]: the peer is no KMIP server, or does not count its own items.
    pub fn decode(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let item = Item::parse(bytes, limits)?;
        if item.tag() != Tag::RESPONSE_MESSAGE {
            return Err(item.error(DecodeErrorKind::NotTheMessage));
        }
        let Message { header, items } = Message::decode(item)?;
        if usize::try_from(header.batch_count) != Ok(items.len()) {
            return Err(item.error(DecodeErrorKind::BatchCount));
        }
        Ok(Self {
            version: header.version,
            time_stamp: header.time_stamp,
            server_correlation_value: header.server_correlation_value,
            items,
        })
    }
}

impl<'a> ResponseItem<'a> {
    /// The operation, when this crate knows it.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        Operation::from_value(self.operation?.0)
    }

    /// Result Reason; one we do not know reads as General Failure.
    #[must_use]
    pub fn reason(&self) -> Option<ResultReason> {
        self.reason_value
            .map(|reason| ResultReason::from_value(reason.0).unwrap_or(ResultReason::GeneralFailure))
    }

    /// Reads the payload as that of one operation, for example `ops::get::Response`.
    ///
    /// # Errors
    /// A [`DecodeError`] when there is none, or it is at fault.
    pub fn payload<T: Decode<'a>>(&self) -> Result<T, DecodeError> {
        let missing = DecodeError { kind: DecodeErrorKind::Missing(Tag::RESPONSE_PAYLOAD), offset: 0 };
        T::decode(self.raw_payload.ok_or(missing)?.0)
    }
}
