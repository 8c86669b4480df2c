//! Batches that are undone as a whole when one item fails (KMIP 1.4, 6.15: Undo).
//!
//! The items run on what their writes would leave; nothing is published, erased or waited for before all
//! have succeeded, and then it is one entry of the log.

use engine::{Refused, Turn};
use kmip::message::RequestItem;
use kmip::ops::destroy::Response as IdentifierOnly;
use kmip::{Operation, RequestMessage, ResponseWriter};

use crate::dispatch::{audit_operation, count, serve_item, write};
use crate::failure::Failure;
use crate::left::Left;
use crate::metrics::Metrics;
use crate::ops::{Context, Reply};
use crate::presented::Presented;

/// Serves such a batch to its end.
pub async fn serve(
    mut turn: Turn<'_>,
    metrics: &Metrics,
    message: &RequestMessage<'_>,
    presented: &Presented,
    mut writer: ResponseWriter<'_>,
) -> Result<(), Refused> {
    let version = message.header.version;
    turn.stage().await?;
    let mut left = Left::default();
    let (mut done, mut failure) = (Vec::new(), None);
    for item in &message.items {
        let mut context = Context::new(&mut turn, version, &mut left, presented, item);
        match serve_item(&mut context, item).await {
            Ok(reply) => done.push((std::mem::take(&mut context.identifier), reply)),
            Err(failed) => {
                failure = Some((std::mem::take(&mut context.identifier), failed));
                break;
            }
        }
    }
    if failure.is_none()
        && let Err(refused) = turn.commit_staged().await
    {
        // The last item answers for the commit that was to follow it.
        let identifier = done.pop().map(|(identifier, _)| identifier).unwrap_or_default();
        failure = Some((identifier, Failure::of(&refused, version)));
    }
    turn.discard_staged();
    for (position, (item, (identifier, reply))) in message.items.iter().zip(&done).enumerate() {
        let position = u16::try_from(position).unwrap_or(u16::MAX);
        if failure.is_some() {
            let _ = write_undone(&mut writer, item, identifier, reply);
            turn.note_failed(audit_operation(item), position, identifier, "undone", false);
        } else if let Err(failed) = write(&mut writer, item, version, reply) {
            writer.failure(Some(item.operation_value), item.id.as_deref(), failed.reason, &failed.message);
            turn.note_failed(audit_operation(item), position, identifier, failed.cause, failed.retryable);
        } else {
            turn.note(audit_operation(item), position, identifier);
        }
        count(metrics, item, version, None);
    }
    if let (Some((identifier, failed)), Some(item)) = (&failure, message.items.get(done.len())) {
        let position = u16::try_from(done.len()).unwrap_or(u16::MAX);
        writer.failure(Some(item.operation_value), item.id.as_deref(), failed.reason, &failed.message);
        turn.note_failed(audit_operation(item), position, identifier, failed.cause, failed.retryable);
        count(metrics, item, version, Some(failed));
    }
    writer.finish();
    turn.finish().await
}

/// What an undone item had answered, without key material or data.
fn write_undone(
    writer: &mut ResponseWriter<'_>,
    item: &RequestItem<'_>,
    identifier: &str,
    reply: &Reply,
) -> kmip::message::Fit {
    let operation = item.operation().unwrap_or(Operation::Query);
    let id = item.id.as_deref();
    match reply {
        Reply::Payload(payload) if !tells_secrets(operation) => writer.undone(operation, id, payload),
        _ => writer.undone(operation, id, &IdentifierOnly { unique_identifier: identifier.into() }),
    }
}

const fn tells_secrets(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Get
            | Operation::Export
            | Operation::Encrypt
            | Operation::Decrypt
            | Operation::Sign
            | Operation::Mac
            | Operation::Hash
            | Operation::RngRetrieve
            | Operation::Pkcs11
    )
}
