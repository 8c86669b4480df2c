//! Get Usage Allocation: takes from a key's usage limit, for a client that uses the key itself (1.4, 4.18).
//! Only of a key that may protect now; one without a limit has nothing to allocate.

use engine::Use;
use kmip::ops::get_usage_allocation::{Request, Response};
use kmip::{ResponsePayload, ResultReason};

use super::{Context, Error, Reply, has_state};
use crate::failure::Failure;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    has_state(&found)?;
    context.turn.may_use(&found, Use::Protect)?;
    let amount = u64::try_from(request.usage_limits_count)
        .map_err(|_| Failure::invalid_field("the Usage Limits Count is negative"))?;
    if found.object.usage.is_none() {
        // "[...] has no Usage Limits attribute [...], then the server SHALL return an error" (1.4, 4.18).
        let reason = if context.version.is_v2() {
            ResultReason::AttributeNotFound
        } else {
            ResultReason::IllegalOperation
        };
        return Err(Failure::new(reason, "the object has no Usage Limits to allocate from").into());
    }
    context.turn.take_usage(&found, amount).await?;
    let unique_identifier = found.identifier().into();
    Ok(Reply::Payload(ResponsePayload::GetUsageAllocation(Response { unique_identifier })))
}
