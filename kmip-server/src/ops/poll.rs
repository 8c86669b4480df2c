//! Poll: the answer to a request that was made asynchronously (1.4, 4.28).

use engine::Refused;
use kmip::ops::poll::Request;
use kmip::{Operation, ResultReason, Version};
use model::ticket::{Purpose, Ticket};

use super::{Context, Error, Reply};
use crate::failure::Failure;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let ticket = find(context, &request.correlation_value).await?;
    let Purpose::Answer { operation, .. } = ticket.purpose else { return Err(unknown(context.version)) };
    let operation = Operation::from_value(operation).unwrap_or(Operation::Poll);
    let answer = context.turn.kept_answer(&ticket).await?;
    // Told once: whoever asks again has lost the answer like one that never came.
    context.turn.end_ticket(ticket.uid).await?;
    Ok(Reply::Kept { operation, answer })
}

/// The ticket a correlation value stands for.
pub async fn find(
    context: &mut Context<'_, '_>,
    correlation: &[u8],
) -> Result<std::sync::Arc<Ticket>, Error> {
    let name = std::str::from_utf8(correlation).map_err(|_| unknown(context.version))?;
    name.clone_into(&mut context.identifier);
    match context.turn.ticket(name).await {
        Err(Refused::NotFound { .. }) => Err(unknown(context.version)),
        found => Ok(found?),
    }
}

/// No version before 2.0 has a word of its own for it.
fn unknown(version: Version) -> Error {
    let reason = if version.is_v2() {
        ResultReason::InvalidAsynchronousCorrelationValue
    } else {
        ResultReason::ItemNotFound
    };
    Failure::new(reason, "no answer waits under this correlation value").into()
}
