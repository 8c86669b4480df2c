//! From the bytes of a request to the bytes of its answer.
//!
//! One message is one turn of the engine: every item is served and noted, the notes become durable,
//! the lease is checked once more, and only then may the answer go out (I4).

use audit::Operation as AuditOperation;
use engine::{Caller, Engine, Refused, Turn};
use kmip::message::{Fit, Rejection, RequestItem, ResponseHeader};
use kmip::ops::get::write_symmetric;
use kmip::ttlv::Limits;
use kmip::{
    BatchErrorContinuationOption, CryptographicAlgorithm, ManagedObject, Operation, RequestMessage,
    ResponseWriter, ResultReason, UniqueIdentifier, Version,
};

use crate::asynchronous;
use crate::failure::Failure;
use crate::left::Left;
use crate::metrics::{Metrics, RequestLabels};
use crate::ops::{self, Context, Reply};
use crate::passed;
use crate::presented::Presented;
use crate::quota::{self, Quota};

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The next message may follow.
    Keep,
    /// The stream cannot be re-synchronised.
    Close,
}

/// In the audit log, messages that never became an operation.
const UNDECODABLE: AuditOperation = AuditOperation { code: 0, name: "message" };

/// Answers one request into `out`, which is empty before. `quota` is the caller's tenant's, where there are any.
pub async fn answer(
    engine: &Engine,
    caller: &Caller,
    quota: Option<&Quota>,
    metrics: &Metrics,
    request: &[u8],
    out: &mut Vec<u8>,
) -> Disposition {
    let message = match RequestMessage::decode(request, &Limits::DEFAULT) {
        Ok(message) => message,
        Err(rejection) => {
            Box::pin(reject(engine, caller, metrics, &rejection, out)).await;
            return if rejection.closes_connection() { Disposition::Close } else { Disposition::Keep };
        }
    };
    if let Some(Err(over)) = quota.map(|quota| quota.admit(message.items.len())) {
        let failure = quota::refusal(over.wait, message.header.version);
        if over.first {
            let operation = message.items.first().map_or(UNDECODABLE, audit_operation);
            let (cause, text) = (failure.cause, &failure.message);
            let noted = engine.note_security(operation, Some(caller), caller.address, None, cause, text);
            let _ = Box::pin(noted).await;
        }
        refuse_all(&message, &failure, metrics, out);
        return Disposition::Keep;
    }
    let outcome = match engine.begin(caller).await {
        Ok(turn) => serve(turn, metrics, &message, out).await,
        Err(refused) => {
            let (reason, text) = (refused.cause(), refused.to_string());
            let operation = message.items.first().map_or(UNDECODABLE, audit_operation);
            let noted = engine.note_security(operation, Some(caller), caller.address, None, reason, &text);
            Box::pin(noted).await.and(Err(refused))
        }
    };
    if let Err(refused) = outcome {
        crypto::wipe::buffer(out);
        refuse_all(&message, &Failure::of(&refused, message.header.version), metrics, out);
    }
    Disposition::Keep
}

/// Answers a message that cannot be read.
pub async fn reject(
    engine: &Engine,
    caller: &Caller,
    metrics: &Metrics,
    rejection: &Rejection,
    out: &mut Vec<u8>,
) {
    rejection.respond(crate::server::wall_s(), out);
    metrics.refuse("invalid_message");
    let text = rejection.to_string();
    let noted =
        engine.note_security(UNDECODABLE, Some(caller), caller.address, None, "invalid_message", &text);
    // Nothing secret is in this answer: it goes out even where it could not be recorded.
    let _ = noted.await;
}

/// Answers bytes that are no frame, so that the client learns why the connection ends.
pub async fn reject_frame(engine: &Engine, caller: &Caller, error: String, out: &mut Vec<u8>) {
    let header = ResponseHeader::new(Version::V1_0, crate::server::wall_s());
    let mut writer = ResponseWriter::new(out, &header, None);
    writer.failure(None, None, ResultReason::InvalidMessage, &error);
    writer.finish();
    let noted =
        engine.note_security(UNDECODABLE, Some(caller), caller.address, None, "invalid_frame", &error);
    let _ = noted.await;
}

