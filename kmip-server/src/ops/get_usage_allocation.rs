//! Get Usage Allocation: takes from a key's usage limit, for a client that uses the key itself (1.4, 4.15).

use engine::Refused;
use kmip::ResponsePayload;
use kmip::ops::get_usage_allocation::{Request, Response};

use super::{Context, Error, Reply};
use crate::failure::Failure;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let found = context.find(request.unique_identifier.as_ref()).await?;
    if context.turn.state_of(&found).is_destroyed() {
        return Err(Refused::Destroyed.into());
    }
    let amount = u64::try_from(request.usage_limits_count)
        .map_err(|_| Failure::invalid_field("the Usage Limits Count is negative"))?;
    if found.object.usage.is_some() {
        context.turn.take_usage(&found, amount).await?;
    }
    let unique_identifier = found.identifier().into();
    Ok(Reply::Payload(ResponsePayload::GetUsageAllocation(Response { unique_identifier })))
}
