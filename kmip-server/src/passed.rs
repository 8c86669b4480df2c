//! Parts of messages that another node began: passed on to it whole, and answered for other nodes.
//!
//! What a part leaves to its batch, its object and its data, is said in full first: the other node knows nothing of
//! the batch. Both nodes note the item in their audit logs; the work is charged where it is done.

use std::sync::{Arc, Weak};

use engine::{Answerer, Caller, Engine};
use futures::future::BoxFuture;
use kmip::message::{RequestHeader, ResponseItem};
use kmip::ops::{decrypt, encrypt, hash, mac, sign};
use kmip::ttlv::{DecodeError, Limits};
use kmip::{
    Bytes, Data, DataPlaceholder, Operation, RequestBuilder, RequestMessage, RequestPayload, ResponseMessage,
    ResultReason, ResultStatus, UniqueIdentifier,
};
use model::id::NodeId;
use zeroize::Zeroizing;

use crate::dispatch;
use crate::failure::Failure;
use crate::limits::{MESSAGE_BYTES_MAX, OWN_ANSWER};
use crate::ops::{Context, Reply};
use crate::server::Service;

/// Lets this node answer the parts that other nodes pass on. Call it on the runtime that serves clients.
pub fn answer_parts(service: &Arc<Service>) {
    engine::answer_parts(&service.engine, Arc::new(Door(Arc::downgrade(service))));
}

struct Door(Weak<Service>);

impl Answerer for Door {
    fn answer<'a>(
        &'a self,
        engine: &'a Engine,
        caller: &'a Caller,
        request: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, &'static str>> {
        Box::pin(async move {
            let service = self.0.upgrade().ok_or("this node stops")?;
            if !is_part(request) {
                return Err("only a part of a message is passed on from node to node");
            }
            let mut response = Vec::new();
            // The node that the client asked has counted the item against its tenant's quota.
            dispatch::answer(engine, caller, None, &service.metrics, request, &mut response).await;
            Ok(response)
        })
    }
}

/// Whether a request message is one item that goes on with a message.
fn is_part(request: &[u8]) -> bool {
    let Ok(message) = RequestMessage::decode(request, &Limits::DEFAULT) else { return false };
    let [item] = &message.items[..] else { return false };
    let Ok(mut payload) = item.decode_payload() else { return false };
    Fields::of(&mut payload).is_some_and(|fields| fields.correlation_value.is_some())
}

/// What the requests of all operations on messages in parts have.
struct Fields<'r, 'p> {
    /// Hash has no object.
    unique_identifier: Option<&'r mut Option<UniqueIdentifier<'p>>>,
    data: &'r mut Option<Data<'p>>,
    correlation_value: &'r Option<Bytes<'p>>,
}

impl<'r, 'p> Fields<'r, 'p> {
    /// `None` for an operation that knows no parts.
    fn of(payload: &'r mut RequestPayload<'p>) -> Option<Self> {
        use RequestPayload as P;
        let (object, data, correlation_value) = match payload {
            P::Encrypt(r) => (Some(&mut r.unique_identifier), &mut r.data, &r.correlation_value),
            P::Decrypt(r) => (Some(&mut r.unique_identifier), &mut r.data, &r.correlation_value),
            P::Sign(r) => (Some(&mut r.unique_identifier), &mut r.data, &r.correlation_value),
            P::SignatureVerify(r) => (Some(&mut r.unique_identifier), &mut r.data, &r.correlation_value),
            P::Mac(r) => (Some(&mut r.unique_identifier), &mut r.data, &r.correlation_value),
            P::MacVerify(r) => (Some(&mut r.unique_identifier), &mut r.data, &r.correlation_value),
            P::Hash(r) => (None, &mut r.data, &r.correlation_value),
            _ => return None,
        };
        Some(Self { unique_identifier: object, data, correlation_value })
    }
}

