//! Check: may the key be used so? (1.4, 4.10). What is not allowed is refused; a lease longer than the
//! server gives is answered with the one it gives.

use engine::Refused;
use kmip::ops::check::{Request, Response};
use kmip::{Attribute, Interval, ResponsePayload, ResultReason, UsageMask};

use super::{Context, Error, Reply, has_state};
use crate::attributes::read::{LEASE_TIME_S, attributes_of};
use crate::failure::Failure;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let checked = check(context, request).await;
    if checked.is_err() {
        // "The server empties the ID Placeholder" (1.4, 4.10): nothing that follows is about a key that may not be
        // used so.
        context.left.displace();
    }
    checked
}

async fn check(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    found.on_line()?;
    has_state(&found)?;
    if context.turn.state_of(&found).is_destroyed() {
        return Err(Refused::Destroyed.into());
    }
    if let Some(asked) = request.usage_mask {
        let allowed = attributes_of(&found, context.turn.now()).iter().find_map(mask).unwrap_or_default();
        if asked.0 & !allowed.0 != 0 {
            let message = "the key's Cryptographic Usage Mask does not allow all of that";
            return Err(Failure::new(ResultReason::IncompatibleCryptographicUsageMask, message).into());
        }
    }
    if let (Some(asked), Some(usage)) = (request.usage_limits_count, context.turn.usage_of(&found))
        && u64::try_from(asked).is_ok_and(|asked| asked > usage.left)
    {
        let message = "the key's usage limit does not leave that much";
        return Err(Failure::new(ResultReason::PermissionDenied, message).into());
    }
    let longer = request.lease_time.is_some_and(|asked| asked.0 > LEASE_TIME_S);
    Ok(Reply::Payload(ResponsePayload::Check(Response {
        unique_identifier: found.identifier().into(),
        usage_limits_count: None,
        usage_mask: None,
        lease_time: longer.then_some(Interval(LEASE_TIME_S)),
    })))
}

fn mask(attribute: &Attribute) -> Option<UsageMask> {
    match attribute {
        Attribute::CryptographicUsageMask(mask) => Some(*mask),
        _ => None,
    }
}
