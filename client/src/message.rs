//! Requests to bytes, and answers judged: pure functions between the operations and the lines.

use kmip::message::{RequestHeader, ResponseItem};
use kmip::{
    BatchErrorContinuationOption, RequestBuilder, RequestPayload, ResponseMessage, ResultReason,
    ResultStatus, Version,
};
use zeroize::Zeroizing;

use crate::connection::ANSWER_LIMITS;
use crate::error::ProtocolFault;
use crate::{Error, Fault};

/// Room for a request of a few items.
const REQUEST_BYTES: usize = 1024;

/// Writes a batch; it stops at the first item that fails.
pub(crate) fn write(version: Version, items: &[RequestPayload<'_>]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(REQUEST_BYTES));
    let mut header = RequestHeader::new(version);
    if items.len() > 1 {
        header.batch_error_continuation = Some(BatchErrorContinuationOption::Stop);
        header.batch_order = Some(true);
    }
    let mut builder = RequestBuilder::new(&mut bytes, &header);
    for (index, payload) in items.iter().enumerate() {
        let id = item_id(index);
        builder.item(payload.operation(), (items.len() > 1).then_some(&id[..]), payload);
    }
    builder.finish();
    bytes
}

/// Unique Batch Item IDs: eight bytes, which every server we met echoes.
const fn item_id(index: usize) -> [u8; 8] {
    (index as u64 + 1).to_be_bytes()
}

/// What an answer says, before its payloads are read.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The whole batch succeeded and is the one that was asked.
    Success,
    /// General Failure: this node cannot serve now, or lost track of a write.
    Declined(String),
    /// A definite no.
    Refused(Error),
}

/// Judges the answer to `asked`.
pub(crate) fn judge(
    answer: &ResponseMessage<'_>,
    asked: &[RequestPayload<'_>],
) -> Result<Verdict, ProtocolFault> {
    for item in &answer.items {
        match item.status {
            ResultStatus::Success => {}
            ResultStatus::OperationFailed => return Ok(failure(item)),
            ResultStatus::OperationPending | ResultStatus::OperationUndone => {
                return Err(ProtocolFault::Mismatch);
            }
        }
    }
    let all_asked = answer.items.len() == asked.len()
        && answer.items.iter().zip(asked).enumerate().all(|(index, (item, asked))| {
            let echoed = match &item.id {
                Some(id) => **id == item_id(index),
                None => answer.items.len() == 1,
            };
            echoed && item.operation() == Some(asked.operation())
        });
    if all_asked { Ok(Verdict::Success) } else { Err(ProtocolFault::Mismatch) }
}

fn failure(item: &ResponseItem<'_>) -> Verdict {
    let message = item.message.as_deref().unwrap_or("no reason given").to_owned();
    match item.reason() {
        Some(ResultReason::GeneralFailure) | None => Verdict::Declined(message),
        Some(reason) => Verdict::Refused(Error::Refused { operation: item.operation(), reason, message }),
    }
}

/// Decodes, judges, and hands a success to `read`.
pub(crate) fn read<T>(
    node: &str,
    bytes: &[u8],
    asked: &[RequestPayload<'_>],
    read: impl FnOnce(&ResponseMessage<'_>) -> Result<T, ProtocolFault>,
) -> Result<Result<T, Error>, Fault> {
    let unusable = |cause| Fault::Protocol { node: node.to_owned(), cause };
    let answer = ResponseMessage::decode(bytes, &ANSWER_LIMITS)
        .map_err(|error| unusable(ProtocolFault::from(error)))?;
    match judge(&answer, asked).map_err(unusable)? {
        Verdict::Success => read(&answer).map(Ok).map_err(unusable),
        Verdict::Declined(message) => Err(Fault::Declined { node: node.to_owned(), message }),
        Verdict::Refused(error) => Ok(Err(error)),
    }
}
