//! Asynchronous requests: done at once, answered when asked for.
//!
//! A client that sets the Asynchronous Indicator is always told Operation Pending. The answer waits in the
//! replicated state, wrapped like registered material and bound to the service, so that Poll and Cancel
//! reach it from every node.

use engine::Turn;
use kmip::message::{Fit, RequestItem, ResponseHeader};
use kmip::{
    AsynchronousIndicator, Operation, RequestMessage, ResponseMessage, ResponseWriter, ResultReason,
    ResultStatus, Tag, Version,
};
use model::ticket::TICKET_BYTES_MAX;
use zeroize::Zeroizing;

use crate::dispatch::write;
use crate::failure::Failure;
use crate::limits::OWN_ANSWER;
use crate::ops::Reply;

/// How long an answer waits to be asked for: a client that polls does so within seconds.
const WAITS_MS: u64 = 60 * 60 * 1_000;

/// Whether an item is to be answered later. What asks for answers is answered itself.
pub fn is_wanted(message: &RequestMessage<'_>, item: &RequestItem<'_>) -> bool {
    message.header.asynchronous == Some(AsynchronousIndicator::Mandatory)
        && !matches!(
            item.operation(),
            Some(Operation::Poll | Operation::Cancel | Operation::Login | Operation::DelegatedLogin) | None
        )
}

/// Whether nothing remains of an operation whose answer is given up.
const fn only_reads(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Locate
            | Operation::Check
            | Operation::Get
            | Operation::GetAttributes
            | Operation::GetAttributeList
            | Operation::ObtainLease
            | Operation::Query
            | Operation::DiscoverVersions
            | Operation::Validate
            | Operation::Encrypt
            | Operation::Decrypt
            | Operation::Sign
            | Operation::SignatureVerify
            | Operation::Mac
            | Operation::MacVerify
            | Operation::Hash
            | Operation::RngRetrieve
            | Operation::Export
            | Operation::Ping
    )
}

/// Keeps the answer to an item and tells the client where to ask for it. Returns what the audit record says
/// of the operation itself.
pub async fn defer(
    turn: &mut Turn<'_>,
    writer: &mut ResponseWriter<'_>,
    item: &RequestItem<'_>,
    version: Version,
    reply: Result<Reply, Failure>,
) -> Option<Failure> {
    let operation = item.operation().unwrap_or(Operation::Query);
    let mut kept = Zeroizing::new(Vec::with_capacity(TICKET_BYTES_MAX));
    let failure = write_kept(&mut kept, item, version, reply);
    match turn.keep_answer(operation.value(), &kept, only_reads(operation), WAITS_MS).await {
        Ok(uid) => {
            writer.pending(operation, item.id.as_deref(), uid.to_string().as_bytes());
            failure
        }
        Err(refused) => {
            let failure = Failure::of(&refused, version);
            let id = item.id.as_deref();
            writer.failure(Some(item.operation_value), id, failure.reason, &failure.message);
            Some(failure)
        }
    }
}

/// A response message of one item, as it would have been sent.
fn write_kept(
    out: &mut Vec<u8>,
    item: &RequestItem<'_>,
    version: Version,
    reply: Result<Reply, Failure>,
) -> Option<Failure> {
    let limit = i32::try_from(TICKET_BYTES_MAX).unwrap_or(i32::MAX);
    let mut writer = ResponseWriter::new(out, &ResponseHeader::new(version, 0), Some(limit));
    let failure = match reply.and_then(|reply| write(&mut writer, item, version, &reply)) {
        Ok(Fit::Complete) => None,
        Ok(Fit::TooLarge) => Some(Failure::response_too_large()),
        Err(failure) => {
            writer.failure(Some(item.operation_value), None, failure.reason, &failure.message);
            Some(failure)
        }
    };
    writer.finish();
    failure
}

/// Writes an answer that was made before, or on another node, in the place of the item it answers: under its operation.
pub fn write_answer(
    writer: &mut ResponseWriter<'_>,
    id: Option<&[u8]>,
    operation: Operation,
    kept: &[u8],
) -> Result<Fit, Failure> {
    let lost = |_| Failure::new(ResultReason::GeneralFailure, "the answer kept for this request is damaged");
    let message = ResponseMessage::decode(kept, &OWN_ANSWER).map_err(lost)?;
    let Some(item) = message.items.first() else {
        return Err(Failure::new(ResultReason::GeneralFailure, "no answer was kept for this request"));
    };
    if item.status != ResultStatus::Success {
        let reason = item.reason().unwrap_or(ResultReason::GeneralFailure);
        writer.failure(Some(operation.value()), id, reason, item.message.as_deref().unwrap_or_default());
        return Ok(Fit::Complete);
    }
    writer.success_with(operation, id, |w| {
        w.structure(Tag::RESPONSE_PAYLOAD, |w| {
            if let Some(payload) = &item.raw_payload {
                w.encoded_items(payload.0.raw());
            }
        });
        Ok(())
    })
}