/// Has a part answered by the node that began its message.
pub async fn pass_on(
    context: &mut Context<'_, '_>,
    payload: &RequestPayload<'_>,
    node: NodeId,
) -> Result<Reply, Failure> {
    let request = request(context, payload)?;
    let answered = context.turn.pass_part(node, request).await;
    let answer = Zeroizing::new(answered.map_err(|refused| Failure::of(&refused, context.version))?);
    let unreadable = || Failure::new(ResultReason::GeneralFailure, "another node's answer cannot be read");
    let message = ResponseMessage::decode(&answer, &OWN_ANSWER).map_err(|_| unreadable())?;
    let item = message.items.first().ok_or_else(unreadable)?;
    if item.status != ResultStatus::Success {
        let reason = item.reason().unwrap_or(ResultReason::GeneralFailure);
        return Err(Failure {
            reason,
            message: item.message.as_deref().unwrap_or_default().to_owned().into(),
            cause: "refused_by_other_node",
            retryable: reason == ResultReason::GeneralFailure,
        });
    }
    if let Some((kind, output)) = output(context.operation, item).map_err(|_| unreadable())? {
        context.leave(kind, output.as_ref());
    }
    Ok(Reply::Kept { operation: context.operation, answer })
}

/// A message of the one item, which refers to nothing of its batch.
fn request(context: &Context<'_, '_>, payload: &RequestPayload<'_>) -> Result<Vec<u8>, Failure> {
    let mut whole = payload.clone();
    let fields = Fields::of(&mut whole).ok_or(Failure::invalid_field("the operation knows no parts"))?;
    if let Some(object) = fields.unique_identifier {
        *object = Some(context.identifier.as_str().into());
    }
    if let Some(Data::Placeholder(kind)) = fields.data {
        *fields.data = Some(Data::Bytes(context.output(*kind)?));
    }
    let mut out = Vec::new();
    let mut builder = RequestBuilder::new(&mut out, &RequestHeader::new(context.version));
    builder.item(context.operation, None, &whole);
    if builder.finish() > MESSAGE_BYTES_MAX {
        let message = "data of more than 1 MiB from an earlier item is worked on where its message was begun";
        return Err(Failure::invalid_field(message));
    }
    Ok(out)
}

/// What an answer leaves to later items of the batch.
fn output<'a>(
    operation: Operation,
    item: &ResponseItem<'a>,
) -> Result<Option<(DataPlaceholder, Option<Bytes<'a>>)>, DecodeError> {
    use DataPlaceholder as D;
    Ok(Some(match operation {
        Operation::Encrypt => (D::Encrypt, item.payload::<encrypt::Response<'_>>()?.data),
        Operation::Decrypt => (D::Decrypt, item.payload::<decrypt::Response<'_>>()?.data),
        Operation::Hash => (D::Hash, item.payload::<hash::Response<'_>>()?.data),
        Operation::Mac => (D::MacMacData, item.payload::<mac::Response<'_>>()?.mac_data),
        Operation::Sign => (D::SignSignatureData, item.payload::<sign::Response<'_>>()?.signature_data),
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmip::{Version, ops};

    fn message(payloads: &[RequestPayload<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut builder = RequestBuilder::new(&mut out, &RequestHeader::new(Version::V2_1));
        for (n, payload) in payloads.iter().enumerate() {
            let id = [u8::try_from(n).unwrap()];
            builder.item(payload.operation(), (payloads.len() > 1).then_some(&id), payload);
        }
        builder.finish();
        out
    }

    fn hash(correlation_value: Option<Bytes<'static>>) -> RequestPayload<'static> {
        RequestPayload::Hash(ops::hash::Request {
            cryptographic_parameters: None,
            data: None,
            correlation_value,
            init_indicator: None,
            final_indicator: None,
        })
    }

    #[test]
    fn nothing_but_one_part_is_answered_for_another_node() {
        let part = hash(Some(vec![7; 48].into()));
        assert!(is_part(&message(std::slice::from_ref(&part))));
        let get = RequestPayload::Get(ops::get::Request::default());
        for other in [&[get][..], &[hash(None)], &[part.clone(), part], &[]] {
            assert!(!is_part(&message(other)), "{other:?}");
        }
        assert!(!is_part(b"no message"));
    }
}