/// Serves every item of a message, then makes the turn's records durable.
async fn serve(
    mut turn: Turn<'_>,
    metrics: &Metrics,
    message: &RequestMessage<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    let header = &message.header;
    let time_stamp = i64::try_from(turn.now().as_secs()).unwrap_or(i64::MAX);
    let mut response = ResponseHeader::new(header.version, time_stamp);
    response.client_correlation_value.clone_from(&header.client_correlation_value);
    let mut writer = ResponseWriter::new(out, &response, header.maximum_response_size);
    let goes_on = header.batch_error_continuation == Some(BatchErrorContinuationOption::Continue);
    let (presented, whole) = match header.credentials.is_empty() {
        true => (Presented::default(), None),
        false => match Box::pin(Presented::of(header, &mut turn)).await {
            Ok(presented) => (presented, None),
            Err(failure) => (Presented::default(), Some(failure)),
        },
    };
    if header.batch_error_continuation == Some(BatchErrorContinuationOption::Undo)
        && message.items.len() > 1
        && whole.is_none()
    {
        return Box::pin(crate::undo::serve(turn, metrics, message, &presented, writer)).await;
    }
    let mut left = Left::default();
    // One room for the identifiers of all items, one after the other.
    let mut identifier = String::new();
    for (position, item) in message.items.iter().enumerate() {
        let position = u16::try_from(position).unwrap_or(u16::MAX);
        let mut context = Context::new(&mut turn, header.version, &mut left, &presented, item);
        identifier.clear();
        std::mem::swap(&mut context.identifier, &mut identifier);
        let reply = match &whole {
            Some(failure) => Err(failure.clone()),
            None => serve_item(&mut context, item).await,
        };
        std::mem::swap(&mut context.identifier, &mut identifier);
        if whole.is_none() && asynchronous::is_wanted(message, item) {
            let deferred = asynchronous::defer(&mut turn, &mut writer, item, header.version, reply);
            let failure = Box::pin(deferred).await;
            count(metrics, item, header.version, failure.as_ref());
            note(&mut turn, item, position, &identifier, failure.as_ref());
            continue;
        }
        let failure = match reply.and_then(|reply| write(&mut writer, item, header.version, &reply)) {
            Ok(Fit::Complete) => None,
            // The writer has wiped the payload and answered the item already.
            Ok(Fit::TooLarge) => Some(Failure::response_too_large()),
            Err(failure) => {
                let id = item.id.as_deref();
                writer.failure(Some(item.operation_value), id, failure.reason, &failure.message);
                Some(failure)
            }
        };
        count(metrics, item, header.version, failure.as_ref());
        note(&mut turn, item, position, &identifier, failure.as_ref());
        if failure.is_some() && !goes_on {
            break;
        }
    }
    writer.finish();
    // Given back before the wait, their memory serves the next request of this thread.
    drop((left, identifier));
    turn.finish().await
}

/// Notes what one item did, for the audit record.
fn note(
    turn: &mut Turn<'_>,
    item: &RequestItem<'_>,
    position: u16,
    identifier: &str,
    failure: Option<&Failure>,
) {
    let operation = audit_operation(item);
    match failure {
        None => turn.note(operation, position, identifier),
        Some(failure) => {
            turn.note_failed(operation, position, identifier, failure.cause, failure.retryable);
        }
    }
}

/// Serves one item.
pub(crate) async fn serve_item(
    context: &mut Context<'_, '_>,
    item: &RequestItem<'_>,
) -> Result<Reply, Failure> {
    let payload = item.decode_payload()?;
    if !context.presented.allows(context.operation) {
        let message = "the ticket does not allow this operation";
        return Err(Failure::new(ResultReason::PermissionDenied, message));
    }
    let reply = match ops::serve(context, &payload).await {
        Err(ops::Error::Refused(Refused::BegunElsewhere { node })) => {
            Box::pin(passed::pass_on(context, &payload, node)).await.map_err(ops::Error::Failure)
        }
        reply => reply,
    };
    if let Err(ops::Error::Refused(Refused::Denied { .. })) = &reply {
        context.turn.tell_of_policy();
    }
    if reply.is_err() || tells_of_state(context.operation) {
        let held = context.turn.withdrawals_hold().await;
        held.map_err(|refused| Failure::of(&refused, context.version))?;
    } else {
        context.turn.tell_nothing();
    }
    reply.map_err(|failure| match failure {
        ops::Error::Failure(failure) => failure,
        ops::Error::Refused(refused) => Failure::of(&refused, context.version),
    })
}

