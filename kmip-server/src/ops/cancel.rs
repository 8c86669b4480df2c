//! Cancel: gives up the answer to an asynchronous request (1.4, 4.27). The request itself was done at once:
//! of one that only read nothing remains, any other is completed and told as such.

use kmip::ops::cancel::{Request, Response};
use kmip::{CancellationResult, ResponsePayload};
use model::ticket::Purpose;

use super::{Context, Error, Reply, poll};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let ticket = poll::find(context, &request.correlation_value).await?;
    let cancellation_result = if matches!(ticket.purpose, Purpose::Answer { read_only: true, .. }) {
        context.turn.end_ticket(ticket.uid).await?;
        CancellationResult::Canceled
    } else {
        CancellationResult::Completed
    };
    let correlation_value = request.correlation_value.to_vec().into();
    Ok(Reply::Payload(ResponsePayload::Cancel(Response { correlation_value, cancellation_result })))
}