/// Whether success tells what state an object is in, and thereby of a withdrawal (CONSISTENCY 3). A write has
/// passed its own barrier, and a key that is handed out or used tells of none.
const fn tells_of_state(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::GetAttributes
            | Operation::GetAttributeList
            | Operation::Locate
            | Operation::Check
            | Operation::ObtainLease
            | Operation::Validate
            | Operation::Export
    )
}

/// Writes the reply of one item; a key is derived into the buffer here, and nowhere else.
pub(crate) fn write(
    writer: &mut ResponseWriter<'_>,
    item: &RequestItem<'_>,
    version: Version,
    reply: &Reply,
) -> Result<Fit, Failure> {
    let operation = item.operation().unwrap_or(Operation::Query);
    let id = item.id.as_deref();
    Ok(match reply {
        Reply::Payload(payload) => writer.success(operation, id, payload),
        Reply::Key { uid, algorithm, bits, key } => writer
            .success_with(operation, id, |w| {
                write_symmetric(w, uid.as_str(), *algorithm, *bits, key.len(), |out| key.write(out))
            })
            .map_err(|refused| Failure::of(&refused, version))?,
        Reply::Stored { uid, object_type, material } => {
            let object = read_stored(material)?;
            let unique_identifier = UniqueIdentifier::from(uid.as_str());
            let object_type = *object_type;
            let payload =
                kmip::ops::get::Response { object_type, unique_identifier, object: Box::new(object) };
            writer.success(operation, id, &payload)
        }
        Reply::Exported { uid, object_type, attributes, material } => {
            let payload = kmip::ops::export::Response {
                object_type: *object_type,
                unique_identifier: UniqueIdentifier::from(uid.as_str()),
                attributes: attributes.clone(),
                object: Some(Box::new(read_stored(material)?)),
            };
            writer.success(operation, id, &payload)
        }
        Reply::Kept { operation, answer } => asynchronous::write_answer(writer, id, *operation, answer)?,
    })
}

/// Reads an object as it was registered.
pub(crate) fn read_stored(material: &[u8]) -> Result<ManagedObject<'_>, Failure> {
    use kmip::field::Decode as _;
    kmip::ttlv::Item::parse(material, &Limits::DEFAULT).and_then(ManagedObject::decode).map_err(|error| {
        tracing::error!(%error, "a registered object does not decode");
        Failure::of(&Refused::Internal { cause: "stored_object_does_not_decode" }, Version::V2_1)
    })
}

/// Answers every item with the same failure: the request was not served at all.
fn refuse_all(message: &RequestMessage<'_>, failure: &Failure, metrics: &Metrics, out: &mut Vec<u8>) {
    let header = ResponseHeader::new(message.header.version, crate::server::wall_s());
    let mut writer = ResponseWriter::new(out, &header, None);
    for item in &message.items {
        writer.failure(Some(item.operation_value), item.id.as_deref(), failure.reason, &failure.message);
        count(metrics, item, message.header.version, Some(failure));
    }
    writer.finish();
}

/// Counts one item.
pub(crate) fn count(metrics: &Metrics, item: &RequestItem<'_>, version: Version, failure: Option<&Failure>) {
    let labels = RequestLabels {
        operation: item.operation().map_or("unknown", Operation::name),
        result: failure.map_or("ok", |failure| failure.cause),
        version: label(version),
    };
    let row = usize::try_from(item.operation_value).unwrap_or(usize::MAX).saturating_mul(8);
    metrics.count(labels, row.saturating_add(version as usize));
}

const fn label(version: Version) -> &'static str {
    match version {
        Version::V1_0 => "1.0",
        Version::V1_1 => "1.1",
        Version::V1_2 => "1.2",
        Version::V1_3 => "1.3",
        Version::V1_4 => "1.4",
        Version::V2_0 => "2.0",
        Version::V2_1 => "2.1",
    }
}

/// The operation as the audit record names it.
pub(crate) fn audit_operation(item: &RequestItem<'_>) -> AuditOperation {
    AuditOperation {
        code: u16::try_from(item.operation_value).unwrap_or(u16::MAX),
        name: item.operation().map_or("unknown", Operation::name),
    }
}

/// The algorithm an identifier names; it was judged when the identifier was made.
pub(crate) fn algorithm_of(number: u8) -> Option<CryptographicAlgorithm> {
    CryptographicAlgorithm::from_value(number.into())
}
